// SPDX-License-Identifier: MIT
//
// Claims about heap/window.h: where the window lies, whose its regions are, what a stray pointer meets, and what becomes of
// it where address space is short. Each test has a process, so a window, of its own.
#include <cerrno>
#include <fstream>
#include <string>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

constexpr size_t gib = gibibyte;

void the_window_is_there_with_the_first_region(void **)
{
    assert_alone([] {
        require(window_bounds.base == 0 && window.regions() == 0 && window.bytes() == 0);
        require(!in_window(0) && !in_window(reinterpret_cast<uintptr_t>(&window)));
        errno = ERANGE;
        require(window.give_region(0) == 0);
        require(errno == ERANGE);
        require(window_bounds.base != 0 && is_multiple(window_bounds.base, chunk_bytes));
        require(window.regions() == 1 && window.bytes() >= window_min_bytes);
        require(window_bounds.link_secret != 0);
        require(fastalloc_root.window_base == window_bounds.base && fastalloc_root.window_bytes == window.bytes());
    });
}

// The bytes that a range of addresses has on huge pages.
size_t on_huge_pages(uintptr_t begin)
{
    std::ifstream maps("/proc/self/smaps");
    std::string line;
    uintptr_t from = 0;
    uintptr_t to = 0;
    size_t kib = 0;
    while (std::getline(maps, line))
        if (sscanf(line.c_str(), "%lx-%lx ", &from, &to) != 2 && from <= begin && begin < to &&
            sscanf(line.c_str(), "AnonHugePages: %zu", &kib) == 1)
            return kib * kibibyte;
    return 0;
}

void the_tables_of_many_regions_are_on_huge_pages(void **)
{
    assert_alone([] {
        for (int number = 0; number < 7; number++)
            require(window.give_region(0) == number);
        const bool paired = window.is_reserved(); // not where a sanitizer has taken most addresses
        require(window.table_bytes() == (paired ? 8 : 7) * 2 * mebibyte + pages::page_bytes());
        for (unsigned number = 0; number < 7; number++)
        {
            Span *const record = span_at((number + 1) * slices_per_region - 1);
            const auto chunks = reinterpret_cast<uintptr_t>(window.region(number));
            record->slices = 1; // touched
            window.region(number)->slack = 0;
            const bool huge = paired && number >= 4 && !pages::huge_pages_are_forbidden() &&
                              prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 0;
            require((on_huge_pages(reinterpret_cast<uintptr_t>(record)) != 0) == huge &&
                    (on_huge_pages(chunks) != 0) == huge);
        }
    });
}

void regions_are_given_in_order_and_keep_their_nodes(void **)
{
    assert_alone([] {
        const Node nodes[] = {0, 3, 0, 1000, 3};
        for (int number = 0; number < 5; number++)
        {
            require(window.give_region(nodes[number]) == number);
            require(window.region(static_cast<unsigned>(number))->number == number);
        }
        for (unsigned number = 0; number < 5; number++)
        {
            require(window.region(number)->place == nodes[number]);
            require(node_heap_of(number * slices_per_region).place() == nodes[number]);
            require(node_heap_of((number + 1) * slices_per_region - 1).place() == nodes[number]);
            require(window.region_address(number) == window_bounds.base + number * region_bytes);
        }
    });
}

void every_pointer_below_the_limit_has_a_record_that_belongs_to_nobody(void **)
{
    assert_alone([] {
        window.give_region(0);
        window.give_region(0);
        const uintptr_t base = window_bounds.base;
        const uintptr_t limit = base + 2 * region_bytes;
        require(!in_window(base - 1) && in_window(base) && in_window(limit - 1) && !in_window(limit));
        require(!in_window(UINTPTR_MAX) && !in_window(0));
        for (uintptr_t address = base; address < limit; address += slice_bytes / 2)
        {
            const Span *const record = span_of(address);
            require(record->owner.load() == nullptr && record->kind == SpanKind::free);
        }
    });
}

