# SPDX-License-Identifier: MIT
"""Figures of all rounds, the tables made of them and the verdict: who is ahead.

Everything rests on ratios of two arms within one round: both ran within the same seconds, so what slowed the machine
then slowed both. A ratio is the other arm's time divided by the reference's; above 1 the reference is faster. The
reference is the first arm, libfastalloc wherever it is measured.
"""
import statistics

import harness


def quartiles(values):
    """(lower quartile, median, upper quartile): the outer two enclose the middle half."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    return tuple(statistics.quantiles(values, n=4, method="inclusive"))


class Results:
    """Figures (a dictionary) of every workload, arm and round; None where a cell failed."""

    def __init__(self, workloads):
        self.rounds = {name: {} for name in workloads}
        self.failures = []

    def add(self, workload, arm, figures):
        self.rounds[workload].setdefault(arm, []).append(figures)

    def column(self, workload, arm, key):
        return [None if figures is None else figures[key] for figures in self.rounds[workload].get(arm, [])]

    def median(self, workload, arm, key):
        values = [value for value in self.column(workload, arm, key) if value is not None]
        return statistics.median(values) if values else None

    def ratio(self, workload, arm, reference, key):
        """Quartiles of arm / reference over the rounds that both finished, or None."""
        pairs = zip(self.column(workload, arm, key), self.column(workload, reference, key))
        values = [other / base for other, base in pairs if other is not None and base is not None]
        return quartiles(values) if values else None


def print_table(results, workload, arms, clock, columns):
    """One line per arm: median time, ratio, its middle half, and the medians of the columns named."""
    reference = arms[0].name
    titles = "".join(f"{column.replace('_mib', ' MiB').replace('_', ' '):>11}" for column in columns)
    print(f"  {'arm':<12}{'median':>11}{'ratio':>9}   {'middle half':<16}{titles}")
    for arm in (arm.name for arm in arms):
        median = results.median(workload, arm, clock)
        if median is None:
            if arm in results.rounds[workload]:
                print(f"  {arm:<12}     failed")
            continue
        ratio = results.ratio(workload, arm, reference, clock)
        middle, half = "", ""
        if ratio:
            middle = f"{ratio[1]:.2f}"
            half = "" if arm == reference else f"{ratio[0]:.2f} .. {ratio[2]:.2f}"
        figures = "".join(f"{results.median(workload, arm, column):>11.1f}" for column in columns)
        print(f"  {arm:<12}{median:>11.2f}{middle:>9}   {half:<16}{figures}")
    print(flush=True)


def judge(results, workload, peers, reference, clock):
    """(word, arm, its ratio). The best other arm is the one whose median ratio is lowest.

    yes: that ratio is at least 1. tie: it is below, but 1 lies in its middle half. no: neither.
    """
    candidates = [(results.ratio(workload, arm, reference, clock), arm) for arm in peers]
    candidates = [candidate for candidate in candidates if candidate[0]]
    if not candidates:
        return "unknown", "", None
    ratio, arm = min(candidates, key=lambda candidate: candidate[0][1])
    return ("yes" if ratio[1] >= 1 else "tie" if ratio[2] >= 1 else "no"), arm, ratio


def print_verdict(results, arms, clock):
    reference = arms[0].name
    if reference == harness.OURS:
        peers = [arm.name for arm in arms[1:] if arm.counts_as_peer]
        print(f"verdict: {clock} time of the other / of {reference}; median (middle half) of the ratios per round")
        words = []
        for workload in results.rounds:
            word, arm, ratio = judge(results, workload, peers, reference, clock)
            words.append(word)
            text = f"  {workload:<16}ahead of the best peer: {word:<8}"
            if ratio:
                text += f"{ratio[1]:5.2f} ({ratio[0]:.2f} .. {ratio[2]:.2f}) {arm:<10}"
            floor = results.ratio(workload, "floor", reference, clock)
            if floor:
                text += f"  floor {floor[1]:.2f} ({floor[0]:.2f} .. {floor[2]:.2f})"
            print(text.rstrip())
        counted = (f"{word}: {words.count(word)}" for word in ("yes", "tie", "no", "unknown") if word in words)
        print("  " + ", ".join(counted))
    else:
        print(f"libfastalloc was not measured: the ratios are to {reference}, and there is no verdict")
    for failure in results.failures:
        print(f"FAILED {failure}")
