# SPDX-License-Identifier: MIT
"""Figures of a run that never was: what bench/report/ is tried and tested with.

As many arms, rows and kinds of rows as a real run has: a sweep over threads, a row with latencies, rows with memory
over time, a floor that runs in few rows, a variant, arms that fail in one row or in one round, and a name that must be
escaped. In a few rows it is settled who is ahead; in the others chance decides, from a fixed seed.
"""
import math
import random

from results import Results

ROUNDS = 7

# name: (role, typical time, typical memory, spread from row to row), beside fastalloc's 1.
ARMS = {
    "fastalloc": ("ours", 1.0, 1.0, 0.0),
    "glibc": ("peer", 1.6, 1.12, 0.4),
    "jemalloc": ("peer", 1.35, 1.15, 0.25),
    "mimalloc": ("peer", 1.18, 1.2, 0.16),
    "tcmalloc": ("peer", 1.25, 1.25, 0.2),
    "tbbmalloc": ("peer", 1.45, 1.4, 0.25),
    "fastalloc-check": ("variant", 1.3, 1.02, 0.05),
    "floor": ("floor", 0.8, 1.0, 0.08),
}

HOSTILE_NAME = "field-<vector> & $map_1$ | \"quoted\""
FLOOR_ROWS = ("pair", "bulk-fifo", "bulk-lifo")
FAILED = (("seed-realloc-7", "tbbmalloc"), ("xz", "fastalloc"))  # in every round
FAILED_ONCE = ("churn-100k", "glibc")

# row: (the verdict on its wall time, mimalloc's time beside fastalloc's); the other peers are slower there.
SETTLED = {"pair": ("ahead", 1.2), "bulk-fifo": ("tie", 1.0), "bulk-lifo": ("behind", 0.85), "xz": ("unknown", 1.0)}

# What the page draws: ratios of four groups, one sweep, one row of latencies, memory over time in one group, overhead,
# huge pages.
FIGURES = 9

LATENCIES = {"alloc_steady": 18, "free_steady": 14, "alloc_growth": 26, "free_growth": 21}
TAIL = {"p50": 1, "p99": 6, "p999": 40, "p9999": 400, "max": 60000}


def make_row(name, group, about, **changes):
    command = f"bench/{name.split('-')[0]} live=100000 operations=3000000"
    return {"name": name, "group": group, "about": about, "command": command, "unit": "ns/op", "judged": ["wall"],
            "sweep": None, "threads": 1, "live_peak_mib": None, "cells": {}, **changes}


def core_rows():
    memory = ["wall", "peak_mib", "end_mib"]
    rows = [make_row(name, "core", "malloc and free in a tight loop") for name in ("pair", "bulk-fifo", "bulk-lifo")]
    rows += [make_row(f"churn-{live}", "core", "one of many live blocks is replaced at random", judged=memory,
                      live_peak_mib=mib) for live, mib in (("1k", 1.2), ("100k", 118.0), ("1m", 1180.0))]
    rows += [make_row(f"larson-{threads}", "core", "threads that hand blocks on to successors", sweep="larson",
                      threads=threads) for threads in (1, 2, 4, 8, 16, 32, 64, 128)]
    rows.append(make_row("latency", "core", "every call timed", judged=["wall", "alloc_steady_p999_ns"]))
    rows.append(make_row("thread-churn", "core", "short-lived threads", unit="us/thread"))
    return rows


def other_rows():
    kinds = ("lists", "trees", "strings", "vectors", "maps", "realloc", "queues", "buffers")
    rows = [make_row(f"seed-{kind}-{seed}", "seeds", f"{kind} of random sizes", live_peak_mib=8.0 * seed)
            for kind in kinds for seed in (1, 4, 7)]
    rows += [make_row(f"field-{kind}", "field", f"what programs do with {kind}", judged=["wall", "peak_mib"],
                      live_peak_mib=40.0 + 9 * len(kind)) for kind in kinds]
    rows.append(make_row(HOSTILE_NAME, "field", "a name that <b>must</b> be escaped"))
    rows += [make_row(f"fragments-{shape}", "field", "grows, shrinks, grows again", judged=["wall", "peak_mib"],
                      live_peak_mib=220.0) for shape in ("small", "mixed")]
    rows += [make_row(name, "programs", "a whole program", unit="ms", judged=["wall", "peak_mib"],
                      command=f"{name} ...") for name in ("true", "python3", "sqlite3", "g++", "perl", "git", "xz")]
    return rows


