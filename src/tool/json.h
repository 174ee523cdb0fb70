// SPDX-License-Identifier: MIT
//
// Json: one JSON text on standard output, for scripts.
//
//     Json json;
//     json.begin_object();
//     json.key("node").number(0);
//     json.end();
//
// Members and elements get a line each, but for those of a list that is begun as Form::line. What stdio could not
// write main() says.
//
// One thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace fastalloc::tool
{

class Json
{
public:
    enum class Form
    {
        lines,
        line,
    };

    Json &begin_object(Form form = Form::lines);
    Json &begin_list(Form form = Form::lines);

    // Ends what was begun last; the outermost with a newline.
    Json &end();

    // Requires: within an object; a value follows, or what is begun.
    Json &key(std::string_view name);

    // Bytes that are not UTF-8 come out as U+FFFD.
    Json &text(std::string_view value);
    Json &number(uint64_t value);
    Json &signed_number(int64_t value);
    Json &boolean(bool value);
    Json &null();

private:
    struct Level
    {
        char end;
        Form form;
        bool is_empty;
    };

    Json &begin(char begin, char end, Form form);
    void separate();
    void quote(std::string_view value);

    std::vector<Level> levels_;
    bool has_key_ = false;
};

} // namespace fastalloc::tool
