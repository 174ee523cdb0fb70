/* SPDX-License-Identifier: MIT
 *
 * fastalloc.h - the C interface of libfastalloc
 *
 * libfastalloc replaces malloc. A program that links it (pkg-config --libs fastalloc) or is started
 * with LD_PRELOAD=libfastalloc.so.1 needs nothing of this header: malloc, free and their family, and
 * the C++ operators new and delete, are served without a change. The header is for programs that want
 * to ask more: the same functions under names of their own, statistics, a check of the whole heap.
 *
 * All sizes are in bytes. Unless a function says otherwise it may be called from any thread at any
 * time, also between fork and exec and from destructors that run at thread or process exit; none may
 * be called from a signal handler. Names follow malloc(3), posix_memalign(3), malloc_usable_size(3),
 * malloc_trim(3), mallopt(3), malloc_stats(3), malloc_info(3) and mallinfo(3); free_sized and
 * free_aligned_sized follow ISO C23, 7.24.3.4 and 7.24.3.5.
 */
#ifndef FASTALLOC_H
#define FASTALLOC_H

#include <malloc.h> /* struct mallinfo, struct mallinfo2 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define FASTALLOC_VERSION_MAJOR 0
#define FASTALLOC_VERSION_MINOR 1
#define FASTALLOC_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#define FASTALLOC_NOEXCEPT noexcept
#else
#define FASTALLOC_NOEXCEPT
#endif

#define FASTALLOC_EXPORT __attribute__((visibility("default")))

/* ---- malloc's names under our own --------------------------------------------------------------
 *
 * Each is the same function as the one without the prefix: a block from either may be given to
 * either. They are for programs in which malloc itself belongs to somebody else.
 */

/* At least `size` bytes, uninitialised, aligned to 16 bytes (to 8 where size is at most 8). size 0
 * yields a block of its own that may be freed. NULL with errno ENOMEM if there is no memory or size
 * is above PTRDIFF_MAX. The caller owns the block until it gives it to free or realloc. */
FASTALLOC_EXPORT void *fastalloc_malloc(size_t size) FASTALLOC_NOEXCEPT;

/* Gives a block back. NULL is ignored. errno is kept. A pointer that is no live block of this
 * allocator ends the process with one line on standard error and SIGABRT where it is noticed. */
FASTALLOC_EXPORT void fastalloc_free(void *block) FASTALLOC_NOEXCEPT;

/* `count` x `size` bytes set to zero; otherwise as malloc. NULL with ENOMEM if the product overflows. */
FASTALLOC_EXPORT void *fastalloc_calloc(size_t count, size_t size) FASTALLOC_NOEXCEPT;

/* Makes `block` hold `size` bytes, in place where it can, else moved; contents are kept up to the
 * smaller of both sizes. realloc(NULL, n) is malloc(n); realloc(p, 0) frees p and returns NULL, as
 * glibc does. On failure: NULL, ENOMEM, and the old block is untouched and still the caller's. */
FASTALLOC_EXPORT void *fastalloc_realloc(void *block, size_t size) FASTALLOC_NOEXCEPT;

/* realloc(block, count x size), failing with ENOMEM if the product overflows. */
FASTALLOC_EXPORT void *fastalloc_reallocarray(void *block, size_t count, size_t size) FASTALLOC_NOEXCEPT;

/* `size` bytes at a multiple of `alignment`, a power of two (any other: NULL, EINVAL). size need not
 * be a multiple of alignment. NULL with ENOMEM if there is no memory. */
FASTALLOC_EXPORT void *fastalloc_aligned_alloc(size_t alignment, size_t size) FASTALLOC_NOEXCEPT;

/* As aligned_alloc, but returns 0 and stores the block in *block, or returns EINVAL (alignment is no
 * power of two or no multiple of sizeof(void *)) or ENOMEM and leaves *block alone. errno is kept. */
FASTALLOC_EXPORT int fastalloc_posix_memalign(void **block, size_t alignment, size_t size) FASTALLOC_NOEXCEPT;

