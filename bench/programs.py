# SPDX-License-Identifier: MIT
"""The real programs that bench/run measures: their jobs, generated inputs, and what of their output is compared.

make_programs() writes the inputs and returns the programs that are installed. Every job is
deterministic: whatever the allocator, the output must be equal byte for byte, so no job prints addresses, times,
memory figures or anything in an order that follows addresses or a random hash seed. One run takes about a second.
The numbers in the jobs were chosen for that; with smoke=True they are so small that only correctness shows.

The jobs in other languages are strings of this file; some take their size as an argument. Random data come from a
small generator written out in the job (PostScript: its own, seeded), never from one that differs from run to run.
"""
import os
import shutil
import sys

from program import WORDS, Program, random_numbers, write
from redis_program import make_redis

# ---- true ----


def make_true(directory, smoke):
    return Program("true", "/bin/true: does nothing, so what it costs is loading and starting the allocator",
                   ["/bin/true"], ["coreutils"], runs=20 if smoke else 200, floor=True)


# ---- python3 ----

PYTHON_JOB = '''
import hashlib, json, sys
count = int(sys.argv[1])
state = 12345
def random():
    global state
    state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
    return state >> 33
text = json.dumps([{"id": i, "name": "name-%d" % (random() % 5000), "tags": ["t%d" % (random() % 300)] * (i % 7),
                    "text": "word " * (random() % 40), "weight": random() / 1000} for i in range(count)])
digest = hashlib.sha256()
for turn in range(4):
    records = json.loads(text)
    by_name = {}
    for record in records:
        by_name.setdefault(record["name"], []).append((record["id"], record["tags"], record["text"].split()))
    words = {key: sum(len(entry[2]) for entry in value) for key, value in by_name.items()}
    for key in sorted(by_name)[turn::3]:
        del by_name[key]
    digest.update(json.dumps([words, by_name]).encode())
print(digest.hexdigest())
'''


def make_python3(directory, smoke):
    return Program("python3", "parses, regroups and prints JSON; PYTHONMALLOC=malloc: every object is a small block",
                   [sys.executable, "-S", "-s", write(directory, "job.py", PYTHON_JOB), "1000" if smoke else "8000"],
                   ["python3"], environment={"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0"})


# ---- sqlite3 ----

SQL_JOB = '''
CREATE TABLE record (id INTEGER PRIMARY KEY, name TEXT, parent INTEGER, weight INTEGER, text TEXT);
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
INSERT INTO record SELECT n, 'name-' || (n * 7919 % 10007), n / 3, n * 104729 % 1000003,
                          substr('the quick brown fox jumps over the lazy dog', 1 + n % 20, n % 23) FROM numbers;
CREATE INDEX record_name ON record (name, weight);
CREATE INDEX record_parent ON record (parent);
UPDATE record SET text = text || name WHERE id % 3 = 0;
DELETE FROM record WHERE id % 5 = 4;
SELECT count(*), sum(weight), sum(length(text)) FROM record;
SELECT name, count(*), max(weight) FROM record GROUP BY name ORDER BY 3 DESC, 1 LIMIT 20;
SELECT sum(length(a.text || b.name)) FROM record a JOIN record b ON b.parent = a.id;
SELECT length(group_concat(text)) FROM (SELECT text FROM record ORDER BY text, id);
'''


def make_sqlite3(directory, smoke):
    job = write(directory, "job.sql", SQL_JOB.format(count=5000 if smoke else 200000))
    return Program("sqlite3", "fills, indexes, changes and queries a database in memory: pages and short-lived text",
                   ["sqlite3", ":memory:", f".read {job}"], ["sqlite3"])


# ---- g++, clang++ ----

CPP_HEADERS = '''
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>
'''

CPP_SUM = '''
template <int N> struct Sum { template <class T> static T of(T x) { return x + Sum<N - 1>::of(x * N); } };
template <> struct Sum<0> { template <class T> static T of(T x) { return x; } };
template long Sum<9>::of(long);
'''

CPP_WORK = '''
struct Record { std::string name; std::variant<int, double, std::string> value; std::vector<long> list; };
long work(std::vector<Record> records) {
    std::map<std::string, std::unique_ptr<Record>> by_name;
    std::unordered_map<long, std::tuple<int, Record *>> by_number;
    std::sort(records.begin(), records.end(), [](const auto &a, const auto &b) { return a.name < b.name; });
    for (auto &record : records) {
        auto &entry = by_name[record.name + "x"];
        entry = std::make_unique<Record>(std::move(record));
        by_number[static_cast<long>(by_number.size())] = std::make_tuple(1, entry.get());
    }
    std::function<long(long)> add = [&](long x) { return Sum<20>::of(x) + static_cast<long>(by_number.size()); };
    long sum = 0;
    for (auto &[name, record] : by_name)
        sum += add(std::accumulate(record->list.begin(), record->list.end(), 0L));
    return sum;
}
'''


