// SPDX-License-Identifier: MIT
//
// Svg: a drawing of rectangles and texts as a file of XML (Scalable Vector Graphics 1.1). Coordinates are pixels from the
// upper left corner.
//
// One thread, the one that owns it.
#pragma once

#include <string>
#include <string_view>

namespace fastalloc::tool
{

class Svg
{
public:
    struct Box
    {
        double x, y, width, height;
    };

    void rectangle(const Box &box, const char *fill, const char *stroke = "none");

    // What is drawn until end_group() is one thing, which says this when it is pointed at.
    void begin_group(std::string_view says);
    void end_group();

    enum class Weight
    {
        normal,
        bold,
    };
    void text(double x, double y, unsigned size, Weight weight, std::string_view words);

    // All of it, on white. The title is what viewers name it by.
    std::string document(unsigned width, unsigned height, std::string_view title) const;

private:
    static std::string escaped(std::string_view text);

    std::string body_;
};

} // namespace fastalloc::tool
