# SPDX-License-Identifier: MIT
"""nginx: two workers under load on a Unix socket: files, compressed and proxied, uploads, and a reload meanwhile."""

import concurrent.futures
import gzip
import hashlib
import http.client
import signal
import socket

from loads import texts

PROGRAMS = {"nginx": "nginx"}

CONFIGURATION = """
daemon off;
worker_processes 2;
pid {0}/nginx.pid;
events {{ worker_connections 256; }}
http {{
    access_log {0}/access.log;
    client_body_temp_path {0}/tmp/body;
    proxy_temp_path {0}/tmp/proxy;
    fastcgi_temp_path {0}/tmp/fastcgi;
    uwsgi_temp_path {0}/tmp/uwsgi;
    scgi_temp_path {0}/tmp/scgi;
    default_type text/plain;
    keepalive_requests 40;
    proxy_cache_path {0}/tmp/cache keys_zone=cache:1m;
    server {{
        listen unix:{0}/front;
        root {0}/files;
        client_max_body_size 8m;
        location /packed/ {{ alias {0}/files/; gzip on; gzip_min_length 1; gzip_comp_level 3; }}
        location /through/ {{ proxy_pass http://unix:{0}/back:/; proxy_http_version 1.1; }}
        location /cached/ {{ proxy_pass http://unix:{0}/back:/; proxy_cache cache; proxy_cache_valid 1m; }}
        location /put/ {{ alias {0}/put/; dav_methods PUT DELETE; }}
        location /text {{ return 200 "$request_method $request_length $arg_word\\n"; }}
    }}
    server {{ listen unix:{0}/back; root {0}/files; gzip on; gzip_proxied any; }}
}}
"""

SIZES = (1, 700, 4096, 30000, 70001, 400000)


class Connection(http.client.HTTPConnection):
    """HTTP on a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.socket_path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.socket_path)


def ask(connection, method, path, body=None):
    """Status and body; on a connection that the server has closed between two requests, once more."""
    for attempt in (1, 2):
        try:
            connection.request(method, path, body, {"Accept-Encoding": "gzip"})
            answer = connection.getresponse()
            content = answer.read()
            break
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            connection.close()
            if attempt == 2:
                raise
    if answer.headers.get("Content-Encoding") == "gzip":
        content = gzip.decompress(content)
    return answer.status, content


def client(front, number, files, requests):
    """One client's requests; returns what it got for each."""
    connection = Connection(front)
    got = []
    for turn in range(requests):
        name = sorted(files)[(number + turn) % len(files)]
        if turn % 12 == 11:
            path = f"/put/{number}-{turn}"
            got.append(ask(connection, "PUT", path, files[name])[0])
        elif turn % 12 == 10:
            got.append(ask(connection, "POST", f"/text?word={'w' * (turn * 7 % 3000)}", files[name][:turn * 10]))
        else:
            folder = ("", "/packed", "/through", "/cached")[turn % 4]
            status, content = ask(connection, "GET", f"{folder}/{name}")
            got.append((status, content == files[name]))
    connection.close()
    return got


def load(arm, files, requests=900, clients=8):
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        futures = [pool.submit(client, arm.path("front"), number, files, requests) for number in range(clients)]
        yield
        for number, future in enumerate(futures):
            yield number, future.result()


def run(arm):
    arm.make_directory("files")
    arm.make_directory("put")
    text = texts.bytes_of(max(SIZES))
    files = {f"file{size}": text[:size] for size in SIZES}
    for name, content in files.items():
        arm.write(f"files/{name}", content)
    server = arm.start("nginx", "-e", arm.path("error.log"), "-p", arm.directory, "-c",
                       arm.write("nginx.conf", CONFIGURATION.format(arm.directory)))
    server.wait_until(arm.path("front").exists)
    for turn in ("first", "second"):
        parts = load(arm, files)
        next(parts)
        if turn == "second":
            server.reload()
        else:
            server.check_preload(least=3)
        for number, got in parts:
            arm.record(f"{turn} load, client {number}", got)
            bad = [answer for answer in got if answer not in ((200, True), 201, 204) and answer[0] != 200]
            arm.record(f"{turn} load, client {number}: failed requests", bad)
    server.check_preload(least=3)
    server.stop(signal.SIGQUIT)
    put = sorted(arm.path("put").iterdir())
    arm.record("uploads", [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in put])
    log = arm.path("error.log").read_text()
    arm.record("complaints", [line for line in log.splitlines()
                              if any(f"[{level}]" in line for level in ("emerg", "alert", "crit", "error"))])
