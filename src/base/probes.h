// SPDX-License-Identifier: MIT
//
// Probes: places at which tracers (bpftrace, SystemTap, gdb, perf) can look on, by name and with values, without the
// library knowing. Each is one nop and a note in the file that says where it is and where its values are; with none
// attached nothing happens. Built in where <sys/sdt.h> was found.
//
//     FASTALLOC_PROBE3(refill, arena, block_bytes, blocks);        usdt:...:fastalloc:refill
//
// fastalloc(7), PROBES, lists them; a test compares the list with what the library's notes say.
#pragma once

#ifndef FASTALLOC_PROBES
#define FASTALLOC_PROBES 0
#endif

#if FASTALLOC_PROBES
#include <sys/sdt.h>
#define FASTALLOC_PROBE1(name, a) DTRACE_PROBE1(fastalloc, name, a)
#define FASTALLOC_PROBE2(name, a, b) DTRACE_PROBE2(fastalloc, name, a, b)
#define FASTALLOC_PROBE3(name, a, b, c) DTRACE_PROBE3(fastalloc, name, a, b, c)
#define FASTALLOC_PROBE4(name, a, b, c, d) DTRACE_PROBE4(fastalloc, name, a, b, c, d)
#else
#define FASTALLOC_PROBE1(name, a) static_cast<void>(a)
#define FASTALLOC_PROBE2(name, a, b) (static_cast<void>(a), static_cast<void>(b))
#define FASTALLOC_PROBE3(name, a, b, c) (static_cast<void>(a), static_cast<void>(b), static_cast<void>(c))
#define FASTALLOC_PROBE4(name, a, b, c, d)                                                                             \
    (static_cast<void>(a), static_cast<void>(b), static_cast<void>(c), static_cast<void>(d))
#endif
