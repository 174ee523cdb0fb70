// SPDX-License-Identifier: MIT
//
// operators.cpp - the twenty operators new and delete, what they do without memory, and the library they serve.
#include <map>
#include <memory>
#include <new>
#include <string>
#include <sys/resource.h>
#include <vector>

#include "../support.h"

namespace
{

// Above PTRDIFF_MAX, and below it but above any address space.
constexpr size_t absurd_sizes[] = {SIZE_MAX - 100, static_cast<size_t>(PTRDIFF_MAX), size_t{1} << 47};

void assert_serves(void *block, size_t alignment, size_t size)
{
    assert_non_null(block);
    assert_true(is_aligned(block, alignment));
    assert_true(malloc_usable_size(block) >= size);
    fill_block(block, malloc_usable_size(block), size);
}

void all_plain_forms_round_trip(void **)
{
    for (size_t size = 0; size <= 70000; size += size / 50 + 1)
    {
        void *block = ::operator new(opaque_size(size));
        assert_serves(block, alignment_due(size), size);
        ::operator delete(block);
        block = ::operator new(opaque_size(size), std::nothrow);
        assert_serves(block, alignment_due(size), size);
        ::operator delete(block, std::nothrow);
        block = ::operator new[](opaque_size(size));
        assert_serves(block, alignment_due(size), size);
        ::operator delete[](block);
        block = ::operator new[](opaque_size(size), std::nothrow);
        assert_serves(block, alignment_due(size), size);
        ::operator delete[](block, std::nothrow);
        ::operator delete(::operator new(size), size);
        ::operator delete[](::operator new[](size), size);
    }
}

void all_aligned_forms_round_trip(void **)
{
    for (size_t alignment : {size_t{16}, size_t{64}, size_t{4096}, size_t{2} << 20})
    {
        const auto align = static_cast<std::align_val_t>(alignment);
        for (size_t size = 0; size <= 300000; size += size / 5 + 1)
        {
            void *block = ::operator new(opaque_size(size), align);
            assert_serves(block, alignment, size);
            ::operator delete(block, align);
            block = ::operator new(opaque_size(size), align, std::nothrow);
            assert_serves(block, alignment, size);
            ::operator delete(block, align, std::nothrow);
            block = ::operator new[](opaque_size(size), align);
            assert_serves(block, alignment, size);
            ::operator delete[](block, align);
            block = ::operator new[](opaque_size(size), align, std::nothrow);
            assert_serves(block, alignment, size);
            ::operator delete[](block, align, std::nothrow);
            ::operator delete(::operator new(size, align), size, align);
            ::operator delete[](::operator new[](size, align), size, align);
        }
    }
}

void sized_deletes_accept_every_size(void **)
{
    for (size_t size = 0; size <= 65536; size++)
        ::operator delete(::operator new(opaque_size(size)), size);
    for (size_t size = 0; size <= 65536; size += 3)
    {
        ::operator delete (::operator new (size, std::align_val_t{64}), size, std::align_val_t{64});
        ::operator delete (::operator new (size, std::align_val_t{4096}), size, std::align_val_t{4096});
    }
    assert_heap_is_whole();
}

void delete_of_null_does_nothing(void **)
{
    ::operator delete(opaque_block(nullptr));
    ::operator delete[](opaque_block(nullptr));
    ::operator delete(opaque_block(nullptr), std::nothrow);
    ::operator delete[](opaque_block(nullptr), std::nothrow);
    ::operator delete (opaque_block(nullptr), size_t{10});
    ::operator delete[](opaque_block(nullptr), size_t{10});
    ::operator delete (opaque_block(nullptr), std::align_val_t{64});
    ::operator delete[](opaque_block(nullptr), std::align_val_t{64});
    ::operator delete (opaque_block(nullptr), std::align_val_t{64}, std::nothrow);
    ::operator delete[](opaque_block(nullptr), std::align_val_t{64}, std::nothrow);
    ::operator delete (opaque_block(nullptr), size_t{10}, std::align_val_t{64});
    ::operator delete[](opaque_block(nullptr), size_t{10}, std::align_val_t{64});
}

void blocks_of_size_zero_are_unique(void **)
{
    void *first = ::operator new(opaque_size(0));
    void *second = ::operator new[](opaque_size(0));
    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    ::operator delete(first);
    ::operator delete[](second);
}

template <typename Allocate>
bool throws_bad_alloc(Allocate allocate)
{
    try
    {
        opaque_block(allocate());
    }
    catch (const std::bad_alloc &)
    {
        return true;
    }
    return false;
}

void absurd_sizes_throw_bad_alloc(void **)
{
    for (size_t absurd : absurd_sizes)
    {
        const size_t size = opaque_size(absurd);
        assert_true(throws_bad_alloc([=] { return ::operator new(size); }));
        assert_true(throws_bad_alloc([=] { return ::operator new[](size); }));
        assert_true(throws_bad_alloc([=] { return ::operator new (size, std::align_val_t{64}); }));
        assert_true(throws_bad_alloc([=] { return ::operator new[](size, std::align_val_t{4096}); }));
    }
}

void nothrow_forms_return_null(void **)
{
    for (size_t absurd : absurd_sizes)
    {
        const size_t size = opaque_size(absurd);
        assert_null(::operator new(size, std::nothrow));
        assert_null(::operator new[](size, std::nothrow));
        assert_null(::operator new (size, std::align_val_t{64}, std::nothrow));
        assert_null(::operator new[](size, std::align_val_t{4096}, std::nothrow));
    }
}

struct Crowded : std::bad_alloc
{
};

int handler_calls;

void count_and_give_up()
{
    if (++handler_calls == 3)
        std::set_new_handler(nullptr);
}

void count_and_throw()
{
    handler_calls++;
    throw Crowded();
}

void new_handler_is_called_until_it_is_taken_away(void **)
{
    handler_calls = 0;
    std::set_new_handler(count_and_give_up);
    assert_true(throws_bad_alloc([] { return ::operator new(opaque_size(SIZE_MAX / 2)); }));
    assert_int_equal(handler_calls, 3);
    handler_calls = 0;
    std::set_new_handler(count_and_give_up);
    assert_true(throws_bad_alloc([] { return ::operator new[](opaque_size(SIZE_MAX / 2), std::align_val_t{64}); }));
    assert_int_equal(handler_calls, 3);
    handler_calls = 0;
    std::set_new_handler(count_and_give_up);
    assert_null(::operator new(opaque_size(SIZE_MAX / 2), std::nothrow));
    assert_int_equal(handler_calls, 3);
    assert_true(std::get_new_handler() == nullptr);
}

void what_the_new_handler_throws_arrives(void **)
{
    handler_calls = 0;
    int caught = 0;
    std::set_new_handler(count_and_throw);
    for (int form = 0; form < 4; form++)
    {
        const size_t size = opaque_size(SIZE_MAX / 2);
        try
        {
            opaque_block(form == 0   ? ::operator new(size)
                         : form == 1 ? ::operator new[](size)
                         : form == 2 ? ::operator new (size, std::align_val_t{64})
                                     : ::operator new[](size, std::align_val_t{64}));
        }
        catch (const Crowded &)
        {
            caught++;
        }
    }
    std::set_new_handler(nullptr);
    assert_int_equal(caught, 4);
    assert_int_equal(handler_calls, 4);
}

void nothrow_forms_return_null_when_the_new_handler_throws(void **)
{
    handler_calls = 0;
    std::set_new_handler(count_and_throw);
    const size_t size = opaque_size(SIZE_MAX / 2);
    assert_null(::operator new(size, std::nothrow));
    assert_null(::operator new[](size, std::nothrow));
    assert_null(::operator new (size, std::align_val_t{64}, std::nothrow));
    assert_null(::operator new[](size, std::align_val_t{64}, std::nothrow));
    std::set_new_handler(nullptr);
    assert_int_equal(handler_calls, 4);
}

rlimit address_space;

void widen_address_space()
{
    handler_calls++;
    setrlimit(RLIMIT_AS, &address_space);
}

// The address space is closed, a block of 1 GiB does not fit; the handler opens it again.
void memory_the_new_handler_frees_is_used(void **)
{
    getrlimit(RLIMIT_AS, &address_space);
    for (int form = 0; form < 3; form++)
    {
        handler_calls = 0;
        std::set_new_handler(widen_address_space);
        rlimit closed = {mib, address_space.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_AS, &closed), 0);
        const size_t size = opaque_size(gib);
        void *block = form == 0   ? ::operator new(size)
                      : form == 1 ? ::operator new (size, std::align_val_t{4096})
                                  : ::operator new(size, std::nothrow);
        std::set_new_handler(nullptr);
        setrlimit(RLIMIT_AS, &address_space);
        assert_non_null(block);
        assert_int_equal(handler_calls, 1);
        ::operator delete(block);
    }
}

