// SPDX-License-Identifier: MIT
//
// The constants of the design. Few are chosen; the rest follows from them, and the static_asserts at
// the end say what must hold between them. What a user may change at run time is in os/options.h.
//
//   region 1 GiB  = 512 chunks     what a node is given of the window, at a time
//   chunk  2 MiB  = 32 slices      unit of huge pages and of return to the system
//   slice  64 KiB = 1 record       unit of spans; a small span is one slice
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastalloc
{

#if defined(__SANITIZE_THREAD__)
constexpr bool thread_sanitizer = true;
#else
constexpr bool thread_sanitizer = false;
#endif

// Invariants verified while the library runs: 0 none, 1 now and then, 2 after each slow path. The build's option
// `checks`.
#ifndef FASTALLOC_CHECKS
#define FASTALLOC_CHECKS 0
#endif
constexpr int checks = FASTALLOC_CHECKS;

constexpr size_t kibibyte = 1024;
constexpr size_t mebibyte = 1024 * kibibyte;
constexpr size_t gibibyte = 1024 * mebibyte;
constexpr size_t tebibyte = 1024 * gibibyte;

constexpr unsigned slice_shift = 16;
constexpr unsigned chunk_shift = 21; // the huge page of amd64 and of arm64 with 4 KiB pages
constexpr unsigned region_shift = 30;

constexpr size_t slice_bytes = size_t{1} << slice_shift;
constexpr size_t chunk_bytes = size_t{1} << chunk_shift;
constexpr size_t region_bytes = size_t{1} << region_shift;
constexpr unsigned slices_per_chunk = 1u << (chunk_shift - slice_shift);
constexpr unsigned slices_per_region = 1u << (region_shift - slice_shift);
constexpr unsigned chunks_per_region = 1u << (region_shift - chunk_shift);

// Blocks by size: small ones share a slice, medium ones a few slices, a large one has a run of slices
// of its own, and above that a block lies outside the window in a mapping of its own.
constexpr size_t small_max = 16 * kibibyte;
constexpr size_t medium_max = 256 * kibibyte;
constexpr size_t large_max = 32 * mebibyte;

// A large block that must move while it grows, from this size on, is carried out of the window by
// moving its pages instead of its bytes.
constexpr size_t carry_out_min = mebibyte;

// The window, less where the address space is small, down to the least that is worth having.
constexpr size_t window_max_bytes = 16 * tebibyte;
constexpr size_t window_min_bytes = 4 * gibibyte;

// Steps in which address space is made writable: from one chunk, doubling, to 32 chunks.
constexpr unsigned commit_step_max_chunks = 32;

// By which blocks are spread and threaded, whatever the system's pages are: spans begin on different ones, and a refill
// links no more fresh blocks than begin on one.
constexpr size_t small_page_bytes = 4 * kibibyte;

constexpr size_t bin_bytes = 16; // a bin's hot part, of which an arena has an array

// A bin's first limit: measured with churn and bulk, see src/README.md.
constexpr size_t bin_first_bytes_tiny = 4 * kibibyte; // classes up to tiny_max
constexpr size_t bin_first_bytes = 1 * kibibyte;
constexpr size_t tiny_max = 64;

constexpr size_t outbox_bytes = 4 * kibibyte;     // remote frees a thread may hold back
constexpr unsigned outbox_slots = 8;              // owners it may hold them back for at a time
constexpr int64_t inbox_bound = 64 * kibibyte;    // a pusher that passes this drains the inbox itself
constexpr size_t handed_out_step = 64 * kibibyte; // an arena's difference that goes to the node's total
constexpr unsigned slow_paths_per_scan = 64;      // after so many an arena looks for bins nobody uses

static_assert(slices_per_chunk == 32, "a chunk's slices fit a 32-bit mask");
static_assert(chunks_per_region % 64 == 0, "a region's chunks fill 64-bit words");
static_assert(small_max < slice_bytes && medium_max < chunk_bytes && large_max < region_bytes);

} // namespace fastalloc
