# SPDX-License-Identifier: MIT
"""fastalloc conf: the settings as the library takes them, where each is from, and what is not taken.

    conf.py COMMAND LIBRARY LISTER

LISTER prints the table of settings (tests/check/settings.cpp).
"""

import json
import os
import sys
from pathlib import Path

from claims import NotTried, absolute, claim, expect, report, run, write

COMMAND, LIBRARY, LISTER = map(absolute, sys.argv[1:])
FILE = "/etc/fastalloc.conf"


def settings_of(done):
    return {row["name"]: row for row in json.loads(done.output)["settings"]}


def faults_of(done):
    return [(row["source"], row["line"], row["text"], row["reason"]) for row in json.loads(done.output)["faults"]]


def with_file(text, mode, words, variables=None, owner=0):
    """What the command says where /etc/fastalloc.conf is this one."""
    if os.geteuid() != 0 or run(["unshare", "--mount", "true"]).status != 0:
        raise NotTried("mounts of its own are root's")
    path = write("fastalloc.conf", text)
    script = (f'mount -t tmpfs -o mode=755 none /etc && cp "$1" {FILE} && chown {owner} {FILE} && chmod {mode} {FILE}'
              ' && shift && exec "$@"')
    return run(["unshare", "--mount", "sh", "-c", script, "sh", path, COMMAND, "conf", *words], variables)


@claim
def all_settings_are_shown_with_their_defaults():
    if os.path.exists(FILE):
        raise NotTried(f"there is a {FILE} on this machine")
    done = run([COMMAND, "conf"])
    expect(done, said="")
    table = [line.split() for line in run([LISTER]).output.splitlines()]
    assert [line.split() for line in done.output.splitlines()] == [[row[0], row[2], "default"] for row in table]
    rows = settings_of(run([COMMAND, "conf", "--json"]))
    assert [(name, row["value"], row["origin"], row["line"]) for name, row in rows.items()] == [
        (row[0], row[2], "default", None) for row in table]


@claim
def each_setting_says_where_it_is_from():
    file = write("settings", "# a comment\nslack = 8M\nhuge=never # another\nslack=9M\ncheck=on\n")
    variables = {"FASTALLOC_CONF": "check=off,numa=bind:0+2"}
    done = run([COMMAND, "conf", "--file", file], variables)
    expect(done, said="")
    shown = {line.split()[0]: line.split()[1:] for line in done.output.splitlines()}
    assert shown["slack"] == ["9M", f"{file}:4"]
    assert shown["huge"] == ["never", f"{file}:3"]
    assert shown["check"] == ["off", "FASTALLOC_CONF"]
    assert shown["numa"] == ["bind:0+2", "FASTALLOC_CONF"]
    assert shown["slack_share"] == ["12.5%", "default"]
    rows = settings_of(run([COMMAND, "conf", "--json", "--file", file], variables))
    assert (rows["slack"]["value"], rows["slack"]["origin"], rows["slack"]["line"]) == ("9M", "file", 4)
    assert (rows["check"]["origin"], rows["check"]["line"]) == ("environment", None)
    assert rows["huge"]["words"] == "auto|always|never|hugetlb" and rows["huge"]["default"] == "auto"


@claim
def long_values_are_shown_whole():
    nodes = "+".join(str(node) for node in range(0, 400, 2))
    rows = settings_of(run([COMMAND, "conf", "--json"], {"FASTALLOC_CONF": f"numa=bind:{nodes}"}))
    assert rows["numa"]["value"] == f"bind:{nodes}"


