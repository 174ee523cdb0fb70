# SPDX-License-Identifier: MIT
"""Words and numbers of the report, and the verdicts in the order they are told."""
import dataclasses
import importlib.util
import math
import statistics

DRAWING_PACKAGES = {"matplotlib": "python3-matplotlib", "pandas": "python3-pandas"}


def missing_packages():
    """Debian's names of what pictures need and this Python has not."""
    return [package for module, package in DRAWING_PACKAGES.items() if not importlib.util.find_spec(module)]


# ---- words and numbers ----

PERCENTILES = {"p50": "p50", "p99": "p99", "p999": "p99.9", "p9999": "p99.99", "max": "max"}
METRIC_WORDS = {**PERCENTILES, "mib": "MiB"}
WORDS = ("ahead", "tie", "behind", "unknown")


def metric_title(row, metric):
    if metric in ("wall", "cpu"):
        return f"{metric} {row['unit']}"
    return " ".join(METRIC_WORDS.get(word, word) for word in metric.split("_"))


def figure_title(row, metric):
    """Names one judged figure; wall time is what a row is about, so it goes without saying."""
    return row["name"] if metric == "wall" else f"{row['name']} \N{MIDDLE DOT} {metric_title(row, metric)}"


def verdict_title(verdict):
    return figure_title(verdict.row, verdict.metric)


def number(value):
    if value is None:
        return ""
    decimals = 2 if abs(value) < 10 else 1 if abs(value) < 1000 else 0
    return f"{value:,.{decimals}f}"


def ratio_number(value):
    decimals = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 0.1 else 4
    return f"{value:.{decimals}f}"


def interval_text(ratio):
    """(low .. high) of a ratio, and nothing of none."""
    return f"{ratio_number(ratio[0])} .. {ratio_number(ratio[2])}" if ratio else ""


def plural(count, word):
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def has_failed(row, arm):
    """Whether the arm was run here and no round gave a figure. An arm that was never run here has no cells."""
    cells = row["cells"].get(arm, [])
    return bool(cells) and all(cell is None for cell in cells)


# Above this share of the live bytes a program's own arrays would be a good part of what looks like overhead.
LARGEST_OWN_SHARE = 1 / 8


def overhead(results, row, arm):
    """Resident memory per byte the program had in use, both at their most; None where it would say little."""
    live_mib = row["live_peak_mib"]
    peak_mib = results.median(row, arm, "peak_mib")
    if not live_mib or not peak_mib or (results.median(row, arm, "own_mib") or 0) > live_mib * LARGEST_OWN_SHARE:
        return None
    return peak_mib / live_mib


# ---- who is ahead ----


def judged(results):
    """All verdicts; none where the reference is not libfastalloc, because then nobody asked who is ahead of it."""
    return results.verdicts() if results.arms[0]["role"] == "ours" else []


def worst_first(verdicts):
    return sorted(verdicts, key=lambda verdict: verdict.ratio[1] if verdict.ratio else math.inf)


def groups_of(rows):
    return list(dict.fromkeys(row["group"] for row in rows))


@dataclasses.dataclass
class Tally:
    """Of some verdicts: how many of each word, the geometric mean of their ratios, and the worst of them."""

    name: str
    rows: int
    counts: dict
    mean: float | None
    worst: object


def tally(name, verdicts):
    ratios = [verdict.ratio[1] for verdict in verdicts if verdict.ratio and verdict.ratio[1] > 0]
    return Tally(
        name=name,
        rows=len({verdict.row["name"] for verdict in verdicts}),
        counts={word: sum(verdict.word == word for verdict in verdicts) for word in WORDS},
        mean=statistics.geometric_mean(ratios) if ratios else None,
        worst=next((verdict for verdict in worst_first(verdicts) if verdict.ratio), None))


def tallies(verdicts):
    """One for each group, in the order of the rows, and one for all if there are several groups."""
    groups = groups_of([verdict.row for verdict in verdicts])
    each = [tally(group, [verdict for verdict in verdicts if verdict.row["group"] == group]) for group in groups]
    return each + ([tally("all", verdicts)] if len(groups) > 1 else [])


def words_of(verdicts):
    """The words worth a column or a card: unknown only where there is one."""
    return [word for word in WORDS if word != "unknown" or any(verdict.word == word for verdict in verdicts)]


def counts_text(verdicts):
    counts = tally("all", verdicts).counts
    return ", ".join(f"{word} {counts[word]}" for word in words_of(verdicts))
