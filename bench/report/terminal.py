# SPDX-License-Identifier: MIT
"""The tables in the terminal: every row, then who is ahead."""
import sys

from report.words import (
    counts_text, has_failed, interval_text, judged, metric_title, number, plural, ratio_number, verdict_title,
    worst_first)


def print_arm(results, row, metric, arm, columns, file):
    if has_failed(row, arm):
        print(f"  {arm:<18}      failed", file=file)
        return
    if arm not in row["cells"]:
        return
    ratio = results.ratio(row, arm, metric)
    middle = ratio_number(ratio[1]) if ratio else ""
    span = "" if arm == results.reference else interval_text(ratio)
    memory = "".join(f"{number(results.median(row, arm, column)):>12}" for column in columns)
    print(f"  {arm:<18}{number(results.median(row, arm, metric)):>12}{middle:>9}   {span:<18}{memory}".rstrip(),
          file=file)


def print_row(results, row, file):
    """A block for each judged metric; memory stands beside the first of them only."""
    print(f"{row['name']}  ({row['unit']})\n  {row['command']}", file=file)
    columns = ["peak_mib", "end_mib"]
    for metric in row["judged"]:
        memory = "".join(f"{metric_title(row, column):>12}" for column in columns)
        title = metric_title(row, metric)
        print(f"  {title:<18}{'median':>12}{'ratio':>9}   {'interval':<18}{memory}".rstrip(), file=file)
        for arm in results.arm_names():
            print_arm(results, row, metric, arm, columns, file)
        columns = []
    print(file=file)


def print_verdicts(results, verdicts, file):
    names = [verdict_title(verdict) for verdict in verdicts]
    width = max(map(len, names))
    print(f"{'':<9}{'':<{width}}{'ratio':>8}   {'interval':<18}{'best other':<14}floor", file=file)
    for name, verdict in zip(names, verdicts):
        middle = ratio_number(verdict.ratio[1]) if verdict.ratio else ""
        floors = [results.ratio(verdict.row, arm, verdict.metric) for arm in results.arm_names("floor")]
        floor = " ".join(ratio_number(ratio[1]) for ratio in floors if ratio)
        print(f"{verdict.word:<9}{name:<{width}}{middle:>8}   {interval_text(verdict.ratio):<18}"
              f"{verdict.arm:<14}{floor}".rstrip(), file=file)
    print(f"\nof {plural(len(verdicts), 'figure')}: {counts_text(verdicts)}", file=file)


def print_table(results, file=sys.stdout):
    """Every row, then who is ahead, worst first, then what failed. A ratio above 1: the reference is better."""
    for row in results.rows:
        print_row(results, row, file)
    verdicts = worst_first(judged(results))
    if verdicts:
        print_verdicts(results, verdicts, file)
    if results.failures:
        print(f"\n{plural(len(results.failures), 'failure')}:", file=file)
        for failure in results.failures:
            print(f"  {failure}", file=file)
