// SPDX-License-Identifier: MIT
//
// HeapSnapshot: which blocks are live at one moment, in memory of its own, so that nobody needs to stand still while it
// is read.
//
//     [ a piece per span, large and outside block ][ bits: a bit per block of each piece ][ piece of each slice ]
//
// Taken in two steps. take() enters what spans have handed out, large and outside blocks; then whoever knows where free
// blocks wait (bins and boxes, watch/heap_visit.cpp) takes them out one by one.
//
// Owner: the thread that takes it. take() and take_out() require that every lock is held, everything else nothing.
#pragma once

#include "fastalloc.h"
#include "heap/window.h"

namespace fastalloc
{

class HeapSnapshot
{
public:
    HeapSnapshot() = default;
    ~HeapSnapshot();
    HeapSnapshot(const HeapSnapshot &) = delete;
    HeapSnapshot &operator=(const HeapSnapshot &) = delete;

    // False if there is no memory.
    bool take();

    // A free block. False if no block that was ever handed out begins there.
    bool take_out(const void *block);

    // The first thing that is wrong, with the place of it.
    void breaks(const char *what, const void *where);

    // Null if nothing is.
    const char *broken() const
    {
        return broken_;
    }

    const void *where_broken() const
    {
        return where_broken_;
    }

    // Calls `each` with every live block, by address but for outside blocks, until it returns something else than 0, and
    // returns that.
    template <typename Each>
    int visit(Each each) const
    {
        for (size_t index = 0; index < piece_count_; ++index)
            if (const int told = visit_piece(pieces_[index], each))
                return told;
        return 0;
    }

private:
    // Blocks in a row, all of one size.
    struct Piece
    {
        uintptr_t begin;
        size_t block_bytes;
        uint64_t *live; // a bit per block
        uint32_t blocks;
        SizeClass size_class; // no_class: one large or outside block
        Node place;
    };

    template <typename Each>
    static int visit_piece(const Piece &piece, Each each)
    {
        fastalloc_block block = {};
        block.size = sizeof block;
        block.usable = piece.block_bytes;
        block.class_bytes = piece.size_class != no_class ? piece.block_bytes : 0;
        block.node = piece.place != unplaced ? static_cast<int>(piece.place) : -1;
        for (size_t number = 0; number < piece.blocks; ++number)
        {
            if ((piece.live[number / 64] >> (number % 64) & 1) == 0)
                continue;
            block.address = reinterpret_cast<void *>(piece.begin + number * piece.block_bytes);
            if (const int told = each(static_cast<const fastalloc_block &>(block)))
                return told;
        }
        return 0;
    }

    bool map(size_t pieces, size_t words, size_t slices);
    Piece *add_piece(uintptr_t begin, size_t block_bytes, uint32_t blocks, SizeClass size_class, Node place);
    void add_span(const Span *span);
    void enter_small(const Span *span, const Piece &piece);
    void enter_medium(const Span *span, const Piece &piece);
    static void set(const Piece &piece, uint32_t number);
    static bool clear(const Piece &piece, uint32_t number); // whether it was set

    Piece *pieces_ = nullptr;
    size_t piece_count_ = 0;
    uint64_t *next_word_ = nullptr; // of the bits, the first that is no piece's
    uint32_t *piece_plus_one_of_slice_ = nullptr;
    size_t bytes_ = 0;
    const char *broken_ = nullptr;
    const void *where_broken_ = nullptr;
};

} // namespace fastalloc