def rss_curve(peak_mib, time, chance):
    """Up, down again but not all the way, and up to the peak; longer where the arm is slower."""
    count = round(60 * time)
    shape = [0.5 - 0.5 * math.cos(place / count * 3 * math.pi) for place in range(count)]
    kept = [0.3 * min(1, 3 * place / count) for place in range(count)]
    return {"step_ms": 25, "mib": [round(3 + (peak_mib - 3) * max(floor, share) * chance.uniform(0.98, 1.0), 2)
                                   for floor, share in zip(kept, shape)]}


def scaled_wall(row, arm, time):
    """Sixteen processors: threads share the work up to there, and glibc's get in each other's way."""
    if row["sweep"]:
        time *= 1 / min(row["threads"], 16) + (0.03 * math.log2(row["threads"]) if arm == "glibc" else 0)
    return time


def make_cell(row, arm, factors, chance):
    noise = chance.gauss(1, 0.012)
    base, time, memory = factors
    base_mib = (row["live_peak_mib"] or 4.0) * 1.09 + 2
    cell = {"wall": scaled_wall(row, arm, base * time) * noise, "cpu": base * time * noise * 0.99,
            "peak_mib": base_mib * memory * chance.gauss(1, 0.004), "end_mib": base_mib * memory * 0.8,
            "minor_faults": round(base_mib * 256), "huge_share": 0.0}
    if row["live_peak_mib"] and row["live_peak_mib"] > 100 and arm in ("fastalloc", "tcmalloc"):
        cell["huge_share"] = min(1.0, 0.7 * memory * chance.gauss(1, 0.05))
    if row["name"] == "latency":
        cell.update({f"{name}_{percentile}_ns": middle * tail ** (0.6 + 0.4 * time) * noise
                     for name, middle in LATENCIES.items() for percentile, tail in TAIL.items()})
    if row["name"].startswith("fragments"):
        cell["rss"] = rss_curve(cell["peak_mib"], time, chance)
    return cell


def make_cells(row, arm, base, chance):
    role, time, memory, spread = ARMS[arm]
    if role == "floor" and row["name"] not in FLOOR_ROWS:
        return []
    time *= math.exp(chance.gauss(0, spread))
    if row["name"] in SETTLED and role == "peer":
        time = SETTLED[row["name"]][1] if arm == "mimalloc" else max(time, 1.5)
    factors = (base, time, memory * math.exp(chance.gauss(0, spread / 4)))
    cells = [make_cell(row, arm, factors, chance) for _ in range(ROUNDS)]
    if (row["name"], arm) in FAILED:
        cells = [None] * ROUNDS
    if (row["name"], arm) == FAILED_ONCE:
        cells[2] = None
    return cells


def make():
    chance = random.Random(20)
    facts = {"date": "2026-11-21 12:00 UTC", "kernel": "Linux 6.1.0-26-amd64", "cpu": "Example CPU 3.0 GHz, 2 of them",
             "memory": "7.8 GiB, huge pages: madvise", "rounds": str(ROUNDS)}
    arms = [{"name": name, "described": f"lib{name}.so.1 (1.{place}.0 <sample>)", "role": values[0]}
            for place, (name, values) in enumerate(ARMS.items())]
    results = Results(facts, arms, core_rows() + other_rows())
    for row in results.rows:
        base = 40 if row["sweep"] else chance.uniform(6, 60)
        for arm in ARMS:
            for cell in make_cells(row, arm, base, chance):
                results.add(row, arm, cell)
    results.failures = [f"{row}, {arm}: ended by signal 11 in every round" for row, arm in FAILED]
    results.failures.append(f"{FAILED_ONCE[0]}, {FAILED_ONCE[1]}: round 3 took longer than 60 s & was ended")
    return results