/* As aligned_alloc; an alignment that is no power of two is rounded up to one, as glibc does. */
FASTALLOC_EXPORT void *fastalloc_memalign(size_t alignment, size_t size) FASTALLOC_NOEXCEPT;

/* memalign(page size, size); pvalloc rounds size up to whole pages as well. */
FASTALLOC_EXPORT void *fastalloc_valloc(size_t size) FASTALLOC_NOEXCEPT;
FASTALLOC_EXPORT void *fastalloc_pvalloc(size_t size) FASTALLOC_NOEXCEPT;

/* The bytes of `block` that may be written: at least the size asked for. 0 for NULL. */
FASTALLOC_EXPORT size_t fastalloc_malloc_usable_size(void *block) FASTALLOC_NOEXCEPT;

/* free, with the size (and alignment) the block was asked for, as ISO C23 demands. After realloc
 * that is the size last given to it. A size this block cannot have been asked for is an error like
 * freeing a foreign pointer. The usable size is accepted too. */
FASTALLOC_EXPORT void fastalloc_free_sized(void *block, size_t size) FASTALLOC_NOEXCEPT;
FASTALLOC_EXPORT void fastalloc_free_aligned_sized(void *block, size_t alignment, size_t size) FASTALLOC_NOEXCEPT;

/* Gives memory that no block uses back to the system: the caller's own bins at once, every other
 * thread's at its next call. Returns 1 if any memory was given back, else 0. `pad` is kept resident. */
FASTALLOC_EXPORT int fastalloc_malloc_trim(size_t pad) FASTALLOC_NOEXCEPT;

/* Accepts the parameters of mallopt(3) and returns 1, or 0 for an unknown one or a value that is out
 * of range. M_PERTURB, M_CHECK_ACTION and the thresholds tune glibc's mechanisms, which this
 * allocator does not have: they are accepted without effect. */
FASTALLOC_EXPORT int fastalloc_mallopt(int parameter, int value) FASTALLOC_NOEXCEPT;

/* Writes a page about where the memory is, for people, to standard error, without allocating. */
FASTALLOC_EXPORT void fastalloc_malloc_stats(void) FASTALLOC_NOEXCEPT;

/* Writes statistics as XML to `stream`. options must be 0 (else -1, EINVAL). Returns 0. */
FASTALLOC_EXPORT int fastalloc_malloc_info(int options, FILE *stream) FASTALLOC_NOEXCEPT;

/* Statistics in glibc's form; mallinfo's ints saturate at INT_MAX. */
FASTALLOC_EXPORT struct mallinfo fastalloc_mallinfo(void) FASTALLOC_NOEXCEPT;
FASTALLOC_EXPORT struct mallinfo2 fastalloc_mallinfo2(void) FASTALLOC_NOEXCEPT;

/* ---- insight ------------------------------------------------------------------------------------ */

/* What the allocator holds. Exact while no other thread allocates or frees; otherwise each figure is
 * within one operation per running thread. New members are only ever added at the end. */
