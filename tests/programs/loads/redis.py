# SPDX-License-Identifier: MIT
"""redis-server: its own benchmark, then a content that does not depend on the order of what clients send.

The clients send at the same time what commutes, so DEBUG DIGEST must be the same. A forked child saves the content,
another thread frees what is unlinked, and a second server reads what the first has saved.
"""

import random

PROGRAMS = {"redis-server": "redis-server", "redis-benchmark": "redis-tools", "redis-cli": "redis-tools"}

CLIENTS = 4
BENCHMARKED = "set,get,incr,lpush,rpop,sadd,hset,spop,zadd,zpopmin,lrange_100,mset"


def commands_of(client):
    """What one client sends: counters and sets that all share, and keys of its own."""
    generator = random.Random(client)
    lines = []
    for number in range(12000):
        key = generator.randrange(3000)
        text = "x" * generator.randrange(1, 200) + str(number)
        lines.append(generator.choice((
            f"INCRBY counter:{key} {number % 100}",
            f"SADD set:{key % 200} {text[-40:]}",
            f"ZINCRBY scores:{key % 50} {number % 7} member{key}",
            f"HINCRBY hash:{key % 100} field{key} {number % 9}",
            f"SET own:{client}:{key} {text}",
            f"APPEND own:{client}:{key} {text}",
            f"SETRANGE own:{client}:{key} {number % 9000} {text}",
            f"RPUSH list:{client}:{key % 30} {text}",
            f"LTRIM list:{client}:{key % 30} 0 200",
            f"XADD stream:{client} {number + 1}-1 field {text[-60:]}",
            f"PFADD estimate:{client}:{key % 20} {number}",
            f"UNLINK own:{client}:{key}",
        )))
    return "\r\n".join(lines) + "\r\n"


def digest(arm, socket):
    return arm.run("redis-cli", "-s", socket, "DEBUG", "DIGEST", compare=False)[0].decode().strip()


def start(arm, socket):
    return arm.start("redis-server", "--port", "0", "--unixsocket", socket, "--daemonize", "no", "--save", "",
                     "--dir", arm.path("data"), "--enable-debug-command", "local", "--io-threads", "2",
                     "--lazyfree-lazy-user-flush", "yes")


def run(arm):
    arm.make_directory("data")
    socket = arm.path("socket")
    cli = ("redis-cli", "-s", socket)
    server = start(arm, socket)
    server.wait_until(socket.exists)
    server.check_preload(least=1)
    output, _ = arm.run("redis-benchmark", "-s", socket, "-n", "20000", "-r", "10000", "-c", "30", "-P", "8",
                        "-d", "100", "--threads", "2", "--csv", "-t", BENCHMARKED, compare=False)
    arm.record("what was benchmarked", [line.split(",")[0] for line in output.decode().splitlines()])
    arm.run(*cli, "FLUSHALL")

    clients = []
    for client in range(CLIENTS):
        with open(arm.write(f"commands{client}", commands_of(client)), "rb") as source:
            clients.append(arm.popen((*cli, "--pipe"), stdin=source, stdout=open(arm.path(f"replies{client}"), "wb"),
                                     stderr=open(arm.path(f"errors{client}"), "wb")))
    for client, process in enumerate(clients):
        arm.record(f"client {client}", (process.wait(100), arm.path(f"replies{client}").read_text()))
    arm.run(*cli, "DBSIZE")
    first = digest(arm, socket)
    arm.record("digest", first)

    arm.run(*cli, "DEBUG", "RELOAD")
    arm.record("digest after a reload", digest(arm, socket))
    arm.run(*cli, "EVAL", "local sum = 0; for i = 0, 2999 do sum = sum + (redis.call('GET', 'counter:' .. i) or 0) "
                          "end; return sum", "0")
    arm.run(*cli, "SORT", "list:1:1", "ALPHA", "LIMIT", "0", "50")
    arm.run(*cli, "BGSAVE")
    server.wait_until(lambda: b"rdb_bgsave_in_progress:0" in arm.run(*cli, "INFO", "persistence", compare=False)[0]
                      and arm.path("data/dump.rdb").exists())
    arm.run(*cli, "SHUTDOWN", "NOSAVE")
    server.stop()

    second = start(arm, socket)
    second.wait_until(lambda: socket.exists() and b"loading:0" in arm.run(*cli, "INFO", "persistence",
                                                                          compare=False)[0])
    second.check_preload(least=1)
    arm.record("digest of what was saved", digest(arm, socket) == first)
    arm.run(*cli, "SHUTDOWN", "NOSAVE")
    second.stop()
