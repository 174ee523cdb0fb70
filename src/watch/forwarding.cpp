// SPDX-License-Identifier: MIT
#include "watch/forwarding.h"

#include "arena/allocate.h"
#include "watch/memcheck.h"
#include "watch/operator_blocks.h"

#include <cerrno>
#include <dlfcn.h>

extern "C" void *dlsym(void *, const char *) noexcept __attribute__((weak));

// There if a sanitizer that replaces malloc is.
extern "C" void asan_init() __asm__("__asan_init") __attribute__((weak));
extern "C" void tsan_init() __asm__("__tsan_init") __attribute__((weak));
extern "C" void lsan_init() __asm__("__lsan_init") __attribute__((weak));

namespace fastalloc
{
namespace
{

using Origin = OperatorBlocks::Origin;

constexpr size_t malloc_alignment = 16; // of any malloc on 64-bit machines

// Valgrind ends the process on a larger one.
constexpr size_t alignment_max = 16 * mebibyte;

// libc's smallest block. Of a block of one byte tools say that it has 1, or 16.
constexpr size_t libc_block_min = 24;

constinit OtherMalloc other{};
constinit bool forwarding = false;
constinit Complaints complaints = Complaints::none;

// ---- what the other malloc cannot tell -----------------------------------------------------------------------------

Origin origin_by(Call call)
{
    switch (call)
    {
    case Call::new_single:
    case Call::delete_single:
        return Origin::new_single;
    case Call::new_array:
    case Call::delete_array:
        return Origin::new_array;
    default:
        return Origin::other;
    }
}

const char *name_of_origin(Origin origin)
{
    switch (origin)
    {
    case Origin::new_single:
        return name_of(Call::new_single);
    case Origin::new_array:
        return name_of(Call::new_array);
    case Origin::other:
        break;
    }
    return name_of(Call::malloc);
}

// The block is about to be freed or moved. memcheck itself tells of one that is none: it has no size.
void look_at_match(const void *block, size_t usable, Call call)
{
    const Origin origin = operator_blocks.take(block);
    const bool is_block = usable != 0 || origin != Origin::other;
    if (!is_block || origin == origin_by(call))
        return;
    char bytes[128];
    Text line(bytes, sizeof bytes);
    line.text(name_of(call)).text(" of a block from ").text(name_of_origin(origin)).text(": a mismatch");
    memcheck::complain(line, block);
}

void look_at_size(const void *block, size_t usable, size_t size, size_t alignment, Call call)
{
    const bool aligned = is_power_of_two(alignment) && (reinterpret_cast<uintptr_t>(block) & (alignment - 1)) == 0;
    if (usable == 0 || (usable == size && aligned))
        return;
    char bytes[128];
    Text line(bytes, sizeof bytes);
    line.text(name_of(call)).text(" with ");
    if (usable != size)
        line.text("the size ").decimal(size).text(" of a block of ").decimal(usable).text(" bytes");
    else
        line.text("the alignment ").decimal(alignment).text(" of a block that does not have it");
    memcheck::complain(line, block);
}

// ---- the operations ------------------------------------------------------------------------------------------------

Allocation forwarding_allocate(Arena *, size_t size, size_t alignment, Call call)
{
    if (call == Call::calloc)
        return {other.calloc(1, size), true};
    if (alignment > alignment_max)
        return {nullptr, false};
    void *const block = alignment <= malloc_alignment ? other.malloc(size) : other.memalign(alignment, size);
    if (complaints != Complaints::none && block != nullptr && origin_by(call) != Origin::other)
        operator_blocks.add(block, origin_by(call));
    return {block, false};
}

Allocation forwarding_allocate_on(Arena *, Node, size_t size)
{
    return {other.malloc(size), false};
}

void forwarding_release(Arena *, void *block, Call call)
{
    if (complaints != Complaints::none)
        look_at_match(block, other.usable_size(block), call);
    other.free(block);
}

void forwarding_release_sized(Arena *arena, void *block, size_t size, size_t alignment, Call call)
{
    if (complaints != Complaints::none)
        look_at_size(block, other.usable_size(block), size, alignment, call);
    forwarding_release(arena, block, call);
}

void *forwarding_reallocate(Arena *, void *block, size_t size)
{
    if (size > size_max)
    {
        errno = ENOMEM;
        return nullptr;
    }
    if (complaints != Complaints::none)
        look_at_match(block, other.usable_size(block), Call::realloc);
    return other.realloc(block, size);
}

BlockShape forwarding_shape(Arena *, Call, const void *block)
{
    return {other.usable_size(const_cast<void *>(block)), no_class, false};
}

constinit const ArenaOperations forwarding_operations{
    .allocate = forwarding_allocate,
    .allocate_on = forwarding_allocate_on,
    .release = forwarding_release,
    .release_sized = forwarding_release_sized,
    .reallocate = forwarding_reallocate,
    .shape = forwarding_shape,
};

constinit Arena forwarding_arena{&forwarding_operations};

// ---- whose malloc serves -------------------------------------------------------------------------------------------

template <typename Function>
void find(Function **function, void *where, const char *name)
{
    *function = reinterpret_cast<Function *>(dlsym(where, name));
}

// A name that is missing would make dlsym allocate for its message: every libc has these.
OtherMalloc malloc_in(void *where)
{
    OtherMalloc found{};
    find(&found.malloc, where, "malloc");
    find(&found.calloc, where, "calloc");
    find(&found.realloc, where, "realloc");
    find(&found.memalign, where, "memalign");
    find(&found.free, where, "free");
    find(&found.usable_size, where, "malloc_usable_size");
    return found;
}

bool is_complete(const OtherMalloc &found)
{
    return found.malloc != nullptr && found.calloc != nullptr && found.realloc != nullptr &&
           found.memalign != nullptr && found.free != nullptr && found.usable_size != nullptr;
}

bool has_sanitizer()
{
    return &asan_init != nullptr || &tsan_init != nullptr || &lsan_init != nullptr;
}

// Whether the program's malloc is not ours. Unit tests export none and run on ours all the same.
bool program_has_another()
{
    void *const ours = dlsym(RTLD_DEFAULT, "fastalloc_malloc");
    return ours != nullptr && ours != dlsym(RTLD_DEFAULT, "malloc");
}

bool is_a_tools(const OtherMalloc &found)
{
    void *const block = found.malloc(1);
    const bool exact = block != nullptr && found.usable_size(block) < libc_block_min;
    found.free(block);
    return exact;
}

} // namespace

Arena *forwarding_view()
{
    return forwarding ? &forwarding_arena : nullptr;
}

void forward_to(const OtherMalloc &wanted, Complaints its_complaints)
{
    other = wanted;
    complaints = its_complaints;
    forwarding = true;
    empty_arena.operations.set(&forwarding_operations);
}

void forward_where_needed()
{
    if (dlsym == nullptr)
        return; // a static program has no malloc but ours
    if (has_sanitizer())
    {
        if (program_has_another())
            forward_to(malloc_in(RTLD_DEFAULT), Complaints::none);
        return;
    }
    if (!memcheck::is_any_tool())
        return;
    const OtherMalloc next = malloc_in(RTLD_NEXT);
    if (is_complete(next) && is_a_tools(next))
        forward_to(next, memcheck::is_memcheck() ? Complaints::mismatch_and_size : Complaints::none);
}

} // namespace fastalloc
