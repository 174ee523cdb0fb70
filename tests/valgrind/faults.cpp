// SPDX-License-Identifier: MIT
//
// faults FUNCTION - one fault after the other with blocks of one function of the API, for a tool that looks on and lets
// the program go on; faults mismatch - blocks that go back by another function than they should.
//
// faults.py knows what each line below must be told as. A block is 40 bytes, blocks that are lost have other sizes; the
// functions that a stack must name end in _here.
#include "fastalloc.h"

#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <new>

extern "C" void free_sized(void *block, size_t size);
extern "C" void free_aligned_sized(void *block, size_t alignment, size_t size);

#define APART __attribute__((noinline))

namespace
{

struct Function
{
    const char *name;
    void *(*allocate)(size_t size);
    void (*release)(void *block);
};

void *from_realloc(size_t size)
{
    return realloc(malloc(1), size);
}

void *from_posix_memalign(size_t size)
{
    void *block = nullptr;
    return posix_memalign(&block, 64, size) == 0 ? block : nullptr;
}

constexpr std::align_val_t wide{64};

const Function functions[] = {
    {"malloc", malloc, free},
    {"calloc", [](size_t size) { return calloc(1, size); }, free},
    {"realloc", from_realloc, free},
    {"reallocarray", [](size_t size) { return reallocarray(nullptr, 1, size); }, free},
    {"aligned_alloc", [](size_t size) { return aligned_alloc(64, size); }, free},
    {"posix_memalign", from_posix_memalign, free},
    {"memalign", [](size_t size) { return memalign(64, size); }, free},
    {"valloc", valloc, free},
    {"new", [](size_t size) { return ::operator new(size); }, [](void *block) { ::operator delete(block); }},
    {"new_array", [](size_t size) { return ::operator new[](size); }, [](void *block) { ::operator delete[](block); }},
    {"new_nothrow", [](size_t size) { return ::operator new(size, std::nothrow); },
     [](void *block) { ::operator delete(block, std::nothrow); }},
    {"new_aligned", [](size_t size) { return ::operator new(size, wide); },
     [](void *block) { ::operator delete(block, wide); }},
    {"fastalloc_malloc", fastalloc_malloc, fastalloc_free},
    {"fastalloc_malloc_on", [](size_t size) { return fastalloc_malloc_on(0, size); }, fastalloc_free},
};

const Function *function;
volatile int sink;

APART char *allocated_here(size_t size = 40)
{
    return static_cast<char *>(function->allocate(size));
}

APART void freed_here(void *block)
{
    function->release(block);
}

APART void freed_inside_here(void *block)
{
    function->release(static_cast<char *>(block) + 16);
}

// ---- accesses -------------------------------------------------------------------------------------------------------

APART void overflow_here(volatile char *block)
{
    block[40] = 1;
}

APART void underflow_here(volatile char *block)
{
    block[-1] = 1;
}

APART void use_freed_here(volatile char *block)
{
    sink = block[3];
}

APART void read_uninitialised_here(const volatile char *block)
{
    if (block[7] != 0)
        sink = 1;
}

// ---- leaks ----------------------------------------------------------------------------------------------------------

struct Node
{
    Node *next;
};

Node *volatile reachable;
char *volatile into_the_middle;

Node *node(size_t size, Node *next = nullptr)
{
    auto *const made = static_cast<Node *>(function->allocate(size));
    made->next = next;
    return made;
}

APART void leak_one_here()
{
    node(100);
}

APART void leak_chain_here()
{
    Node *const last = node(56);
    Node *const middle = node(48, last);
    node(32, middle);
}

APART void leak_cycle_here()
{
    Node *const first = node(64);
    Node *const second = node(64, first);
    first->next = second;
}

APART void keep_here()
{
    Node *const last = node(88);
    reachable = node(80, last);
}

APART void keep_the_middle_here()
{
    into_the_middle = reinterpret_cast<char *>(node(96)) + 40;
}

// What the functions above left on the stack and in registers.
APART void forget_pointers()
{
    volatile char bytes[16384];
    memset(const_cast<char *>(bytes), 0, sizeof bytes);
}

void all_faults()
{
    char *const block = allocated_here();
    overflow_here(block);
    underflow_here(block);
    read_uninitialised_here(block);
    freed_here(block);
    use_freed_here(block);
    freed_here(block);
    char *const other = allocated_here();
    freed_inside_here(other);
    freed_here(other);
    leak_one_here();
    leak_chain_here();
    leak_cycle_here();
    keep_here();
    keep_the_middle_here();
}

// ---- blocks that go back by the wrong function ---------------------------------------------------------------------

APART void delete_of_malloc_here()
{
    ::operator delete(malloc(40));
}

APART void delete_array_of_calloc_here()
{
    ::operator delete[](calloc(1, 40));
}

APART void free_of_new_here()
{
    free(::operator new(40));
}

APART void free_of_aligned_new_here()
{
    free(::operator new[](40, wide));
}

APART void delete_of_new_array_here()
{
    ::operator delete(::operator new[](40));
}

APART void delete_array_of_new_here()
{
    ::operator delete[](::operator new(40));
}

APART void sized_delete_of_new_array_here()
{
    ::operator delete (::operator new[](40), size_t{40});
}

APART void realloc_of_new_here()
{
    free(realloc(::operator new(40), 80));
}

APART void wrong_size_here()
{
    free_sized(malloc(40), 41);
}

APART void wrong_size_of_new_here()
{
    ::operator delete (::operator new(40), size_t{39});
}

APART void wrong_alignment_here()
{
    char *const block = static_cast<char *>(aligned_alloc(64, 40));
    const size_t alignment = reinterpret_cast<size_t>(block) & (~reinterpret_cast<size_t>(block) + 1);
    free_aligned_sized(block, 2 * alignment, 40);
}

void all_mismatches()
{
    delete_of_malloc_here();
    delete_array_of_calloc_here();
    free_of_new_here();
    free_of_aligned_new_here();
    delete_of_new_array_here();
    delete_array_of_new_here();
    sized_delete_of_new_array_here();
    realloc_of_new_here();
    wrong_size_here();
    wrong_size_of_new_here();
    wrong_alignment_here();
}

} // namespace

int main(int count, char **arguments)
{
    if (count != 2)
        return 2;
    if (strcmp(arguments[1], "mismatch") == 0)
    {
        all_mismatches();
        return 0;
    }
    for (const Function &one : functions)
        if (strcmp(arguments[1], one.name) == 0)
            function = &one;
    if (function == nullptr)
        return 2;
    all_faults();
    forget_pointers();
    return 0;
}