struct fastalloc_stats
{
    uint64_t live_bytes;       /* in blocks the program holds, by the size of their class */
    uint64_t cached_bytes;     /* in free blocks kept in the bins and outboxes of threads */
    uint64_t inbox_bytes;      /* in blocks freed by other threads and not yet sorted in */
    uint64_t open_bytes;       /* in chunks of 2 MiB of which some part is in use */
    uint64_t slack_bytes;      /* free whole chunks whose memory has not been given back */
    uint64_t committed_bytes;  /* writable address range for blocks */
    uint64_t metadata_bytes;   /* tables and arenas: writable, most of it untouched */
    uint64_t outside_bytes;    /* in blocks with a mapping of their own */
    uint64_t outside_blocks;   /* number of such blocks */
    uint64_t lease_bytes;      /* bin capacity that threads hold beyond their own budget */
    uint64_t demand_bytes;     /* slack kept because it was asked back soon after it was given back */
    uint64_t returned_bytes;   /* given back to the system since the start, a running total */
    uint64_t arenas;           /* arenas there are */
    uint64_t attached_threads; /* of them, those a running thread uses */
    uint64_t regions;          /* address ranges of 1 GiB in use */
    uint64_t huge_chunks;      /* open chunks that ask for huge pages */
    uint64_t refills;          /* times a bin was filled, a running total */
    uint64_t overflows;        /* times a bin was emptied by half, a running total */
    uint64_t remote_batches;   /* batches of blocks handed to the thread they belong to, total */
    uint64_t lock_waits;       /* times a thread waited for a lock that another held, a running total */
    uint64_t shared_writes;    /* two for each taking of a lock that is not an arena's own, with those of this call,
                                * and for each of remote_batches, a running total */
    uint64_t idle_bytes;       /* that hold memory and are nobody's: slack_bytes, free parts of open chunks, and pages
                                * that no block in use touches, of these as many as there may be at most */
    uint64_t broken_chunks;    /* meant for huge pages, of which a part was given back */
    uint64_t charged_bytes;    /* given back out of huge pages that the system may not have split yet, an estimate */
    uint64_t held_bytes;       /* in chunks that are open or hold memory, and in outside_bytes: what limits count */
    uint64_t limit_bytes;      /* the lower of hard_limit and what the control group may have; 0 without one */
    uint64_t returned_in_part_bytes; /* of returned_bytes, what did not go as whole chunks */
    uint64_t promoted_chunks;        /* put onto huge pages after they were full, a running total */
    uint64_t huge_unused_bytes;      /* of chunks in huge_chunks, in no use: resident for the page's sake */
    uint64_t pinned_bytes;           /* in free blocks that share their pages with blocks in use */
    uint64_t mapped_bytes;           /* writable address range in all, see below */
    uint64_t resident_bytes;         /* of mapped_bytes, what has memory behind it, asked of the kernel page by page */
    uint64_t free_in_spans_bytes;    /* in free blocks that are in no bin or box, with memory or without */
    uint64_t tail_bytes;             /* behind the last block of spans: too little for another one */
    uint64_t free_slice_bytes;       /* in parts of open chunks that are in no use */
    uint64_t unbacked_bytes;         /* in free whole chunks without memory */
    uint64_t lost_bytes;             /* freed by a signal handler that had interrupted the allocator: of no use again */
    uint64_t metadata_resident_bytes; /* of metadata_bytes, what has memory behind it */
    uint64_t remote_bytes;            /* in blocks handed over as remote_batches, a running total */
    uint64_t purges;             /* times everything free was given back: malloc_trim, fastalloc_purge, limits; total */
    uint64_t peak_held_bytes;    /* the most that held_bytes ever was */
    uint64_t live_at_peak_bytes; /* live_bytes then, less what bins could hold, about */
    uint64_t huge_share;         /* of open_bytes, in chunks that ask for huge pages: parts per thousand */
    uint64_t local_share;        /* of all spans taken, by threads that had not moved to their node from another: parts
                                  * per thousand; 1000 on one node */
};

/* Where the memory is. While no other thread allocates or frees these are equal:
 *
 *     mapped_bytes = live_bytes                    what the program holds
 *                  + cached_bytes + inbox_bytes    free, in bins and boxes of threads
 *                  + free_in_spans_bytes + tail_bytes + free_slice_bytes     free, in open chunks
 *                  + slack_bytes + unbacked_bytes + lost_bytes               free chunks, and what is lost
 *                  + metadata_bytes
 */

/* Fills `stats`, of which the caller knows the first `bytes` bytes: pass sizeof *stats. Members this
 * library does not know are set to 0. Returns 0, or -1 with errno EBUSY when called by a signal
 * handler that interrupted the allocator. */
FASTALLOC_EXPORT int fastalloc_get_stats(struct fastalloc_stats *stats, size_t bytes) FASTALLOC_NOEXCEPT;

