// SPDX-License-Identifier: MIT
//
// Claims about arena/lending.h: no more is handed out between two looks than was said, blocks that come back unused count
// again, and lent blocks are nowhere lost: at flush, at a thread's end, in the child of a fork.
#include "arena/lending.h"

#include <set>
#include <vector>

#include "layers.h"

using namespace fastalloc_test;

namespace
{

constexpr size_t size = 64;
const SizeClass size_class = small_class_of(size);

// What malloc falls back to: the arena itself, then what it has is lent.
Allocation look(Arena *face, size_t wanted, size_t alignment, Call call)
{
    Arena *const own = owner_of(face);
    const Allocation allocation = own->usual_operations()->allocate(own, wanted, alignment, call);
    if (own->bins[size_class].head != nullptr)
        own->lend(size_class);
    return allocation;
}

const ArenaOperations looking{
    .allocate = look,
    .allocate_on = nullptr,
    .release = nullptr,
    .release_sized = nullptr,
    .reallocate = nullptr,
    .shape = nullptr,
};

Face *lend_to_all()
{
    release_block(allocate_block(size));
    registry.show_to_all({.over = nullptr, .faces = &looking, .attached = nullptr, .stray = nullptr});
    return face_of(thread_words.self);
}

uint32_t lent_blocks(const Face *face)
{
    return face->arena.bins[size_class].count();
}

void what_may_be_handed_out_is_lent_and_no_more(void **)
{
    assert_alone([] {
        Face *const face = lend_to_all();
        Arena *const own = thread_words.self;
        require(thread_words.malloc_arena == &face->arena && thread_words.free_arena == own);
        face->left_bytes[size_class] = 10 * size + 7;
        allocate_block(size); // by the look, and the rest is lent
        require(lent_blocks(face) == 10 && face->left_bytes[size_class] == 7);
        for (int count = 0; count < 10; ++count)
            allocate_block(size);
        require(lent_blocks(face) == 0);
        face->left_bytes[size_class] = size - 1;
        allocate_block(size);
        require(lent_blocks(face) == 0);
        face->left_bytes[size_class] = gibibyte;
        const uint32_t ready = own->bins[size_class].count();
        require(ready > 2);
        allocate_block(size);
        require(lent_blocks(face) == ready - 1 && own->bins[size_class].head == nullptr);
        require_whole_heap();
    });
}

void each_block_is_handed_out_once(void **)
{
    assert_alone([] {
        Face *const face = lend_to_all();
        std::set<void *> held;
        std::vector<void *> order;
        for (unsigned turn = 0; turn < 20'000; ++turn)
        {
            face->left_bytes[size_class] = turn % 13 * 100;
            void *const block = allocate_block(size);
            require(held.insert(block).second);
            order.push_back(block);
            if (turn % 3 != 0)
            {
                void *const old = order[turn * 7 % order.size()];
                if (held.erase(old) != 0)
                    release_block(old);
            }
        }
        require_whole_heap();
        for (void *block : held)
            release_block(block);
        require_whole_heap();
    });
}

void a_flush_brings_lent_blocks_back_and_they_count_again(void **)
{
    assert_alone([] {
        Face *const face = lend_to_all();
        face->left_bytes[size_class] = mebibyte;
        void *const block = allocate_block(size);
        const uint32_t lent = lent_blocks(face);
        require(lent != 0 && face->left_bytes[size_class] == mebibyte - lent * size);
        thread_words.self->flush();
        require(lent_blocks(face) == 0 && face->left_bytes[size_class] == mebibyte);
        release_block(block);
        require_whole_heap();
    });
}

void lent_blocks_are_in_the_figures_and_go_back_at_a_threads_end(void **)
{
    assert_alone([] {
        lend_to_all();
        Arena *theirs = nullptr;
        in_thread([&] {
            release_block(allocate_block(size));
            theirs = thread_words.self;
            require(theirs->has_face);
            face_of(theirs)->left_bytes[size_class] = mebibyte;
            allocate_block(size);
            const ArenaGuard guard(theirs);
            require(lent_blocks(face_of(theirs)) != 0);
            require(theirs->figures().cached_bytes >= lent_blocks(face_of(theirs)) * size);
        });
        require(lent_blocks(face_of(theirs)) == 0);
        require_whole_heap();
    });
}

void the_child_of_a_fork_has_lent_blocks_of_threads_that_are_gone(void **)
{
    assert_alone([] {
        hook_fork();
        lend_to_all();
        in_thread([] {
            release_block(allocate_block(size));
            Arena *const own = thread_words.self;
            face_of(own)->left_bytes[size_class] = mebibyte;
            allocate_block(size);
            in_thread([own] {
                const int status = status_of_child([own] {
                    require(lent_blocks(face_of(own)) != 0);
                    registry.tidy(0);
                    require(lent_blocks(face_of(own)) == 0);
                    require_whole_heap();
                });
                require(status == 0);
            });
        });
    });
}

} // namespace

int main()
{
    const CMUnitTest tests[] = {
        cmocka_unit_test(what_may_be_handed_out_is_lent_and_no_more),
        cmocka_unit_test(each_block_is_handed_out_once),
        cmocka_unit_test(a_flush_brings_lent_blocks_back_and_they_count_again),
        cmocka_unit_test(lent_blocks_are_in_the_figures_and_go_back_at_a_threads_end),
        cmocka_unit_test(the_child_of_a_fork_has_lent_blocks_of_threads_that_are_gone),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
