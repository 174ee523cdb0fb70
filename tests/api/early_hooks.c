// SPDX-License-Identifier: MIT
//
// early_hooks.c - hooks that come before the settings were read, by a preloaded library that is not linked with the
// allocator, do no harm to what the settings ask for: started with check=on, and the library preloaded.
#include <dlfcn.h>

#include "../support.h"

static void calls_are_told_and_checked(void **state)
{
    (void)state;
    void *blocks[2000];
    volatile unsigned long *told = dlsym(RTLD_DEFAULT, "early_hooks_told");
    assert_non_null(told);
    const unsigned long before = *told;
    for (int round = 0; round < 5; round++)
    {
        for (int index = 0; index < 2000; index++)
            blocks[index] = malloc(64);
        for (int index = 0; index < 2000; index++)
            free(blocks[index]);
    }
    assert_true(*told >= before + 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_told_and_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
