# SPDX-License-Identifier: MIT
"""git: a history from a stream, packed by threads, cloned, checked and read.

Which deltas a pack has depends on its threads, so objects are compared and not packs. A clone is quiet: it passes on
what the other side writes to standard error.
"""

import random

PROGRAMS = {"git": "git"}


def history(commits):
    """A stream for `git fast-import`: a main line, and a side line that is merged now and then."""
    generator = random.Random(3)
    files = {f"folder{number % 7}/file{number}": [f"line {generator.random()}" for _ in range(60)]
             for number in range(90)}
    parts = []
    for number in range(1, commits + 1):
        message = f"Change {number}"
        parts.append(f"commit refs/heads/main\nmark :{number}\n"
                     f"committer A Person <a@example.org> {1600000000 + number * 60} +0000\n"
                     f"data {len(message)}\n{message}\n")
        if number > 1:
            parts.append(f"from :{number - 1}\n")
        if number > 20 and number % 20 == 0:
            parts.append(f"merge :{number - 15}\n")
        names = files if number == 1 else generator.sample(sorted(files), 6)
        for name in names:
            content = files[name]
            content[generator.randrange(len(content))] = f"changed by {number}: {generator.random()}"
            if generator.random() < 0.3:
                content.insert(generator.randrange(len(content)), f"new in {number}")
            text = "\n".join(content) + "\n"
            parts.append(f"M 100644 inline {name}\ndata {len(text)}\n{text}\n")
    return "".join(parts)


def run(arm):
    arm.environment["GIT_CONFIG_NOSYSTEM"] = "1"
    arm.write(".gitconfig", "[pack]\n\tthreads = 4\n[gc]\n\tauto = 0\n[advice]\n\tdetachedHead = false\n"
                            "[protocol \"file\"]\n\tallow = always\n[safe]\n\tdirectory = *\n")
    stream = arm.write("stream", history(500))
    arm.run("git", "init", "-q", "--initial-branch=main", "one")
    arm.run("git", "-C", "one", "fast-import", "--quiet", stdin=stream)
    arm.run("git", "-C", "one", "reset", "-q", "--hard", "main")
    arm.run("git", "-C", "one", "gc", "-q", "--aggressive", "--prune=now")
    arm.run("git", "-C", "one", "fsck", "--full", "--strict")
    arm.run("git", "clone", "-q", f"file://{arm.path('one')}", "two", quiet=True)
    arm.run("git", "clone", "-q", "--depth=30", f"file://{arm.path('one')}", "shallow", quiet=True)
    arm.run("git", "-C", "two", "fsck", "--full")
    arm.run("git", "-C", "two", "repack", "-q", "-a", "-d", "-f", "--depth=20", "--window=30")
    for name in ("one", "two", "shallow"):
        arm.run("git", "-C", name, "cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objectsize)")
        arm.run("git", "-C", name, "log", "-p", "--stat", "--find-renames")
    arm.run("git", "-C", "two", "grep", "-n", "--threads=4", "changed by [0-9]*7:")
    arm.run("git", "-C", "two", "blame", "folder3/file3")
    arm.run("git", "-C", "two", "diff", "main~300", "main", "--word-diff")
    arm.run("git", "-C", "two", "status", "--porcelain")
    arm.run("git", "-C", "two", "archive", "--format=tar", "main", "-o", arm.path("tmp/archive.tar"))
    arm.record_file("tmp/archive.tar")