void slices_records_and_addresses_lead_to_each_other(void **)
{
    assert_alone([] {
        window.give_region(0);
        for (SliceIndex slice = 0; slice < slices_per_region; slice += 97)
        {
            Span *const record = span_at(slice);
            const uintptr_t address = address_of_slice(slice);
            require(slice_of(record) == slice && address_of(record) == address);
            require(span_of(address) == record && span_of(address + slice_bytes - 1) == record);
            require(span_at_offset(window_bounds.base, address - window_bounds.base) == record);
        }
        // The last slice of a span of three.
        Span *const last = span_at(50);
        last->back = 2;
        require(head_of(last) == span_at(48) && head_of(span_at(48)) == span_at(48));
    });
}

// Record 0 lies in the window itself.
void the_first_chunk_is_never_given_out(void **)
{
    assert_alone([] {
        const SliceIndex first = node_heap(0).take(1).slice;
        require(first == slices_per_chunk);
        require(chunk_at(0)->state == ChunkState::taken);
    });
}

void a_small_window_ends_and_says_so(void **)
{
    assert_alone([] {
        window.set_largest_for_tests(4 * gib);
        NodeHeap &heap = node_heap(0);
        for (unsigned number = 0; number < 4; number++)
            require(heap.take(slices_per_region / 2 + 1).slice != no_slice); // so that each needs a region of its own
        require(window.bytes() == 4 * gib && window.regions() == 4 && window.is_reserved());
        require(window.give_region(0) == -1 && window.regions() == 4);
        require(heap.take(slices_per_region / 2 + 1).slice == no_slice);
        require(node_heap(1).take(1).slice == no_slice);
        require(heap.take(slices_per_region / 3).slice != no_slice);
        require_sound_chunks();
    });
}

void where_the_window_is_full_blocks_lie_outside(void **)
{
    assert_alone([] {
        window.set_largest_for_tests(4 * gib);
        allocate_block(1);
        for (unsigned slices = slices_per_region / 2; slices != 0; slices /= 2)
            while (node_heap(0).take(slices).slice != no_slice)
            {
            }
        void *const block = allocate_block(mebibyte);
        require(block != nullptr && outside.usable(block) == mebibyte);
        release_block(block);
        errno = 0;
        require(allocate_block(100) == nullptr && errno == ENOMEM);
        in_thread([] { // for whom there is no arena either
            errno = 0;
            require(allocate_block(100) == nullptr && errno == ENOMEM);
            void *const large = allocate_block(mebibyte);
            require(large != nullptr && outside.usable(large) == mebibyte);
            release_block(large);
        });
        require_sound_chunks();
    });
}

void a_reservation_too_large_for_the_address_space_is_tried_smaller(void **)
{
    assert_alone([] {
        window.set_largest_for_tests(256 * tebibyte);
        require(window.give_region(0) == 0);
        require(window.is_reserved() && window.bytes() <= 64 * tebibyte && window.bytes() >= 16 * gib);
        require(node_heap(0).take(100).slice != no_slice);
        require_sound_chunks();
    });
}

// ---- a window that is only aimed at --------------------------------------------------------------------------------

// ThreadSanitizer has room for mappings in a part of the address space only, in which no window is.
#if !defined(__SANITIZE_THREAD__)

void aim_at_the_window(uint64_t growth = 2 * gib)
{
    limit_growth(RLIMIT_AS, growth);
    require(window.give_region(0) == 0);
    require(!window.is_reserved() && window.bytes() >= window_min_bytes);
}

// A reservation would use up what the program may map, however much that is.
void where_address_space_is_limited_the_window_is_mapped_as_it_is_needed(void **)
{
    assert_alone([] {
        aim_at_the_window(8 * tebibyte);
        const uint64_t before = counted_bytes(RLIMIT_AS);
        NodeHeap &heap = node_heap(0);
        const SliceIndex slice = heap.take(1).slice;
        require(slice == slices_per_chunk);
        require(counted_bytes(RLIMIT_AS) - before == chunk_bytes);
        memset(reinterpret_cast<void *>(address_of_slice(slice)), 1, slice_bytes);
        require(heap.take(3 * slices_per_chunk).slice != no_slice);
        require(window.give_region(1) == 1);
        require(node_heap(1).take(1).slice / slices_per_region == 1);
        require_sound_chunks();
    });
}

