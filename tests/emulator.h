// SPDX-License-Identifier: MIT
//
// emulator.h - what the emulator of another processor adds to a test. C and C++.
#ifndef TESTS_EMULATOR_H
#define TESTS_EMULATOR_H

#include <string.h>

// qemu ends what a program has written to standard error with a line of its own where a signal ends the program.
static inline void remove_emulators_line(char *text)
{
    char *line = strstr(text, "qemu: uncaught target signal ");
    if (line != NULL)
        *line = 0;
}

#endif // TESTS_EMULATOR_H
