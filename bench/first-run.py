# SPDX-License-Identifier: MIT
"""first-run.py LIBRARY - one real program on the library beside the same on glibc's malloc

The program is this file's own function `job`: python3 parses, indexes, changes and writes JSON, and
keeps a table in SQLite. PYTHONMALLOC=malloc makes the interpreter ask malloc for every object; else it
would serve small ones from an allocator of its own, and no malloc could make a difference. SQLite asks
malloc by itself.

After one run per arm that warms the machine's memory, each arm runs five times, in turn. Printed are
the medians of elapsed time and of peak resident memory. The exit status is 0 only if every run of both
arms succeeded and printed the same.
"""
import ctypes
import hashlib
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import time

ROUNDS = 5


def make_records(count):
    """The job's input: the same at each run, for the generator is seeded."""
    source = random.Random(20260101)
    words = [''.join(source.choices('abcdefghijklmnopqrstuvwxyz', k=source.randint(2, 14))) for _ in range(4000)]
    return [{
        'id': number,
        'name': f'{source.choice(words)}-{number}',
        'tags': source.choices(words, k=source.randint(0, 9)),
        'text': ' '.join(source.choices(words, k=source.randint(1, 60))),
        'weight': source.random(),
        'parent': source.randrange(number) if number else None,
    } for number in range(count)]


def job():
    """The measured program. Prints one digest per part."""
    text = json.dumps(make_records(15000))
    digest = hashlib.sha256(text.encode())
    kept = []
    for turn in range(4):
        records = json.loads(text)
        by_name = {record['name']: record for record in records}
        by_tag = {}
        for record in records:
            for tag in record['tags']:
                by_tag.setdefault(tag, []).append(record['name'])
        words = {}
        for record in records:
            for word in record['text'].split():
                words[word] = words.get(word, 0) + 1
        for tag in sorted(by_tag)[turn::5]:
            for name in by_tag[tag]:
                by_name.pop(name, None)
        kept.extend(list(by_name.values())[turn::7])
        for number in range(turn, len(kept), 3):
            kept[number] = {'name': kept[number]['name'], 'path': kept[number]['name'].split('-')}
        digest.update(json.dumps([sorted(words.items()), list(by_name)]).encode())
    digest.update(json.dumps(kept, sort_keys=True).encode())
    print('json and dictionaries', digest.hexdigest())

    digest = hashlib.sha256()
    database = sqlite3.connect(':memory:')
    database.execute('create table record (id integer primary key, name text, parent integer, weight real, text text)')
    database.executemany('insert into record values (:id, :name, :parent, :weight, :text)', json.loads(text))
    database.execute('create index record_parent on record (parent, weight)')
    database.execute('create index record_name on record (name)')
    database.execute("update record set text = text || ' ' || name where id % 3 = 0")
    database.execute('delete from record where id % 5 = 4')
    for query in (
            'select parent, count(*), max(weight) from record group by parent having count(*) > 1 order by parent',
            'select a.name, b.name from record a join record b on b.parent = a.id order by b.name, a.name',
            'select substr(text, 1, 3) as head, group_concat(name) from (select * from record order by name)'
            ' group by head order by head'):
        for row in database.execute(query):
            digest.update(repr(row).encode())
    print('sqlite', digest.hexdigest())


def print_malloc_owner():
    """Prints the file that the dynamic loader takes malloc's family from.

    Asked for is a function the interpreter does not use: malloc itself has an address in python3, as in
    any program that is not position independent.
    """

    class Symbol(ctypes.Structure):
        _fields_ = [('file', ctypes.c_char_p), ('base', ctypes.c_void_p),
                    ('name', ctypes.c_char_p), ('address', ctypes.c_void_p)]

    symbol = Symbol()
    process = ctypes.CDLL(None)
    if not process.dladdr(process.malloc_usable_size, ctypes.byref(symbol)):
        sys.exit('malloc_usable_size belongs to no file')
    print(os.path.realpath(symbol.file.decode()))


def start(argument, library):
    """Starts this file with `argument` on `library`, or on glibc's malloc where that is None."""
    environment = {'LC_ALL': 'C.UTF-8', 'PATH': os.environ.get('PATH', os.defpath),
                   'PYTHONHASHSEED': '0', 'PYTHONMALLOC': 'malloc'}
    if library:
        environment['LD_PRELOAD'] = library
    return subprocess.Popen([sys.executable, '-s', __file__, argument], env=environment, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE)


def measure(library):
    """One run of the job: seconds, peak MiB, output."""
    begin = time.monotonic()
    process = start('--job', library)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f'the job on {library or "glibc"} ended with status {process.returncode}')
    return seconds, usage.ru_maxrss / 1024, output


def main(library):
    library = os.path.realpath(library)
    for arm in (library, None):
        owner = start('--malloc-owner', arm).communicate()[0].decode().strip()
        print(f'malloc of the {"fastalloc" if arm else "glibc"} arm: {owner}')
        if (owner == library) != (arm is not None):
            sys.exit('that is not the malloc this arm is about')

    arms = {'glibc': None, 'fastalloc': library}
    outputs = {measure(library)[2] for library in arms.values()}
    results = {name: [] for name in arms}
    for number in range(ROUNDS):
        order = list(arms) if number % 2 == 0 else list(reversed(arms))
        for name in order:
            seconds, mebibytes, output = measure(arms[name])
            results[name].append((seconds, mebibytes))
            outputs.add(output)
            print(f'run {number + 1} of {ROUNDS}, {name:9}: {seconds:7.2f} s {mebibytes:8.1f} MiB', flush=True)

    version = '.'.join(map(str, sys.version_info[:3]))
    print(f'\npython3 {version} with PYTHONMALLOC=malloc, JSON, dictionaries and SQLite {sqlite3.sqlite_version};'
          f' medians of {ROUNDS} runs:\n')
    print(f'{"":12}{"time":>10}{"peak memory":>16}')
    for name, runs in results.items():
        seconds, mebibytes = (statistics.median(column) for column in zip(*runs))
        print(f'{name:12}{seconds:8.2f} s{mebibytes:12.1f} MiB')
    print()
    if len(outputs) != 1:
        print('outputs: DIFFERENT')
        return 1
    print('outputs: equal')
    return 0


if __name__ == '__main__':
    if sys.argv[1] == '--job':
        job()
    elif sys.argv[1] == '--malloc-owner':
        print_malloc_owner()
    else:
        sys.exit(main(sys.argv[1]))
