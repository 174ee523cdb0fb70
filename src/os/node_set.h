// SPDX-License-Identifier: MIT
//
// NodeSet: a set of memory nodes, by the numbers the kernel gives them: sparse, up to node_limit.
//
// A value; no state, no locks.
#pragma once

#include "base/text.h"

#include <cstddef>
#include <cstdint>

namespace fastalloc
{

using Node = uint16_t;
constexpr unsigned node_limit = 1024;

struct NodeSet
{
    static constexpr unsigned word_bits = 64;
    uint64_t words[node_limit / word_bits]; // as the kernel's calls take them

    constexpr bool has(unsigned node) const
    {
        return node < node_limit && (words[node / word_bits] >> (node % word_bits) & 1) != 0;
    }

    // Requires: node < node_limit.
    constexpr void add(unsigned node)
    {
        words[node / word_bits] |= uint64_t{1} << (node % word_bits);
    }

    // The least node of the set that is not below `node`; node_limit if there is none.
    constexpr unsigned next(unsigned node) const
    {
        while (node < node_limit && !has(node))
            ++node;
        return node;
    }

    constexpr unsigned count() const
    {
        unsigned nodes = 0;
        for (const uint64_t word : words)
            nodes += static_cast<unsigned>(__builtin_popcountll(word));
        return nodes;
    }

    constexpr NodeSet operator&(const NodeSet &other) const
    {
        NodeSet both = *this;
        for (unsigned word = 0; word < node_limit / word_bits; ++word)
            both.words[word] &= other.words[word];
        return both;
    }

    bool operator==(const NodeSet &) const = default;
};

// Reads numbers and ranges, as "0-1,3" with `separator` for the comma, up to `count` characters. False if that is
// malformed, names a node beyond the limit, or nothing: then *nodes is unspecified.
bool parse_nodes(const char *first, size_t count, char separator, NodeSet *nodes);

// The same, written.
void format_nodes(Text &text, const NodeSet &nodes, char separator);

} // namespace fastalloc
