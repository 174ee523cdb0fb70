// SPDX-License-Identifier: MIT
//
// Claims about os/pages.h, with the machine's page size and with the larger ones that other machines have.
#include "os/pages.h"

#include <cerrno>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

constexpr size_t kib = kibibyte;

const size_t page_sizes[] = {0, 16 * kib, 64 * kib}; // 0: the machine's

uintptr_t address_of(const void *memory)
{
    return reinterpret_cast<uintptr_t>(memory);
}

bool is_zero(const void *memory, size_t bytes)
{
    const auto *const from = static_cast<const char *>(memory);
    return from[0] == 0 && memcmp(from, from + 1, bytes - 1) == 0;
}

// Whether something can be mapped exactly there.
bool is_free(uintptr_t address, size_t bytes)
{
    const bool free = pages::commit_aimed(address, bytes) == pages::Aimed::committed;
    if (free)
        pages::unmap(reinterpret_cast<void *>(address), bytes);
    return free;
}

int back_to_the_machines_page(void **)
{
    pages::set_page_bytes_for_tests(0);
    return 0;
}

void the_page_size_is_the_machines_unless_a_test_pretends(void **)
{
    assert_int_equal(pages::page_bytes(), sysconf(_SC_PAGESIZE));
    pages::set_page_bytes_for_tests(64 * kib);
    assert_int_equal(pages::page_bytes(), 64 * kib);
    pages::set_page_bytes_for_tests(0);
    assert_int_equal(pages::page_bytes(), sysconf(_SC_PAGESIZE));
}

void a_mapping_is_aligned_and_zero_and_costs_no_more_than_itself(void **)
{
    for (const size_t page : page_sizes)
    {
        pages::set_page_bytes_for_tests(page);
        for (size_t alignment = 2 * pages::page_bytes(); alignment <= 16 * mebibyte; alignment *= 4)
        {
            const size_t bytes = 3 * pages::page_bytes();
            const uint64_t before = counted_bytes(RLIMIT_AS);
            void *const memory = pages::map(bytes, alignment);
            assert_non_null(memory);
            assert_true(is_multiple(address_of(memory), alignment));
            assert_true(is_zero(memory, bytes));
            memset(memory, 1, bytes);
            assert_int_equal(counted_bytes(RLIMIT_AS), before + bytes);
            pages::unmap(memory, bytes);
            assert_int_equal(counted_bytes(RLIMIT_AS), before);
        }
    }
}

void a_mapping_that_no_address_space_holds_is_refused_and_errno_kept(void **)
{
    errno = ERANGE;
    assert_null(pages::map(SIZE_MAX & ~(64 * kib - 1), 16));
    assert_null(pages::map(SIZE_MAX & ~(64 * kib - 1), mebibyte));
    assert_null(pages::map(size_t{1} << 60, mebibyte));
    assert_null(pages::reserve(0, size_t{1} << 60));
    assert_int_equal(errno, ERANGE);
}

void a_reservation_is_committed_piece_by_piece(void **)
{
    constexpr size_t bytes = 16 * mebibyte;
    const auto start = address_of(pages::reserve(0, bytes));
    assert_int_not_equal(start, 0);
    assert_true(pages::commit(start + mebibyte, mebibyte));
    memset(reinterpret_cast<void *>(start + mebibyte), 1, mebibyte);
    assert_alone([start] { // the rest is nobody's to touch
        signal(SIGSEGV, [](int) { _exit(0); });
        *reinterpret_cast<volatile char *>(start) = 1;
        require(false);
    });
    pages::unmap(reinterpret_cast<void *>(start), bytes);
    assert_false(pages::commit(start, mebibyte));
}

void a_discarded_page_is_zero_and_its_neighbours_are_whole(void **)
{
    for (const size_t page : page_sizes)
    {
        pages::set_page_bytes_for_tests(page);
        const size_t bytes = pages::page_bytes();
        auto *const memory = static_cast<char *>(pages::map(3 * bytes, bytes));
        memset(memory, 1, 3 * bytes);
        assert_true(pages::discard(address_of(memory) + bytes, bytes));
        assert_int_equal(memory[bytes - 1], 1);
        assert_true(is_zero(memory + bytes, bytes));
        assert_int_equal(memory[2 * bytes], 1);
        pages::unmap(memory, 3 * bytes);
    }
}

// As mlockall makes them.
void locked_pages_are_not_given_back(void **)
{
    const size_t bytes = pages::page_bytes();
    auto *const memory = static_cast<char *>(pages::map(bytes, bytes));
    memory[0] = 1;
    if (syscall(SYS_mlock, memory, bytes) == 0) // sanitizers make the function do nothing
    {
        errno = ERANGE;
        assert_false(pages::discard(address_of(memory), bytes));
        assert_int_equal(errno, ERANGE);
        assert_int_equal(memory[0], 1);
    }
    pages::unmap(memory, bytes);
}

void an_aimed_commit_never_replaces_what_is_there(void **)
{
    for (const size_t page : page_sizes)
    {
        pages::set_page_bytes_for_tests(page);
        const size_t bytes = pages::page_bytes();
        auto *const whole = static_cast<char *>(pages::map(3 * bytes, 64 * kib));
        pages::unmap(whole, bytes);
        pages::unmap(whole + 2 * bytes, bytes);
        whole[bytes] = 1;
        errno = ERANGE;
        assert_true(pages::commit_aimed(address_of(whole + bytes), bytes) == pages::Aimed::taken);
        assert_true(pages::commit_aimed(address_of(whole), 3 * bytes) == pages::Aimed::taken);
        assert_int_equal(errno, ERANGE);
        assert_int_equal(whole[bytes], 1);
        assert_true(pages::commit_aimed(address_of(whole), bytes) == pages::Aimed::committed);
        whole[0] = 1;
        pages::unmap(whole, 2 * bytes);
    }
}

