# SPDX-License-Identifier: MIT
"""Failure: a sentence for the user. It ends a script; of one cell it becomes an entry among the failures."""


class Failure(Exception):
    pass
