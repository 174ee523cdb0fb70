# SPDX-License-Identifier: MIT
"""report.html: everything there is to see, in one file without a script or anything to load."""
import base64
import html
import itertools
import re

from report.drawing import arm_style
from report.pictures import draw_pictures
from report.words import (
    groups_of, has_failed, interval_text, judged, metric_title, number, overhead, plural, ratio_number, tallies,
    tally, verdict_title, words_of, worst_first)
from results import CONFIDENCE, SAME_WITHIN

PAGE_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --dim: #5b6570; --back: #f6f7f9; --card: #ffffff; --line: #d9dee4;
  --ahead: #005a8f; --tie: #5b6570; --behind: #b34700; --behind-back: #fdeee4; --ours-back: #eef3f8; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e4e8ec; --dim: #9aa5b1; --back: #14181d; --card: #1c2229; --line: #333c46;
    --ahead: #6cb8ea; --tie: #9aa5b1; --behind: #ff9a5c; --behind-back: #3a2417; --ours-back: #232c36; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem; max-width: 84rem; background: var(--back); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0.4rem 0 1rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 0.6rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 0.4rem; }
p { max-width: 48rem; }
a { color: var(--ahead); }
nav { margin-top: 1.2rem; }
nav a { margin-right: 1rem; white-space: nowrap; }
.counts { display: flex; flex-wrap: wrap; gap: 0.8rem; margin: 1.2rem 0; }
.counts div { background: var(--card); border: 1px solid var(--line); border-top: 4px solid currentColor;
  border-radius: 6px; padding: 0.4rem 1.2rem 0.6rem; min-width: 7rem; }
.counts b { display: block; font-size: 2rem; line-height: 1.3; }
.wide { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; font-size: 0.85rem; width: 100%; }
th, td { padding: 0.22rem 0.5rem; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--dim); font-weight: 600; white-space: nowrap; }
tbody th { font-weight: 600; }
.facts th { width: 12rem; white-space: nowrap; }
td.number, th.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.plain, td.span { white-space: nowrap; }
td.ours, th.ours { background: var(--ours-back); }
tr.head th { padding-top: 0.5rem; border-top: 2px solid var(--line); border-left: 4px solid transparent; }
tr.head ~ tr td { border-top: 0; }
tr.head ~ tr td:first-child { border-left: 4px solid transparent; }
tbody.lost tr th, tbody.lost tr td:first-child { border-left-color: var(--behind); }
.about { margin-left: 0.8em; font-weight: 400; color: var(--dim); }
.about code { margin-left: 0.5em; overflow-wrap: anywhere; font-size: 0.95em; }
.ahead { color: var(--ahead); } .tie { color: var(--tie); }
.behind { color: var(--behind); font-weight: 700; } .unknown { color: var(--behind); font-style: italic; }
td.best { font-weight: 700; }
tr.lost td { background: var(--behind-back); }
tr.dim td { color: var(--dim); }
.swatch { display: inline-block; width: 0.8em; height: 0.8em; border-radius: 50%; margin-right: 0.5em;
  border: 1px solid var(--line); }
