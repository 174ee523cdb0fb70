# SPDX-License-Identifier: MIT
"""The workloads: which program with which options, what its rows are called, and what of it is judged.

Groups:
    core      loops that each show one property of an allocator
    field     patterns of real servers and tools, by one program each
    threads   the same work by 1 to 128 threads
    latency   every call timed on its own
    seeds     what five earlier allocators published, in a fair form; where the published form differs it is a row of
              its own with "published" in its name
    programs  real programs (programs.py)

bench/README.md says of each what it does and, where it is a published one, what differs.
"""

THREADS = (1, 2, 4, 8, 16, 32, 64, 128)


class Workload:
    """One command, which gives one row, or as many as it prints lines (`parts` are their names).

    command      program and options
    judged       metrics compared with the other arms; results.py has their names
    rounds       at most so many, unless the user says otherwise
    quick        options that replace others in a smoke run
    live         options that replace others in the run that counts live bytes, where their peak does not depend on
                 them; a number: the peak itself, known beforehand; None: it is not counted
    runs         processes per cell; the row's figure is the median of theirs
    scale, unit  of one operation's nanoseconds
    floor        the floor can run it: one thread, 64 bytes at most
    sweep        the row belongs to a series over `threads`
    watched      resident memory is followed over time; not where single calls are timed beside it
    without      arms left out, because a cell of theirs takes minutes
    memory_mib   what the arm that needs most may need; above what the machine has the workload is left out
    whole        part of the whole benchmark; else it runs only when it is named
    """

    def __init__(self, name, about, command, judged=("wall",), rounds=3, quick="", live="", runs=1, scale=1.0,
                 unit="ns/op", floor=False, sweep=None, threads=None, memory_mib=512, parts=None, whole=True,
                 without=(), watched=True):
        self.name = name
        self.group = None  # set by the table it stands in
        self.about = about
        self.command = command.split()
        self.judged = list(judged)
        self.rounds = rounds
        self.quick = quick.split()
        self.live = live.split() if isinstance(live, str) else live
        self.runs = runs
        self.scale = scale
        self.unit = unit
        self.floor = floor
        self.sweep = sweep
        self.threads = threads
        self.memory_mib = memory_mib
        self.parts = parts
        self.whole = whole
        self.without = without
        self.watched = watched


# ---- core ----

CORE = [
    Workload("pair", "malloc and free of 64 bytes, at once: the length of the fast path", "pair operations=6000000",
             rounds=5, quick="operations=100000", live="operations=1000", floor=True),
    Workload("bulk-fifo", "10 000 blocks of 64 bytes, freed oldest first", "bulk rounds=400",
             rounds=5, quick="rounds=10", live="rounds=1", floor=True),
    Workload("bulk-lifo", "10 000 blocks of 64 bytes, freed newest first", "bulk order=lifo rounds=400",
             rounds=5, quick="rounds=10", live="rounds=1", floor=True),
    Workload("bulk-touched", "100 000 blocks of 64 bytes, each written, freed oldest first",
             "bulk blocks=100000 touch=64 rounds=30", rounds=5, quick="rounds=2", live="rounds=1", floor=True),
    Workload("random-1k", "one of 1 000 live blocks of 64 bytes replaced at random, nothing written",
             "churn live=1000 size=64 touch=0 operations=4000000", rounds=5, quick="operations=100000",
             live="operations=1", floor=True),
    Workload("random-100k", "one of 100 000 live blocks of 64 bytes replaced at random, nothing written",
             "churn live=100000 size=64 touch=0 operations=2000000", rounds=5, quick="operations=100000",
             live="operations=1", floor=True),
    Workload("churn-1k", "one of 1 000 live blocks of mixed sizes replaced at random, 256 bytes written",
             "churn live=1000 operations=1500000", rounds=5, quick="operations=50000", live="operations=1000000"),
    Workload("churn-100k", "the same with 100 000 live blocks", "churn live=100000 operations=600000",
             ("wall", "peak_mib"), rounds=5, quick="operations=50000 live=20000", live="operations=1000000"),
    Workload("churn-1m", "the same with 1 000 000 live blocks", "churn live=1000000 operations=500000",
             ("wall", "peak_mib"), quick="operations=50000 live=50000", memory_mib=3000),
    Workload("remote-64", "64-byte blocks allocated by one thread, freed by another", "remote operations=1500000",
             rounds=5, quick="operations=100000", live="operations=100000"),
    Workload("remote-4000", "4 000-byte blocks allocated by one thread, freed by another",
             "remote size=4000 operations=150000", rounds=5, quick="operations=20000", live="operations=100000"),
    Workload("larson", "two lines of threads that replace blocks and hand them on to successors",
             "larson generations=8", rounds=5, quick="generations=3 replacements=10000"),
    Workload("thread-churn", "a thread that lives for 100 blocks, frees another's and leaves some",
             "thread_churn threads=1200",
             rounds=5, quick="threads=100", unit="us/thread", scale=1e-3),
    Workload("realloc-steps", "a block grows in steps of 64 KiB to 125 MiB (not by scudo, which copies it each time)",
             "resize growth=steps repetitions=1", rounds=5, quick="limit=8388608 repetitions=1", unit="ns/realloc",
             without=("scudo",)),
    Workload("realloc-quarter", "a block grows by a quarter each time, 16 bytes to 64 KiB",
             "resize growth=quarter repetitions=6000", rounds=5, quick="repetitions=100", live="repetitions=10",
             unit="ns/realloc"),
    Workload("sleepers-0", "one busy thread alone", "sleepers sleepers=0 rounds=200", quick="rounds=5",
             live="rounds=10"),
    Workload("sleepers-64", "one busy thread beside 64 that freed 1 MiB each and sleep",
             "sleepers sleepers=64 rounds=200", ("wall", "end_mib"), quick="rounds=5 sleepers=16", live="rounds=10"),
]