/* The same for one size of blocks. Each of these is a sum's part: span_bytes = live_bytes + cached_bytes + boxed_bytes +
 * free_bytes + tail_bytes, and live_bytes of all rows together is that of fastalloc_stats. */
struct fastalloc_class_stats
{
    uint64_t block_bytes; /* size of a block; 0 in the last two rows, whose blocks are as large as each was asked for */
    uint64_t live_blocks; /* that the program holds */
    uint64_t live_bytes;  /* in these */
    uint64_t cached_bytes; /* in free blocks kept in the bins of threads */
    uint64_t boxed_bytes;  /* in blocks on their way back to the thread they belong to */
    uint64_t free_bytes;   /* in other free blocks */
    uint64_t pinned_bytes; /* of free_bytes, in those that share their pages with blocks in use */
    uint64_t tail_bytes;   /* behind the last block of spans */
    uint64_t spans;        /* runs of memory cut into blocks of this size */
    uint64_t span_bytes;   /* all of them together */
};

/* Fills `stats`, of which the caller knows the first `bytes` bytes, for the row of that number: from 0 on the sizes up
 * to 256 KiB in ascending order, then a row for larger blocks and one for those with a mapping of their own, which are
 * the last. Returns 0, or -1 with errno EINVAL if there is no such row, or EBUSY as fastalloc_get_stats. */
FASTALLOC_EXPORT int fastalloc_get_class_stats(unsigned row, struct fastalloc_class_stats *stats,
                                               size_t bytes) FASTALLOC_NOEXCEPT;

/* The same for one arena: what one thread allocates from, or a thread that has ended allocated from. */
struct fastalloc_arena_stats
{
    int64_t node;            /* its memory is asked from this node, -1 from none in particular */
    uint64_t attached;       /* 1 if a running thread uses it, else 0 */
    uint64_t live_bytes;     /* of its blocks of up to 256 KiB, in those that programs hold */
    uint64_t cached_bytes;   /* in free blocks kept in its bins */
    uint64_t outbox_bytes;   /* in blocks of other arenas that its thread freed and has not handed over yet */
    uint64_t inbox_bytes;    /* in its blocks that others freed and handed over, not yet sorted in */
    uint64_t charged_bytes;  /* that its bins may hold */
    uint64_t refills;        /* times one of its bins was filled, a running total as the rest */
    uint64_t overflows;      /* times one was emptied by half */
    uint64_t remote_batches; /* batches of other arenas' blocks that its thread has handed over */
    uint64_t remote_bytes;   /* in these */
};

/* Fills `stats`, of which the caller knows the first `bytes` bytes, for the arena of that number, counted from 0; there
 * are as many as fastalloc_stats says, and their numbers stay. Returns 0, or -1 with errno EINVAL if there is no such
 * arena, or EBUSY as fastalloc_get_stats. */
FASTALLOC_EXPORT int fastalloc_get_arena_stats(unsigned number, struct fastalloc_arena_stats *stats,
                                               size_t bytes) FASTALLOC_NOEXCEPT;

/* Writes all of the above, and the settings, to a file descriptor as one object of JSON: {"version", "process",
 * "exact", "totals", "nodes", "classes", "arenas", "settings"}, the members of the structures under their names.
 * Allocates nothing. Figures of different lists fit together while no other thread allocates or frees. Returns 0, or -1
 * with the errno of the write(2) that failed; SIGPIPE is not raised. In a signal handler that interrupted the allocator
 * "exact" is false: nothing is waited for, and figures are as they were met. */
FASTALLOC_EXPORT int fastalloc_stats_json(int fd) FASTALLOC_NOEXCEPT;

/* Walks every structure of the allocator and verifies it. Other threads wait meanwhile where they need
 * more than their bins. Returns 0 if all is whole; 1 if an invariant is broken, the first of them named in
 * `message` (at most `bytes` bytes with the final 0; may be NULL if bytes is 0); -1 with errno EBUSY
 * when called by a signal handler that interrupted the allocator. */
