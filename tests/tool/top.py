# SPDX-License-Identifier: MIT
"""`fastalloc top` draws the page again and again on a terminal, which is left as it was; without one it prints lines.

    top.py COMMAND PROGRAM [LIBRARY]

PROGRAM is blocks.c.
"""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

from claims import LIMIT_SECONDS, SURROUNDINGS, absolute, claim, report
from target import COMMAND, Program

PROGRAM, *LIBRARY = map(absolute, sys.argv[2:])
OTHER_SCREEN = b"\033[?1049h"
BACK = b"\033[?1049l"
HOME = b"\033[H"
WRITE = {"x86_64": "1", "aarch64": "64"}[os.uname().machine]  # the system call
NO_WRAP = b"\033[?7l"
WRAP = b"\033[?7h"


class Screen:
    """The command on a terminal of its own."""

    def __init__(self, *words, rows=40, columns=100, before=(), **variables):
        self.terminal, self.inner = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.inner)
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [*before, COMMAND, *map(str, words)],
            stdin=self.inner,
            stdout=self.inner,
            stderr=self.inner,
            env={**SURROUNDINGS, "TERM": "xterm", **variables},
            start_new_session=True,
        )
        self.seen = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)
        os.close(self.inner)

    def resize(self, rows, columns):
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        """What is written within this time; false where that is nothing."""
        if not select.select([self.terminal], [], [], seconds)[0]:
            return False
        self.seen += os.read(self.terminal, 65536)
        return True

    def read_until(self, enough):
        end = time.monotonic() + LIMIT_SECONDS
        while not enough(self.seen) and time.monotonic() < end:
            self.read(0.2)
        assert enough(self.seen), f"the screen shows {self.seen[-200:]}"

    def write(self, keys):
        os.write(self.terminal, keys)

    def expect_end(self, name, statuses=(0,)):
        """It ends, and the terminal is as it was."""
        end = time.monotonic() + LIMIT_SECONDS
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.05)
        while self.read(0):
            pass
        status = self.process.wait(0)
        assert status in statuses, f"{name}: {status}"
        self.expect_terminal_as_it_was(name)
        assert self.seen.count(OTHER_SCREEN) == self.seen.count(BACK), f"{name}: the other screen stays"

    def expect_terminal_as_it_was(self, name):
        assert termios.tcgetattr(self.inner) == self.before, f"{name}: the terminal is not as it was"

    def writes(self):
        """Whether it is in a write, which goes on once somebody reads."""
        number = Path(f"/proc/{self.process.pid}/syscall").read_text(encoding="ascii").split()[0]
        return number == WRITE

    def hold_up(self):
        """Nobody reads until it waits for that, and the window changes meanwhile."""
        end = time.monotonic() + LIMIT_SECONDS
        while not self.writes() and time.monotonic() < end:
            time.sleep(0.01)
        for _ in range(5):
            self.process.send_signal(signal.SIGWINCH)
            time.sleep(0.01)


@claim
def page_is_drawn_until_q_is_typed():
    with Program(PROGRAM, *LIBRARY) as program, Screen("top", program.pid, "--interval=0.1") as screen:
        screen.read_until(lambda seen: seen.count(HOME) >= 3 and b"block size" in seen)
        assert b"\033[1m" in screen.seen, "there is nothing bold"
        assert screen.seen.index(NO_WRAP) < screen.seen.index(HOME), "lines that are too wide go on below"
        screen.write(b"q")
        screen.expect_end("q")
        assert screen.seen.rindex(WRAP) > screen.seen.rindex(HOME), "lines are cut off afterwards"


@claim
def page_fits_a_window_that_has_become_smaller():
    with Program(PROGRAM, *LIBRARY) as program, Screen("top", program.pid, "--interval=0.1") as screen:
        screen.read_until(lambda seen: seen.count(HOME) >= 3 and b"block size" in seen)
        screen.resize(24, 80)
        screen.process.send_signal(signal.SIGWINCH)
        drawn = screen.seen.count(HOME)
        screen.read_until(lambda seen: seen.count(HOME) > drawn + 2)
        lines = screen.seen.split(HOME)[-2].replace(b"\033[K", b"").split(b"\r\n")
        assert len(lines) <= 24, f"{len(lines)} lines on a screen of 24"
        assert lines[0].startswith(b"\033[1mblocks"), f"the first line is {lines[0]}"
        assert lines[1].startswith(b"live ") and b"refills " in lines[2], f"the rates are {lines[1:3]}"
        assert max(map(len, lines[1:3])) <= 80, "the rates are wider than 80 columns"
        screen.write(b"q")
        screen.expect_end("a smaller window")


