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
from pathlib import Path

from command import COMMAND, PATIENCE_SECONDS, SURROUNDINGS, Program, expect, finish

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

    def finish(self, name, codes=(0,)):
        end = time.monotonic() + PATIENCE_SECONDS
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.05)
        while self.read(0):
            pass
        code = self.process.wait(0)
        expect(code in codes, f"{name}: {code}")
        expect(termios.tcgetattr(self.inner) == self.before, f"{name}: the terminal is not as it was")
        expect(self.seen.count(OTHER_SCREEN) == self.seen.count(BACK), f"{name}: the other screen stays")
        self.close()

    def close(self):
        os.close(self.terminal)
        os.close(self.inner)

    def writes(self):
        """Whether it is in a write, which goes on once somebody reads."""
        number = Path(f"/proc/{self.process.pid}/syscall").read_text(encoding="ascii").split()[0]
        return number == WRITE


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
    expect(lines[0].startswith(b"\033[1mblocks"), f"the first line is {lines[0]}")
    expect(lines[1].startswith(b"live ") and b"refills " in lines[2], f"the rates are {lines[1:3]}")
    expect(max(map(len, lines[1:3])) <= 80, "the rates are wider than 80 columns")
    expect(screen.seen.index(NO_WRAP) < screen.seen.index(HOME), "lines that are too wide go on below")
    os.write(screen.terminal, b"q")
    screen.finish("q")
    expect(screen.seen.rindex(WRAP) > screen.seen.rindex(HOME), "lines are cut off afterwards")


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


def look_at_ignored(program):
    """What nohup(1) has ignored does not end it."""
    screen = Screen("top", program.pid, "--interval=0.1", before=["sh", "-c", 'trap "" HUP; exec "$@"', "sh"])
    screen.read_until(lambda seen: HOME in seen)
    screen.process.send_signal(signal.SIGHUP)
    drawn = screen.seen.count(HOME)
    screen.read_until(lambda seen: seen.count(HOME) > drawn + 2)
    os.write(screen.terminal, b"q")
    screen.finish("a signal that is ignored")


def look_at_held_up(program):
    """A window changes while nobody reads the terminal: nothing is lost. Who ends it twice then need not wait."""
    for signals in (0, 2):
        screen = Screen("top", program.pid, "--interval=0.1", columns=120)
        screen.read_until(lambda seen: HOME in seen)
        end = time.monotonic() + PATIENCE_SECONDS
        while not screen.writes() and time.monotonic() < end:
            time.sleep(0.01)
        for _ in range(5):
            screen.process.send_signal(signal.SIGWINCH)
            time.sleep(0.01)
        for _ in range(signals):
            screen.process.send_signal(signal.SIGINT)
            time.sleep(0.01)
        if signals != 0:
            code = screen.process.wait(PATIENCE_SECONDS)
            expect(code == -signal.SIGINT, f"ended twice: {code}")
            expect(termios.tcgetattr(screen.inner) == screen.before, "ended twice: the terminal is not as it was")
            screen.close()
            continue
        drawn = screen.seen.count(HOME)
        screen.read_until(lambda seen: seen.count(HOME) > drawn + 20)
        os.write(screen.terminal, b"q")
        screen.finish("a window that changes meanwhile")


def look_at_two_signals(program):
    """At once: it ends by one of them, and gives the terminal back first."""
    screen = Screen("top", program.pid)
    screen.read_until(lambda seen: HOME in seen)
    for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
        screen.process.send_signal(number)
    screen.finish("two signals", (-signal.SIGINT, -signal.SIGTERM))


def look_at_lines(program):
    with subprocess.Popen([COMMAND, "top", str(program.pid), "--interval", "0.1"], stdout=subprocess.PIPE, text=True,
                          env=SURROUNDINGS) as lines:
        for _ in range(3):
            line = lines.stdout.readline()
            expect("live " in line and "resident " in line and "\033" not in line, line)
        lines.terminate()


def main():
    with Program(*sys.argv[2:4]) as program:
        look_at_keys(program)
        look_at_narrow(program)
        look_at_signals(program)
        look_at_ignored(program)
        look_at_held_up(program)
        look_at_two_signals(program)
        look_at_lines(program)
        screen = Screen("top", program.pid, "--interval=0.1")
        screen.read_until(lambda seen: HOME in seen)
        program.process.kill()
        screen.finish("the process ends")
        expect(b"has ended" in screen.seen.split(BACK)[-1], f"the last words are {screen.seen[-200:]}")
    finish("the page is drawn again and again")


main()
