# SPDX-License-Identifier: MIT
"""A progress bar with the time left, on standard error: one line that is written over on a terminal, else a line a
minute."""
import sys
import time

BAR_CELLS = 30
SECONDS_BETWEEN_LINES = 60


class Progress:
    """Counts cells, which come in turns. A cell is expected to take as long as the same one did the last time, a new
    one as long as the average."""

    def __init__(self, turns, limit_seconds=None):
        self.turns = list(turns)  # the keys of the cells of each turn that is still to come, in order
        self.limit_seconds = limit_seconds
        self.done = 0
        self.done_of_turn = 0
        self.seconds = {}
        self.start = time.monotonic()
        self.cell_start = self.start
        self.last_line = self.start
        self.is_terminal = sys.stderr.isatty()

    def begin(self, text):
        self.cell_start = time.monotonic()
        if self.is_terminal:
            sys.stderr.write(f"\r\033[K{self.bar()} {text}")
            sys.stderr.flush()
        elif self.cell_start - self.last_line >= SECONDS_BETWEEN_LINES:
            self.last_line = self.cell_start
            print(f"{self.bar()} {text}", file=sys.stderr, flush=True)

    def end(self):
        turn = self.turns[0]
        self.seconds[turn[self.done_of_turn]] = time.monotonic() - self.cell_start
        self.done += 1
        self.done_of_turn += 1
        if self.done_of_turn == len(turn):
            self.leave_out()

    def leave_out(self):
        """The turn that would be next, or is done."""
        self.turns.pop(0)
        self.done_of_turn = 0

    def would_be_late(self):
        """Whether the next turn would end after the limit."""
        past = time.monotonic() - self.start
        return self.limit_seconds is not None and past + self.expected(self.turns[0]) > self.limit_seconds

    def say(self, text):
        """A line of its own, above the bar."""
        print(f"\r\033[K{text}" if self.is_terminal else text, file=sys.stderr, flush=True)

    def close(self):
        self.say(f"{self.done} cells in {minutes(time.monotonic() - self.start)}")

    def expected(self, keys):
        average = sum(self.seconds.values()) / len(self.seconds) if self.seconds else 0
        return sum(self.seconds.get(key, average) for key in keys)

    def seconds_left(self):
        left = sum(map(self.expected, self.turns)) - self.expected(self.turns[0][:self.done_of_turn])
        if self.limit_seconds is None:
            return left
        return min(left, max(self.limit_seconds - (time.monotonic() - self.start), 0))

    def bar(self):
        left = sum(map(len, self.turns)) - self.done_of_turn
        filled = BAR_CELLS * self.done // (self.done + left)
        time_left = f", {minutes(self.seconds_left())} left" if self.seconds else ""
        return f"[{'#' * filled}{'.' * (BAR_CELLS - filled)}] {self.done}/{self.done + left}{time_left}"


def minutes(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02} min"
