# SPDX-License-Identifier: MIT
"""python3: on malloc alone and with its own allocator for small objects; threads and forked processes."""

PROGRAMS = {"/usr/bin/python3": "python3"}

OBJECTS = r"""
import bz2, collections, datetime, decimal, hashlib, json, lzma, pickle, re, sqlite3, sys, zlib
import xml.etree.ElementTree as tree
records = [{"id": i, "name": f"name-{i * 7919 % 5003}", "tags": [f"t{i % 300}"] * (i % 7), "text": "word " * (i % 37),
            "weight": i / 1000} for i in range(15000)]
digest = hashlib.sha256()
for turn in range(3):
    text = json.dumps(records)
    records = json.loads(text)
    by_name = collections.defaultdict(list)
    for record in records:
        by_name[record["name"]].append((record["id"], record["tags"], record["text"].split()))
    for key in sorted(by_name)[turn::3]:
        del by_name[key]
    digest.update(json.dumps(by_name).encode())
    digest.update(re.sub(r"(\w+)-(\d+)", r"\2_\1", text[:1000000]).encode())
    for codec in (zlib, bz2, lzma):
        assert codec.decompress(codec.compress(text.encode()[:500000])) == text.encode()[:500000]
    assert pickle.loads(pickle.dumps(by_name)) == by_name
print(digest.hexdigest())
base = sqlite3.connect(":memory:")
base.execute("create table t (id integer primary key, name text, weight real)")
base.executemany("insert into t values (?, ?, ?)", ((r["id"], r["name"], r["weight"]) for r in records))
print(base.execute("select name, count(*), sum(id) from t group by name order by 3 desc limit 5").fetchall())
root = tree.Element("root")
for record in records[:5000]:
    tree.SubElement(root, "r", name=record["name"]).text = record["text"]
print(len(tree.fromstring(tree.tostring(root))), hashlib.sha256(tree.tostring(root)).hexdigest())
decimal.getcontext().prec = 500
print(sum(decimal.Decimal(1) / n for n in range(1, 500)), 7 ** 50000 % 10 ** 40)
day = datetime.date(2000, 1, 1)
print(len({(day + datetime.timedelta(n)).strftime("%B %d") for n in range(3000)}))
blocks = {n: bytearray(n * 1009 % 300000) for n in range(500)}
for n in range(0, 500, 2):
    blocks[n].extend(bytes(n * 2003 % 500000)); del blocks[n + 1]
print(sum(map(len, blocks.values())))
"""

TOGETHER = r"""
import concurrent.futures as futures, hashlib, multiprocessing, queue, threading, zlib

def work(n):
    table = {f"{n}-{i}": [str(i)] * (i % 9) for i in range(3000)}
    text = repr(sorted(table.items())).encode()
    return hashlib.sha256(zlib.compress(text)).hexdigest(), len(text)

def pass_on(source, target):
    for item in iter(source.get, None):
        target.put([part + 1 for part in item])
    target.put(None)

if __name__ == "__main__":
    with futures.ThreadPoolExecutor(8) as pool:
        print(list(pool.map(work, range(40))))
    queues = [queue.Queue(50) for _ in range(5)]
    threads = [threading.Thread(target=pass_on, args=pair) for pair in zip(queues, queues[1:])]
    threads.append(threading.Thread(target=lambda: [queues[0].put(list(range(n % 200))) for n in range(3000)]
                                    + [queues[0].put(None)]))
    for thread in threads:
        thread.start()
    print(sum(map(sum, iter(queues[-1].get, None))))
    for thread in threads:
        thread.join()
    for n in range(300):
        threading.Thread(target=repr if n % 30 else work, args=(n,)).start()
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(3) as pool:
            print(pool.map(work, range(12), chunksize=2))
"""


def run(arm):
    arm.environment["PYTHONHASHSEED"] = "0"
    for name, script in (("objects.py", OBJECTS), ("together.py", TOGETHER)):
        path = arm.write(name, script)
        for allocator in ("malloc", "pymalloc"):
            arm.run("/usr/bin/python3", "-X", "faulthandler", path, label=f"{name} on {allocator}",
                    extra={"PYTHONMALLOC": allocator})
