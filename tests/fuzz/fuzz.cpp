// SPDX-License-Identifier: MIT
//
// fuzz.cpp - bytes as a list of calls: each names a function, a thread, a size, an alignment, a block. The calls go to
// the library's own names, so malloc stays libc's. What they return is held against what they owe (ledger.h), and in
// the end, with everything freed and all threads gone, nothing may be live and the heap must be whole.
//
// A call is one byte, the thread in its upper two bits, and then what it reads: see the functions of Run.
#include <cerrno>
#include <climits>

#include "crew.h"
#include "ledger.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace fuzz
{
namespace
{

// An input may have this much live and ask for this much in all.
constexpr size_t live_max = 72 * mib;
constexpr size_t total_max = 128 * mib;
constexpr size_t blocks_max = 2048;
constexpr unsigned calls_max = 400;

// More than any machine has addresses for.
constexpr size_t impossible_size = size_t{1} << 48;

// Where the allocator does something else with sizes above than with those below.
constexpr size_t edges[] = {
    16,       128,       kib,       4 * kib,   8 * kib, 16 * kib, 20 * kib, 32 * kib,
    64 * kib, 128 * kib, 256 * kib, 512 * kib, mib,     2 * mib,  32 * mib, 64 * mib,
};
constexpr unsigned edge_count = sizeof edges / sizeof *edges;

fastalloc_stats stats_of_whole_heap()
{
    char message[256] = "";
    const int broken = fastalloc_check_heap(message, sizeof message);
    if (broken)
        fprintf(stderr, "fastalloc_check_heap: %s\n", message);
    REQUIRE(broken == 0);
    fastalloc_stats stats;
    REQUIRE(fastalloc_get_stats(&stats, sizeof stats) == 0);
    return stats;
}

class Run
{
public:
    Run(const uint8_t *data, size_t size) : next_(data), end_(data + size)
    {
    }

    void calls()
    {
        for (unsigned call = 0; next_ != end_ && call < calls_max; call++)
        {
            const unsigned head = byte();
            const unsigned thread = head >> 6;
            const unsigned kind = (head & 63) % kinds;
            if (kind == kinds - 1)
                crew_.end(thread);
            else
                crew_.run(thread, [this, kind] { (this->*functions[kind])(); });
        }
        for (unsigned turn = 0; ledger_.count() != 0; turn++)
            release(turn % 2 ? 0 : ledger_.count() - 1);
    }

private:
    // ---- what the input says -------------------------------------------------------------------------------------

    unsigned byte()
    {
        return next_ == end_ ? 0 : *next_++;
    }

    unsigned two_bytes()
    {
        const unsigned low = byte();
        return low | byte() << 8;
    }

    // 1 to 64 MiB, each doubling equally often; some small, some next to an edge, some that cannot be had.
    size_t any_size()
    {
        const unsigned word = two_bytes();
        const unsigned kind = word >> 11;
        const size_t figure = word & 2047;
        if (kind < 26)
            return (2048 + figure) << kind >> 11;
        if (kind < 28)
            return figure;
        if (kind < 30)
            return edges[figure % edge_count] + figure / edge_count % 33 - 16;
        return (kind == 30 ? SIZE_MAX : size_t{PTRDIFF_MAX} + kib) - figure;
    }

    // Mostly a power of two.
    size_t any_alignment()
    {
        const unsigned figure = byte();
        if (figure >= 240)
            return figure - 240; // 0 to 15
        return size_t{1} << (figure < 224 ? figure % 27 : figure % 64);
    }

    size_t any_index()
    {
        return two_bytes() % ledger_.count();
    }

    // Whether this may be asked for; if so, it counts.
    bool affordable(size_t size)
    {
        if (size >= impossible_size)
            return true;
        if (size > live_max || ledger_.live_bytes() + size > live_max || total_ + size > total_max ||
            ledger_.count() >= blocks_max)
            return false;
        total_ += size;
        return true;
    }

    // ---- what is expected ----------------------------------------------------------------------------------------

    // Enters a block in the ledger, or sees that one that cannot be was refused.
    void received(void *block, size_t size, size_t alignment, Origin origin)
    {
        if (size < impossible_size && (block != nullptr || alignment <= live_max))
            ledger_.add(block, size, alignment, origin);
        else
            REQUIRE(block == nullptr && errno == ENOMEM);
    }

    void received_aligned(void *block, size_t size, size_t alignment)
    {
        if (alignment != 0)
            received(block, size, alignment, Origin::aligned);
        else
            REQUIRE(block == nullptr && errno == EINVAL);
    }

    static bool is_power_of_two(size_t value)
    {
        return value != 0 && (value & (value - 1)) == 0;
    }

    // ---- calls ---------------------------------------------------------------------------------------------------

    void plain()
    {
        const size_t size = any_size();
        if (affordable(size))
            received(fastalloc_malloc(size), size, Ledger::alignment_due(size), Origin::plain);
    }

    void zeroed()
    {
        const size_t size = any_size();
        const size_t count = any_count();
        size_t bytes;
        if (__builtin_mul_overflow(count, size, &bytes))
            bytes = SIZE_MAX;
        if (!affordable(bytes))
            return;
        void *const block = fastalloc_calloc(count, size);
        REQUIRE(block == nullptr || is_zero(block, bytes));
        received(block, bytes, Ledger::alignment_due(bytes), Origin::plain);
    }

    void aligned()
    {
        const size_t alignment = any_alignment();
        const size_t size = any_size();
        if (affordable(size))
            received_aligned(fastalloc_aligned_alloc(alignment, size), size,
                             is_power_of_two(alignment) ? alignment : 0);
    }

    void posix_aligned()
    {
        const size_t alignment = any_alignment();
        const size_t size = any_size();
        if (!affordable(size))
            return;
        void *const untouched = &total_;
        void *block = untouched;
        errno = EDOM;
        const int error = fastalloc_posix_memalign(&block, alignment, size);
        REQUIRE(errno == EDOM);
        REQUIRE((error == 0) == (block != untouched));
        errno = error;
        received_aligned(error ? nullptr : block, size,
                         is_power_of_two(alignment) && alignment % sizeof(void *) == 0 ? alignment : 0);
    }

    void rounded_aligned()
    {
        const size_t alignment = any_alignment();
        const size_t size = any_size();
        size_t rounded = 1;
        while (rounded < alignment)
            rounded *= 2;
        if (affordable(size))
            received_aligned(fastalloc_memalign(alignment, size), size, rounded);
    }

    void page_aligned()
    {
        const bool whole_pages = byte() % 2;
        const size_t size = any_size();
        if (!affordable(size))
            return;
        received(whole_pages ? fastalloc_pvalloc(size) : fastalloc_valloc(size), size, page_bytes, Origin::aligned);
        if (whole_pages && size < impossible_size)
            REQUIRE(ledger_.blocks().back().usable >= (size + page_bytes - 1) / page_bytes * page_bytes);
    }

    void resize()
    {
        const size_t size = any_size();
        resized(size, [size](void *block) { return fastalloc_realloc(block, size); });
    }

    void resize_array()
    {
        const size_t size = any_size();
        const size_t count = any_count();
        size_t bytes;
        if (__builtin_mul_overflow(count, size, &bytes))
            bytes = SIZE_MAX;
        resized(bytes, [count, size](void *block) { return fastalloc_reallocarray(block, count, size); });
    }

    template <typename Call>
    void resized(size_t size, Call call)
    {
        if (!affordable(size))
            return;
        if (ledger_.count() == 0)
            return received(call(nullptr), size, Ledger::alignment_due(size), Origin::plain);
        const size_t index = any_index();
        if (size >= impossible_size)
        {
            const Block &block = ledger_.blocks()[index];
            REQUIRE(call(block.address) == nullptr && errno == ENOMEM);
            return require_whole(block);
        }
        const Block block = ledger_.take(index);
        void *const moved = call(block.address);
        if (size == 0)
            return REQUIRE(moved == nullptr);
        REQUIRE(moved != nullptr);
        REQUIRE(marks_are_whole(moved, block.usable, at_most(block.size, size), block.seed));
        ledger_.add(moved, size, Ledger::alignment_due(size), Origin::plain);
    }

    void release_one()
    {
        if (ledger_.count() != 0)
            release(any_index());
        else
            release_nothing();
    }

    void release(size_t index)
    {
        const Block block = ledger_.take(index);
        require_whole(block);
        errno = EDOM;
        if (block.seed % 2)
            fastalloc_free(block.address);
        else if (block.origin == Origin::aligned)
            fastalloc_free_aligned_sized(block.address, block.alignment, block.size);
        else
            fastalloc_free_sized(block.address, block.seed % 4 ? block.size : block.usable);
        REQUIRE(errno == EDOM);
    }

    void release_nothing()
    {
        fastalloc_free(nullptr);
        fastalloc_free_sized(nullptr, any_size());
        const size_t alignment = any_alignment();
        fastalloc_free_aligned_sized(nullptr, alignment, any_size());
        REQUIRE(fastalloc_malloc_usable_size(nullptr) == 0);
    }

    // Many blocks of one size.
    void burst()
    {
        const size_t size = any_size();
        for (unsigned more = byte(); size < impossible_size && affordable(size); more--)
        {
            received(fastalloc_malloc(size), size, Ledger::alignment_due(size), Origin::plain);
            if (more == 0)
                break;
        }
    }

    // Many at once: the youngest first, the oldest first, or with gaps.
    void release_many()
    {
        const unsigned order = byte() % 4;
        size_t index = 0;
        for (size_t more = byte() + 1; more != 0 && ledger_.count() != 0; more--)
        {
            if (order == 0)
                index = ledger_.count() - 1;
            else if (index >= ledger_.count())
                break;
            release(index);
            index += order == 0 ? 0 : order - 1;
        }
    }

    void look_at_one()
    {
        if (ledger_.count() != 0)
            require_whole(ledger_.blocks()[any_index()]);
    }

    void trim()
    {
        const int returned = fastalloc_malloc_trim(any_size());
        REQUIRE(returned == 0 || returned == 1);
    }

    void check()
    {
        const fastalloc_stats stats = stats_of_whole_heap();
        REQUIRE(stats.live_bytes == ledger_.live_bytes());
        REQUIRE(stats.live_bytes - stats.outside_bytes + stats.cached_bytes + stats.inbox_bytes <= stats.open_bytes);
        REQUIRE(stats.open_bytes <= stats.committed_bytes);
    }

    // 0, small, or so large that few sizes have room for it.
    size_t any_count()
    {
        const unsigned figure = byte();
        return figure < 192 ? figure % 16 : size_t{1} << figure % 64;
    }

    using Function = void (Run::*)();
    static constexpr Function functions[] = {
        &Run::plain,           &Run::zeroed,          &Run::resize,       &Run::resize_array, &Run::aligned,
        &Run::posix_aligned,   &Run::rounded_aligned, &Run::page_aligned, &Run::release_one,  &Run::release_one,
        &Run::release_nothing, &Run::burst,           &Run::release_many, &Run::look_at_one,  &Run::trim,
        &Run::check,
    };
    static constexpr unsigned kinds = sizeof functions / sizeof *functions + 1; // the last: a thread ends

    const uint8_t *next_;
    const uint8_t *end_;
    Ledger ledger_;
    Crew crew_;
    size_t total_ = 0;
};

// What must hold when nobody has a block any more.
void require_empty_heap()
{
    const fastalloc_stats stats = stats_of_whole_heap();
    REQUIRE(stats.live_bytes == 0);
    REQUIRE(stats.outside_blocks == 0 && stats.outside_bytes == 0);
    REQUIRE(stats.attached_threads <= 1);
    REQUIRE(stats.arenas <= 2 * Crew::size);
}

} // namespace
} // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz::Run(data, size).calls();
    fuzz::require_empty_heap();
    return 0;
}