void an_aimed_commit_above_the_limit_is_refused(void **)
{
    assert_alone([] {
        void *const memory = pages::map(64 * mebibyte, chunk_bytes);
        pages::unmap(memory, 64 * mebibyte);
        require(!pages::address_space_is_limited());
        limit_growth(RLIMIT_AS, 16 * mebibyte);
        require(pages::address_space_is_limited());
        require(pages::commit_aimed(address_of(memory), 64 * mebibyte) == pages::Aimed::refused);
        require(pages::commit_aimed(address_of(memory), mebibyte) == pages::Aimed::committed);
        require(pages::map(64 * mebibyte, 16) == nullptr);
        require(pages::reserve(0, 64 * mebibyte) == nullptr);
    });
}

void a_mapping_shrinks_and_grows_where_it_lies_if_there_is_room(void **)
{
    auto *const memory = static_cast<char *>(pages::map(4 * mebibyte, mebibyte));
    memory[0] = 1;
    assert_true(pages::resize(memory, 4 * mebibyte, mebibyte));
    assert_true(pages::resize(memory, mebibyte, 3 * mebibyte));
    assert_int_equal(memory[0], 1);
    assert_true(is_zero(memory + mebibyte, 2 * mebibyte));
    const auto behind = address_of(memory) + 3 * mebibyte;
    assert_true(pages::commit_aimed(behind, mebibyte) == pages::Aimed::committed);
    // Of another kind, so that the kernel does not make one mapping of both.
    mprotect(reinterpret_cast<void *>(behind), mebibyte, PROT_READ);
    errno = ERANGE;
    assert_false(pages::resize(memory, 3 * mebibyte, 4 * mebibyte));
    assert_int_equal(errno, ERANGE);
    memory[3 * mebibyte - 1] = 1;
    pages::unmap(memory, 4 * mebibyte);
}

void a_moved_mapping_keeps_its_contents_and_leaves_its_place(void **)
{
    auto *const from = static_cast<char *>(pages::map(2 * mebibyte, mebibyte));
    auto *const to = static_cast<char *>(pages::map(4 * mebibyte, mebibyte));
    memset(from, 1, 2 * mebibyte);
    memset(to, 2, 4 * mebibyte);
    assert_true(pages::move(from, 2 * mebibyte, to, 4 * mebibyte));
    assert_int_equal(to[0], 1);
    assert_int_equal(to[2 * mebibyte - 1], 1);
    assert_true(is_zero(to + 2 * mebibyte, 2 * mebibyte));
    assert_true(is_free(address_of(from), 2 * mebibyte));
    pages::unmap(to, 4 * mebibyte);
}

void pages_carried_out_leave_zeros_that_can_be_written(void **)
{
    for (const size_t page : page_sizes)
    {
        pages::set_page_bytes_for_tests(page);
        auto *const from = static_cast<char *>(pages::map(3 * mebibyte, mebibyte));
        auto *const to = static_cast<char *>(pages::map(2 * mebibyte, mebibyte));
        for (size_t at = 0; at < 3 * mebibyte; at += sizeof(at))
            memcpy(from + at, &at, sizeof(at));
        if (pages::carry_out(address_of(from) + mebibyte, mebibyte, to)) // kernels before 5.7 cannot
        {
            for (size_t at = 0; at < mebibyte; at += sizeof(at))
            {
                const size_t expected = mebibyte + at;
                assert_memory_equal(to + at, &expected, sizeof(expected));
            }
            assert_true(is_zero(from + mebibyte, mebibyte));
            memset(from + mebibyte, 1, mebibyte);
            const size_t behind = 2 * mebibyte;
            assert_memory_equal(from + behind, &behind, sizeof(behind));
        }
        pages::unmap(from, 3 * mebibyte);
        pages::unmap(to, 2 * mebibyte);
    }
}

void advice_is_taken_without_a_word(void **)
{
    auto *const memory = static_cast<char *>(pages::map(chunk_bytes, chunk_bytes));
    errno = ERANGE;
    pages::advise_huge(address_of(memory), chunk_bytes);
    memory[0] = 1;
    pages::advise_small(address_of(memory), chunk_bytes);
    pages::unmap(memory, chunk_bytes);
    pages::advise_huge(address_of(memory), chunk_bytes); // not even mapped
    assert_int_equal(errno, ERANGE);
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_page_size_is_the_machines_unless_a_test_pretends, back_to_the_machines_page),
        cmocka_unit_test_teardown(a_mapping_is_aligned_and_zero_and_costs_no_more_than_itself,
                                  back_to_the_machines_page),
        cmocka_unit_test(a_mapping_that_no_address_space_holds_is_refused_and_errno_kept),
        cmocka_unit_test(a_reservation_is_committed_piece_by_piece),
        cmocka_unit_test_teardown(a_discarded_page_is_zero_and_its_neighbours_are_whole, back_to_the_machines_page),
        cmocka_unit_test(locked_pages_are_not_given_back),
        cmocka_unit_test_teardown(an_aimed_commit_never_replaces_what_is_there, back_to_the_machines_page),
        cmocka_unit_test(an_aimed_commit_above_the_limit_is_refused),
        cmocka_unit_test(a_mapping_shrinks_and_grows_where_it_lies_if_there_is_room),
        cmocka_unit_test(a_moved_mapping_keeps_its_contents_and_leaves_its_place),
        cmocka_unit_test_teardown(pages_carried_out_leave_zeros_that_can_be_written, back_to_the_machines_page),
        cmocka_unit_test(advice_is_taken_without_a_word),
    };
    return cmocka_run_group_tests_name("pages", tests, nullptr, nullptr);
}
