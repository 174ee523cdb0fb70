// SPDX-License-Identifier: MIT
//
// Claims about watch/forwarding.h, with a malloc that is made up: whatever is asked goes there, and the window stays
// unused. What Valgrind and sanitizers make of it: tests/valgrind.
#include "watch/forwarding.h"

#include <cerrno>
#include <malloc.h>
#include <string>
#include <thread>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

std::string calls;

constexpr OtherMalloc made_up{
    .malloc = [](size_t size) { return calls += "malloc ", malloc(size); },
    .calloc = [](size_t count, size_t size) { return calls += "calloc ", calloc(count, size); },
    .realloc = [](void *block, size_t size) { return calls += "realloc ", realloc(block, size); },
    .memalign = [](size_t alignment, size_t size) { return calls += "memalign ", memalign(alignment, size); },
    .free =
        [](void *block) {
    calls += "free ";
    free(block);
    },
    .usable_size = [](void *block) { return calls += "usable_size ", malloc_usable_size(block); },
    };

// In a child, with calls forwarded from the first one on.
template <typename Claims>
void assert_forwarded(Claims claims)
{
    assert_alone([=] {
        require(forwarding_view() == nullptr);
        calls.reserve(kibibyte);
        forward_to(made_up, Complaints::none);
        require(forwarding_view() != nullptr);
        claims();
        require(window.regions() == 0 && thread_words.self == nullptr && registry.first() == nullptr);
    });
}

void each_call_goes_to_the_function_of_its_kind(void **)
{
    assert_forwarded([] {
        void *block = allocate(40, default_alignment, Call::malloc).block;
        require(calls == "malloc ");
        require(usable_size(Call::malloc_usable_size, block) >= 40);
        require(calls == "malloc usable_size ");
        block = reallocate(block, 50000);
        require(calls == "malloc usable_size realloc ");
        release(block, Call::free);
        require(calls == "malloc usable_size realloc free ");
        calls.clear();
        release(allocate(10, 16, Call::new_single).block, Call::delete_single);
        release(allocate_on(0, 10).block, Call::free);
        release(allocate_aligned(10, 64, Call::aligned_alloc), Call::free);
        require(calls == "malloc free malloc free memalign free ");
    });
}

void calloc_is_zero_without_our_doing(void **)
{
    assert_forwarded([] {
        const Allocation allocation = allocate(1000, default_alignment, Call::calloc);
        require(allocation.zeroed && calls == "calloc ");
        for (size_t offset = 0; offset < 1000; offset++)
            require(static_cast<char *>(allocation.block)[offset] == 0);
        release(allocation.block, Call::free);
    });
}

void what_no_malloc_can_give_is_not_asked_for(void **)
{
    assert_forwarded([] {
        require(allocate(size_max + 1, default_alignment, Call::malloc).block == nullptr);
        require(allocate_aligned(8, 32 * mebibyte, Call::memalign) == nullptr && errno == ENOMEM);
        void *const block = allocate(40, default_alignment, Call::malloc).block;
        errno = 0;
        require(reallocate(block, size_max + 1) == nullptr && errno == ENOMEM);
        require(calls == "malloc ");
        release(block, Call::free);
    });
}

void other_threads_are_forwarded_too(void **)
{
    assert_forwarded([] {
        std::thread([] {
            void *const block = allocate(40, default_alignment, Call::malloc).block;
            release(block, Call::free);
            require(thread_words.self == nullptr);
        }).join();
        require(calls == "malloc free ");
    });
}

void what_is_asked_about_the_heap_finds_it_empty(void **)
{
    assert_forwarded([] {
        void *const block = allocate(40, default_alignment, Call::malloc).block;
        char bytes[100];
        Text report(bytes, sizeof bytes);
        require(check_heap(&report) == HeapState::whole);
        release(block, Call::free);
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(each_call_goes_to_the_function_of_its_kind),
        cmocka_unit_test(calloc_is_zero_without_our_doing),
        cmocka_unit_test(what_no_malloc_can_give_is_not_asked_for),
        cmocka_unit_test(other_threads_are_forwarded_too),
        cmocka_unit_test(what_is_asked_about_the_heap_finds_it_empty),
    };
    return cmocka_run_group_tests_name("forwarding", tests, nullptr, nullptr);
}
