# SPDX-License-Identifier: MIT
"""The pictures: ratios, throughput by threads, latency percentiles, memory."""
import itertools
import math

from report.drawing import (
    CURVE, DOT, PAGE_INCHES, Picture, WORD_COLOURS, WORD_MARKS, arm_keys, arm_style, arms_table, draw_dots,
    drawing_style, figures_frame, new_figure, new_panels, set_lines, set_log_x, to_svg)
from report.words import PERCENTILES, counts_text, groups_of, judged, plural, ratio_number, verdict_title, worst_first
from results import SAME_WITHIN

# ---- ratios ----


def word_keys(verdicts):
    from matplotlib.lines import Line2D
    words = {verdict.word for verdict in verdicts}
    return [Line2D([], [], color=colour, marker=WORD_MARKS[word], label=word)
            for word, colour in WORD_COLOURS.items() if word in words]


def draw_ratios(reference, verdicts):
    figure = new_figure(PAGE_INCHES, 0.75 + 0.205 * len(verdicts), word_keys(verdicts))
    axes = figure.subplots()
    for line, verdict in enumerate(verdicts):
        colour = WORD_COLOURS[verdict.word]
        low, middle, high = verdict.ratio
        axes.plot([low, high], [line, line], color=colour, linewidth=2.2, alpha=0.55, solid_capstyle="butt")
        axes.plot(middle, line, color=colour, marker=WORD_MARKS[verdict.word], markersize=5.5)
    set_lines(axes, [verdict_title(verdict) for verdict in verdicts])
    set_log_x(axes, itertools.chain(*(verdict.ratio for verdict in verdicts)))
    axes.axvspan(1 - SAME_WITHIN, 1 + SAME_WITHIN, color="#ececec", zorder=0)
    axes.set_xlabel(f"\N{LEFTWARDS ARROW} the other is ahead     ratio to the best other arm     "
                    f"{reference} is ahead \N{RIGHTWARDS ARROW}")
    beside = axes.twinx()
    set_lines(beside, [f"{ratio_number(verdict.ratio[1])}  {verdict.arm}" for verdict in verdicts])
    beside.set_ylim(axes.get_ylim())
    beside.grid(False)
    for labels in (axes.get_yticklabels(), beside.get_yticklabels()):
        for label, verdict in zip(labels, verdicts):
            label.set_color(WORD_COLOURS["behind"] if verdict.word == "behind" else "#222222")
    return figure


def ratio_pictures(results):
    drawn = [verdict for verdict in worst_first(judged(results)) if verdict.ratio]
    for group in groups_of(results.rows):
        verdicts = [verdict for verdict in drawn if verdict.row["group"] == group]
        if not verdicts:
            continue
        figure = draw_ratios(results.reference, verdicts)
        yield Picture(
            "Against the best other arm", f"Group {group}.",
            f"Each line is one figure of one row: the best other arm's figure divided by "
            f"{results.reference}'s, worst on top. The mark is the median of the rounds, the bar its interval. Right "
            f"of 1, {results.reference} is ahead; the grey band is where two copies of one library may come to lie. "
            "At the right edge: the ratio, and which arm is the best other one there.",
            f"Ratios of group {group} to the best other arm: {counts_text(verdicts)}.",
            to_svg(figure))


# ---- threads ----

TIME_UNITS_NS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}


def rate_of(unit):
    """(figures of this unit per second at figure 1, what is counted), such as (1e9, "operations"); None if no rate."""
    time, _, counted = unit.partition("/")
    if time not in TIME_UNITS_NS or not counted:
        return None
    return 1e9 / TIME_UNITS_NS[time], "operations" if counted == "op" else f"{counted}s"


def draw_sweep(results, axes, name, table, rate):
    per_second = rate[0] / table
    scale, prefix = (1e6, "million ") if per_second.max().max() >= 1e6 else (1, "")
    for arm in table.columns:
        axes.plot(table.index, per_second[arm] / scale, **arm_style(results, arm))
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(table.index), [f"{threads:g}" for threads in table.index])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_title(name)
    axes.set_xlabel("threads")
    axes.set_ylabel(f"{prefix}{rate[1]} / s")


def sweep_tables(results):
    """(name, frame of wall time by threads and arm, rate) of every sweep of two sizes or more."""
    frame = figures_frame(results)
    rates = {row["sweep"]: rate_of(row["unit"]) for row in results.rows if row.get("sweep")}
    for name, rate in rates.items():
        of_sweep = frame[(frame["sweep"] == name) & (frame["wall"] > 0)]
        if rate and of_sweep["threads"].nunique() > 1:
            yield name, arms_table(results, of_sweep, "threads", "wall").sort_index(), rate


