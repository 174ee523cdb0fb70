# SPDX-License-Identifier: MIT
"""What all pictures share: sizes, colours, axes, and the tables they are made from. Needs matplotlib and pandas."""
import dataclasses
import io
import math

from report.words import overhead

PAGE_INCHES = 10.4  # 1000 px in a browser, so that a font size here is its size on the page
README_INCHES = 8.33  # 800 px

# Colour-blind safe (Okabe and Ito, then Tol), the reference first. An arm has the colour and mark of its place.
ARM_COLOURS = ("#000000", "#e69f00", "#0072b2", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8c5a2b", "#999933",
               "#882255")
ARM_MARKS = "Dos^vP<X>p"
FLOOR_COLOUR = "#9a9a9a"
WORD_COLOURS = {"ahead": "#0072b2", "tie": "#7a7a7a", "behind": "#d55e00"}
WORD_MARKS = {"ahead": "o", "tie": "s", "behind": "v"}

DRAWING_STYLE = {
    "svg.fonttype": "path",  # no font is needed where the page is read
    "svg.hashsalt": "fastalloc",
    "text.parse_math": False,  # a $ in a name is a $
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "xtick.color": "#888888",
    "xtick.labelcolor": "#222222",
    "ytick.color": "#888888",
    "ytick.labelcolor": "#222222",
    "legend.frameon": False,
}


@dataclasses.dataclass
class Picture:
    section: str
    title: str  # empty where there is one picture in the section
    caption: str  # how to read it
    alternative: str  # for those who cannot see it
    svg: bytes


def drawing_style():
    import matplotlib
    return matplotlib.rc_context(DRAWING_STYLE)


def to_svg(figure):
    content = io.BytesIO()
    figure.savefig(content, format="svg", facecolor="white", metadata={"Date": None})
    return content.getvalue()


def arm_style(results, arm):
    """How an arm's line is drawn; dots are the same without the line."""
    place = results.arm_names().index(arm)
    role = results.arms[place]["role"]
    style = {"color": ARM_COLOURS[place % len(ARM_COLOURS)], "marker": ARM_MARKS[place % len(ARM_MARKS)],
             "linestyle": "-", "linewidth": 1.4, "markersize": 6, "markeredgecolor": "white", "markeredgewidth": 0.4,
             "zorder": 3}
    if place == 0:
        style.update(linewidth=2.6, markersize=7, zorder=5)
    if role == "variant":
        style.update(linestyle="--", fillstyle="none", markeredgecolor=style["color"], markeredgewidth=1.2, zorder=4)
    if role == "floor":
        style.update(color=FLOOR_COLOUR, linestyle=":", marker="|", markeredgecolor=FLOOR_COLOUR, markeredgewidth=1.6,
                     markersize=7, zorder=2)
    return style


DOT = {"linestyle": "none", "markersize": 7.5}  # changes to a line's style
CURVE = {"marker": ""}


def arm_keys(results, arms, **changes):
    """Entries of a legend, in the order of the arms."""
    from matplotlib.lines import Line2D
    shown = [arm for arm in results.arm_names() if arm in arms]
    return [Line2D([], [], label=arm, **{**arm_style(results, arm), **changes}) for arm in shown]


def new_figure(width, height, keys):
    """A figure of `height` inches below a legend of as many lines as it needs."""
    from matplotlib.figure import Figure
    lines = math.ceil(sum(0.6 + 0.07 * len(key.get_label()) for key in keys) / width)
    legend_height = 0.1 + 0.22 * lines if keys else 0
    figure = Figure(figsize=(width, height + legend_height))
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - legend_height / (height + legend_height)),
                             w_pad=0.08, h_pad=0.06)
    if keys:
        figure.legend(handles=keys, loc="upper left", ncol=math.ceil(len(keys) / lines), borderaxespad=0.3,
                      columnspacing=1.6, handletextpad=0.6)
    return figure


def new_panels(count, columns, panel_height, keys):
    """(figure, axes): small multiples, row by row."""
    columns = min(columns, count)
    lines = math.ceil(count / columns)
    figure = new_figure(PAGE_INCHES, lines * panel_height, keys)
    axes = list(figure.subplots(lines, columns, squeeze=False).flat)
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, axes[:count]


def log_ticks(low, high):
    """Round numbers between the two, some four to ten of them."""
    fine = (1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9, 9.5)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), fine):
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [round(step * 10.0**decade, 6) for decade in decades for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= 5:
            break
    return ticks


def set_log_x(axes, values):
    """A logarithmic axis around the values and 1, with plain numbers."""
    values = [1.0, *(value for value in values if value > 0)]
    low, high = min(values), max(values)
    margin = max((high / low) ** 0.04, 1.02)
    axes.set_xscale("log")
    axes.set_xlim(low / margin, high * margin)
    axes.set_xticks(log_ticks(low / margin, high * margin))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.minorticks_off()
    axes.axvline(1, color="#333333", linewidth=1.1, zorder=1)


def set_lines(axes, labels):
    """One line per label, the first one on top."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    if len(labels) > 25:  # the axis below is then out of sight
        axes.tick_params(axis="x", top=True, labeltop=True)


def draw_dots(results, axes, table):
    """A dot for each arm (column) on the line of each row (index) of a frame."""
    for arm in table.columns:
        axes.plot(table[arm].to_numpy(), range(len(table)), **{**arm_style(results, arm), **DOT})
    set_lines(axes, list(table.index))
    set_log_x(axes, table.stack())


def figures_frame(results):
    """One line per row and arm with the medians that plots are made of."""
    import pandas
    figures = ["wall", "overhead", "huge_share"]
    lines = [(row["name"], row.get("sweep"), row.get("threads"), arm, results.median(row, arm, "wall"),
              overhead(results, row, arm), results.median(row, arm, "huge_share"))
             for row in results.rows for arm in results.arm_names()]
    frame = pandas.DataFrame(lines, columns=["row", "sweep", "threads", "arm", *figures])
    return frame.astype({figure: float for figure in figures})


def arms_table(results, frame, index, values):
    """The frame's `values` with one column per arm that has any; lines stay in order."""
    table = frame.dropna(subset=[values]).pivot_table(index=index, columns="arm", values=values, sort=False)
    return table[[arm for arm in results.arm_names() if arm in table.columns]].astype(float)
