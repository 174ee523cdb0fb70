// SPDX-License-Identifier: MIT
//
// weak_names.h - makes the names of the library that libc does not have weak, for programs that are not linked with it
// and find it only when it is preloaded.
#ifndef TESTS_WEAK_NAMES_H
#define TESTS_WEAK_NAMES_H

#pragma weak fastalloc_malloc
#pragma weak fastalloc_free
#pragma weak fastalloc_calloc
#pragma weak fastalloc_realloc
#pragma weak fastalloc_reallocarray
#pragma weak fastalloc_aligned_alloc
#pragma weak fastalloc_posix_memalign
#pragma weak fastalloc_memalign
#pragma weak fastalloc_valloc
#pragma weak fastalloc_pvalloc
#pragma weak fastalloc_malloc_usable_size
#pragma weak fastalloc_free_sized
#pragma weak fastalloc_free_aligned_sized
#pragma weak fastalloc_malloc_trim
#pragma weak fastalloc_mallopt
#pragma weak fastalloc_malloc_stats
#pragma weak fastalloc_malloc_info
#pragma weak fastalloc_mallinfo
#pragma weak fastalloc_mallinfo2
#pragma weak fastalloc_get_stats
#pragma weak fastalloc_get_node_stats
#pragma weak fastalloc_get_class_stats
#pragma weak fastalloc_get_arena_stats
#pragma weak fastalloc_stats_json
#pragma weak fastalloc_check_heap
#pragma weak fastalloc_heap_visit
#pragma weak fastalloc_leak_report
#pragma weak fastalloc_option_get
#pragma weak fastalloc_option_set
#pragma weak fastalloc_purge
#pragma weak fastalloc_background_thread_start
#pragma weak fastalloc_background_thread_stop
#pragma weak fastalloc_observe
#pragma weak fastalloc_hooks_add
#pragma weak fastalloc_hooks_remove
#pragma weak fastalloc_malloc_on
#pragma weak fastalloc_node_of
#pragma weak fastalloc_thread_node
#pragma weak fastalloc_version
#pragma weak free_sized
#pragma weak free_aligned_sized

#endif // TESTS_WEAK_NAMES_H
