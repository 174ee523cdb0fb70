# SPDX-License-Identifier: MIT
"""On several nodes `fastalloc numa` says what the library does there.

    command.py BOOT COMMAND IN_CPUSET
"""

import json
import subprocess
import sys
from pathlib import Path

BOOT, COMMAND, IN_CPUSET = (str(Path(word).absolute()) for word in sys.argv[1:])


def machine_of(topology, words=(), settings=""):
    """What the command tells in a guest, started by these words."""
    done = subprocess.run(
        [BOOT, "-e", f"FASTALLOC_CONF={settings}", "-f", COMMAND, topology, *words, COMMAND, "numa", "--json"],
        stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == 77:
        sys.exit(77)
    assert done.returncode == 0, f"status {done.returncode}: {done.stdout}"
    machine = json.loads(done.stdout)
    homes = [node["home"] for node in machine["nodes"]]
    return machine, homes, machine["library"]["places"]


def main():
    machine, homes, places = machine_of("four")
    assert (homes, places) == ([0, 1, 2, 3], "homes"), machine
    assert [node["distances"] for node in machine["nodes"]][1] == [12, 10, 20, 20], machine

    machine, homes, places = machine_of("far")
    assert (homes, places) == ([0, 1, 1, 3], "homes"), machine
    assert [node["cpus"] for node in machine["nodes"]] == [[0], [1], [2], []], machine
    assert [node["allowed"] for node in machine["nodes"]] == [True, True, False, True], machine

    machine, homes, places = machine_of("four", settings="numa=bind:1+3")
    assert (homes, places) == ([1, 1, 3, 3], "homes"), machine
    machine, homes, places = machine_of("four", settings="numa=bind:2")
    assert (homes, places) == ([None] * 4, "one_node"), machine
    assert machine["library"]["what"] == "all memory comes from node 2", machine
    assert machine["library"]["why"] == "the setting is numa=bind:2", machine
    machine, homes, places = machine_of("four", settings="numa=interleave")
    assert (homes, places) == ([None] * 4, "interleave"), machine

    machine, homes, places = machine_of("four", ["numactl", "--membind=2"])
    assert (homes, places) == ([None] * 4, "policy"), machine
    assert machine["policy"] == {"name": "bind", "nodes": [2]}, machine

    machine, homes, places = machine_of("four", [IN_CPUSET, "1-2"])
    assert (homes, places) == ([1, 1, 2, 2], "homes"), machine
    assert [node["allowed"] for node in machine["nodes"]] == [False, True, True, False], machine
    print("the command tells homes, places and policies as they are")


main()
