# SPDX-License-Identifier: MIT
"""The figures of a run: rows, arms, rounds; ratios of two arms, and who is ahead.

Everything rests on ratios of two arms within one round of one row: both ran within the same seconds, so what slowed the
machine then slowed both. A ratio is the other arm's figure divided by the reference's; every figure that is judged is
better when it is smaller, so above 1 the reference is ahead. The reference is the first arm, libfastalloc wherever it
is measured.

results.json is what `Results.save` writes:

    {"format": 1, "facts": {key: text}, "arms": [{"name", "described", "role"}], "failures": [text],
     "rows": [{"name", "group", "about", "command", "unit", "judged": [metric], "sweep", "threads", "live_peak_mib",
               "cells": {arm: [{metric: number, "rss": {"step_ms", "mib": [number]}} or null, ...]}}]}

A list of cells has one entry a round; null is a cell that failed. A role is ours, peer (sets the bar), variant (shown,
sets no bar) or floor. The metrics: wall and cpu (in `unit`), process_ms and process_cpu_ms, peak_mib, end_mib,
virtual_mib, own_mib (the program's own arrays), minor_faults, huge_share (0 to 1), and what a program tells by itself
(latencies such as alloc_steady_p99_ns, lock_waits_per_1000).
"""
import json
import math
import statistics

FORMAT = 1

# Two copies of one library differ by less than this, by where their code and data come to lie. A smaller difference is
# a tie, whatever the spread says.
SAME_WITHIN = 0.02

# Of which there is a verdict.
FEWEST_ROUNDS = 3

# Of the interval of a median: it holds the true one in at least this share of all runs, where there are rounds enough.
CONFIDENCE = 0.9


def interval(values):
    """(low, median, high): the distribution-free confidence interval of the median, by order statistics.

    With fewer than five rounds it is the whole range, which holds the true median less surely: of 3 rounds 75 %.
    """
    ordered = sorted(values)
    count = len(ordered)
    cut = 0  # values left out at either end
    missed = 2 / 2**count
    while True:
        missed += 2 * math.comb(count, cut + 1) / 2**count
        if missed > 1 - CONFIDENCE:
            return ordered[cut], statistics.median(ordered), ordered[-1 - cut]
        cut += 1


class Verdict:
    """Of one row and one metric: `word` is ahead, tie, behind or unknown; against `arm`, the best of the others.

    It is unknown where fewer rounds than FEWEST_ROUNDS can be compared: they hardly have a spread.
    """

    def __init__(self, row, metric, word, arm, ratio):
        self.row = row
        self.metric = metric
        self.word = word
        self.arm = arm
        self.ratio = ratio  # (low, median, high), None where the word is unknown


class Results:
    def __init__(self, facts, arms, rows):
        self.facts = facts
        self.arms = arms
        self.rows = rows
        self.failures = []

    # ---- filling, keeping

    @staticmethod
    def add(row, arm, figures):
        """One more round; None stands for figures of a cell that failed."""
        row["cells"].setdefault(arm, []).append(figures)

    def save(self, path):
        content = {"format": FORMAT, "facts": self.facts, "arms": self.arms, "failures": self.failures,
                   "rows": self.rows}
        with open(path, "w", encoding="utf-8") as file:
            json.dump(content, file, separators=(",", ":"))
            file.write("\n")

    @classmethod
    def load(cls, path):
        """Raises ValueError with a sentence if the file holds something else."""
        try:
            with open(path, encoding="utf-8") as file:
                content = json.load(file)
            if content["format"] != FORMAT:
                raise ValueError(f"is of format {content['format']}, not {FORMAT}")
            loaded = cls(content["facts"], content["arms"], content["rows"])
            loaded.failures = content["failures"]
        except (KeyError, TypeError, ValueError, OSError) as reason:
            raise ValueError(f"{path}: no results of bench/run: {reason}") from None
        return loaded

    # ---- looking things up

    def row(self, name):
        """None where there is none of that name."""
        return next((row for row in self.rows if row["name"] == name), None)

    def arm_names(self, *roles):
        return [arm["name"] for arm in self.arms if not roles or arm["role"] in roles]

    @property
    def reference(self):
        return self.arms[0]["name"]

    def column(self, row, arm, metric):
        """One figure of each round, None where there is none."""
        return [cell.get(metric) if cell else None for cell in row["cells"].get(arm, [])]

    def median(self, row, arm, metric):
        values = [value for value in self.column(row, arm, metric) if value is not None]
        return statistics.median(values) if values else None

    def ratios(self, row, arm, metric):
        """Arm / reference of each round that has both."""
        pairs = zip(self.column(row, arm, metric), self.column(row, self.reference, metric))
        return [other / base for other, base in pairs if other is not None and base]

    def ratio(self, row, arm, metric):
        """The interval of these, or None where there is none."""
        ratios = self.ratios(row, arm, metric)
        return interval(ratios) if ratios else None

    # ---- judging

    def judge(self, row, metric):
        """The best of the others is the one whose median ratio is lowest; best anew in each row."""
        candidates = [(self.ratio(row, arm, metric), arm) for arm in self.arm_names("peer")
                      if arm != self.reference and len(self.ratios(row, arm, metric)) >= FEWEST_ROUNDS]
        if not candidates:
            return Verdict(row, metric, "unknown", "", None)
        ratio, arm = min(candidates, key=lambda candidate: candidate[0][1])
        if ratio[0] > 1 + SAME_WITHIN:
            word = "ahead"
        elif ratio[2] < 1 - SAME_WITHIN:
            word = "behind"
        else:
            word = "tie"
        return Verdict(row, metric, word, arm, ratio)

    def verdicts(self):
        return [self.judge(row, metric) for row in self.rows for metric in row["judged"]]
