// SPDX-License-Identifier: MIT
#include "tool/svg.h"

#include <cstdio>

namespace fastalloc::tool
{
namespace
{

// With the one digit behind the point that a screen can show.
std::string number(double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.1f", value);
    return text;
}

std::string attribute(const char *name, std::string_view value)
{
    return std::string(" ").append(name).append("=\"").append(value).append("\"");
}

} // namespace

// Characters that XML has no place for, and bytes that may be no UTF-8, become question marks.
std::string Svg::escaped(std::string_view text)
{
    std::string safe;
    for (const char character : text)
    {
        const auto code = static_cast<unsigned char>(character);
        if (character == '<')
            safe += "&lt;";
        else if (character == '>')
            safe += "&gt;";
        else if (character == '&')
            safe += "&amp;";
        else if (character == '"')
            safe += "&quot;";
        else
            safe += code < 0x20 || code >= 0x7f ? '?' : character;
    }
    return safe;
}

void Svg::rectangle(const Box &box, const char *fill, const char *stroke)
{
    body_ += "<rect" + attribute("x", number(box.x)) + attribute("y", number(box.y)) +
             attribute("width", number(box.width)) + attribute("height", number(box.height)) + attribute("fill", fill);
    if (std::string_view(stroke) != "none")
        body_ += attribute("stroke", stroke);
    body_ += "/>\n";
}

void Svg::begin_group(std::string_view says)
{
    body_ += "<g><title>" + escaped(says) + "</title>\n";
}

void Svg::end_group()
{
    body_ += "</g>\n";
}

void Svg::text(double x, double y, unsigned size, Weight weight, std::string_view words)
{
    body_ +=
        "<text" + attribute("x", number(x)) + attribute("y", number(y)) + attribute("font-size", std::to_string(size));
    if (weight == Weight::bold)
        body_ += attribute("font-weight", "bold");
    body_ += ">" + escaped(words) + "</text>\n";
}

std::string Svg::document(unsigned width, unsigned height, std::string_view title) const
{
    const std::string size = std::to_string(width) + " " + std::to_string(height);
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"" +
           attribute("width", std::to_string(width)) + attribute("height", std::to_string(height)) +
           attribute("viewBox", "0 0 " + size) + " font-family=\"sans-serif\" fill=\"#1f2933\">\n<title>" +
           escaped(title) + "</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n" + body_ + "</svg>\n";
}

} // namespace fastalloc::tool
