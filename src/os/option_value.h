// SPDX-License-Identifier: MIT
//
// option_value.h - reading and writing the values of settings, one function pair per kind
//
// What the table's kinds mean in characters. Reading works on the bytes of whoever gave them and copies nothing; a
// number that does not fit 64 bits is malformed, not wrapped. What is written is read back as the same value, for
// every kind and every value within 64 bits (tested).
//
// No state, no locks; any thread.
#pragma once

#include "base/text.h"
#include "os/options.h"

#include <cstddef>
#include <cstdint>

namespace fastalloc
{

// Characters that belong to somebody else; they end where `count` says, not at a 0.
struct Slice
{
    const char *first;
    size_t count;

    bool equals(const char *string, size_t string_count) const;

    // Whether these are the characters of the string up to its 0.
    bool equals(const char *string) const;

    // The characters in front of the first `separator`, which are removed together with it; all of them
    // if there is none.
    Slice take_until(char separator);

    // Reads decimal digits and removes them. Returns how many there were, 0 also where the number does not
    // fit: to all callers both mean malformed.
    size_t take_number(uint64_t *value);
};

// Stores the value `text` stands for in a setting of that option's kind, and the nodes that follow it in *nodes.
// Returns false, with both unspecified, if it is malformed. The range is the caller's to look at.
bool parse_value(const Option &option, Slice text, uint64_t *value, NodeSet *nodes);

// Adds the value as parse_value reads it. Requires: of a choice, that the value is one of its words' places.
void format_value(Text &text, const Option &option, uint64_t value, const NodeSet &nodes = {});

} // namespace fastalloc
