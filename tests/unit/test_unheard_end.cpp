// SPDX-License-Identifier: MIT
//
// Claims about arena/registry.h where pthread_setspecific fails, as it does for keys above 31 when memory is short:
// nobody tells when such a thread ends, so it must not leave its words in the registry.
#include <atomic>
#include <cerrno>
#include <pthread.h>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

std::atomic<bool> value_refused{false};

} // namespace

// The linker's names for the function under test's own call, and for libc's (--wrap).
extern "C" int __real_pthread_setspecific(pthread_key_t key, const void *value);
extern "C" int __wrap_pthread_setspecific(pthread_key_t key, const void *value);

extern "C" int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
    return value_refused ? ENOMEM : __real_pthread_setspecific(key, value);
}

namespace
{

void a_thread_whose_end_nobody_would_tell_gives_its_arena_back(void **)
{
    assert_alone([] {
        allocate_block(1);
        Arena *got = nullptr;
        in_thread([&] {
            value_refused = true;
            void *const block = allocate_block(100);
            value_refused = false;
            require(block != nullptr && thread_words.self == nullptr);
            require(thread_words.malloc_arena == &ending_arena && thread_words.free_arena == &ending_arena);
            got = owner_of(block);
            release_block(block);
            require(allocate_block(100) != nullptr && thread_words.self == nullptr);
        });
        require(got->is_common);
        for (Arena *arena = registry.first(); arena != nullptr; arena = arena->next_arena)
            require(arena->words == nullptr || arena->words == &thread_words);
        require(registry.detached_count() == 1);
        registry.ask_all_to_flush();
        require_whole_heap();
    });
}

// Its words last as long as the process.
void the_main_thread_keeps_its_arena(void **)
{
    assert_alone([] {
        value_refused = true;
        allocate_block(1);
        require(thread_words.self != nullptr && thread_words.malloc_arena == thread_words.self);
        require_whole_heap();
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_whose_end_nobody_would_tell_gives_its_arena_back),
        cmocka_unit_test(the_main_thread_keeps_its_arena),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