figure { margin: 0 0 1.6rem; max-width: 72rem; }
figure .wide { background: #ffffff; padding: 0.4rem; }
figure img { display: block; width: 100%; min-width: 46rem; height: auto; }
figcaption { color: var(--dim); font-size: 0.88rem; margin-top: 0.4rem; max-width: 56rem; }
"""

# Shown below the judged figures of a row, whether they are judged there or not.
TOLD_METRICS = ("peak_mib", "end_mib", "minor_faults")  # of every row, judged or not
THREAD_METRICS = ("lock_waits_per_1000", "shared_writes_per_1000")  # of rows with threads
JUDGED_COLUMNS = 5  # of the table of rows, before the arms


def escape(text):
    return html.escape(str(text))


def anchor(title):
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def row_anchor(results, row):
    return f"row-{results.rows.index(row)}"


def table_html(titles, lines):
    """A table that scrolls by itself where the screen is too narrow. A title is (class, text)."""
    head = "".join(f'<th class="{kind}">{escape(text)}</th>' for kind, text in titles)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n{lines}</table></div>\n'


def facts_html(results):
    lines = [f"<tr><th>{escape(key)}</th><td>{escape(text)}</td></tr>\n" for key, text in results.facts.items()]
    for arm in results.arms:
        colour = arm_style(results, arm["name"])["color"]
        lines.append(f'<tr><th><span class="swatch" style="background:{colour}"></span>{escape(arm["name"])}</th>'
                     f'<td>{escape(arm["described"])} <span class="tie">{escape(arm["role"])}</span></td></tr>\n')
    return f'<div class="wide"><table class="facts"><tbody>\n{"".join(lines)}</tbody></table></div>\n'


def counts_html(verdicts):
    counts = tally("all", verdicts).counts
    cards = "".join(f'<div class="{word}"><b>{counts[word]}</b>{word}</div>' for word in words_of(verdicts))
    return f'<div class="counts">{cards}</div>\n'


def figure_link(results, verdict):
    return f'<a href="#{row_anchor(results, verdict.row)}">{escape(verdict_title(verdict))}</a>'


def groups_html(results, verdicts):
    lines = []
    for group in tallies(verdicts):
        worst = (f"{ratio_number(group.worst.ratio[1])} {figure_link(results, group.worst)} ({escape(group.worst.arm)})"
                 if group.worst else "")
        numbers = [group.rows, *(group.counts[word] for word in words_of(verdicts)),
                   ratio_number(group.mean) if group.mean else ""]
        cells = "".join(f'<td class="number">{value}</td>' for value in numbers)
        lines.append(f"<tr><th>{escape(group.name)}</th>{cells}<td>{worst}</td></tr>\n")
    titles = [("", "group"), ("number", "rows"), *(("number", word) for word in words_of(verdicts)),
              ("number", "geometric mean"), ("", "worst ratio")]
    return table_html(titles, f"<tbody>\n{''.join(lines)}</tbody>")


def lost_html(results, verdicts):
    lost = [verdict for verdict in worst_first(verdicts) if verdict.word == "behind"]
    if not lost:
        return "<p>In no row is another arm ahead.</p>\n"
    lines = "".join(
        f'<tr><td>{figure_link(results, verdict)}</td><td class="number behind">{ratio_number(verdict.ratio[1])}</td>'
        f'<td class="span">{interval_text(verdict.ratio)}</td><td>{escape(verdict.arm)}</td>'
        f"<td>{escape(verdict.row['group'])}</td></tr>\n" for verdict in lost)
    titles = [("", "figure"), ("number", "ratio"), ("", "interval"), ("", "best other"), ("", "group")]
    return table_html(titles, f"<tbody>\n{lines}</tbody>")


def picture_html(picture):
    content = base64.b64encode(picture.svg).decode("ascii")
    title = f"<b>{escape(picture.title)}</b> " if picture.title else ""
    return (f'<figure>\n<div class="wide"><img src="data:image/svg+xml;base64,{content}" '
            f'alt="{escape(picture.alternative)}"></div>\n'
            f"<figcaption>{title}{escape(picture.caption)}</figcaption>\n</figure>\n")


def arm_cells_html(results, row, value_of):
    """The figure of each arm, the lowest one that counts in bold."""
    values = {arm: value_of(arm) for arm in results.arm_names()}
    counting = [values[arm] for arm in results.arm_names("ours", "peer") if values[arm] is not None]
    cells = []
    for arm, value in values.items():
        kinds = ["number", *(["ours"] if arm == results.reference else []),
                 *(["best"] if counting and value == min(counting) else [])]
        text = number(value) or ("failed" if has_failed(row, arm) else "")
        cells.append(f'<td class="{" ".join(kinds)}">{text}</td>')
    return "".join(cells)


def judged_line_html(results, row, verdict):
    """(class of the line, its cells)."""
    ratio = ratio_number(verdict.ratio[1]) if verdict.ratio else ""
    cells = (f'<td class="plain">{escape(metric_title(row, verdict.metric))}</td>'
             f'<td class="{verdict.word}">{verdict.word}</td><td class="number {verdict.word}">{ratio}</td>'
             f'<td class="span">{interval_text(verdict.ratio)}</td><td class="plain">{escape(verdict.arm)}</td>')
    cells += arm_cells_html(results, row, lambda arm: results.median(row, arm, verdict.metric))
    return ("lost" if verdict.word in ("behind", "unknown") else ""), cells


def told_line_html(results, row, title, value_of):
    """The same for what is shown and not judged."""
    return "dim", (f'<td class="plain">{escape(title)}</td><td></td><td></td><td></td><td></td>'
                   + arm_cells_html(results, row, value_of))


def row_lines_html(results, row, verdicts):
    """Judged figures first; then memory, and all the rest where nothing is judged."""
    lines = [judged_line_html(results, row, verdict) for verdict in verdicts]
    told = dict.fromkeys([*row["judged"], *TOLD_METRICS, *(THREAD_METRICS if row["threads"] else ())])
    for metric in [metric for metric in told if metric not in {verdict.metric for verdict in verdicts}]:
        if any(results.median(row, arm, metric) is not None for arm in results.arm_names()):
            lines.append(told_line_html(results, row, metric_title(row, metric),
                                        lambda arm, metric=metric: results.median(row, arm, metric)))
    if any(overhead(results, row, arm) for arm in results.arm_names()):
        lines.append(told_line_html(results, row, "overhead at peak", lambda arm: overhead(results, row, arm)))
    return lines or [told_line_html(results, row, "", lambda arm: None)]


def row_html(results, row, verdicts):
    lines = row_lines_html(results, row, verdicts)
    is_lost = any(verdict.word in ("behind", "unknown") for verdict in verdicts)
    head = (f'<tr class="head"><th colspan="{JUDGED_COLUMNS + len(results.arms)}">{escape(row["name"])}'
            f'<span class="about">{escape(row["about"])} <code>{escape(row["command"])}</code></span></th></tr>\n')
    cells = "".join(f'<tr class="{kind}">{cells}</tr>\n' for kind, cells in lines)
    return f'<tbody id="{row_anchor(results, row)}" class="{"lost" if is_lost else "kept"}">\n{head}{cells}</tbody>\n'


def rows_html(results, verdicts):
    arms = [("number ours" if arm == results.reference else "number", arm) for arm in results.arm_names()]
    titles = [("", "figure"), ("", "verdict"), ("number", "ratio"), ("", "interval"), ("", "best other"), *arms]
    text = ""
    for group in groups_of(results.rows):
        rows = [row for row in results.rows if row["group"] == group]
        lines = "".join(row_html(results, row, [verdict for verdict in verdicts if verdict.row is row]) for row in rows)
        text += f"<h3>Group {escape(group)}</h3>\n{table_html(titles, lines)}"
    return text


def method_html(results):
    rounds = max((len(cells) for row in results.rows for cells in row["cells"].values()), default=0)
    sentences = (
        f"{plural(rounds, 'round')} at most. Each round runs every arm once, each in a process of its own.",
        "A ratio is the other arm's figure divided by the reference's within one round, so that a slow minute of the "
        f"machine touches both. Told are the median of these ratios and its {CONFIDENCE:.0%} confidence interval "
        "(with fewer than five rounds the whole range). Every judged figure is better when it is smaller; above 1, "
        f"{results.reference} is ahead.",
        "The best other arm is chosen anew for each figure. Ahead: even the lower end of the interval is above "
        f"{1 + SAME_WITHIN:g}. Behind: even the upper end is below {1 - SAME_WITHIN:g}. A tie is everything between.",
        "An arm whose role is variant or floor is shown and sets no bar. The floor is no allocator but the least that "
        "one can do.",
        "Overhead at peak is the peak of resident memory divided by the most that the program had in use.")
    return "".join(f"<li>{escape(sentence)}</li>\n" for sentence in sentences)


def page_parts(results):
    """(title of the section, its HTML) of all there is to say, in order."""
    verdicts = judged(results)
    if verdicts:
        yield "Groups", groups_html(results, verdicts)
        yield "Where another arm is ahead", lost_html(results, verdicts)
    pictures = itertools.groupby(draw_pictures(results), key=lambda picture: picture.section)
    for section, of_section in pictures:
        yield section, "".join(map(picture_html, of_section))
    yield "Every row", ("<p>In bold, the lowest figure of those that count.</p>\n" + rows_html(results, verdicts))
    if results.failures:
        lines = "".join(f"<li>{escape(failure)}</li>\n" for failure in results.failures)
        yield "Failures", f"<ul>\n{lines}</ul>\n"
    yield "How measured", f"<ul>\n{method_html(results)}</ul>\n"


def write_page(results, path):
    """report.html: everything there is to see, in one file without a script or anything to load."""
    parts = list(page_parts(results))
    verdicts = judged(results)
    title = f"{results.reference} beside other allocators"
    links = "".join(f'<a href="#{anchor(section)}">{escape(section)}</a>\n' for section, _ in parts)
    body = "".join(f'<section id="{anchor(section)}">\n<h2>{escape(section)}</h2>\n{content}</section>\n'
                   for section, content in parts)
    page = (f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<style>{PAGE_STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n{facts_html(results)}"
            f"{counts_html(verdicts) if verdicts else ''}<nav>\n{links}</nav>\n{body}</body>\n</html>\n")
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)