def thread_pictures(results):
    sweeps = list(sweep_tables(results))
    if not sweeps:
        return
    keys = arm_keys(results, {arm for _, table, _ in sweeps for arm in table.columns})
    figure, panels = new_panels(len(sweeps), 2, 2.9, keys)
    for axes, sweep in zip(panels, sweeps):
        draw_sweep(results, axes, *sweep)
    names = ", ".join(name for name, _, _ in sweeps)
    yield Picture(
        "Throughput by threads", "",
        "What all threads together do in a second, by the number of threads (each step to the right doubles them). "
        "Higher is better. A line that falls is an allocator whose threads get in each other's way; one that stays "
        "level has used up the processors.",
        f"Throughput by number of threads, one panel per workload: {names}.", to_svg(figure))


# ---- latency ----

LATENCY_ROWS = 4


def latency_names(row):
    """What was timed call by call in this row: alloc_steady and so on."""
    keys = (key for cells in row["cells"].values() for cell in cells if cell for key in cell)
    return list(dict.fromkeys(key.removesuffix("_p50_ns") for key in keys if key.endswith("_p50_ns")))


def latency_rows(results):
    """Of a sweep the smallest, the middle and the largest number of threads."""
    rows = [row for row in results.rows if latency_names(row)]
    chosen = []
    for row in rows:
        of_sweep = sorted((other for other in rows if row.get("sweep") and other["sweep"] == row["sweep"]),
                          key=lambda other: other["threads"])
        if not of_sweep or row in (of_sweep[0], of_sweep[len(of_sweep) // 2], of_sweep[-1]):
            chosen.append(row)
    return chosen[:LATENCY_ROWS]


def duration(value_ns):
    unit, size_ns = next((pair for pair in (("s", 1e9), ("ms", 1e6), ("\N{MICRO SIGN}s", 1e3)) if value_ns >= pair[1]),
                         ("ns", 1))
    return f"{value_ns / size_ns:g} {unit}"


def draw_latency(results, axes, row, name):
    from matplotlib.ticker import LogLocator
    for arm in results.arm_names():
        values = [results.median(row, arm, f"{name}_{percentile}_ns") for percentile in PERCENTILES]
        points = [(place, max(value, 1)) for place, value in enumerate(values) if value is not None]
        if points:
            axes.plot(*zip(*points), **arm_style(results, arm))
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(numticks=20))
    axes.yaxis.set_major_formatter(lambda value, _: duration(value))
    axes.minorticks_off()
    axes.set_xticks(range(len(PERCENTILES)), PERCENTILES.values())
    axes.set_xlim(-0.3, len(PERCENTILES) - 0.7)
    axes.set_title(name.replace("_", " "))


def latency_pictures(results):
    for row in latency_rows(results):
        names = latency_names(row)
        arms = {arm for arm in results.arm_names() for name in names if results.median(row, arm, f"{name}_p50_ns")}
        figure, panels = new_panels(len(names), 2, 3.0, arm_keys(results, arms))
        for axes, name in zip(panels, names):
            draw_latency(results, axes, row, name)
            axes.sharey(panels[0])
        yield Picture(
            "How long single calls take", f"{row['name']}.",
            "Of all calls, half take no longer than p50, 99 of 100 no longer than p99, and so on to "
            "the slowest one. Lower is better; each line upwards is ten times as long. Median of the rounds; below "
            "1 ns is drawn as 1.",
            f"Latency percentiles of {row['name']}: {', '.join(names)}.", to_svg(figure))


# ---- memory ----

RSS_SAMPLES = 4  # fewer make no curve
MIN_LIVE_MIB = 16  # below it what a process has without any allocator decides


def typical_rss(row, arm):
    """Of the rounds with a curve the one whose peak is the median; None if there is no such round."""
    cells = [cell for cell in row["cells"].get(arm, []) if cell and cell.get("rss")]
    cells = [cell for cell in cells if len(cell["rss"]["mib"]) >= RSS_SAMPLES]
    cells.sort(key=lambda cell: cell.get("peak_mib") or max(cell["rss"]["mib"]))
    return cells[(len(cells) - 1) // 2]["rss"] if cells else None


def rss_curves(results, row):
    curves = {arm: typical_rss(row, arm) for arm in results.arm_names()}
    return {arm: curve for arm, curve in curves.items() if curve}


def draw_rss(results, axes, row, curves):
    for arm, curve in curves.items():
        seconds = [place * curve["step_ms"] / 1000 for place in range(len(curve["mib"]))]
        axes.plot(seconds, curve["mib"], **{**arm_style(results, arm), **CURVE})
    if row.get("live_peak_mib"):
        axes.axhline(row["live_peak_mib"], color="#444444", linestyle=":", linewidth=1.4)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.set_title(row["name"])
    axes.set_xlabel("s")
    axes.set_ylabel("MiB")


def rss_pictures(results):
    from matplotlib.lines import Line2D
    rows = [row for row in results.rows if {"peak_mib", "end_mib"} & set(row["judged"]) and rss_curves(results, row)]
    for group in groups_of(rows):
        of_group = {row["name"]: rss_curves(results, row) for row in rows if row["group"] == group}
        keys = arm_keys(results, set().union(*of_group.values()), **CURVE)
        keys.append(Line2D([], [], color="#444444", linestyle=":", linewidth=1.4, label="live at its peak"))
        figure, panels = new_panels(len(of_group), 3 if len(of_group) > 2 else 2, 2.3, keys)
        for axes, (name, curves) in zip(panels, of_group.items()):
            draw_rss(results, axes, results.row(name), curves)
        yield Picture(
            "Memory over time", f"Group {group}.",
            "Resident memory from a program's start to its end, of that round of each arm whose peak "
            "is the median. Lower is better, and a shorter line is a program that ended sooner. The dotted line is "
            "the most the program itself had in use.",
            f"Resident memory over time in group {group}: {', '.join(of_group)}.", to_svg(figure))


def overhead_pictures(results):
    frame = figures_frame(results)
    names = [row["name"] for row in results.rows if (row.get("live_peak_mib") or 0) >= MIN_LIVE_MIB]
    frame = frame[frame["row"].isin(names) & frame["overhead"].notna()]
    if frame.empty:
        return
    table = arms_table(results, frame, "row", "overhead")
    figure = new_figure(PAGE_INCHES, 0.75 + 0.205 * len(table), arm_keys(results, table.columns, **DOT))
    axes = figure.subplots()
    draw_dots(results, axes, table)
    axes.set_xlabel("peak resident memory / most that was in use")
    yield Picture(
        "Memory overhead at the peak", "",
        "Peak resident memory of the process divided by the most bytes it had in use. Further left is better; 1 would "
        f"be no overhead at all. Only rows with {MIN_LIVE_MIB} MiB in use or more: below that, the program itself "
        "decides. A program that touches only part of its blocks comes to lie left of 1.",
        f"Memory overhead at the peak of {plural(len(table), 'row')}, a dot per arm.", to_svg(figure))


def draw_shares(figure, table):
    axes = figure.subplots()
    axes.pcolormesh(table.to_numpy(), cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=1.5)
    for (line, column), share in ((place, table.iat[place]) for place in itertools.product(*map(range, table.shape))):
        if not math.isnan(share):
            axes.text(column + 0.5, line + 0.5, f"{share:.0%}", ha="center", va="center", fontsize=8.5,
                      color="white" if share > 0.55 else "#333333")
    axes.set_yticks([line + 0.5 for line in range(len(table))], list(table.index))
    axes.set_xticks([column + 0.5 for column in range(len(table.columns))], list(table.columns))
    axes.set_ylim(len(table), 0)
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)


def share_pictures(results):
    frame = figures_frame(results).dropna(subset=["huge_share"])
    frame = frame[frame.groupby("row")["huge_share"].transform("max") > 0]
    if frame.empty:
        return
    table = arms_table(results, frame, "row", "huge_share")
    figure = new_figure(PAGE_INCHES, 0.5 + 0.22 * len(table), [])
    draw_shares(figure, table)
    yield Picture(
        "Huge pages", "",
        "Share of anonymous memory in huge pages. More of them means fewer misses of the address translation cache, "
        "and often more resident memory. Rows where no arm has any are left out.",
        f"Share of memory in huge pages, {plural(len(table), 'row')} by {plural(len(table.columns), 'arm')}.",
        to_svg(figure))


def draw_pictures(results):
    makers = (ratio_pictures, thread_pictures, latency_pictures, rss_pictures, overhead_pictures, share_pictures)
    with drawing_style():
        return [picture for maker in makers for picture in maker(results)]