@claim
def page_may_be_wider_than_the_terminal():
    """stat draws it as well."""
    with Program(PROGRAM, *LIBRARY) as program:
        for columns in (1, 24, 60, 66, 67, 68):
            with Screen("top", program.pid, rows=24, columns=columns) as screen:
                screen.read_until(lambda seen: seen.count(HOME) >= 1 and b"block size" in seen)
                screen.write(b"q")
                screen.expect_end(f"{columns} columns")
            with Screen("stat", program.pid, rows=24, columns=columns) as screen:
                screen.read_until(lambda seen: b"   pages " in seen)
                screen.expect_end(f"stat on {columns} columns")


@claim
def signals_end_it_and_no_color_is_heeded():
    with Program(PROGRAM, *LIBRARY) as program:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with Screen("top", program.pid, NO_COLOR="1") as screen:
                screen.read_until(lambda seen: HOME in seen)
                screen.process.send_signal(number)
                screen.expect_end(number.name)
                assert b"\033[1m" not in screen.seen, "there are colours in spite of NO_COLOR"


@claim
def signal_that_is_ignored_does_not_end_it():
    """As nohup(1) has it."""
    before = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh"]
    with Program(PROGRAM, *LIBRARY) as program, Screen("top", program.pid, "--interval=0.1", before=before) as screen:
        screen.read_until(lambda seen: HOME in seen)
        screen.process.send_signal(signal.SIGHUP)
        drawn = screen.seen.count(HOME)
        screen.read_until(lambda seen: seen.count(HOME) > drawn + 2)
        screen.write(b"q")
        screen.expect_end("a signal that is ignored")


@claim
def nothing_is_lost_where_the_window_changes_while_nobody_reads():
    with Program(PROGRAM, *LIBRARY) as program, Screen("top", program.pid, "--interval=0.1", columns=120) as screen:
        screen.read_until(lambda seen: HOME in seen)
        screen.hold_up()
        drawn = screen.seen.count(HOME)
        screen.read_until(lambda seen: seen.count(HOME) > drawn + 20)
        screen.write(b"q")
        screen.expect_end("a window that changes meanwhile")


@claim
def who_ends_it_twice_need_not_read():
    with Program(PROGRAM, *LIBRARY) as program, Screen("top", program.pid, "--interval=0.1", columns=120) as screen:
        screen.read_until(lambda seen: HOME in seen)
        screen.hold_up()
        for _ in range(2):
            screen.process.send_signal(signal.SIGINT)
            time.sleep(0.01)
        status = screen.process.wait(LIMIT_SECONDS)
        assert status == -signal.SIGINT, f"ended twice: {status}"
        screen.expect_terminal_as_it_was("ended twice")


@claim
def two_signals_at_once_end_it_by_one_of_them():
    """It gives the terminal back first."""
    with Program(PROGRAM, *LIBRARY) as program, Screen("top", program.pid) as screen:
        screen.read_until(lambda seen: HOME in seen)
        for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
            screen.process.send_signal(number)
        screen.expect_end("two signals", (-signal.SIGINT, -signal.SIGTERM))


@claim
def without_a_terminal_it_prints_lines():
    with Program(PROGRAM, *LIBRARY) as program, subprocess.Popen(
        [COMMAND, "top", str(program.pid), "--interval", "0.1"], stdout=subprocess.PIPE, text=True, env=SURROUNDINGS
    ) as top:
        limit = threading.Timer(LIMIT_SECONDS, top.kill)
        limit.start()
        try:
            for _ in range(3):
                line = top.stdout.readline()
                assert "live " in line and "resident " in line and "\033" not in line, line
        finally:
            limit.cancel()
            top.kill()


@claim
def end_of_the_process_ends_it_with_a_word():
    with Program(PROGRAM, *LIBRARY) as program, Screen("top", program.pid, "--interval=0.1") as screen:
        screen.read_until(lambda seen: HOME in seen)
        program.process.kill()
        screen.expect_end("the process ends")
        assert b"has ended" in screen.seen.split(BACK)[-1], f"the last words are {screen.seen[-200:]}"


report()