@claim
def what_is_not_taken_is_said_with_its_place_and_exits_1():
    file = write("settings", "\nslak=8M\nslack=8M\nhuge=big\n")
    variables = {"FASTALLOC_CONF": "slack_share=200%,,x"}
    done = run([COMMAND, "conf", f"--file={file}"], variables)
    expect(done, status=1, said=f"fastalloc: {file}:2: skipped slak=8M (no such setting)\n"
           f"fastalloc: {file}:4: skipped huge=big (one of auto|always|never|hugetlb)\n"
           "fastalloc: FASTALLOC_CONF: skipped slack_share=200% (0% to 100%)\n"
           "fastalloc: FASTALLOC_CONF: skipped x (no such setting)\n")
    assert "slack              8M" in done.output
    done = run([COMMAND, "conf", "--json", f"--file={file}"], variables)
    expect(done, status=1, said="")
    assert faults_of(done) == [
        (str(file), 2, "slak=8M", "no such setting"),
        (str(file), 4, "huge=big", "one of auto|always|never|hugetlb"),
        ("FASTALLOC_CONF", None, "slack_share=200%", "0% to 100%"),
        ("FASTALLOC_CONF", None, "x", "no such setting"),
    ]


@claim
def file_that_is_named_has_to_be_there():
    for file, reason in (("missing", "there is none"), ("/", "not a regular file")):
        done = run([COMMAND, "conf", "--file", file])
        expect(done, status=1, said=f"fastalloc: {file} does not count: {reason}")


@claim
def file_of_the_system_is_read():
    done = with_file("slack=3M\n", "644", [])
    expect(done, said="")
    assert ["slack", "3M", f"{FILE}:1"] in [line.split() for line in done.output.splitlines()], done


@claim
def file_that_does_not_count_is_said_with_the_reason():
    for mode, owner, reason in (("666", 0, "writable by others than its owner"), ("644", 1, "not owned by root")):
        done = with_file("slack=3M\n", mode, [], owner=owner)
        expect(done, status=1, said=f"fastalloc: {FILE} does not count: {reason}\n")
        assert "3M" not in done.output
        done = with_file("slack=3M\n", mode, ["--json"], owner=owner)
        assert faults_of(done) == [(FILE, None, "", reason)]


@claim
def values_are_those_of_a_process():
    code = "import ctypes; ctypes.CDLL(None).fastalloc_stats_json(1)"
    for settings in ("", "slack=1M,huge=never,slack=x,nothing=1,slack_share=3.5%,numa=interleave,huge=always"):
        done = run([sys.executable, "-c", code], {"LD_PRELOAD": LIBRARY, "FASTALLOC_CONF": settings})
        in_force = json.loads(done.output)["settings"]
        shown = settings_of(run([COMMAND, "conf", "--json"], {"FASTALLOC_CONF": settings}))
        for name, row in shown.items():
            said = in_force[name]
            assert (said["value"] if isinstance(said, dict) else said) == row["value"], name


@claim
def what_a_terminal_would_obey_is_shown_as_question_marks():
    settings = b"slack=\x9b2J\xc2\x9b2J\xe2\x82\xac\x1b[2J"
    file = Path("file\x1b[2J\u009b2J\u20ac")
    write(file, "slack=1M\nhuge=\x1b]0;\x07\n")
    done = run([COMMAND, "conf", "--file", file], {"FASTALLOC_CONF": os.fsdecode(settings)})
    expect(done, status=1, said="file?[2J?2J\u20ac:2: skipped huge=?]0;? (one of auto|always|never|hugetlb)\n")
    expect(done, status=1, said="FASTALLOC_CONF: skipped slack=?2J?2J\u20ac?[2J (")
    assert "file?[2J?2J\u20ac:1\n" in done.output, done
    done = run([COMMAND, "conf", "--json", "--file", file])
    assert r"file\u001b[2J\u009b2J" in done.output and json.loads(done.output)["file"] == str(file), done
    expect(run([COMMAND, file]), status=2, said="there is no command file?[2J?2J\u20ac:")


@claim
def json_holds_whatever_bytes_there_are():
    for settings in ('a"b\\c=\x01', "\udcff\udcfe=\udc80", "gr\u00fc\u00df=1"):
        # Fails where the output is not UTF-8.
        done = run([COMMAND, "conf", "--json"], {"FASTALLOC_CONF": settings}, errors="strict")
        text = settings.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        assert faults_of(done)[0][2].replace("\ufffd", "") == text.replace("\ufffd", ""), done


report()
