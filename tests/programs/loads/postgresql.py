# SPDX-License-Identifier: MIT
"""PostgreSQL: a cluster of its own on a Unix socket, pgbench with fixed seeds, queries with parallel workers, a dump.

What pgbench adds and subtracts commutes, so tables are the same whatever the order of its clients.
"""

import signal

BINARIES = "/usr/lib/postgresql/15/bin"

PROGRAMS = {f"{BINARIES}/{name}": "postgresql-15" for name in ("initdb", "postgres", "pgbench")}
PROGRAMS |= {f"{BINARIES}/{name}": "postgresql-client-15" for name in ("psql", "pg_dump")}

CONFIGURATION = """
listen_addresses = ''
fsync = off
shared_buffers = 64MB
max_parallel_workers_per_gather = 2
min_parallel_table_scan_size = 0
parallel_setup_cost = 0
parallel_tuple_cost = 0
work_mem = 2MB
autovacuum_naptime = 1s
log_min_messages = warning
"""

QUERIES = r"""
SELECT count(*), sum(delta) FROM pgbench_history;
SELECT sum(abalance), md5(string_agg(aid || ':' || abalance, ',' ORDER BY aid)) FROM pgbench_accounts;
SELECT tid, tbalance FROM pgbench_tellers ORDER BY tid;
SELECT bid, bbalance FROM pgbench_branches ORDER BY bid;
CREATE TABLE item AS SELECT n AS id, md5(n::text) AS name, n % 997 AS kind, (n * 7919) % 100003 AS weight
                     FROM generate_series(1, 150000) n;
ANALYZE item;
SELECT a.kind, count(*), sum(b.weight) FROM item a JOIN item b ON a.weight = b.id
    GROUP BY 1 ORDER BY 3 DESC, 1 LIMIT 20;
SELECT md5(string_agg(name, '' ORDER BY name)) FROM item;
CREATE INDEX ON item (name); CREATE INDEX ON item USING gin (string_to_array(name, 'a'));
SELECT kind, json_agg(json_build_object('id', id, 'name', name) ORDER BY id) FROM item
    WHERE kind < 3 GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM item WHERE name ~ '(ab|cd)+[0-9]{2}.*f$';
WITH RECURSIVE walk(n, path) AS (SELECT 1, ARRAY[1] UNION ALL SELECT n * 7 % 5003, path || n
    FROM walk WHERE cardinality(path) < 800)
SELECT count(DISTINCT n), sum(cardinality(path)) FROM walk;
DO $$ BEGIN FOR i IN 1..3000 LOOP BEGIN
    INSERT INTO item VALUES (i, repeat('x', i), i, i); IF i % 2 = 0 THEN RAISE EXCEPTION 'back'; END IF;
EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END $$;
SELECT count(*), sum(length(name)) FROM item;
SELECT weight, rank() OVER (PARTITION BY kind ORDER BY weight, id) FROM item WHERE kind = 5 ORDER BY 2, 1 LIMIT 30;
"""


def run(arm):
    arm.make_directory("sockets")
    cluster = arm.path("cluster")
    to_server = ("-h", arm.path("sockets"), "-U", "postgres")
    psql = (f"{BINARIES}/psql", *to_server, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", "postgres")
    arm.run(f"{BINARIES}/initdb", "-D", cluster, "-U", "postgres", "-A", "trust", "-N", "--locale=C.UTF-8",
            compare=False)
    server = arm.start(f"{BINARIES}/postgres", "-D", cluster, "-c", f"config_file={cluster}/postgresql.conf",
                       "-k", arm.path("sockets"), *option_words(CONFIGURATION))
    server.wait_until(lambda: "status=ready" in state_of(cluster))

    arm.run(f"{BINARIES}/pgbench", *to_server, "-i", "-q", "-s", "2", "postgres", compare=False)
    for protocol in ("simple", "prepared"):
        output, _ = arm.run(f"{BINARIES}/pgbench", *to_server, "-n", "-c", "6", "-j", "2", "-t", "400", "-M", protocol,
                            "--random-seed=11", "postgres", compare=False)
        arm.record(f"pgbench {protocol}", [line for line in output.decode().splitlines()
                                           if line.startswith(("number of transactions", "number of failed"))])
    server.check_preload(least=5)
    arm.run(*psql, "-f", arm.write("queries.sql", QUERIES), label="queries")
    dump, _ = arm.run(f"{BINARIES}/pg_dump", *to_server, "--exclude-table-data=pgbench_history", "postgres",
                      compare=False)
    # Rows stand in the order of their last update, and the key of \restrict is drawn.
    arm.record("dump", "\n".join(sorted(line for line in dump.decode().splitlines() if "restrict " not in line)))
    server.stop(signal.SIGINT)
    arm.record("complaints", [line for line in server.log().splitlines()
                              if "PANIC" in line or "terminated by signal" in line])


def option_words(configuration):
    words = []
    for line in configuration.strip().splitlines():
        name, value = line.split(" = ")
        words += ["-c", f"{name}={value.strip(chr(39))}"]
    return words


def state_of(cluster):
    """What the server says of itself in its lock file: the last line is its state."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except OSError:
        return ""
    return f"status={lines[7].strip()}" if len(lines) > 7 else ""
