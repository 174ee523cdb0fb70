# SPDX-License-Identifier: MIT
"""An arm: one run of a load, with the library preloaded or without.

A load gets an arm, runs programs with it, and records what they made. Both arms of a test run one after the other in a
folder of the same name, with the same environment but for LD_PRELOAD, so that what is recorded must be equal.

That the preload took effect is seen in the run itself: FASTALLOC_CONF names a setting that does not exist, so every
program that runs on the library writes one line with its name. The lines are taken out of what is compared; that of
the program which was started must be there. A program whose standard error somebody else reads runs without the
setting (`quiet`), and servers are looked at in /proc.
"""

import hashlib
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import time

import processes

# Who runs the programs when root runs the tests.
USER, GROUP = "nobody", "nogroup"

NO_SUCH_SETTING = "no_such_setting=1"
ANNOUNCEMENT = re.compile(rb"fastalloc: ([^\[\n]+)\[\d+\]: FASTALLOC_CONF: skipped no_such_setting=1 "
                          rb"\(no such setting\)\n")


class Failure(Exception):
    """What fails a test: told to whoever reads the log."""


def give_away(path):
    """The folder belongs to who will run the programs."""
    if os.getuid() == 0:
        shutil.chown(path, USER, GROUP)


def tail_of(data):
    return data[-2000:].decode(errors="replace").strip()


class Arm:
    def __init__(self, directory, library):
        self.directory = pathlib.Path(directory)
        self.library = library
        self.records = []
        self.announced = set()
        self.started = 0
        self.user = {}
        if os.getuid() == 0:
            # Some programs refuse to run as root, and none needs to.
            self.user = {"user": USER, "group": GROUP, "extra_groups": []}
        self.environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.directory),
            "TMPDIR": str(self.make_directory("tmp")),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "FASTALLOC_CONF": NO_SUCH_SETTING,
        }
        if library:
            self.environment["LD_PRELOAD"] = str(library)

    # ---- what the load makes and records

    def path(self, name):
        return self.directory / name

    def make_directory(self, name):
        path = self.path(name)
        path.mkdir()
        give_away(path)
        return path

    def write(self, name, content):
        """Writes an input for the programs; returns its path."""
        path = self.path(name)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(0o644)
        return path

    def record(self, label, value):
        """A value that must be the same in both arms."""
        self.records.append((label, value))

    def record_file(self, name):
        """A file's bytes must be the same in both arms, and some."""
        content = self.path(name).read_bytes()
        if not content:
            raise Failure(f"{name} is empty")
        self.record(f"file {name}", f"{len(content)} bytes, {hashlib.sha256(content).hexdigest()}")

    # ---- programs

    def popen(self, command, quiet=False, extra=None, **files):
        environment = dict(self.environment, **(extra or {}))
        if quiet:
            del environment["FASTALLOC_CONF"]
        return subprocess.Popen([str(word) for word in command], cwd=self.directory, env=environment,
                                preexec_fn=forbid_core_dumps, **files, **self.user)

    def take_announcements(self, data, command, must_announce):
        """The data without the library's lines. Requires the line of the started program when `must_announce`."""
        names = {name.decode(errors="replace") for name in ANNOUNCEMENT.findall(data)}
        self.announced |= names
        started = os.path.basename(str(command[0]))
        if self.library is None and names:
            raise Failure(f"{started} ran on the library without being told to")
        if self.library is not None and must_announce and started not in names:
            raise Failure(f"{started} did not run on the library; who did: {sorted(names)}; it wrote:\n"
                          f"{tail_of(data)}")
        return ANNOUNCEMENT.sub(b"", data)

    def run(self, *command, label=None, stdin=None, timeout=120, compare=True, quiet=False, extra=None):
        """Runs a program to its end, which must be status 0. Its output is recorded unless `compare` is False.

        `stdin` is a path. Returns standard output and standard error, as bytes.
        """
        self.started += 1
        label = label or " ".join(str(word) for word in command)[:100]
        output_path, error_path = self.path(f".output-{self.started}"), self.path(f".error-{self.started}")
        with open(output_path, "wb") as output, open(error_path, "wb") as error, \
                open(stdin or "/dev/null", "rb") as source:
            process = self.popen(command, quiet, extra, stdin=source, stdout=output, stderr=error)
            try:
                status = process.wait(timeout)
            except subprocess.TimeoutExpired:
                raise Failure(f"{label}: not done after {timeout} s") from None
        output, error = output_path.read_bytes(), error_path.read_bytes()
        output_path.unlink()
        error_path.unlink()
        if status != 0:
            raise Failure(f"{label}: status {status}\n{tail_of(output)}\n{tail_of(error)}")
        error = self.take_announcements(error, command, not quiet)
        if compare:
            self.record(f"{label}: standard output", output.decode(errors="backslashreplace"))
            self.record(f"{label}: standard error", error.decode(errors="backslashreplace"))
        return output, error

    def require_on_library(self, *names):
        """Programs that those which were started had to start must have run on the library."""
        missing = set(names) - self.announced
        if self.library is not None and missing:
            raise Failure(f"did not run on the library: {sorted(missing)}")

    def start(self, *command, extra=None):
        """Starts a server, to be used as a context: it is to be stopped within."""
        return Server(self, command, extra)


def forbid_core_dumps():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Server:
    """A program that runs until it is told to end. Everything it writes goes into one log."""

    def __init__(self, arm, command, extra):
        self.arm = arm
        self.command = command
        arm.started += 1
        self.log_path = arm.path(f".server-{arm.started}")
        with open(self.log_path, "wb") as log:
            self.process = arm.popen(command, extra=extra, stdin=subprocess.DEVNULL, stdout=log,
                                     stderr=subprocess.STDOUT)

    def log(self):
        return ANNOUNCEMENT.sub(b"", self.log_path.read_bytes()).decode(errors="replace")

    def fail(self, what):
        raise Failure(f"{os.path.basename(str(self.command[0]))}: {what}\n{self.log()[-3000:]}")

    def wait_until(self, is_ready, seconds=60):
        """Waits until the function says so; the server must live that long."""
        end = time.monotonic() + seconds
        while not is_ready():
            if self.process.poll() is not None:
                self.fail(f"ended with status {self.process.returncode}")
            if time.monotonic() > end:
                self.fail(f"not ready after {seconds} s")
            time.sleep(0.05)

    def check_preload(self, least):
        """The server and all processes below it, `least` or more, have the library mapped, or all have not."""
        pids = dict(processes.below(self.process.pid))
        pids[self.process.pid] = os.path.basename(str(self.command[0]))
        looked_at = 0
        for pid, name in pids.items():
            mapped = processes.is_mapped(pid, self.arm.library or "libfastalloc.so")
            if mapped is not None:
                looked_at += 1
                if mapped != (self.arm.library is not None):
                    self.fail(f"process {name} {'has not' if self.arm.library else 'has'} the library mapped")
        if looked_at < least:
            self.fail(f"only {looked_at} processes, wanted {least}: {pids}")

    def stop(self, number=None, seconds=60):
        """Ends the server, by a signal or by what the caller did before. The status must be 0."""
        if number is not None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.fail(f"not ended after {seconds} s")
        if status != 0:
            self.fail(f"ended with status {status}")
        self.arm.take_announcements(self.log_path.read_bytes(), self.command, True)

    def reload(self):
        self.process.send_signal(signal.SIGHUP)
