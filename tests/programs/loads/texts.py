# SPDX-License-Identifier: MIT
"""Inputs: the same in every run, and with a little of everything in them."""

import random


def lines(count, seed=1):
    """Lines of a number, a word of a small set, and a word of a large one with a length of its own."""
    generator = random.Random(seed)
    words = ["".join(generator.choices("abcdefghij", k=generator.randint(1, 12))) for _ in range(2000)]
    return "".join(f"{generator.randrange(1000003)} {generator.choice(words)} "
                   f"{generator.choice(words) * generator.randint(1, 4)}{number}\n" for number in range(count))


def bytes_of(count, seed=2):
    """Bytes that compress by about a half."""
    return bytes(random.Random(seed).choices(range(16), k=count))
