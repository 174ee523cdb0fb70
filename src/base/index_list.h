// SPDX-License-Identifier: MIT
//
// index_list.h - a list of records that have numbers, linked both ways by number
//
// A record has `next` and `previous`, which are no_index at the ends. The list is named by the number of its first
// record plus one, so that zeroed memory is an empty list. `at` finds a record by its number. Whoever owns the records
// sees to it that one thread at a time changes a list.
#pragma once

#include <cstdint>

namespace fastalloc
{

constexpr uint32_t no_index = ~uint32_t{0};

// In front of all others.
template <typename At>
void enter_list(uint32_t *first_plus_one, uint32_t number, At at)
{
    auto *const record = at(number);
    record->previous = no_index;
    record->next = *first_plus_one - 1; // no_index if the list is empty
    if (record->next != no_index)
        at(record->next)->previous = number;
    *first_plus_one = number + 1;
}

template <typename At>
void leave_list(uint32_t *first_plus_one, uint32_t number, At at)
{
    auto *const record = at(number);
    if (record->previous != no_index)
        at(record->previous)->next = record->next;
    else
        *first_plus_one = record->next + 1;
    if (record->next != no_index)
        at(record->next)->previous = record->previous;
}

// Behind all others; a list that is used so, as a queue, has the number of its last record plus one as well.
template <typename At>
void enter_queue(uint32_t *first_plus_one, uint32_t *last_plus_one, uint32_t number, At at)
{
    auto *const record = at(number);
    record->next = no_index;
    record->previous = *last_plus_one - 1;
    if (record->previous != no_index)
        at(record->previous)->next = number;
    else
        *first_plus_one = number + 1;
    *last_plus_one = number + 1;
}

template <typename At>
void leave_queue(uint32_t *first_plus_one, uint32_t *last_plus_one, uint32_t number, At at)
{
    if (at(number)->next == no_index)
        *last_plus_one = at(number)->previous + 1;
    leave_list(first_plus_one, number, at);
}

} // namespace fastalloc
