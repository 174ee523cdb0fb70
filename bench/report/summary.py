# SPDX-License-Identifier: MIT
"""The summary for the README: two tables, a line of facts, and one picture."""
import html

from report.drawing import DOT, README_INCHES, arm_keys, draw_dots, drawing_style, new_figure, to_svg
from report.words import (
    figure_title, interval_text, judged, metric_title, plural, ratio_number, tallies, verdict_title, words_of,
    worst_first)

SUMMARY_FACTS = ("date", "kernel", "cpu")
SUMMARY_GROUP = "core"


def markdown(text):
    return html.escape(str(text), quote=False).replace("|", "\\|")


def markdown_table(titles, lines):
    rows = [titles, ["---"] * len(titles), *lines]
    return "".join(f"| {' | '.join(str(cell) for cell in row)} |\n" for row in rows)


def groups_markdown(verdicts):
    lines = []
    for group in tallies(verdicts):
        worst = f"{markdown(verdict_title(group.worst))}: {ratio_number(group.worst.ratio[1])}" if group.worst else ""
        lines.append([markdown(group.name), group.rows, *(group.counts[word] for word in words_of(verdicts)),
                      ratio_number(group.mean) if group.mean else "", worst])
    return markdown_table(["group", "rows", *words_of(verdicts), "geometric mean", "worst ratio"], lines)


def lost_markdown(verdicts):
    lost = [verdict for verdict in worst_first(verdicts) if verdict.word == "behind"]
    if not lost:
        return "In no row is another allocator ahead.\n"
    table = markdown_table(
        ["another is ahead in", "figure", "best other", "ratio", "interval"],
        [[markdown(verdict.row["name"]), markdown(metric_title(verdict.row, verdict.metric)), markdown(verdict.arm),
          ratio_number(verdict.ratio[1]), interval_text(verdict.ratio)] for verdict in lost])
    return (f"<details><summary>{plural(len(lost), 'figure')} in which another is ahead, worst first</summary>\n\n"
            f"{table}\n</details>\n")


def facts_markdown(results):
    facts = [text for key, text in results.facts.items() if key.lower() in SUMMARY_FACTS]
    arms = [f"{arm['name']} ({arm['described']})" for arm in results.arms]
    return "; ".join(markdown(text) for text in [*facts, *arms]) + "\n"


def ratios_table(results, rows):
    """Frame of the ratios of the other arms to the reference: a line per row, by its first judged metric."""
    import pandas
    ratios = {}
    for row in rows:
        metric = row["judged"][0]
        found = {arm: results.ratio(row, arm, metric) for arm in results.arm_names()[1:]}
        ratios[figure_title(row, metric)] = {arm: ratio[1] for arm, ratio in found.items() if ratio}
    table = pandas.DataFrame.from_dict(ratios, orient="index")
    return table[[arm for arm in results.arm_names() if arm in table.columns]].dropna(how="all")


def write_summary_picture(results, path):
    rows = [row for row in results.rows if row["judged"]]
    table = ratios_table(results, [row for row in rows if row["group"] == SUMMARY_GROUP] or rows)
    if table.empty:
        return
    with drawing_style():
        keys = arm_keys(results, table.columns, **DOT)
        figure = new_figure(README_INCHES, 0.75 + 0.24 * len(table), keys)
        axes = figure.subplots()
        draw_dots(results, axes, table)
        axes.set_xlabel(f"figure of the other / figure of {results.reference}: right of 1, {results.reference} is "
                        "better")
        content = to_svg(figure)
    with open(path, "wb") as file:
        file.write(content)


def write_summary(results, markdown_path, picture_path):
    """For the README: two tables and a line of facts as Markdown, and one picture (SVG)."""
    verdicts = judged(results)
    tables = [groups_markdown(verdicts), lost_markdown(verdicts)] if verdicts else []
    with open(markdown_path, "w", encoding="utf-8") as file:
        file.write("\n".join([*tables, facts_markdown(results)]))
    write_summary_picture(results, picture_path)
