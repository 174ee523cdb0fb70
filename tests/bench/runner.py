#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""runner.py BUILD - claims about bench/run, bench/compare and what they are made of, told as TAP.

Cells are small (--smoke), so figures mean little: what is asserted holds by orders of magnitude, or by what the words
of the report must be whatever the figures are.
"""
import argparse
import copy
import importlib.machinery
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import traceback

sys.dont_write_bytecode = True
BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"
sys.path.insert(0, str(BENCH))
import cells  # noqa: E402
import jobs  # noqa: E402
import program  # noqa: E402
import results as results_module  # noqa: E402
import workloads  # noqa: E402
from results import Results, interval  # noqa: E402

BUILD = pathlib.Path(sys.argv[1]).resolve()
HERE = BUILD / "tests" / "bench"


def run(*words, size="--smoke"):
    """(exit status, what was printed, the results) of bench/run, on the smallest cells unless told otherwise."""
    with tempfile.TemporaryDirectory(prefix="bench-test-") as directory:
        done = subprocess.run([BENCH / "run", "--build", BUILD, size, "--output", directory, *words],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=500, check=False)
        path = os.path.join(directory, "results.json")
        return done.returncode, done.stdout, Results.load(path) if os.path.exists(path) else None


def compare(old, new):
    """(exit status, what was printed) of bench/compare."""
    with tempfile.TemporaryDirectory(prefix="bench-test-") as directory:
        paths = [os.path.join(directory, name) for name in ("old.json", "new.json")]
        old.save(paths[0])
        new.save(paths[1])
        done = subprocess.run([BENCH / "compare", *paths], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        return done.returncode, done.stdout


def made_up(ours, other):
    """Results of one row with these figures, round by round."""
    row = jobs.make_row("row", "core", "made up", ["none"], "ns/op", ["wall"])
    row["cells"] = {arm: [None if value is None else {"wall": value} for value in values]
                    for arm, values in (("fastalloc", ours), ("other", other))}
    described = [{"name": "fastalloc", "described": "ours", "role": "ours"},
                 {"name": "other", "described": "another", "role": "peer"}]
    return Results({}, described, [row])


def word_of(results):
    return results.verdicts()[0].word


# ---- the runner, with real arms ----


def a_slow_arm_is_reported_slower():
    status, output, results = run("--only", "bulk-fifo", "--rounds", "5", "--arms", "fastalloc,slow", "--with",
                                  f"slow={HERE}/libslow.so")
    verdict, = results.verdicts()
    assert status == 0, output
    assert verdict.word == "ahead" and verdict.arm == "slow" and verdict.ratio[0] > 5, verdict.ratio
    assert "ahead" in output and "slow" in output


def a_setting_of_one_arm_reaches_it():
    def median(turns):
        return run("--only", "bulk-fifo", "--rounds", "3", "--arms", "fastalloc,slow", "--with",
                   f"slow={HERE}/libslow.so", "--env", f"slow:SLOW_TURNS={turns}")[2].verdicts()[0].ratio[1]
    assert median(20000) > 5 * median(200)


def an_arm_whose_malloc_fails_is_reported_as_failed():
    status, output, results = run("--only", "bulk-fifo", "--rounds", "3", "--arms", "fastalloc,refusing", "--with",
                                  f"refusing={HERE}/librefusing.so")
    assert status == 1
    assert results.rows[0]["cells"]["refusing"] == [None] * 3
    assert results.rows[0]["cells"]["fastalloc"][0]["wall"] > 0
    assert any("refusing" in failure and "returned NULL" in failure for failure in results.failures)
    assert "failed" in output and word_of(results) == "unknown"


def copies_of_one_library_tie():
    library = next(path for path in (BUILD / "src").glob("libfastalloc.so.*.*.*") if path.suffix != ".p")
    with tempfile.TemporaryDirectory(prefix="bench-test-") as directory:
        twin = shutil.copy(library, os.path.join(directory, "libtwin.so"))
        _, output, results = run("--only", "pair,bulk-fifo,random-1k", "--rounds", "9", "--arms", "fastalloc,twin",
                                 "--with", f"twin={twin}", size="--warm-mib=1")
    words = [verdict.word for verdict in results.verdicts()]
    # Each is a tie but for a disturbance that hits one arm in seven of nine rounds.
    assert len(words) == 3 and words.count("tie") >= 2, output


def a_library_without_malloc_is_no_arm():
    with tempfile.TemporaryDirectory(prefix="bench-test-") as directory:
        empty = os.path.join(directory, "libempty.so")
        subprocess.run(["cc", "-shared", "-x", "c", "/dev/null", "-o", empty], check=True)
        status, _, results = run("--only", "pair", "--arms", "fastalloc,empty", "--with", f"empty={empty}")
    assert status == 1
    assert any("the preload had no effect" in failure for failure in results.failures)


def every_cell_has_its_figures():
    status, output, results = run("--only", "churn-1k,ring-2,latency-1,remote-64", "--arms", "fastalloc,glibc")
    assert status == 0, output
    rows = {row["name"]: row for row in results.rows}
    for row in rows.values():
        assert row["live_peak_mib"] > 0
        for arm in ("fastalloc", "glibc"):
            cell, = row["cells"][arm]
            for metric in ("wall", "cpu", "process_ms", "peak_mib", "end_mib", "minor_faults"):
                assert cell[metric] > 0, (row["name"], arm, metric)
        assert row["cells"]["fastalloc"][0]["lock_waits_per_1000"] >= 0
        assert "lock_waits_per_1000" not in row["cells"]["glibc"][0]
    # Batches of 4 KiB hold 64 blocks, and each is two writes; the one thread of churn-1k shares next to nothing.
    assert rows["remote-64"]["cells"]["fastalloc"][0]["shared_writes_per_1000"] > 1000 / 64 * 2 * 0.9
    assert rows["churn-1k"]["cells"]["fastalloc"][0]["shared_writes_per_1000"] < 15
    latency = rows["latency-1"]["cells"]["glibc"][0]
    for name in ("alloc_growth", "alloc_steady", "free_steady"):
        ordered = [latency[f"{name}_{part}_ns"] for part in ("p50", "p99", "p999", "p9999", "max")]
        assert ordered == sorted(ordered) and ordered[-1] > 0


def live_bytes_are_those_that_were_asked_for():
    for command, wanted in ((["bulk", "rounds=1"], 10000 * 64), (["sequence", "blocks=100000"], 100000 * 8)):
        peak = cells.peak_of_live_bytes(BUILD, [str(BUILD / "bench" / command[0]), *command[1:]])
        assert wanted <= peak < wanted * 1.01 + 8192, (command, peak)


def resident_memory_is_followed_over_time():
    _, _, results = run("--only", "burst-idle", "--arms", "fastalloc,glibc")
    for arm, cell in ((arm, cells_of[0]) for arm, cells_of in results.rows[0]["cells"].items()):
        rss = cell["rss"]
        assert 3 < len(rss["mib"]) <= 128 and rss["step_ms"] >= 1, arm
        assert max(rss["mib"]) <= cell["peak_mib"] + 1
        assert max(rss["mib"]) > 3, rss["mib"]


def every_workload_and_program_runs():
    names = [*workloads.WORKLOADS, "programs"]
    status, output, results = run("--arms", "fastalloc,floor", "--only", ",".join(names))
    assert status == 0, output[-3000:]
    assert set(workloads.WORKLOADS) <= {row["name"] for row in results.rows}
    assert all(row["cells"]["fastalloc"][0] for row in results.rows)


def no_turn_begins_after_the_time_is_up_but_each_has_its_first():
    status, output, results = run("--only", "pair,bulk", "--arms", "fastalloc", "--rounds", "3", "--minutes", "0.0001")
    assert status == 0, output
    assert [len(row["cells"]["fastalloc"]) for row in results.rows] == [1] * 4
    assert "8 of 16" in results.facts["time"]


def arms_take_turns_in_another_order_each_round():
    module = importlib.machinery.SourceFileLoader("run", str(BENCH / "run")).load_module()
    options = argparse.Namespace(seed=1, rounds=20, smoke=False)
    job = argparse.Namespace(name="job", rounds=5, floor=True, without=("left",))
    all_arms = [argparse.Namespace(name=name, role="peer") for name in ("a", "b", "c", "left")]
    turns = module.plan_turns(options, [job], all_arms)
    orders = ["".join(arm.name for arm in turn.arms) for turn in turns[1:]]
    assert len(orders) == 20 and all(sorted(order) == ["a", "b", "c"] for order in orders)
    assert {order[0] for order in orders} == {"a", "b", "c"}
    assert turns[0].arms == [None]
    again = module.plan_turns(options, [job], all_arms)
    assert [turn.keys() for turn in again] == [turn.keys() for turn in turns]


def a_release_is_not_made_of_a_smoke_run():
    status, output, results = run("--release")
    assert status == 1 and "a release is measured whole" in output and results is None


def outputs_that_differ_are_a_failure():
    job = jobs.ProgramJob(program.Program("p", "about", ["true"], ["coreutils"]), BUILD)
    assert job.differences() is None
    for name, output in (("one", b"same"), ("two", b"same"), ("three", b"other")):
        job.digests.setdefault(job.digest(output), set()).add(name)
    assert "outputs differ" in job.differences() and "three" in job.differences()


def wrong_words_are_told_and_nothing_runs():
    for words, sentence in ((("--only", "nonsense"), "there is no \"nonsense\""),
                            (("--with", "x=/nowhere.so"), "there is no file"),
                            (("--arms", "nobody"), "no such arm: nobody"),
                            (("--env", "nobody:A=B"), "want NAME:KEY=VALUE")):
        status, output, results = run(*words)
        assert status == 1 and sentence in output and results is None, output


# ---- the start of a process ----


def startup(*words):
    """(exit status, what was printed) of bench/startup."""
    done = subprocess.run([BENCH / "startup", "--build", BUILD, *words], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
    return done.returncode, done.stdout


def libraries_make_a_start_longer():
    status, output = startup("--rounds", "200")
    assert status == 0, output
    lows = re.findall(r"^(\w.*?) +\d+ +[+-]\d+ +([+-]\d+) \.\.", output, re.MULTILINE)
    beyond = {name: int(low) for name, low in lows}
    assert len(beyond) == 5 and all(low > 0 for low in beyond.values()), output
    assert beyond["libnuma, library preloaded"] > beyond["bare, library preloaded"], output
    assert re.search(r"asks malloc for [1-9]\d* blocks, [1-9]\d* bytes", output), output


def a_library_that_is_not_loaded_is_no_start():
    status, output = startup("--rounds", "1", "--library", "/nowhere.so")
    assert status == 1 and "cannot be preloaded" in output and "Traceback" not in output, output
    assert startup("--rounds", "0")[0] != 0


# ---- being watched ----


def who_is_told_of_every_call_pays_for_it():
    done = subprocess.run([BENCH / "watchers", "--build", BUILD, "--only", "pair,nobody", "--rounds", "3"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    rows = re.findall(r"^pair .*? s" + r" +([\d.]+) \(\S+\)" * 4 + "$", done.stdout, re.MULTILINE)
    assert len(rows) == 1, done.stdout
    off_again, every_call, samples, leak_check = map(float, rows[0])
    assert every_call > 1.3 and every_call > max(off_again, samples, leak_check), done.stdout


# ---- NUMA nodes ----


def numa(*words):
    """(exit status, what was printed) of bench/numa, on tiny counts."""
    done = subprocess.run([BENCH / "numa", "--build", BUILD, "--smoke", *words], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
    return done.returncode, done.stdout


def small_blocks_lie_on_the_node_that_allocated_them():
    status, output = numa("--rounds", "3")
    assert status == 0, output
    speeds = re.findall(r"^  \S.*?  +(\d+\.\d+) +(\d+\.\d+) \.\. +(\d+\.\d+)$", output, re.MULTILINE)
    assert len(speeds) == 8, output
    assert all(0 < float(low) <= float(median) <= float(high) for median, low, high in speeds), output
    if "tells this process nothing" in output or "memory policy" in output:
        return
    pairs = output.split("\nnuma=auto ", 1)[1].split("\n\n", 1)[0].splitlines()
    shares = [share for line in pairs[1:] for share in line.split()[1:]]
    assert len(shares) == len(pairs[0].split())**2 and set(shares) == {"100%"}, output


def numa_measures_no_library_that_has_no_malloc():
    with tempfile.TemporaryDirectory(prefix="bench-test-") as directory:
        empty = os.path.join(directory, "libempty.so")
        subprocess.run(["cc", "-shared", "-x", "c", "/dev/null", "-o", empty], check=True)
        status, output = numa("--library", empty)
    assert status == 1 and "the preload had no effect" in output, output
    for words, sentence in ((("--library", "/nowhere.so"), "No such file"), (("--rounds", "x"), "wants a number")):
        status, output = numa(*words)
        assert status == 1 and sentence in output, output


# ---- judging, with made-up figures ----


def an_interval_leaves_out_what_few_rounds_would_show_anyway():
    assert interval([3]) == (3, 3, 3)
    assert interval([1, 2, 9]) == (1, 2, 9)
    assert interval([5, 1, 4, 2, 3]) == (1, 3, 5)
    assert interval(range(1, 10)) == (2, 5, 8)
    for count in range(5, 40):
        low, median, high = interval(range(count))
        below = sum(math.comb(count, k) for k in range(low + 1)) / 2**count
        assert low + high == count - 1 and low < median < high
        assert 1 - 2 * below >= results_module.CONFIDENCE, count


def a_row_is_judged_by_its_interval():
    assert word_of(made_up([10] * 5, [11, 12, 11, 13, 11])) == "ahead"
    assert word_of(made_up([10] * 5, [9, 8, 9, 7, 9])) == "behind"
    assert word_of(made_up([10] * 5, [12, 12, 12, 12, 9])) == "tie"  # the spread hides it
    assert word_of(made_up([10] * 5, [10.1] * 5)) == "tie"  # two copies differ by as much
    assert word_of(made_up([10] * 5, [None] * 5)) == "unknown"
    assert word_of(made_up([10, None, 10, 10, 10, 10], [20, 1, 20, 20, 20, 20])) == "ahead"  # rounds that both have
    assert word_of(made_up([10, None, 10, None], [20, 21, 20, 20])) == "unknown"  # only two have both


def the_best_of_the_others_sets_the_bar():
    results = made_up([10] * 5, [20] * 5)
    for name, role, value in (("good", "peer", 9.0), ("variant", "variant", 5.0), ("floor", "floor", 1.0)):
        results.arms.append({"name": name, "described": name, "role": role})
        results.rows[0]["cells"][name] = [{"wall": value}] * 5
    verdict, = results.verdicts()
    assert (verdict.arm, verdict.word) == ("good", "behind") and math.isclose(verdict.ratio[1], 0.9)


def compare_names_what_moved_beyond_its_spread():
    old = made_up([10] * 5, [20, 21, 19, 20, 20])
    assert compare(old, old) == (0, "1 ratios: 0 worse, 0 better, 1 within their spread\n")
    assert compare(old, made_up([10] * 5, [20.5, 21, 20, 20, 19]))[0] == 0
    status, output = compare(old, made_up([15] * 5, [20, 21, 19, 20, 20]))
    assert status == 1 and output.startswith("worse   row") and "2.00 (1.90 .. 2.10) -> 1.33 (1.27 .. 1.40)" in output
    status, output = compare(old, made_up([5] * 5, [20, 21, 19, 20, 20]))
    assert status == 0 and output.startswith("better  row")
    status, output = compare(old, made_up([None] * 5, [20, 21, 19, 20, 20]))
    assert status == 1 and re.search(r"^worse +row +failed$", output, re.MULTILINE), output
    slower_machine = made_up([20] * 5, [40, 42, 38, 40, 40])
    assert compare(old, slower_machine)[0] == 0


def compare_says_what_it_cannot_compare():
    old = made_up([10] * 5, [20] * 5)
    changed = copy.deepcopy(old)
    changed.rows[0]["command"] = "another"
    status, output = compare(old, changed)
    assert status == 1 and "not compared: row" in output and "nothing in common" in output
    changed.rows[0]["judged"] = ["cpu"]
    assert "row: is not measured any more" in compare(old, changed)[1]
    smoke = made_up([10] * 5, [20] * 5)
    smoke.facts["smoke run"] = "the figures mean nothing"
    assert compare(old, smoke)[0] == 1 and "smoke run" in compare(old, smoke)[1]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"format": 99}, file)
        file.flush()
        done = subprocess.run([BENCH / "compare", file.name, "/nowhere.json"], capture_output=True, text=True,
                              check=False)
        assert done.returncode == 1 and "no results of bench/run" in done.stderr and "Traceback" not in done.stderr


def results_come_back_as_they_were_saved():
    results = made_up([10, None], [20, 21])
    results.failures.append("a failure")
    with tempfile.TemporaryDirectory(prefix="bench-test-") as directory:
        path = os.path.join(directory, "results.json")
        results.save(path)
        loaded = Results.load(path)
    assert vars(loaded) == vars(results)


CLAIMS = [
    a_slow_arm_is_reported_slower,
    a_setting_of_one_arm_reaches_it,
    an_arm_whose_malloc_fails_is_reported_as_failed,
    copies_of_one_library_tie,
    a_library_without_malloc_is_no_arm,
    every_cell_has_its_figures,
    live_bytes_are_those_that_were_asked_for,
    resident_memory_is_followed_over_time,
    every_workload_and_program_runs,
    no_turn_begins_after_the_time_is_up_but_each_has_its_first,
    arms_take_turns_in_another_order_each_round,
    a_release_is_not_made_of_a_smoke_run,
    outputs_that_differ_are_a_failure,
    wrong_words_are_told_and_nothing_runs,
    libraries_make_a_start_longer,
    a_library_that_is_not_loaded_is_no_start,
    who_is_told_of_every_call_pays_for_it,
    small_blocks_lie_on_the_node_that_allocated_them,
    numa_measures_no_library_that_has_no_malloc,
    an_interval_leaves_out_what_few_rounds_would_show_anyway,
    a_row_is_judged_by_its_interval,
    the_best_of_the_others_sets_the_bar,
    compare_names_what_moved_beyond_its_spread,
    compare_says_what_it_cannot_compare,
    results_come_back_as_they_were_saved,
]


def main():
    print(f"1..{len(CLAIMS)}")
    for number, claim in enumerate(CLAIMS, 1):
        try:
            claim()
            print(f"ok {number} - {claim.__name__}", flush=True)
        except Exception:  # pylint: disable=broad-except
            print(f"not ok {number} - {claim.__name__}", flush=True)
            print("".join(f"# {line}\n" for line in traceback.format_exc().splitlines()), flush=True)


main()
