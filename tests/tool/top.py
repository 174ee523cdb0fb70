# SPDX-License-Identifier: MIT
"""`fastalloc top` draws the page again and again on a terminal, which is left as it was; without one it prints lines.

    top.py COMMAND PROGRAM [LIBRARY]
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
import time

from command import COMMAND, PATIENCE_SECONDS, Program, expect, finish

OTHER_SCREEN = b"\033[?1049h"
BACK = b"\033[?1049l"
HOME = b"\033[H"


class Screen:
    """The command on a terminal of its own."""

    def __init__(self, *words, rows=40, columns=100, **variables):
        self.terminal, self.inner = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.inner)
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [COMMAND, *map(str, words)],
            stdin=self.inner,
            stdout=self.inner,
            stderr=self.inner,
            env={**os.environ, "TERM": "xterm", **variables},
            start_new_session=True,
        )
        self.seen = b""

    def resize(self, rows, columns):
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        """What is written within this time; false where that is nothing."""
        if not select.select([self.terminal], [], [], seconds)[0]:
            return False
        self.seen += os.read(self.terminal, 65536)
        return True

    def read_until(self, enough):
        end = time.monotonic() + PATIENCE_SECONDS
        while not enough(self.seen) and time.monotonic() < end:
            self.read(0.2)
        expect(enough(self.seen), f"the screen shows {self.seen[-200:]}")

    def finish(self, name):
        end = time.monotonic() + PATIENCE_SECONDS
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.05)
        while self.read(0):
            pass
        code = self.process.wait(0)
        expect(code == 0, f"{name}: {code}")
        expect(termios.tcgetattr(self.inner) == self.before, f"{name}: the terminal is not as it was")
        expect(self.seen.count(OTHER_SCREEN) == self.seen.count(BACK), f"{name}: the other screen stays")
        os.close(self.terminal)
        os.close(self.inner)


def look_at_keys(program):
    screen = Screen("top", program.pid, "--interval=0.1")
    screen.read_until(lambda seen: seen.count(HOME) >= 3 and b"block size" in seen)
    expect(b"\033[1m" in screen.seen, "there is nothing bold")
    screen.resize(24, 80)
    screen.process.send_signal(signal.SIGWINCH)
    drawn = screen.seen.count(HOME)
    screen.read_until(lambda seen: seen.count(HOME) > drawn + 2)
    lines = screen.seen.split(HOME)[-2].replace(b"\033[K", b"").split(b"\r\n")
    expect(len(lines) <= 24, f"{len(lines)} lines on a screen of 24")
    os.write(screen.terminal, b"q")
    screen.finish("q")


def look_at_narrow(program):
    """A page that is wider than the terminal; stat draws it as well."""
    for columns in (1, 24, 60, 66, 67, 68):
        screen = Screen("top", program.pid, rows=24, columns=columns)
        screen.read_until(lambda seen: seen.count(HOME) >= 1 and b"block size" in seen)
        os.write(screen.terminal, b"q")
        screen.finish(f"{columns} columns")
        screen = Screen("stat", program.pid, rows=24, columns=columns)
        screen.read_until(lambda seen: b"   pages " in seen)
        screen.finish(f"stat on {columns} columns")


def look_at_signals(program):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        screen = Screen("top", program.pid, NO_COLOR="1")
        screen.read_until(lambda seen: HOME in seen)
        screen.process.send_signal(number)
        screen.finish(number.name)
        expect(b"\033[1m" not in screen.seen, "there are colours in spite of NO_COLOR")


def look_at_lines(program):
    with subprocess.Popen([COMMAND, "top", str(program.pid), "--interval", "0.1"], stdout=subprocess.PIPE, text=True) as lines:
        for _ in range(3):
            line = lines.stdout.readline()
            expect("live " in line and "resident " in line and "\033" not in line, line)
        lines.terminate()


def main():
    with Program(*sys.argv[2:4]) as program:
        look_at_keys(program)
        look_at_signals(program)
        look_at_lines(program)
        screen = Screen("top", program.pid, "--interval=0.1")
        screen.read_until(lambda seen: HOME in seen)
        program.process.kill()
        screen.finish("the process ends")
        expect(b"has ended" in screen.seen.split(BACK)[-1], f"the last words are {screen.seen[-200:]}")
    finish("the page is drawn again and again")


main()
