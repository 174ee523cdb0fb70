// SPDX-License-Identifier: MIT
//
// settings.h - for tests of fastalloc_option_set and fastalloc_option_get. Include after support.h and children.h.
#ifndef TESTS_API_SETTINGS_H
#define TESTS_API_SETTINGS_H

static inline int has_value(const char *name, const char *wanted)
{
    char value[64] = "";
    const int length = fastalloc_option_get(name, value, sizeof value);
    return length == (int)strlen(wanted) && strcmp(value, wanted) == 0;
}

static inline int is_set(const char *name, const char *value)
{
    return fastalloc_option_set(name, value) == 0;
}

static inline int is_refused(const char *name, const char *value, int reason)
{
    errno = 0;
    return fastalloc_option_set(name, value) == -1 && errno == reason;
}

static inline void run_with(struct finished_program *finished, const char *mode, const char *settings)
{
    setenv("FASTALLOC_CONF", settings, 1);
    run_self(finished, mode, NULL, NULL);
    unsetenv("FASTALLOC_CONF");
}

#endif // TESTS_API_SETTINGS_H