FASTALLOC_EXPORT int fastalloc_check_heap(char *message, size_t bytes) FASTALLOC_NOEXCEPT;

/* One block that the program holds. New members are only ever added at the end. */
struct fastalloc_block
{
    size_t size;        /* of this structure: which members the library knows */
    void *address;      /* as malloc returned it */
    size_t usable;      /* bytes that may be written, as malloc_usable_size says */
    size_t class_bytes; /* the block size a request was rounded up to; 0 above 256 KiB */
    int node;           /* the memory node it was asked from, -1 if from none in particular */
};

/* Calls `visit` once for each block that is live at one moment, in this thread and with no lock held: it may
 * allocate, free and resize whatever it likes. What is allocated since that moment is not visited, what is freed
 * since then still is, so `visit` may look into a block only if nobody frees it meanwhile. Other threads wait
 * while the moment is taken, and then empty their bins at their next call; the block of a call that another
 * thread is in counts as either live or free, all others as what they are. `visit` must return by itself: not by
 * longjmp, an exception or the end of its thread. A fork in it is allowed.
 *
 * Returns 0 when all were visited; what `visit` returned if that was not 0, which ends the visit; or -1
 * with errno EBUSY when called by a signal handler that interrupted the allocator, or ENOMEM if there is no
 * memory for a bit per block: then nothing was visited; or EUCLEAN if the program wrote to a free block or freed
 * one twice: then all were visited, and free blocks behind that one, too. */
FASTALLOC_EXPORT int fastalloc_heap_visit(int (*visit)(void *context, const struct fastalloc_block *block),
                                          void *context) FASTALLOC_NOEXCEPT;

/* Writes to the file descriptor `file` how many blocks are in use, their number and bytes for each block size, most
 * bytes first, and the address and size of the ten largest, a line each and a write each, without allocating.
 * The buffers of stdin, stdout and stderr and libc's tables of threads are left out. What cannot be written is lost.
 * The setting leak_check=exit does the same at the end of the process, and also leaves out what was there before
 * main. Other threads as in fastalloc_heap_visit. Returns 1 if any block is in use, 0 if none is; or -1 with errno
 * EBUSY or ENOMEM as above: then nothing is written. errno is kept otherwise. */
FASTALLOC_EXPORT int fastalloc_leak_report(int file) FASTALLOC_NOEXCEPT;

/* ---- memory that goes back ------------------------------------------------------------------------ */

/* Gives everything that no block uses back to the system, at once, as malloc_trim(0): of all threads, but for
 * what other threads' bins hold, which follows at their next call. Returns the bytes given back. */
FASTALLOC_EXPORT size_t fastalloc_purge(void) FASTALLOC_NOEXCEPT;

/* Starts a thread that lets time pass where no other thread calls: each second (demand_half_life) it gives
 * back what was idle for long, sorts in blocks that other threads freed, and has huge pages split of which
 * a part was given back. Signals are blocked in it. A process that forks has it in the child again. It
 * never starts by itself: the setting background_thread=on starts it before main, and is what this call
 * makes of the setting. Returns 0, also where it runs; or -1 with errno EAGAIN if there is no thread to
 * be had, or EDEADLK if it is called by a callback in that thread, or in one that is starting or ending it.
 * Not a cancellation point. */
FASTALLOC_EXPORT int fastalloc_background_thread_start(void) FASTALLOC_NOEXCEPT;

/* Ends that thread and waits for its end, and so for callbacks that run in it. Returns 0, also where it does
 * not run; or -1 with errno EDEADLK as above. Not a cancellation point. */
FASTALLOC_EXPORT int fastalloc_background_thread_stop(void) FASTALLOC_NOEXCEPT;

/* ---- settings ----------------------------------------------------------------------------------- */