def compiler(name, about, packages, directory, smoke):
    source = write(directory, f"{name}.cpp", CPP_SUM if smoke else CPP_HEADERS + CPP_SUM + CPP_WORK)
    result = os.path.join(directory, f"{name}.o")
    return Program(name, about, [name, "-std=c++17", "-O1", "-c", source, "-o", result], packages, artifact=result)


def make_gxx(directory, smoke):
    return compiler("g++", "compiles templates; cc1plus keeps its trees in pages of its own, the rest uses malloc",
                    ["g++"], directory, smoke)


def make_clangxx(directory, smoke):
    return compiler("clang++", "compiles templates; slabs for the syntax tree, small blocks for the optimiser",
                    ["clang"], directory, smoke)


# ---- jq ----

JQ_JOB = '''
map(select(.weight % 7 != 3))
| group_by(.city)
| map({city: .[0].city, count: length, weight: (map(.weight) | add), tags: (map(.tags[]) | unique),
       people: (sort_by(.name, .id) | map({(.name): (.text | split(" ") | map(ascii_upcase) | join("-"))}) | .[0:40])})
| sort_by(.weight)
'''


def jq_record(number, random):
    name, city, weight, text = (next(random) for _ in range(4))
    tags = ", ".join(f'"tag-{(name + i * city) % 500}"' for i in range(number % 6))
    return (f'{{"id": {number}, "name": "name-{name % 4000}", "city": "city-{city % 90}", "weight": {weight % 100000},'
            f' "tags": [{tags}], "text": "{WORDS[text % 40:40 + text % 60]}"}}')


def make_jq(directory, smoke):
    random = random_numbers(31)
    records = ",\n".join(jq_record(number, random) for number in range(500 if smoke else 9000))
    return Program("jq", "parses, groups and sorts JSON: every value is a counted block, text grows by realloc",
                   ["jq", "-f", write(directory, "job.jq", JQ_JOB), write(directory, "records.json", f"[{records}]\n")],
                   ["jq"])


# ---- lua ----

LUA_JOB = '''
local size = tonumber(arg[1])
local state = 12345
local function random(limit)
    state = state * 6364136223846793005 + 1442695040888963407
    return (state >> 33) % limit
end
local function tree(depth)
    if depth == 0 then return {} end
    return {tree(depth - 1), tree(depth - 1)}
end
local function count(node)
    return node[1] and 1 + count(node[1]) + count(node[2]) or 1
end
local function trees(depth)
    local kept, nodes = tree(depth), 0
    for level = 4, depth, 4 do
        for turn = 1, 1 << (depth - level) do nodes = nodes + count(tree(level)) end
    end
    return nodes + count(kept)
end
local function words(total)
    local seen, lists = {}, {}
    for i = 1, total do
        local word = "word-" .. random(total // 4) .. string.rep("x", random(30))
        seen[word] = (seen[word] or 0) + 1
        local key = random(500)
        local list = lists[key] or {}
        lists[key] = list
        list[#list + 1] = word:upper() .. i
    end
    local sorted = {}
    for word, times in pairs(seen) do sorted[#sorted + 1] = word .. "=" .. times end
    table.sort(sorted)
    local bytes = 0
    for i = 0, 499 do bytes = bytes + (lists[i] and #table.concat(lists[i], " ") or 0) end
    return #sorted, sorted[1], sorted[#sorted // 2], sorted[#sorted], bytes
end
print(trees(size))
print(words(3 << size))
'''


def make_lua(directory, smoke):
    return Program("lua", "builds binary trees, string tables and lists: every table and string is a block of its own",
                   ["lua5.4", write(directory, "job.lua", LUA_JOB), "10" if smoke else "15"], ["lua5.4"])


# ---- perl ----

PERL_JOB = '''
use strict;
use warnings;
my $count = shift;
my $state = 12345;
sub random { $state = ($state * 1103515245 + 12345) & 0x7fffffff; return ($state >> 8) % $_[0]; }
my @words = map { "word" . $_ . "x" x ($_ % 17) } 0 .. 999;
my (%groups, %seen);
for my $number (1 .. $count) {
    my $line = join " ", $number, map { $words[random(1000)] } 0 .. 3 + random(10);
    my ($id, @parts) = split / /, $line;
    push @{$groups{$parts[0]}}, {id => $id, parts => \\@parts, line => $line};
    $seen{$_}++ for @parts;
    delete $groups{$words[random(1000)]} if $number % 50 == 0;
}
my ($length, @best) = (0);
for my $key (sort keys %groups) {
    my @sorted = sort { $a->{line} cmp $b->{line} || $a->{id} <=> $b->{id} } @{$groups{$key}};
    (my $text = join ",", map { uc $_->{parts}[-1] } @sorted) =~ s/X+/-/g;
    $length += length $text;
    push @best, "$key $sorted[0]{id} " . scalar @sorted;
}
print "$_ $seen{$_}\\n" for (sort { $seen{$b} <=> $seen{$a} || $a cmp $b } keys %seen)[0 .. 20];
print "$_\\n" for @best[0 .. 20];
print "$length\\n";
'''


