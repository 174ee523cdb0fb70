// SPDX-License-Identifier: MIT
//
// guest_library.cpp - a library that is loaded and unloaded again and again. It allocates while it is loaded and
// unloaded, on each call, and when a thread that has called it ends. Built twice: as it is, on whatever malloc the
// program has, and linked with libfastalloc, GUEST_LINKS_FASTALLOC, which it then uses under its own names.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#ifdef GUEST_LINKS_FASTALLOC
#include <fastalloc.h>
#define ALLOCATE fastalloc_malloc
#define RELEASE fastalloc_free
#else
#define ALLOCATE malloc
#define RELEASE free
#endif

namespace
{

// Blocks of a few sizes that live as long as the object, some of them longer than the program would expect.
class Luggage
{
public:
    Luggage()
    {
        for (size_t index = 0; index < count; index++)
        {
            blocks_[index] = static_cast<char *>(ALLOCATE(size_of(index)));
            if (blocks_[index] != nullptr)
                memset(blocks_[index], static_cast<int>(index), size_of(index));
        }
    }

    ~Luggage()
    {
        const bool all_there = is_whole();
        void *const last = ALLOCATE(5000); // a destructor may allocate too
        for (char *block : blocks_)
            RELEASE(block);
        RELEASE(last);
        if (!all_there)
            abort();
    }

    Luggage(const Luggage &) = delete;
    Luggage &operator=(const Luggage &) = delete;

    bool is_whole() const
    {
        for (size_t index = 0; index < count; index++)
            if (blocks_[index] == nullptr || blocks_[index][size_of(index) - 1] != static_cast<char>(index))
                return false;
        return true;
    }

private:
    static constexpr size_t count = 24;

    static size_t size_of(size_t index)
    {
        return 8 + index * index * 40;
    }

    char *blocks_[count];
};

Luggage of_library;
thread_local Luggage of_thread;

} // namespace

// 0 if all that the library keeps is whole, for itself and for the calling thread.
extern "C" __attribute__((visibility("default"))) int guest_visits(uint64_t seed)
{
    const Luggage of_visit;
    void *const big = ALLOCATE(seed % 3000000);
    memset(big, 1, seed % 3000000 / 100);
    RELEASE(big);
    return of_library.is_whole() && of_thread.is_whole() && of_visit.is_whole() ? 0 : 1;
}

// A block for the program to free, by the malloc it shares with this library.
extern "C" __attribute__((visibility("default"))) char *guest_leaves(size_t size)
{
    return static_cast<char *>(malloc(size));
}
