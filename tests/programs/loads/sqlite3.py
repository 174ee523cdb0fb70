# SPDX-License-Identifier: MIT
"""sqlite3: a database on disk and one in memory, sorts with helper threads, and a whole dump."""

PROGRAMS = {"sqlite3": "sqlite3"}

JOB = """
PRAGMA cache_size = -4000;
CREATE TABLE record (id INTEGER PRIMARY KEY, name TEXT, parent INTEGER, weight INTEGER, text TEXT);
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 150000)
INSERT INTO record SELECT n, 'name-' || (n * 7919 % 10007), n / 3, n * 104729 % 1000003,
                          substr('the quick brown fox jumps over the lazy dog', 1 + n % 20, n % 23) FROM numbers;
PRAGMA threads = 4;
CREATE INDEX record_name ON record (name, weight);
CREATE INDEX record_parent ON record (parent);
UPDATE record SET text = text || name WHERE id % 3 = 0;
DELETE FROM record WHERE id % 5 = 4;
SELECT count(*), sum(weight), sum(length(text)) FROM record;
SELECT name, count(*), max(weight) FROM record GROUP BY name ORDER BY 3 DESC, 1 LIMIT 20;
SELECT sum(length(a.text || b.name)) FROM record a JOIN record b ON b.parent = a.id;
SELECT length(group_concat(text)) FROM (SELECT text FROM record ORDER BY text, id);
CREATE VIRTUAL TABLE words USING fts5(text);
INSERT INTO words SELECT text FROM record WHERE id % 4 = 0;
SELECT count(*) FROM words WHERE words MATCH 'quick AND brown';
SELECT json_group_array(json_object('n', name, 'w', weight)) FROM record WHERE id % 300 = 0;
BEGIN; DELETE FROM record WHERE id % 2; ROLLBACK;
VACUUM;
PRAGMA integrity_check;
"""


def run(arm):
    job = arm.write("job.sql", JOB)
    arm.run("sqlite3", ":memory:", stdin=job, label="in memory")
    arm.run("sqlite3", arm.path("base.db"), stdin=job, label="on disk")
    arm.run("sqlite3", arm.path("base.db"), ".dump")
    arm.record_file("base.db")
