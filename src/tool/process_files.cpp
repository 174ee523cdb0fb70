// SPDX-License-Identifier: MIT
#include "tool/process_files.h"

#include <fstream>
#include <sstream>

namespace fastalloc::tool
{

std::string path_of(int process, const std::string &file)
{
    return "/proc/" + std::to_string(process) + "/" + file;
}

std::string contents_of(const std::string &path)
{
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string field_of(const std::string &text, const std::string &key)
{
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
        if (line.compare(0, key.size() + 1, key + ":") == 0)
        {
            const size_t begin = line.find_first_not_of(" \t", key.size() + 1);
            return begin == std::string::npos ? "" : line.substr(begin);
        }
    return "";
}

} // namespace fastalloc::tool
