// SPDX-License-Identifier: MIT
#include "tool/words.h"

#include <string>

namespace fastalloc::tool
{

WordReader::WordReader(Words words, Operands operands) : rest_(words), order_(operands)
{
}

bool WordReader::next()
{
    if (value_ != nullptr)
        throw UsageFailure(std::string(name_) + " has no value");
    while (!rest_.empty())
    {
        const std::string_view word = rest_[0];
        const bool ends_options = word == "--";
        if (!ends_options && word.size() > 1 && word[0] == '-')
        {
            const size_t equals = word.find('=');
            name_ = word.substr(0, equals);
            value_ = equals == word.npos ? nullptr : word.data() + equals + 1;
            rest_ = rest_.subspan(1);
            return true;
        }
        if (ends_options)
            rest_ = rest_.subspan(1);
        const size_t count = ends_options || order_ == Operands::end_options ? rest_.size() : 1;
        operands_.insert(operands_.end(), rest_.begin(), rest_.begin() + static_cast<ptrdiff_t>(count));
        rest_ = rest_.subspan(count);
    }
    return false;
}

bool WordReader::is(std::string_view name) const
{
    return name_ == name;
}

const char *WordReader::value()
{
    if (const char *const given = value_if_any(); given != nullptr)
        return given;
    if (rest_.empty())
        throw UsageFailure(std::string(name_) + " wants a value");
    const char *const word = rest_[0];
    rest_ = rest_.subspan(1);
    return word;
}

const char *WordReader::value_if_any()
{
    const char *const given = value_;
    value_ = nullptr;
    return given;
}

void WordReader::refuse() const
{
    throw UsageFailure("there is no option " + std::string(name_));
}

bool WordReader::asks_for_json()
{
    bool asked = false;
    while (next())
    {
        if (!is("--json"))
            refuse();
        asked = true;
    }
    return asked;
}

const std::vector<const char *> &WordReader::operands() const
{
    return operands_;
}

std::vector<const char *> operands_of(const WordReader &reader, std::initializer_list<const char *> names)
{
    const std::vector<const char *> &operands = reader.operands();
    if (operands.size() < names.size())
        throw UsageFailure(std::string(names.begin()[operands.size()]) + " is missing");
    if (operands.size() > names.size())
        throw UsageFailure(std::string("it is not known what to do with ") + operands[names.size()]);
    return operands;
}

} // namespace fastalloc::tool
