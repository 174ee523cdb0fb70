// SPDX-License-Identifier: MIT
//
// thread_locals.cpp - destructors of C++ objects that are thread_local or static allocate and free as the thread, or
// the process, ends.
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "../support.h"

#include "../children.h"

namespace
{

std::atomic<int> destroyed;
std::atomic<std::string *> last_words;

// Holds blocks of several sizes and allocates more when it is destroyed.
struct Diary
{
    std::map<int, std::string> pages;
    std::vector<std::unique_ptr<std::string>> loose;

    void write(int number)
    {
        pages[number] = std::string(static_cast<size_t>(number % 5000), 'd');
    }

    ~Diary()
    {
        for (const auto &[number, page] : pages)
        {
            require(page.size() == static_cast<size_t>(number % 5000));
            loose.push_back(std::make_unique<std::string>(page + "and more"));
        }
        delete last_words.exchange(new std::string(400, 'w'));
        destroyed++;
    }
};

thread_local Diary first_diary;
thread_local std::unique_ptr<Diary> second_diary;

void keep_diaries(int seed)
{
    second_diary = std::make_unique<Diary>();
    for (int number = 0; number < 40; number++)
    {
        first_diary.write(seed + number * 131);
        second_diary->write(seed + number * 77);
    }
}

void thread_locals_may_allocate_when_they_are_destroyed(void **)
{
    constexpr int rounds = 50;
    constexpr int crowd = 4;
    for (int round = 0; round < rounds; round++)
    {
        std::thread threads[crowd];
        for (int index = 0; index < crowd; index++)
            threads[index] = std::thread(keep_diaries, round * crowd + index);
        for (std::thread &thread : threads)
            thread.join();
    }
    delete last_words.exchange(nullptr);
    assert_requirements_met();
    assert_int_equal(destroyed.load(), rounds * crowd * 2);
    assert_heap_is_whole();
}

void blocks_of_a_thread_may_be_destroyed_by_the_next(void **)
{
    std::vector<std::string> relay;
    for (int leg = 0; leg < 200; leg++)
    {
        std::thread([&] {
            std::vector<std::string> next;
            for (int index = 0; index < 100; index++)
                next.emplace_back(static_cast<size_t>(leg * 10 + index), 'r');
            require(relay.empty() || relay.back() == std::string(static_cast<size_t>((leg - 1) * 10 + 99), 'r'));
            relay.swap(next);
        }).join();
    }
    assert_requirements_met();
    relay.clear();
    assert_heap_is_whole();
}

struct AtTheEnd
{
    std::vector<std::string> kept;

    ~AtTheEnd()
    {
        for (int index = 0; index < 100; index++)
            kept.emplace_back(static_cast<size_t>(index * 50), 'e');
        kept.clear();
        if (fastalloc_check_heap(nullptr, 0) != 0)
            _exit(2);
    }
};

// Static destructors and those of main's thread_locals run while other threads still allocate.
void exit_with_statics(void *)
{
    static AtTheEnd at_the_end;
    keep_diaries(9);
    for (int index = 0; index < 3; index++)
    {
        std::thread([] {
            for (;;)
                std::vector<std::string>(50, std::string(300, 's')).clear();
        }).detach();
    }
    exit(0);
}

void static_destructors_may_allocate_while_threads_run(void **)
{
    for (int round = 0; round < 20; round++)
        assert_int_equal(run_child(exit_with_statics, nullptr, 20), 0);
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(thread_locals_may_allocate_when_they_are_destroyed),
        cmocka_unit_test(blocks_of_a_thread_may_be_destroyed_by_the_next),
        cmocka_unit_test(static_destructors_may_allocate_while_threads_run),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