# ---- threads ----


def sweep(name, about, command, quick, per_thread, total, **more):
    """A row per number of threads, `total` operations shared out among them by the option `per_thread`."""
    return [Workload(f"{name}-{threads}", about, f"{command} threads={threads} {per_thread}={total // threads}",
                     sweep=name, threads=threads, quick=f"{per_thread}={quick}", live=f"{per_thread}={quick}", **more)
            for threads in THREADS]


def lines(threads):
    """Fewer generations where there are more threads, so that it is not the creation of threads that is measured."""
    generations = max(2, 40 // threads)
    return Workload(f"lines-{threads}",
                    "lines of threads that replace 1 000 blocks each and hand them on to successors (larson)",
                    f"larson slots=1000 threads={threads} generations={generations} "
                    f"replacements={1500000 // threads // generations}", sweep="lines", threads=threads,
                    quick="replacements=500", live="generations=2")


THREAD_SWEEPS = [
    *sweep("ring", "rings of 1 000 slots per thread, blocks of 16 bytes to 32 KiB that live for 1 to 3 turns",
           "ring warm=4000", 5000, "steps", 1000000),
    *(lines(threads) for threads in THREADS),
    *(Workload(f"queue-{threads}", "producers allocate, consumers free, through one queue",
               f"queue threads={threads} operations=500000", sweep="queue", threads=threads, quick="operations=20000",
               live="operations=20000") for threads in THREADS),
]

# ---- latency ----

ALLOC_AND_FREE = ("alloc_steady_p99_ns", "alloc_steady_p999_ns", "free_steady_p99_ns", "free_steady_p999_ns")

LATENCY = [
    *(Workload(f"latency-{threads}", "the ring with 20 000 slots per thread, every call timed by the cycle counter",
               f"ring timing=each slots=20000 warm=60000 threads={threads} steps={2400000 // threads}",
               ALLOC_AND_FREE, sweep="latency", threads=threads, quick="slots=1000 warm=3000 steps=2000",
               live="timing=whole steps=1", memory_mib=80 * threads, watched=False, whole=threads in (1, 2, 8, 128))
      for threads in THREADS),
    Workload("latency-growth", "one thread fills a ring of 200 000 slots, every malloc timed",
             "ring timing=each slots=200000 warm=0 steps=200000",
             ("alloc_growth_p50_ns", "alloc_growth_p99_ns", "alloc_growth_p999_ns", "alloc_growth_p9999_ns"),
             quick="slots=5000 steps=5000", memory_mib=1000, watched=False),
]

# ---- seeds: libfam ----

FAM = [
    Workload("fam-1024-cold", "libfam: a process's first 1 024 blocks of 128 bytes, oldest freed first, nothing "
             "written (as published, but that the other arms make their heap within the time as well)",
             "bulk start=cold rounds=1 blocks=1024 size=128", runs=40, scale=1.024, unit="us/burst"),
    Workload("fam-1000-cold", "the same with 1 000 blocks, as libfam's page says",
             "bulk start=cold rounds=1 blocks=1000 size=128", runs=40, scale=1.0, unit="us/burst"),
    Workload("fam-1024-cold-touched", "the same, each block written",
             "bulk start=cold rounds=1 blocks=1024 size=128 touch=128", runs=40, scale=1.024, unit="us/burst"),
    Workload("fam-1024-warm", "the same burst again and again", "bulk rounds=10000 blocks=1024 size=128",
             scale=1.024, quick="rounds=10", live="rounds=1", unit="us/burst"),
    Workload("fam-1024-warm-touched", "the same, each block written",
             "bulk rounds=10000 blocks=1024 size=128 touch=128", scale=1.024, quick="rounds=10", live="rounds=1",
             unit="us/burst"),
    Workload("fam-processes", "libfam: four forked processes fill, check and free blocks of 2 to 1 025 bytes and one "
             "of 2 MiB; each with a heap of its own, as malloc has it", "processes", quick="rounds=1 blocks=500",
             live="rounds=1"),
]

# ---- seeds: gmalloc ----

HUNDRED_MILLION = "gmalloc: 100 000 000 blocks of 8 bytes"
OVERLAPPING = ("allocated by ten threads and written by ten more whose ranges overlap, as published: most blocks are "
               "lost and never written, nothing is freed")

GM = [
    Workload("gm-seq3g-published", f"{HUNDRED_MILLION} allocated, written, freed oldest first",
             "sequence blocks=50000000", ("wall", "peak_mib"), quick="blocks=100000", live=800000000,
             memory_mib=5000, whole=False),
    Workload("gm-seq", "the same with 5 000 000 blocks", "sequence blocks=5000000", ("wall", "peak_mib"),
             quick="blocks=100000", live=40000000),
    Workload("gm-seq-chain", "the same, each block holding the address of the next: no array of pointers",
             "sequence blocks=5000000 keep=chain", ("wall", "peak_mib"), quick="blocks=100000", live=40000000),
    Workload("gm-mt-published", f"{HUNDRED_MILLION} {OVERLAPPING}",
             "sequence threads=10 blocks=50000000 end=leave ranges=overlapping", ("wall", "peak_mib"),
             quick="blocks=100000", live=800000000, memory_mib=5000, whole=False),
    Workload("gm-mt-overlapping", f"5 000 000 blocks of 8 bytes {OVERLAPPING}",
             "sequence threads=10 blocks=5000000 end=leave ranges=overlapping", ("wall", "peak_mib"),
             quick="blocks=100000", live=40000000),
    Workload("gm-mt", "the same in ranges of their own, all written", "sequence threads=10 blocks=5000000 end=leave",
             ("wall", "peak_mib"), quick="blocks=100000", live=40000000),
    Workload("gm-mt-freed", "the same, freed by the second ten threads", "sequence threads=10 blocks=5000000",
             ("wall", "peak_mib"), quick="blocks=100000", live=40000000),
    *(Workload(name, f"gmalloc: 500 blocks of 8 bytes, 4 written, freed oldest first; {rounds} times",
               f"bulk size=8 blocks=500 touch=4 rounds={rounds}", quick="rounds=100", live="rounds=1", whole=whole)
      for name, rounds, whole in (("gm-reuse", 50000, True), ("gm-reuse-published", 1000000, False))),
    Workload("gm-fifo500", "gmalloc: a queue of 500 blocks of 8 bytes, 4 written",
             "window live=500 size=8 touch=4 operations=10000000", quick="operations=10000", live="operations=1000"),
]

# ---- seeds: FancyAllocator ----

FANCY = [
    *(Workload(f"fancy-ring-published-{threads}",
               "FancyAllocator: 250 000 steps around 100 000 slots per thread; no free falls into the time, but the "
               "frees after it are counted", "ring slots=100000 steps=250000 warm=0 ttl_smallest=50 ttl_largest=2000 "
               f"count=published threads={threads}", ("wall", "peak_mib"), threads=threads,
               quick="slots=1000 steps=2500", live="" if threads <= 16 else None, memory_mib=240 * threads,
               whole=threads in (1, 8)) for threads in THREADS),
    *(Workload(f"fancy-batch{kind}-{threads}",
               f"FancyAllocator: 128 blocks, {sizes}, and 128 frees",
               f"batch sizes={word} threads={threads} batches={50000 // threads}", quick="batches=100",
               live="batches=100")
      for kind, word, sizes in (("128", "mixed", "64 bytes to 8 KiB"), ("64", "64", "64 bytes each"))
      for threads in (1, 16)),
]

# ---- seeds: jdz_allocator ----

JDZ_SIZES = {"linear": (1, 80000, 1000000), "small": (1, 2048, 3000000), "medium": (2049, 32512, 1000000),
             "big": (32513, 4194048, 100000)}


def jdz(kind, threads):
    smallest, largest, total = JDZ_SIZES[kind]
    return Workload(f"jdz-{kind}-{threads}", f"jdz_allocator: about 128 live blocks of {smallest} to {largest} bytes "
                    f"per thread, nothing written; {total // threads} rounds per thread",
                    f"slots smallest={smallest} largest={largest} threads={threads} rounds={total // threads}",
                    sweep=f"jdz-{kind}" if kind == "linear" else None, threads=threads, quick="rounds=2000")


JDZ = [
    *(jdz("linear", threads) for threads in (1, 2, 4, 8, 16)),
    *(jdz(kind, threads) for kind, threads in (("small", 1), ("small", 16), ("medium", 1), ("big", 1))),
    *(Workload(f"jdz-{kind}-published-{threads}", f"the same with {rounds} rounds per thread, as published",
               f"slots smallest={JDZ_SIZES[kind][0]} largest={JDZ_SIZES[kind][1]} threads={threads} rounds={rounds}",
               quick="rounds=2000", live=None, whole=False)
      for kind, threads, rounds in (("linear", 1, 10000000), ("linear", 16, 10000000), ("small", 1, 10000000),
                                    ("medium", 1, 10000000), ("big", 1, 10000000))),
    Workload("jdz-linear-readme-1", "the same with 75 000 000 rounds, as jdz_allocator's page says",
             "slots threads=1 rounds=75000000", quick="rounds=2000", live=None, whole=False),
    Workload("jdz-linear-touched", "jdz-linear with every byte written",
             "slots threads=1 rounds=200000 touch=80000", quick="rounds=2000"),
    Workload("jdz-grow", "jdz_allocator: 100 000 blocks of 1 to 80 000 bytes kept, then freed, nothing written",
             "sequence blocks=100000 smallest=1 largest=80000 touch=0", quick="blocks=1000", memory_mib=1500),
]

# ---- seeds: cmalloc ----


def powers(first, last):
    return [1 << shift for shift in range(first, last + 1)]


CM_PARTS = [
    *(f"free-after-{size}" for size in powers(0, 13)),
    *(f"immediate-{size}" for size in powers(0, 13)),
    *(f"reverse-{size}" for size in reversed(powers(0, 13))),
    *(f"scatter-{size}" for size in powers(0, 9)),
    "sparse", "sparse-reverse",
]
CM_ITEMS = 800000
CM_BYTES = 128 << 20  # where as many items are more than that, there are fewer


CM_ITERATIONS = 5
CM_SIZES = (8, 64, 512, 4096)  # of the whole benchmark, where cm-in-order has all of them


def cm_items(bytes_each):
    return min(CM_ITEMS, CM_BYTES // bytes_each)


def cm(name, about, options, iterations=CM_ITERATIONS, **more):
    return Workload(f"cm-{name}", f"cmalloc: {about}", f"cm {options} iterations={iterations}",
                    quick="items=2000 iterations=2", live="iterations=1", **more)


def cm_in_one_process(name, items, iterations, **more):
    return Workload(name, f"cmalloc: all tests in one process in the published order, {items} blocks, {iterations} "
                    "iterations", f"cm test=published items={items} iterations={iterations}",
                    ("process_ms", "peak_mib"), quick="items=2000 iterations=1", live=None, unit="ms",
                    parts=[f"{name}-{part}" for part in CM_PARTS], **more)


CM = [
    *(cm(f"free-after-{size}", f"{cm_items(size)} blocks of {size} bytes, freed oldest first",
         f"size={size} items={cm_items(size)}", whole=size in CM_SIZES) for size in powers(0, 13)),
    *(cm(f"free-after-touched-{size}", f"the same, the first 64 of {size} bytes written",
         f"size={size} items={cm_items(size)} touch=64") for size in CM_SIZES),
    *(cm(f"immediate-{size}", f"a block of {size} bytes, freed at once", f"test=immediate size={size}")
      for size in CM_SIZES),
    *(cm(f"scatter-{size}", f"{cm_items(2 * size)} blocks of {size}, {2 * size} and {4 * size} bytes in turn",
         f"test=scatter size={size} items={cm_items(2 * size)}", whole=size in CM_SIZES) for size in powers(0, 9)),
    cm("sparse", "blocks of 0 to 1 016 bytes by a counter, freed oldest first", "test=sparse items=200000"),
    cm("sparse-reverse", "the same, freed newest first by every arm (cmalloc's table has that only for cmalloc)",
       "test=sparse_reverse items=200000"),
    cm("sparse-random", "blocks of 0 to 1 023 bytes at random, ends written and checked",
       "test=random size=1024 items=200000"),
    *(cm(f"large-{size}", f"20 000 blocks of {size} bytes, nothing written: {20000 * size >> 20} MiB of addresses",
         f"items=20000 size={size}", 1) for size in powers(16, 19)),
    cm("large-random", "4 000 blocks below 1 MiB at random, ends written and checked: overlapping ones are noticed",
       "test=random items=4000 size=1048576"),
    cm_in_one_process("cm-in-order", 25000, 10),
    cm_in_one_process("cm-published", CM_ITEMS, 10, memory_mib=7000, whole=False),
]

SEEDS = [*FAM, *GM, *FANCY, *JDZ, *CM]

# ---- field ----

FIELD = [
    *(Workload(f"sharing-{mode}-{threads}", about, f"false_sharing mode={mode} threads={threads} blocks=100000",
               quick="blocks=500", live="blocks=100", unit="ns/write")
      for mode, about in (("active", "threads write small blocks of their own: slow where two lie on one line"),
                          ("passive", "the same after freeing a neighbour's block that another thread gave them"))
      for threads in (2, 8)),
    Workload("fragment", "64 MiB live while sizes drift and one block in 20 of each phase stays", "fragment phases=10",
             ("wall", "overhead"), quick="live_mib=2 phases=10"),
    Workload("large-none", "blocks of 256 KiB to 32 MiB replaced in turn, nothing written",
             "large touch=none operations=10000", quick="operations=50"),
    Workload("large-pages", "the same, one byte of each page written", "large operations=150",
             ("wall", "peak_mib"), quick="operations=20"),
    Workload("large-all", "the same, every byte written", "large touch=all operations=60", quick="operations=20"),
    Workload("calloc-none", "the same by calloc, some bytes read", "large call=calloc touch=none operations=100",
             quick="operations=20"),
    Workload("calloc-pages", "the same by calloc, one byte of each page written", "large call=calloc operations=80",
             quick="operations=20"),
    Workload("burst-idle", "128 MiB allocated and freed but for one block in 100, then 3 s without a call",
             "burst burst_mib=128 idle_ms=3000", ("wall", "end_mib"), quick="burst_mib=4 idle_ms=20", live="idle_ms=1"),
    Workload("burst-again", "128 MiB allocated and freed, half a second without a call, and once more",
             "burst burst_mib=128 keep_every=0 idle_ms=500 again=1", ("again_ns_per_op",),
             quick="burst_mib=4 idle_ms=20",
             live="idle_ms=1"),
    *(Workload(f"fresh-{size}", f"memory touched for the first time, in blocks of {size} bytes", f"fresh size={size}",
               rounds=5, quick="mib=4", live="mib=8", unit="ns/KiB", memory_mib=4096)
      for size in (16, 64, 256, 1024, 4096, 16384, 65536)),
    *(Workload(f"survivors{form}", f"300 000 blocks, one in 20 stays{about}, then {seconds} s without a call",
               f"survivors {options}", ("wall", "idle_mib"), quick="blocks=3000 idle_ms=100", live="idle_ms=1",
               whole=not form.endswith("long"))
      for form, about, seconds, options in (
          ("", "", 3, "idle_ms=3000"), ("-random", " at random", 3, "idle_ms=3000 random=1"),
          ("-long", "", 40, "idle_ms=40000"), ("-random-long", " at random", 40, "idle_ms=40000 random=1"))),
    Workload("sleepers-256", "one busy thread beside 256 that freed 1 MiB each and sleep",
             "sleepers sleepers=256 rounds=200", ("wall", "end_mib"), quick="rounds=5 sleepers=16", live="rounds=10"),
]

TABLES = {"core": CORE, "threads": THREAD_SWEEPS, "latency": LATENCY, "field": FIELD, "seeds": SEEDS}
for group, table in TABLES.items():
    for workload in table:
        workload.group = group
WORKLOADS = {workload.name: workload for table in TABLES.values() for workload in table}