/* Gives a setting another value from now on, for the whole process and the children it forks, whatever
 * /etc/fastalloc.conf and FASTALLOC_CONF say. `name` and `value` are written as there, "slack" and "64M";
 * both are copied. These can be set while the process runs: background_thread, cgroup, foreign,
 * leak_check, leak_exit_code, stats_print, soft_limit, hard_limit, slack, slack_share, demand_half_life,
 * lease_fund, lease_share. What is held already stays until a call that would have kept less, or would
 * have been refused, comes by: a lower slack gives memory back at the next free that looks, a lower
 * hard_limit refuses more and takes nothing away. Returns 0, or -1, and nothing has changed, with errno
 *   ENOENT  there is no such setting, or name is NULL
 *   EPERM   it can be set only when the process starts
 *   EINVAL  the value is malformed or out of range, or NULL
 *   EAGAIN  background_thread=on, and there is no thread to be had
 *   EDEADLK background_thread, by a callback in that thread, or in one that is starting or ending it
 * Takes no lock, but with background_thread, whose thread is started or waited for: callbacks (hooks,
 * observer) change any other setting, and leave this one alone. */
FASTALLOC_EXPORT int fastalloc_option_set(const char *name, const char *value) FASTALLOC_NOEXCEPT;

/* Writes the value of a setting into `buffer`, as it is written in FASTALLOC_CONF, at most `capacity` bytes
 * with a final 0, and returns its length without that, as snprintf(3): from `capacity` on it was cut.
 * `buffer` may be NULL where capacity is 0. 64 bytes are enough for all but a long list of nodes. Returns
 * -1 with errno ENOENT if there is no such setting. errno is kept otherwise. Takes no lock. */
FASTALLOC_EXPORT int fastalloc_option_get(const char *name, char *buffer, size_t capacity) FASTALLOC_NOEXCEPT;

/* Who is told of events. `size` is sizeof(struct fastalloc_observer), for members may be added at the end; a
 * function may be NULL. */
struct fastalloc_observer
{
    size_t size;
    void *context; /* handed to the functions */

    /* The memory held (held_bytes) was above the setting soft_limit, everything free was given back, and it
     * still is. Called by the thread whose allocation passed the limit, before that returns; the function
     * may allocate and free. Not called again before a sixteenth of the limit was free in between. */
    void (*soft_limit_passed)(void *context, uint64_t held, uint64_t limit);

    /* The following are told in the order in which they happened, of all threads by one of them: at the end of
     * a call that allocates more than bins have, or of a purge. They may allocate and free. */

    /* From `address` on so many bytes are held from now on (held_bytes), asked from `node`, -1 for none: chunks, and
     * mappings of large blocks. address is NULL where more happened at once than can be told apart. */
    void (*memory_taken)(void *context, void *address, uint64_t bytes, int node);

    /* They are not any more: given back to the system, or never written. What was taken less what was returned is
     * what is held more than before. */
    void (*memory_returned)(void *context, void *address, uint64_t bytes);

    /* malloc_trim, fastalloc_purge or the soft limit has given back so many bytes, parts of chunks among them. */
    void (*purged)(void *context, uint64_t bytes);

    /* The setting hard_limit did not let so many bytes be held; once memory is purged they may be. */
    void (*hard_limit_refused)(void *context, uint64_t bytes);
};

/* From now on `observer` is told, which must stay valid and unchanged until another one is and all calls that
 * had begun before have returned. NULL: nobody. Returns 0, or -1 with errno EINVAL if its size is smaller than
 * any version's. */
FASTALLOC_EXPORT int fastalloc_observe(const struct fastalloc_observer *observer) FASTALLOC_NOEXCEPT;

/* ---- hooks: being told of every block ------------------------------------------------------------------ */

/* The function a block came or went by. realloc(NULL, n) is malloc, realloc(p, 0) is free, reallocarray is realloc;
 * the operators' forms are told apart no further. */
