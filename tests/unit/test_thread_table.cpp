// SPDX-License-Identifier: MIT
//
// Claims about os/thread_table.cpp: the tables that libc has for threads are told apart from all other blocks. Libc's own
// malloc serves this program, so the tables are found by where a thread's control block points.
#include "os/thread_table.h"

#include "os/lock.h"

#include "layers.h"

using namespace fastalloc_test;

namespace
{

#if defined(__x86_64__)
constexpr size_t table_in_control_block = sizeof(void *);
#else
constexpr size_t table_in_control_block = 0;
#endif

// The block of the calling thread's table; libc hides the room for one entry in front of what the control block names.
char *own_table()
{
    char *table;
    memcpy(&table, reinterpret_cast<char *>(thread_identity()) + table_in_control_block, sizeof table);
    return table - 16;
}

size_t table_bytes(const char *table)
{
    size_t modules;
    memcpy(&modules, table, sizeof modules);
    return (modules + 2) * 16;
}

void the_table_of_a_running_thread_is_one(void **)
{
    std::latch begun(1), done(1);
    char *table = nullptr;
    std::thread thread([&] {
        table = own_table();
        begun.count_down();
        done.wait();
    });
    begun.wait();
    assert_true(table != own_table());
    assert_true(is_thread_table(table, table_bytes(table)));
    assert_true(is_thread_table(own_table(), table_bytes(own_table())));
    done.count_down();
    thread.join();
}

void the_table_that_is_kept_of_an_ended_thread_is_one(void **)
{
    char *table = nullptr;
    in_thread([&] { table = own_table(); });
    assert_true(is_thread_table(table, table_bytes(table)));
}

void a_table_that_does_not_fit_its_block_is_none(void **)
{
    const char *const table = own_table();
    assert_false(is_thread_table(table, table_bytes(table) - 1));
    assert_false(is_thread_table(table, 16));
    assert_false(is_thread_table(table, 0));
}

// Nobody's control block names it.
void a_copy_of_a_table_is_none(void **)
{
    in_thread([] {
        const char *const table = own_table();
        std::vector<char> copy(table, table + table_bytes(table));
        require(!is_thread_table(copy.data(), copy.size()));
    });
}

void what_a_program_writes_is_none(void **)
{
    uint64_t words[64];
    for (const uint64_t word : {uint64_t{0}, uint64_t{1}, uint64_t{5}, ~uint64_t{0}, uint64_t{0x4141414141414141}})
    {
        for (uint64_t &each : words)
            each = word;
        assert_false(is_thread_table(words, sizeof words));
        words[0] = 20; // room for as many modules
        assert_false(is_thread_table(words, sizeof words));
        for (size_t odd = 1; odd < 64; odd += 2)
            words[odd] = 0; // variables anywhere, beside no control block
        assert_false(is_thread_table(words, sizeof words));
    }
    Random random{1};
    for (unsigned round = 0; round < 10000; round++)
    {
        for (uint64_t &each : words)
            each = random.next() >> random.below(64);
        words[0] = random.below(64);
        words[1] = 0;
        assert_false(is_thread_table(words, sizeof words));
    }
}

void errno_is_kept(void **)
{
    errno = 77;
    uint64_t words[64] = {20, 0, 1, 0, 4096};
    assert_false(is_thread_table(words, sizeof words));
    assert_true(is_thread_table(own_table(), table_bytes(own_table())));
    assert_int_equal(errno, 77);
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_a_running_thread_is_one),
        cmocka_unit_test(the_table_that_is_kept_of_an_ended_thread_is_one),
        cmocka_unit_test(a_table_that_does_not_fit_its_block_is_none),
        cmocka_unit_test(a_copy_of_a_table_is_none),
        cmocka_unit_test(what_a_program_writes_is_none),
        cmocka_unit_test(errno_is_kept),
    };
    return cmocka_run_group_tests_name("thread_table", tests, nullptr, nullptr);
}