void allocation_ends_at_the_limit_and_goes_on_below_it(void **)
{
    assert_alone([] {
        aim_at_the_window(600 * mebibyte);
        std::vector<void *> blocks;
        errno = 0;
        for (;;)
        {
            void *const block = allocate_block(mebibyte);
            if (block == nullptr)
                break;
            stamp(block, mebibyte, blocks.size());
            blocks.push_back(block);
        }
        require(errno == ENOMEM);
        require(blocks.size() >= 500 && blocks.size() <= 600);
        require_whole_heap();
        for (size_t number = 0; number < blocks.size(); number++)
        {
            require(is_stamped(blocks[number], mebibyte, number));
            if (number % 2 == 0)
                release_block(blocks[number]);
        }
        for (size_t number = 0; number < blocks.size(); number += 2)
            require(allocate_block(mebibyte) != nullptr);
        require_whole_heap();
    });
}

void what_somebody_else_has_mapped_is_stepped_over(void **)
{
    assert_alone([] {
        aim_at_the_window();
        std::vector<char *> obstacles;
        for (const unsigned chunk : {1u, 4u, 5u, 9u, 30u})
        {
            void *const place = reinterpret_cast<void *>(address_of_chunk(chunk) + 64 * kibibyte);
            void *const mapped = mmap(place, 64 * kibibyte, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
            require(mapped == place);
            obstacles.push_back(static_cast<char *>(mapped));
            obstacles.back()[100] = 'x';
        }
        NodeHeap &heap = node_heap(0);
        for (unsigned number = 0; number < 60; number++)
        {
            const unsigned slices = 20 + number % 3 * 30; // 20 or 50 or 80
            const SliceIndex slice = heap.take(slices).slice;
            require(slice != no_slice);
            for (char *const obstacle : obstacles)
            {
                const auto address = reinterpret_cast<uintptr_t>(obstacle);
                require(address < address_of_slice(slice) || address >= address_of_slice(slice + slices));
            }
            for (unsigned offset = 0; offset < slices; offset++)
                memset(reinterpret_cast<void *>(address_of_slice(slice + offset)), 1, 64);
            require_sound_chunks();
        }
        for (char *const obstacle : obstacles)
        {
            require(obstacle[100] == 'x' && obstacle[0] == 0);
            const auto chunk = (reinterpret_cast<uintptr_t>(obstacle) - window_bounds.base) >> chunk_shift;
            require(chunk_at(static_cast<ChunkIndex>(chunk))->state == ChunkState::taken);
        }
    });
}

void a_record_table_that_is_in_the_way_ends_the_window(void **)
{
    assert_alone([] {
        aim_at_the_window();
        const uintptr_t records = reinterpret_cast<uintptr_t>(span_at(2 * slices_per_region - 1));
        require(mmap(reinterpret_cast<void *>(round_down(records, 4096)), 4096, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != MAP_FAILED);
        require(window.give_region(0) == -1 && window.regions() == 1);
        require(node_heap(0).take(100).slice != no_slice);
        require_sound_chunks();
    });
}

#endif

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(the_window_is_there_with_the_first_region),
        cmocka_unit_test(the_tables_of_many_regions_are_on_huge_pages),
        cmocka_unit_test(regions_are_given_in_order_and_keep_their_nodes),
        cmocka_unit_test(every_pointer_below_the_limit_has_a_record_that_belongs_to_nobody),
        cmocka_unit_test(slices_records_and_addresses_lead_to_each_other),
        cmocka_unit_test(the_first_chunk_is_never_given_out),
        cmocka_unit_test(a_small_window_ends_and_says_so),
        cmocka_unit_test(where_the_window_is_full_blocks_lie_outside),
        cmocka_unit_test(a_reservation_too_large_for_the_address_space_is_tried_smaller),
#if !defined(__SANITIZE_THREAD__)
        cmocka_unit_test(where_address_space_is_limited_the_window_is_mapped_as_it_is_needed),
        cmocka_unit_test(allocation_ends_at_the_limit_and_goes_on_below_it),
        cmocka_unit_test(what_somebody_else_has_mapped_is_stepped_over),
        cmocka_unit_test(a_record_table_that_is_in_the_way_ends_the_window),
#endif
    };
    return cmocka_run_group_tests_name("window", tests, nullptr, nullptr);
}
