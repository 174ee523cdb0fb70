// SPDX-License-Identifier: MIT
//
// Claims about heap/span.h and heap/window.h: at every address of a span of every class, both tests of whether a block
// begins there say what a division says.
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

// The first number for which a test disagrees with the division, to be named in a failure.
struct Disagreement
{
    unsigned size_class;
    size_t offset;
};

void assert_none(const std::vector<Disagreement> &found)
{
    if (!found.empty())
        fail_msg("class %u, offset %zu, and %zu more", found[0].size_class, found[0].offset, found.size() - 1);
}

void begins_block_divides_every_offset_of_every_small_class(void **)
{
    std::vector<Disagreement> found;
    for (unsigned index = 0; index < small_class_count; index++)
    {
        Span span = {};
        span.stride = stride_of(static_cast<SizeClass>(index));
        const size_t bytes = class_bytes(static_cast<SizeClass>(index));
        for (uintptr_t offset = 0; offset < slice_bytes; offset++)
            if (span.begins_block(reinterpret_cast<void *>(offset)) != (offset % bytes == 0))
                found.push_back({index, offset});
    }
    assert_none(found);
}

// Which slice it is does not matter: spans begin at multiples of 64 KiB.
void begins_block_looks_at_the_offset_into_the_slice_alone(void **)
{
    Span span = {};
    span.stride = stride_of(class_of(48));
    for (const uintptr_t slice : {uintptr_t{1}, uintptr_t{77}, (uintptr_t{1} << 47) / slice_bytes - 1})
        for (uintptr_t offset = 0; offset < slice_bytes; offset++)
            if (span.begins_block(reinterpret_cast<void *>(slice * slice_bytes + offset)) != (offset % 48 == 0))
                fail_msg("slice %zu, offset %zu", static_cast<size_t>(slice), static_cast<size_t>(offset));
}

void the_product_stays_clear_of_its_bounds(void **)
{
    for (unsigned index = 0; index < small_class_count; index++)
    {
        const uint64_t bytes = class_bytes(static_cast<SizeClass>(index));
        const uint64_t stride = stride_of(static_cast<SizeClass>(index));
        assert_true(stride <= UINT32_MAX && stride * bytes >= uint64_t{1} << 32);
        assert_true((stride - 1) * bytes < uint64_t{1} << 32);
    }
}

// Also behind the last block, where a part of another would begin; medium spans are looked up from each of their slices.
void block_begins_knows_every_block_of_a_span_and_nothing_else(void **)
{
    assert_alone([] {
        for (unsigned index = 0; index < class_count; index++)
        {
            const ClassShape &shape = shape_of(static_cast<SizeClass>(index));
            const Span *const head = head_of(record_of(allocate_block(shape.bytes)));
            require(head->slices == shape.slices && head->capacity == shape.capacity);
            require(!is_small(head->size_class) || head->stride == stride_of(head->size_class));
            const uintptr_t begin = address_of(head);
            for (uintptr_t offset = 0; offset < shape.slices * slice_bytes; offset++)
            {
                void *const address = reinterpret_cast<void *>(begin + offset);
                const bool whole = offset / shape.bytes < shape.capacity;
                if (block_begins(record_of(address), address) != (offset % shape.bytes == 0 && whole))
                {
                    fprintf(stderr, "class %u, offset %zu\n", index, static_cast<size_t>(offset));
                    require(false);
                }
            }
        }
    });
}

// free asks on its fast way, and again, with the capacity, where that falls through.
void free_of_every_address_inside_a_block_is_refused(void **)
{
    assert_alone([] {
        for (unsigned index = 0; index < small_class_count; index++)
        {
            const size_t bytes = class_bytes(static_cast<SizeClass>(index));
            release_block(allocate_block(bytes)); // room in the bin
            char *const block = static_cast<char *>(allocate_block(bytes));
            for (size_t inside = 1; inside < bytes; inside++)
                require(!release_fast(block + inside));
            release_block(block);
        }
        require_whole_heap();
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(begins_block_divides_every_offset_of_every_small_class),
        cmocka_unit_test(begins_block_looks_at_the_offset_into_the_slice_alone),
        cmocka_unit_test(the_product_stays_clear_of_its_bounds),
        cmocka_unit_test(block_begins_knows_every_block_of_a_span_and_nothing_else),
        cmocka_unit_test(free_of_every_address_inside_a_block_is_refused),
    };
    return cmocka_run_group_tests_name("span", tests, nullptr, nullptr);
}
