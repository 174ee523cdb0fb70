# SPDX-License-Identifier: MIT
"""What a run found, to look at: tables for the terminal, a page with pictures, a summary for the README.

All three are made from one Results and judge nothing themselves; who is ahead is said by results.py alone. The page is
one file that loads nothing and runs no script, so that it can be mailed, kept beside results.json and read in ten
years. The same input gives the same bytes: a page that differs comes from figures that differ.

The pictures need Debian's python3-matplotlib and python3-pandas, which are imported only when one is drawn; the tables
for the terminal need neither. A picture for which a run has no figures is left out.
"""
from report.page import write_page
from report.summary import write_summary
from report.terminal import print_table
from report.words import missing_packages

__all__ = ["missing_packages", "print_table", "write_page", "write_summary"]
