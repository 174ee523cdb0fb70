# SPDX-License-Identifier: MIT
"""fastalloc numa: the nodes as the kernel and libnuma tell them.

    numa.py COMMAND

What the library makes of several nodes is tried where there are several: tests/numa/command.py.
"""

import ctypes
import json
import os
import re
import sys
from pathlib import Path

from claims import NotTried, absolute, claim, expect, report, run

COMMAND = absolute(sys.argv[1])
NODES = Path("/sys/devices/system/node")
# Starts the rest of its words with the memory policy MPOL_BIND on node 0.
BIND = ("import ctypes, os, sys\n"
        "mask = ctypes.c_ulong(1)\n"
        "ctypes.CDLL('libnuma.so.1').set_mempolicy(2, ctypes.byref(mask), 64) == 0 or sys.exit(77)\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n")


def numbers_of(text):
    """The numbers of a list as the kernel writes them: 0-3,8."""
    numbers = []
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers


def machine_of(variables=None, before=()):
    done = run([*before, COMMAND, "numa", "--json"], variables)
    if done.status == 77:
        raise NotTried("the kernel lets nobody ask for a memory policy")
    expect(done, said="")
    machine = json.loads(done.output)
    if not machine["nodes"]:
        raise NotTried("the kernel tells of no nodes here")
    return machine


@claim
def nodes_are_those_of_the_kernel():
    nodes = machine_of()["nodes"]
    assert [node["node"] for node in nodes] == numbers_of((NODES / "online").read_text())
    for node in nodes:
        folder = NODES / f"node{node['node']}"
        assert node["cpus"] == numbers_of((folder / "cpulist").read_text())
        assert node["distances"] == [int(word) for word in (folder / "distance").read_text().split()]
        total = re.search(r"MemTotal:\s+(\d+) kB", (folder / "meminfo").read_text())
        assert node["memory_bytes"] == int(total.group(1)) * 1024
        assert node["free_bytes"] <= node["memory_bytes"]


@claim
def nodes_are_those_of_libnuma():
    libnuma = ctypes.CDLL("libnuma.so.1")
    libnuma.numa_node_size64.restype = ctypes.c_longlong
    nodes = machine_of()["nodes"]
    assert nodes[-1]["node"] == libnuma.numa_max_node()
    for node in nodes:
        assert node["memory_bytes"] == max(libnuma.numa_node_size64(node["node"], None), 0)
        assert node["distances"] == [libnuma.numa_distance(node["node"], other["node"]) for other in nodes]


@claim
def nodes_that_are_allowed_are_those_of_the_process():
    allowed = re.search(r"Mems_allowed_list:\s*(\S*)", Path("/proc/self/status").read_text()).group(1)
    allowed = numbers_of(allowed)
    for node in machine_of()["nodes"]:
        assert node["allowed"] == (node["node"] in allowed and node["memory_bytes"] > 0)


@claim
def processors_that_are_allowed_are_those_of_the_process():
    one = min(os.sched_getaffinity(0))
    machine = machine_of(before=["taskset", "--cpu-list", one])
    assert [cpu for node in machine["nodes"] for cpu in node["allowed_cpus"]] == [one]
    done = run(["taskset", "--cpu-list", one, COMMAND, "numa"])
    assert len(os.sched_getaffinity(0)) == 1 or f"(allowed: {one})" in done.output, done


@claim
def memory_policy_is_told():
    assert machine_of()["policy"] == {"name": "default", "nodes": []}
    machine = machine_of(before=[sys.executable, "-c", BIND])
    assert machine["policy"] == {"name": "bind", "nodes": [0]}
    expect(run([sys.executable, "-c", BIND, COMMAND, "numa"]), said="")


@claim
def one_node_is_the_place_of_all_memory():
    machine = machine_of()
    if sum(node["allowed"] for node in machine["nodes"]) != 1:
        raise NotTried("a machine of several nodes")
    node, = (node["node"] for node in machine["nodes"] if node["allowed"])
    assert machine["library"] == {
        "numa": "auto",
        "places": "one_node",
        "what": f"all memory comes from node {node}",
        "why": "no other node has memory for this process",
    }
    assert [one["home"] for one in machine["nodes"]] == [None] * len(machine["nodes"])


@claim
def settings_are_heeded():
    library = machine_of({"FASTALLOC_CONF": "numa=off"})["library"]
    assert library["numa"] == "off" and library["places"] == "first_touch"


@claim
def long_setting_is_shown_whole():
    value = "bind:" + "+".join(str(node) for node in range(0, 400, 2))
    done = run([COMMAND, "numa", "--json"], {"FASTALLOC_CONF": f"numa={value}"})
    assert json.loads(done.output)["library"]["numa"] == value, done


@claim
def page_has_at_most_80_columns():
    done = run([COMMAND, "numa"])
    expect(done, said="")
    assert max(map(len, done.output.splitlines())) <= 80, done
    assert not re.search(r"[ \t]$", done.output, re.MULTILINE), done


report()
