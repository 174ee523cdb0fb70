# SPDX-License-Identifier: MIT
"""What of a run is kept in the repository: the judged figures of a release, its picture, the summary in the README."""
import json
import os
import re

import report
from arms import REPOSITORY
from failure import Failure
from results import Results

BEGIN, END = "<!-- made by bench/run --release -->\n", "<!-- end of what bench/run --release made -->\n"


def version_of(build):
    with open(os.path.join(build, "meson-info", "intro-projectinfo.json"), encoding="utf-8") as file:
        return json.load(file)["version"]


def require_whole(options):
    """Before a run: what it will measure can stand for a release."""
    if options.smoke or options.only or options.arms:
        raise Failure("a release is measured whole: without --smoke, --only and --arms")
    if report.missing_packages():
        raise Failure(f"a release has pictures: install {' '.join(report.missing_packages())}")


def require_sound(results):
    """After it."""
    if results.failures or "interrupted" in results.facts:
        raise Failure("nothing is kept of a run that was interrupted or in which something failed")


def slim(results):
    """The same with nothing but what bench/compare reads: one release's file should stay small."""
    rows = []
    for row in results.rows:
        cells = {arm: [cell and {metric: float(f"{cell[metric]:.5g}") for metric in row["judged"] if metric in cell}
                       for cell in column] for arm, column in row["cells"].items()}
        rows.append({**row, "cells": cells})
    kept = Results(results.facts, results.arms, rows)
    kept.failures = results.failures
    return kept


def update_readme(summary, picture, path):
    """Puts the summary between the two marks."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise Failure(f"{path} must hold these two lines once each:\n{BEGIN}{END}")
    block = f"{BEGIN}\n![ratios of other allocators to libfastalloc]({picture})\n\n{summary}\n{END}"
    text = re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: block, text, flags=re.DOTALL)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def keep(results, build):
    """Writes bench/releases/VERSION.json and .svg and the README's summary; returns the paths."""
    version = version_of(build)
    directory = os.path.join(REPOSITORY, "bench", "releases")
    os.makedirs(directory, exist_ok=True)
    figures, picture = (os.path.join(directory, f"{version}.{ending}") for ending in ("json", "svg"))
    summary = os.path.join(build, "bench", "summary.md")
    slim(results).save(figures)
    report.write_summary(results, summary, picture)
    with open(summary, encoding="utf-8") as file:
        update_readme(file.read(), os.path.relpath(picture, REPOSITORY), os.path.join(REPOSITORY, "README.md"))
    return figures, picture, os.path.join(REPOSITORY, "README.md")