enum fastalloc_call
{
    FASTALLOC_CALL_MALLOC,
    FASTALLOC_CALL_CALLOC,
    FASTALLOC_CALL_REALLOC,
    FASTALLOC_CALL_ALIGNED_ALLOC,
    FASTALLOC_CALL_POSIX_MEMALIGN,
    FASTALLOC_CALL_MEMALIGN,
    FASTALLOC_CALL_VALLOC,
    FASTALLOC_CALL_PVALLOC,
    FASTALLOC_CALL_NEW,
    FASTALLOC_CALL_NEW_ARRAY,
    FASTALLOC_CALL_MALLOC_ON,
    FASTALLOC_CALL_FREE,
    FASTALLOC_CALL_FREE_SIZED,
    FASTALLOC_CALL_FREE_ALIGNED_SIZED,
    FASTALLOC_CALL_DELETE,
    FASTALLOC_CALL_DELETE_ARRAY
};

/* What a callback is told of, valid until it returns. New members are only ever added at the end. */
struct fastalloc_event
{
    size_t size;              /* of this structure */
    enum fastalloc_call call; /* what the program called */
    void *block;              /* the block; after realloc where it is now */
    size_t asked;             /* bytes the program asked for; 0 where that is not known: the block is older than hooks
                               * on every call, or came while a callback was running */
    size_t given;             /* bytes it was given: its usable size */
    size_t alignment;         /* bytes; what was asked for, or what the call promises for that size. 0 when freeing */
    uint64_t stands_for;      /* bytes given that a sampled block stands for, itself included; else given */
    void *old_block;          /* reallocated: where it was, equal to block if it stayed. Else NULL, as the next two */
    size_t old_asked;
    size_t old_given;
};

/* A subscriber. `size` is sizeof(struct fastalloc_hooks), for members may be added at the end. */
struct fastalloc_hooks
{
    size_t size;
    void *context;          /* handed to the callbacks */
    size_t sample_interval; /* 0: every call; else one sample in so many bytes on average, each independent of all
                             * others, so that a block of n bytes is sampled with probability 1 - e^(-n / interval) */

    /* After an allocation that succeeded, before the program has the block. */
    void (*allocated)(void *context, const struct fastalloc_event *event);

    /* Before a block is freed; it still holds what it held. A pointer at which no block begins ends the process
     * first; a block that is freed twice may be told twice. */
    void (*freeing)(void *context, const struct fastalloc_event *event);

    /* After realloc has resized a block, in place or not, on every call. The old address may be another block's by
     * then: who keeps blocks by address leaves this NULL, and is told `freeing` before, and `allocated` after, also
     * if there was no memory and the block is what it was. Samples are always told so, where the size given
     * changes: the old block if it was sampled, the new one if it is. */
    void (*reallocated)(void *context, const struct fastalloc_event *event);
};

/* From now on `hooks`, which is copied, is told: of every call that begins when this has returned, in any thread;
 * of others that run meanwhile maybe. Callbacks run in the calling thread, with none of the allocator's locks held;
 * they may allocate and free, which is not told to anybody, must not write to the block, and must return. errno is
 * kept where the call keeps it. Of heap corruption and failed allocations nothing is told. The child of a fork has
 * the same subscribers. Costs nothing while there are none; with samples only, free stays as fast as it is but for
 * the samples, and malloc counts bytes down.
 * Returns 0, or -1 with errno EINVAL (its size is smaller than any version's, or there is no callback), EEXIST (it
 * is told already), ENOSPC (16 are told), EDEADLK (called by a callback). Any thread. */
FASTALLOC_EXPORT int fastalloc_hooks_add(const struct fastalloc_hooks *hooks) FASTALLOC_NOEXCEPT;

/* `hooks`, by its address, is told no more. Waits for callbacks that run: when this has returned none does, and what
 * they use may be given up. Returns 0, or -1 with errno ENOENT (it is not told) or EDEADLK. */
FASTALLOC_EXPORT int fastalloc_hooks_remove(const struct fastalloc_hooks *hooks) FASTALLOC_NOEXCEPT;

/* ---- memory nodes ------------------------------------------------------------------------------------- */

/* Nodes are the kernel's numbers, as in numa(7) and libnuma. Blocks below 2 MiB come from the node of the
 * thread that allocates, larger ones from wherever they are touched first; the setting numa changes that. */

