// SPDX-License-Identifier: MIT
//
// filter.h - seccomp filters put together call by call, without libseccomp: rows of rules, of which the first that
// fits counts, and what becomes of a call that fits none. Only the low half of an argument is looked at.
#ifndef TESTS_FILTER_H
#define TESTS_FILTER_H

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define FILTER_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define FILTER_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

enum
{
    any_argument = -1,
    filter_rules_max = 200
};

// A call fits if it has this number and, unless `argument` is any_argument, argument & ~allowed_bits == value there.
struct filter_rule
{
    long number;
    int argument;
    uint32_t allowed_bits;
    uint32_t value;
    uint32_t action;
};

#define CALL(name, action)                                                                                             \
    {                                                                                                                  \
        SYS_##name, any_argument, 0, 0, action                                                                         \
    }
#define CALL_WITH(name, argument, value, action)                                                                       \
    {                                                                                                                  \
        SYS_##name, argument, 0, value, action                                                                         \
    }
#define CALL_WITHIN(name, argument, bits, action)                                                                      \
    {                                                                                                                  \
        SYS_##name, argument, bits, 0, action                                                                          \
    }

// Lays the filter on this thread and all it starts, exec included. 0, or -1 with an errno.
static inline int install_filter(const struct filter_rule *rules, size_t count, uint32_t otherwise)
{
    static struct sock_filter code[4 + 6 * filter_rules_max];
    unsigned short length = 0;
    if (count > filter_rules_max)
        return -1;
#define PUT(...) code[length++] = (struct sock_filter)__VA_ARGS__
    PUT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)));
    PUT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FILTER_ARCHITECTURE, 1, 0));
    PUT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
    for (size_t index = 0; index < count; index++)
    {
        const struct filter_rule *rule = &rules[index];
        const int plain = rule->argument == any_argument;
        PUT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
        PUT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)rule->number, 0, plain ? 1 : 4));
        if (!plain)
        {
            PUT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                         (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (size_t)rule->argument)));
            PUT(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~rule->allowed_bits));
            PUT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, rule->value, 0, 1));
        }
        PUT(BPF_STMT(BPF_RET | BPF_K, rule->action));
    }
    PUT(BPF_STMT(BPF_RET | BPF_K, otherwise));
#undef PUT
    struct sock_fprog program = {length, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

#endif // TESTS_FILTER_H
