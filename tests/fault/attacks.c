// SPDX-License-Identifier: MIT
//
// attacks.c - one attack a run: `attacks NAME` tries it and says by its status how it ended, unless the allocator ends
// the process. `attacks` lists the names.
#include "attacks.h"

#include <stdio.h>

static const struct attack *const groups[] = {attacks_by_free, attacks_by_write, attacks_on_bins};

int main(int count, char **arguments)
{
    for (size_t group = 0; group < sizeof groups / sizeof *groups; group++)
        for (const struct attack *attack = groups[group]; attack->name != NULL; attack++)
            if (count < 2)
                puts(attack->name);
            else if (strcmp(arguments[1], attack->name) == 0)
                // What a broken heap does at exit is not the question any more.
                _Exit(attack->reaches_goal() ? ended_at_goal : ended_short_of_goal);
    return count < 2 ? 0 : 2;
}
