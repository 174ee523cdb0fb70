// SPDX-License-Identifier: MIT
//
// faultless [live] - a program that does nothing wrong, through every function of the API and on several threads: under any
// tool of Valgrind there is nothing to tell, and every block is freed. With an argument it holds 8 MiB at its peak.
#include "fastalloc.h"

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <malloc.h>
#include <mutex>
#include <new>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

extern "C" void free_sized(void *block, size_t size);
extern "C" void free_aligned_sized(void *block, size_t alignment, size_t size);

namespace
{

constexpr std::align_val_t wide{64};

void *filled(void *block, size_t size)
{
    if (block == nullptr)
        abort();
    return memset(block, 0x5a, size);
}

void malloc_family()
{
    for (const size_t size : {size_t{0}, size_t{1}, size_t{40}, size_t{5000}, size_t{70000}, size_t{3000000}})
    {
        free(filled(malloc(size), size));
        free(filled(calloc(1, size), size));
        free(filled(realloc(filled(malloc(8), 8), size + 1), size + 1));
        free(filled(reallocarray(nullptr, 1, size + 1), size + 1));
        free(filled(aligned_alloc(64, size), size));
        free(filled(memalign(4096, size), size));
        free(filled(valloc(size), size));
        free(filled(pvalloc(size), size));
        void *aligned = nullptr;
        if (posix_memalign(&aligned, 256, size) == 0)
            free(filled(aligned, size));
        free_sized(filled(malloc(size), size), size);
        free_sized(realloc(filled(malloc(size + 100), size), size + 1), size + 1);
        free_aligned_sized(filled(aligned_alloc(128, size), size), 128, size);
        fastalloc_free(filled(fastalloc_malloc(size), size));
        fastalloc_free(filled(malloc(size), size));
        free(filled(fastalloc_calloc(1, size), size));
        fastalloc_free_sized(filled(fastalloc_malloc(size), size), size);
        free(filled(fastalloc_malloc_on(0, size), size));
        void *const whole = malloc(size);
        free(filled(whole, malloc_usable_size(whole)));
    }
}

void operators()
{
    for (const size_t size : {size_t{1}, size_t{40}, size_t{5000}, size_t{70000}})
    {
        ::operator delete(filled(::operator new(size), size));
        ::operator delete(filled(::operator new(size), size), size);
        ::operator delete(filled(::operator new(size, std::nothrow), size), std::nothrow);
        ::operator delete[](filled(::operator new[](size), size));
        ::operator delete[](filled(::operator new[](size), size), size);
        ::operator delete[](filled(::operator new[](size, std::nothrow), size), std::nothrow);
        ::operator delete(filled(::operator new(size, wide), size), wide);
        ::operator delete(filled(::operator new(size, wide), size), size, wide);
        ::operator delete(filled(::operator new(size, wide, std::nothrow), size), wide, std::nothrow);
        ::operator delete[](filled(::operator new[](size, wide), size), wide);
        ::operator delete[](filled(::operator new[](size, wide), size), size, wide);
        ::operator delete[](filled(::operator new[](size, wide, std::nothrow), size), wide, std::nothrow);
    }
}

void questions()
{
    struct fastalloc_stats stats;
    char message[100];
    void *const block = malloc(100);
    if (fastalloc_get_stats(&stats, sizeof stats) != 0 || fastalloc_check_heap(message, sizeof message) != 0)
        abort();
    (void)fastalloc_node_of(block);
    (void)fastalloc_thread_node();
    (void)fastalloc_purge();
    (void)malloc_trim(0);
    (void)fastalloc_mallinfo2();
    free(block);
}

// Blocks go from one thread to another, and lie where another thread's lay before.
void threads()
{
    std::mutex mutex;
    std::condition_variable filled_up;
    std::deque<std::string *> queue;
    std::vector<std::thread> all;
    for (int number = 0; number < 3; number++)
        all.emplace_back([&, number] {
            for (int round = 0; round < 200; round++)
            {
                auto *const text = new std::string(static_cast<size_t>(20 + round), static_cast<char>('a' + number));
                const std::lock_guard guard(mutex);
                queue.push_back(text);
                filled_up.notify_one();
            }
        });
    all.emplace_back([&] {
        for (int count = 0; count < 600; count++)
        {
            std::unique_lock guard(mutex);
            filled_up.wait(guard, [&] { return !queue.empty(); });
            std::string *const text = queue.front();
            queue.pop_front();
            guard.unlock();
            delete text;
            operators();
        }
    });
    for (std::thread &thread : all)
        thread.join();
}

void children()
{
    void *const before = malloc(100);
    const pid_t child = fork();
    if (child == 0)
    {
        free(before);
        free(malloc(1000));
        _exit(0);
    }
    int status = 1;
    if (waitpid(child, &status, 0) != child || status != 0)
        abort();
    free(before);
}

} // namespace

int main(int count, char **)
{
    malloc_family();
    operators();
    questions();
    threads();
    children();
    if (count > 1)
        free(filled(malloc(8 << 20), 8 << 20));
    puts("done");
    return 0;
}
