// SPDX-License-Identifier: MIT
#include "os/node_set.h"

namespace fastalloc
{
namespace
{

// Reads a node's number and goes on behind it. node_limit if there is none, or none that can be.
unsigned take_node(const char **at, const char *end)
{
    unsigned node = node_limit;
    for (; *at != end && **at >= '0' && **at <= '9'; ++*at)
    {
        const unsigned digit = static_cast<unsigned>(**at - '0');
        node = node == node_limit ? digit : node * 10 + digit;
        if (node >= node_limit)
            return node_limit;
    }
    return node;
}

} // namespace

bool parse_nodes(const char *first, size_t count, char separator, NodeSet *nodes)
{
    const char *const end = first + count;
    *nodes = {};
    for (;; ++first)
    {
        const unsigned from = take_node(&first, end);
        unsigned to = from;
        if (first != end && *first == '-')
        {
            ++first;
            to = take_node(&first, end);
        }
        if (from == node_limit || to == node_limit || from > to)
            return false;
        for (unsigned node = from; node <= to; ++node)
            nodes->add(node);
        if (first == end || *first != separator)
            return first == end;
    }
}

void format_nodes(Text &text, const NodeSet &nodes, char separator)
{
    const char between[] = {separator, 0};
    const char *before = "";
    for (unsigned node = nodes.next(0); node < node_limit;)
    {
        unsigned last = node;
        while (nodes.has(last + 1))
            ++last;
        text.text(before).decimal(node);
        if (last != node)
            text.text("-").decimal(last);
        before = between;
        node = nodes.next(last + 1);
    }
}

} // namespace fastalloc
