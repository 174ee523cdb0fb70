# SPDX-License-Identifier: MIT
"""redis as a program to be measured: the server runs under the arm, a client outside it loads, asks and ends it."""
import os
import socket
import subprocess
import time

from failure import Failure
from program import WORDS, Program, random_numbers, write

REDIS_TEXT = WORDS * 60
SOCKET_WAIT_SECONDS = 20


def redis_text(number):
    """Text of mostly some ten bytes, at times up to a few hundred, seldom up to 4 KiB."""
    limit = (48, 48, 48, 48, 160, 160, 700, 4096)[number % 8]
    start = number // 8 % len(WORDS)
    return REDIS_TEXT[start:start + 1 + number // 64 % limit]


def redis_write(kind, key, number):
    """The words of one changing command; `kind` (0 to 19) says which, so the table below is the mix."""
    text = redis_text(number)
    if kind < 7:
        return "SET", f"text:{key}", text
    if kind < 9:
        return "APPEND", f"text:{key}", text
    if kind < 12:
        return "HSET", f"hash:{key // 20}", f"field-{number % 300}", text
    if kind < 14:
        return "LPUSH", f"list:{key // 50}", text, str(number)
    if kind < 15:
        return "RPOP", f"list:{key // 50}"
    if kind < 16:
        return "ZADD", f"rank:{key // 100}", str(number % 100000), f"member-{number}"
    if kind < 17:
        return "SADD", f"set:{key // 100}", text[:60]
    if kind < 18:
        return "EXPIRE", f"text:{key}", "100000"
    return ("DEL" if kind < 19 else "UNLINK"), (f"text:{key}" if number % 16 else f"hash:{key // 20}")


def redis_load(commands, keys):
    """The load in Redis's own protocol, as redis-cli --pipe wants it."""
    random = random_numbers(2024)
    parts = []
    for number in range(commands):
        words = redis_write(next(random) % 20, next(random) % keys, next(random))
        parts.append(f"*{len(words)}\r\n" + "".join([f"${len(word)}\r\n{word}\r\n" for word in words]))
    return "".join(parts)


def redis_reads(keys):
    """Commands for redis-cli, one a line, whose replies have an order of their own; the last ends the server."""
    random = random_numbers(7)
    lines = ["DBSIZE"]
    for _ in range(60):
        key = next(random) % keys
        lines += [f"GET text:{key}", f"STRLEN text:{key + 1}", f"HMGET hash:{key // 20} field-1 field-2 field-3",
                  f"LRANGE list:{key // 50} 0 -1", f"ZRANGE rank:{key // 100} 0 -1 WITHSCORES",
                  f"SORT set:{key // 100} ALPHA", f"HLEN hash:{key // 20}"]
    return "\n".join(lines + ["FLUSHALL", "DBSIZE", "SHUTDOWN NOSAVE", ""])


class RedisClient:
    """Puts the load into a server that listens on the socket, asks for some of the data, and ends the server."""

    def __init__(self, socket_path, load, reads):
        self.socket_path = socket_path
        self.load = load
        self.reads = reads

    def __call__(self, deadline_seconds):
        deadline = time.monotonic() + deadline_seconds
        self.wait_for_socket(min(deadline, time.monotonic() + SOCKET_WAIT_SECONDS))
        return self.run_client(["--pipe"], self.load, deadline) + self.run_client([], self.reads, deadline)

    def wait_for_socket(self, deadline):
        while True:
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    return probe.connect(self.socket_path)
                except OSError as reason:
                    if time.monotonic() > deadline:
                        raise Failure(f"redis-server does not answer: {reason}") from None
            time.sleep(0.001)

    def run_client(self, options, path, deadline):
        command = ["redis-cli", "-s", self.socket_path, *options]
        with open(path, "rb") as file:
            try:
                done = subprocess.run(command, stdin=file, capture_output=True, check=False,
                                      timeout=max(deadline - time.monotonic(), 1))
            except subprocess.TimeoutExpired:
                raise Failure("redis-cli did not end in time") from None
        if done.returncode != 0:
            last = (done.stderr or done.stdout).decode(errors="replace").strip().rpartition("\n")[2]
            raise Failure(f"redis-cli ended with {done.returncode}: {last or 'no message'}")
        return done.stdout


def make_redis(directory, smoke):
    keys = 2000 if smoke else 100000
    load = write(directory, "load.redis", redis_load(5000 if smoke else 300000, keys))
    reads = write(directory, "reads.redis", redis_reads(keys))
    path = os.path.join(directory, "redis.socket")
    command = ["redis-server", "--port", "0", "--unixsocket", path, "--dir", directory, "--save", "", "--appendonly",
               "no", "--daemonize", "no", "--logfile", os.path.join(directory, "redis.log"), "--loglevel", "warning"]
    return Program("redis", "a server filled by redis-cli --pipe: strings, hashes, lists that grow and go; linked with"
                   " jemalloc, whose malloc, free and malloc_usable_size a preloaded library takes over",
                   command, ["redis-server", "redis-tools"], client=RedisClient(path, load, reads),
                   linked="libjemalloc.so.2")