def make_perl(directory, smoke):
    return Program("perl", "splits lines into hashes of arrays and sorts them; strings and arrays are blocks, the heads"
                   " of values come from arenas of 4 KiB",
                   ["perl", write(directory, "job.pl", PERL_JOB), "1000" if smoke else "80000"], ["perl-base"],
                   environment={"PERL_HASH_SEED": "0", "PERL_PERTURB_KEYS": "0"})


# ---- ghostscript ----

POSTSCRIPT_JOB = '''%!PS-Adobe-3.0
/random {{ rand exch mod }} bind def
/colour {{ 3 {{ 256 random 255 div }} repeat setrgbcolor }} bind def
/curves {{ newpath 300 random 200 random moveto
    30 {{ 6 {{ 600 random }} repeat curveto }} repeat closepath }} bind def
/clipped {{ gsave newpath 300 400 240 0 360 arc clip 8 {{ colour curves eofill }} repeat grestore }} bind def
/dashes {{ [ 2 1 3 ] 0 setdash 0.3 setlinewidth 8 {{ colour curves stroke }} repeat [ ] 0 setdash }} bind def
/tile {{ << /PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 20 20] /XStep 20 /YStep 20
    /PaintProc {{ pop colour 2 2 10 10 rectfill 0 0 moveto 20 20 lineto stroke }} >> matrix makepattern }} bind def
/tiles {{ 40 {{ gsave tile setpattern 500 random 700 random 60 60 rectfill grestore }} repeat }} bind def
/lines {{ 0 setgray 30 {{ /Times-Roman findfont 5 9 random add scalefont setfont
    20 20 750 random add moveto 12 {{ 1000000 random 12 string cvs show ( ) show }} repeat }} repeat }} bind def
/table 300 dict def
/texts {{ {texts} {{ table 300 random 500 40000 random add string put }} repeat }} bind def
4711 srand
{pages} {{ clipped dashes tiles lines texts showpage }} repeat
'''


def make_ghostscript(directory, smoke):
    job = write(directory, "job.ps", POSTSCRIPT_JOB.format(pages=1 if smoke else 6, texts=100 if smoke else 4000))
    result = os.path.join(directory, "pages.ppm")
    return Program("ghostscript", "renders pages; its own allocator asks malloc for chunks: here blocks up to 40 KB",
                   ["gs", "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=ppmraw", "-r72",
                    f"-sOutputFile={result}", job], ["ghostscript"], artifact=result)


# ---- z3 ----


def z3_job(questions):
    """Many small questions on sums of integers, each with its own assertions that go when it has been answered."""
    random = random_numbers(5)
    lines = [f"(declare-const x{i} Int)" for i in range(50)]
    for _ in range(questions):
        lines.append("(push)")
        first = next(random) % 44
        for _ in range(12):
            terms = " ".join(f"(* {next(random) % 19 - 9} x{first + next(random) % 6})" for _ in range(4))
            lines.append(f"(assert ({('<', '<=', '>=')[next(random) % 3]} (+ {terms}) {next(random) % 100}))")
        lines.append("(check-sat)\n(pop)")
    return "\n".join(lines + [""])


def make_z3(directory, smoke):
    return Program("z3", "answers many small questions on integer sums: terms from its own lists, vectors from malloc",
                   ["z3", "-smt2", "smt.random_seed=1", "sat.random_seed=1",
                    write(directory, "job.smt2", z3_job(10 if smoke else 900))], ["z3"])


# ---- all ----

MAKERS = (
    ("true", make_true), ("python3", make_python3), ("sqlite3", make_sqlite3), ("redis", make_redis),
    ("g++", make_gxx), ("clang++", make_clangxx), ("jq", make_jq), ("lua", make_lua), ("perl", make_perl),
    ("ghostscript", make_ghostscript), ("z3", make_z3),
)


def make_programs(names, directory, smoke):
    """Writes the inputs into the directory: (the programs of these names that are installed, sentences about the
    others)."""
    programs = [make(directory, smoke) for name, make in MAKERS if name in names]
    installed = [program for program in programs if shutil.which(program.command[0])]
    missing = [f"{program.name}: {program.command[0]} is not installed; left out. To install it: apt-get install "
               + " ".join(program.packages) for program in programs if program not in installed]
    return installed, missing
