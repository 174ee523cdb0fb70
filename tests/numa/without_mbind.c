// SPDX-License-Identifier: MIT
//
// without_mbind.c - a library to preload: no mbind reaches the kernel, and its caller is told that it did. For the
// control that the tests of placement see the difference.
#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>

long syscall(long number, ...)
{
    va_list arguments;
    long words[6];
    va_start(arguments, number);
    for (int word = 0; word < 6; word++)
        words[word] = va_arg(arguments, long);
    va_end(arguments);
    if (number == SYS_mbind)
        return 0;
    long result;
    register long fourth __asm__("r10") = words[3];
    register long fifth __asm__("r8") = words[4];
    register long sixth __asm__("r9") = words[5];
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(words[0]), "S"(words[1]), "d"(words[2]), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory");
    if (result >= 0 || result < -4095)
        return result;
    errno = (int)-result;
    return -1;
}