/* As malloc, from memory of `node`, or where that has none of the nearest node that has: as long as there is
 * room, for the kernel takes another node when one is full. Any size. free and realloc as usual; realloc
 * keeps the node only of blocks above 2 MiB. Where the process has a memory policy and numa is auto, and with
 * numa=off, it is malloc; with numa=bind the node is the nearest of those that are named. NULL with ENOMEM if
 * there is no memory, or EINVAL if there is no such node. */
FASTALLOC_EXPORT void *fastalloc_malloc_on(int node, size_t size) FASTALLOC_NOEXCEPT;

/* The node that memory at this address was asked from (known of a block above 32 MiB where it begins); where it
 * was asked from none, or is not ours, the node that has its page. -1 with errno ENOENT if that has not been
 * touched yet, or if the kernel does not tell. */
FASTALLOC_EXPORT int fastalloc_node_of(const void *address) FASTALLOC_NOEXCEPT;

/* The node that the calling thread's blocks below 2 MiB come from; -1 if from none in particular, as where
 * the thread has a memory policy, and with numa=off. errno is kept. */
FASTALLOC_EXPORT int fastalloc_thread_node(void) FASTALLOC_NOEXCEPT;

/* What the allocator holds for one node, but for blocks with a mapping of their own. As fastalloc_stats. */
struct fastalloc_node_stats
{
    uint64_t committed_bytes;  /* writable address range for blocks */
    uint64_t live_bytes;       /* in blocks the program holds, by the size of their class */
    uint64_t slack_bytes;      /* free whole chunks whose memory has not been given back */
    uint64_t spans_of_locals;  /* spans taken by threads that began on this node, a running total as the rest */
    uint64_t spans_of_movers;  /* spans taken by threads that have moved here from another node */
    uint64_t freed_for_others; /* blocks of up to 256 KiB of other nodes that threads of this one freed */
    uint64_t freed_by_others;  /* such blocks of this node that threads of others freed */
    uint64_t fallbacks;        /* times the kernel did not let us ask for the node */
    uint64_t resident_bytes;   /* of committed_bytes, what has memory behind it, on whichever node */
    uint64_t cached_bytes;     /* in free blocks kept in bins of this node's arenas */
    uint64_t boxed_bytes;      /* in blocks of this node on their way back to the thread they belong to */
    /* As in fastalloc_stats. committed_bytes = live_bytes + cached_bytes + boxed_bytes + free_in_spans_bytes +
     * tail_bytes + free_slice_bytes + slack_bytes + unbacked_bytes + lost_bytes + arena_bytes */
    uint64_t free_in_spans_bytes;
    uint64_t tail_bytes;
    uint64_t free_slice_bytes;
    uint64_t unbacked_bytes;
    uint64_t lost_bytes;
    uint64_t arena_bytes; /* of metadata_bytes, the arenas, which lie on their nodes */
    uint64_t open_bytes;
    uint64_t idle_bytes;
    uint64_t pinned_bytes;
    uint64_t huge_chunks;
    uint64_t huge_share;
    uint64_t local_share;
    uint64_t remote_bytes; /* handed over by threads of this node, to wherever, a running total */
};

/* Fills `stats`, of which the caller knows the first `bytes` bytes, for a node, or with -1 for memory that was
 * asked from none. Of a node that nobody took memory from all is 0. Returns 0, or -1 with errno EINVAL if
 * there can be no such node, or EBUSY as fastalloc_get_stats. */
FASTALLOC_EXPORT int fastalloc_get_node_stats(int node, struct fastalloc_node_stats *stats,
                                              size_t bytes) FASTALLOC_NOEXCEPT;

/* The version of the library that runs, "MAJOR.MINOR.PATCH". May be called in a signal handler, too. */
FASTALLOC_EXPORT const char *fastalloc_version(void) FASTALLOC_NOEXCEPT;

#ifdef __cplusplus
}
#endif

#endif /* FASTALLOC_H */