struct alignas(64) Wide
{
    char bytes[192];
    ~Wide()
    {
        bytes[0] = 0;
    }
};

void the_standard_library_is_served(void **)
{
    {
        std::map<std::string, std::vector<int>> table;
        for (int number = 0; number < 3000; number++)
            table["a key that is too long to be kept inside the string " + std::to_string(number)].assign(number % 50,
                                                                                                          number);
        for (int number = 0; number < 3000; number++)
            assert_int_equal(
                table["a key that is too long to be kept inside the string " + std::to_string(number)].size(),
                number % 50);
        auto shared = std::make_shared<Wide>();
        assert_true(is_aligned(shared.get(), 64));
        std::unique_ptr<Wide[]> several(new Wide[7]);
        assert_true(is_aligned(several.get(), 64));
    }
    assert_heap_is_whole();
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(all_plain_forms_round_trip),
        cmocka_unit_test(all_aligned_forms_round_trip),
        cmocka_unit_test(sized_deletes_accept_every_size),
        cmocka_unit_test(delete_of_null_does_nothing),
        cmocka_unit_test(blocks_of_size_zero_are_unique),
        cmocka_unit_test(absurd_sizes_throw_bad_alloc),
        cmocka_unit_test(nothrow_forms_return_null),
        cmocka_unit_test(new_handler_is_called_until_it_is_taken_away),
        cmocka_unit_test(what_the_new_handler_throws_arrives),
        cmocka_unit_test(nothrow_forms_return_null_when_the_new_handler_throws),
        cmocka_unit_test(memory_the_new_handler_frees_is_used),
        cmocka_unit_test(the_standard_library_is_served),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
