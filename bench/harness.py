# SPDX-License-Identifier: MIT
"""What bench/run and bench/programs share: arms, measured processes, facts about the machine.

An arm is one allocator: a name and the library to preload (None: the C library's own malloc). A measured process is
started by the small program `measure`, because a process started from here would count this script's memory as
its own peak. Needs the standard library only.
"""
import glob
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OURS = "fastalloc"

# What bench/meson.build builds, apart from the floor.
PROGRAMS = ("bulk", "churn", "larson", "measure", "pair", "remote", "resize", "sleepers", "thread_churn")

# The other allocators, by the file names of Debian's packages.
PEERS = {
    "jemalloc": "libjemalloc.so.2",
    "mimalloc": "libmimalloc.so.2",
    "tcmalloc": "libtcmalloc_minimal.so.4",
    "tbbmalloc": "libtbbmalloc_proxy.so.2",
}

# Settings of allocators that the caller's environment may hold; every arm runs with its defaults.
FOREIGN_SETTINGS = re.compile(r"(MALLOC|MIMALLOC|TCMALLOC|TBB_MALLOC|JEMALLOC)_|GLIBC_TUNABLES$|LD_PRELOAD$")


class Failure(Exception):
    """A sentence for the user; ends the script or, inside a cell, drops the arm from the workload."""


class Arm:
    def __init__(self, name, library, counts_as_peer=True, environment=None):
        self.name = name
        self.library = os.path.abspath(library) if library else None
        self.counts_as_peer = counts_as_peer
        self.environment = environment or {}

    def described(self):
        if self.library is None:
            return f"{self.name} (the C library, {' '.join(platform.libc_ver())})"
        settings = "".join(f", {key}={value}" for key, value in self.environment.items())
        return f"{self.name} ({os.path.realpath(self.library)}{settings})"


class Cell:
    """What one measured process cost and printed."""

    def __init__(self, fields, output):
        self.wall_ns = int(fields["wall_ns"])
        self.cpu_ns = int(fields["cpu_ns"])
        self.peak_kib = int(fields["max_rss_kib"])
        self.minor_faults = int(fields["minor_faults"])
        self.output = output


# ---- finding things ----


def build_directories():
    """Meson build directories inside the repository: those with the benchmark programs first, then by age."""
    found = []
    for depth in ("*", os.path.join("*", "*")):
        found += [os.path.dirname(path) for path in glob.glob(os.path.join(REPOSITORY, depth, "meson-info"))]
    return sorted(found, key=lambda path: (not has_programs(os.path.join(path, "bench")),
                                           -os.path.getmtime(os.path.join(path, "meson-info"))))


def has_programs(directory):
    return all(os.access(os.path.join(directory, name), os.X_OK) for name in PROGRAMS)


def find_library(build):
    """The libfastalloc.so of a build directory, or None."""
    for pattern in ("libfastalloc.so*", "src/libfastalloc.so*", "*/libfastalloc.so*"):
        for path in sorted(glob.glob(os.path.join(build, pattern))):
            if re.search(r"\.so(\.\d+)*$", path) and os.path.isfile(path):
                return os.path.realpath(path)
    return None


def find_programs(builds):
    """The directory with the benchmark programs."""
    for build in builds:
        for directory in (os.path.join(build, "bench"), build):
            if has_programs(directory):
                return directory
    raise Failure(f"the benchmark programs are not built (looked in {', '.join(builds) or REPOSITORY}).\n"
                  "Build them: meson setup build/bench -Dbench=true && meson compile -C build/bench")


def find_shared_library(file_name):
    """A library by its file name: from the linker's cache, else from the usual directories. None if absent."""
    for program in ("ldconfig", "/sbin/ldconfig"):
        try:
            cache = subprocess.run([program, "-p"], capture_output=True, text=True, check=False).stdout
        except OSError:
            continue
        for line in cache.splitlines():
            words = line.split()
            if words and words[0] == file_name and ("64" in line.split("=>")[0]):
                return words[-1]
        break
    for directory in (f"/usr/lib/{platform.machine()}-linux-gnu", "/usr/lib64", "/usr/local/lib", "/usr/lib"):
        for path in sorted(glob.glob(os.path.join(directory, file_name + "*"))):
            return path
    return None


def add_arm_options(parser):
    parser.add_argument("--build", metavar="DIR", help="meson build directory (default: the newest one found)")
    parser.add_argument("--library", metavar="FILE", help="libfastalloc.so to measure (default: from the build)")
    parser.add_argument("--arm", metavar="NAME=FILE", action="append", default=[],
                        help="one more allocator; counts among the others")
    parser.add_argument("--variant", metavar="NAME=FILE", action="append", default=[],
                        help="one more allocator that is shown but sets no bar, such as an older libfastalloc")
    parser.add_argument("--check-on", action="store_true",
                        help="libfastalloc once more with FASTALLOC_CONF=check=on; sets no bar")
    parser.add_argument("--arms", metavar="NAME,...", help="only these arms (default: all that are present)")
    parser.add_argument("--peers-only", action="store_true", help="run without libfastalloc; glibc is the reference")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds; each runs every arm once")
    parser.add_argument("--json", metavar="FILE", help="write every figure of every round there")


def prepare(options):
    """(directory of the programs, arms, lines about what is missing). The first arm is the reference of the ratios."""
    builds = [options.build] if options.build else build_directories()
    programs = find_programs(builds)
    arms, missing = [], []
    if not options.peers_only:
        library = options.library or next(filter(None, map(find_library, builds)), None)
        if library is None or not os.path.isfile(library):
            raise Failure(f"libfastalloc is not there: {library or 'no libfastalloc.so in ' + ', '.join(builds)}.\n"
                          "Build it, name it with --library FILE, or measure the others with --peers-only.")
        arms.append(Arm(OURS, library))
    arms.append(Arm("glibc", None))
    for name, file_name in PEERS.items():
        library = find_shared_library(file_name)
        if library is None:
            missing.append(f"{name}: {file_name} is not installed; left out")
        else:
            arms.append(Arm(name, library))
    for counts, texts in ((True, options.arm), (False, options.variant)):
        for text in texts:
            name, _, library = text.partition("=")
            if not os.path.isfile(library):
                raise Failure(f"{text}: want NAME=FILE, and there is no file \"{library}\"")
            arms.append(Arm(name, library, counts))
    if options.arms:
        wanted = options.arms.split(",")
        unknown = set(wanted) - {arm.name for arm in arms} - {"floor"}
        if unknown:
            raise Failure(f"no such arm: {', '.join(sorted(unknown))}")
        arms = [arm for arm in arms if arm.name in wanted or arm.name == OURS]
    if options.check_on and not options.peers_only:
        settings = ",".join(filter(None, (os.environ.get("FASTALLOC_CONF"), "check=on")))
        arms.append(Arm("check=on", arms[0].library, False, {"FASTALLOC_CONF": settings}))
    if not arms or len({arm.name for arm in arms}) != len(arms):
        raise Failure("no arm at all, or two of one name")
    return programs, arms, missing


def find_floor(programs, options, missing):
    """The arm of bench/floor.c, or None."""
    library = os.path.join(programs, "libfloor.so")
    if not os.path.isfile(library):
        missing.append("floor: libfloor.so is not built; left out")
        return None
    return Arm("floor", library) if not options.arms or "floor" in options.arms.split(",") else None


# ---- running ----


def rotated(sequence, by):
    by %= len(sequence)
    return sequence[by:] + sequence[:by]


def run_cell(programs, arm, command, runs=1, environment=None, timeout_seconds=300):
    """Runs `command` `runs` times under the arm in a fresh process. Raises Failure unless all ended well."""
    kept = {key: value for key, value in os.environ.items() if not FOREIGN_SETTINGS.match(key)}
    kept.update({**arm.environment, **(environment or {})}, LC_ALL="C")
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        result = os.path.join(directory, "result")
        process = subprocess.Popen(
            [os.path.join(programs, "measure"), result, arm.library or "-", str(runs), *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=kept, start_new_session=True)
        try:
            output, errors = process.communicate(timeout=timeout_seconds)
        except BaseException as reason:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(reason, subprocess.TimeoutExpired):
                raise Failure(f"did not end within {timeout_seconds} s") from None
            raise
        errors = errors.decode(errors="replace").strip()
        if "cannot be preloaded" in errors:
            raise Failure(errors.splitlines()[0])
        if process.returncode != 0:
            raise Failure(f"exit status {process.returncode}: {errors or 'no message'}")
        with open(result, encoding="ascii") as file:
            return Cell(dict(word.split("=", 1) for word in file.read().split()), output)


def run_benchmark(programs, arm, words):
    """One of our own programs under the arm: (cell, the fields of its line). Makes sure the preload took effect."""
    cell = run_cell(programs, arm, [os.path.join(programs, words[0]), *words[1:]])
    line = cell.output.decode(errors="replace").strip()
    fields = dict(word.split("=", 1) for word in line.split() if "=" in word)
    if "ns_per_op" not in fields or "\n" in line:
        raise Failure(f"unexpected output: {line!r}")
    came_from = os.path.realpath(fields["malloc_from"])
    if arm.library is not None and came_from != os.path.realpath(arm.library):
        raise Failure(f"malloc came from {came_from}: the preload had no effect")
    return cell, fields


def warm_memory(mebibytes):
    """Has the host back memory before anything is timed: first touch of unbacked memory is many times slower."""
    available_kib = int(re.search(r"MemAvailable:\s+(\d+)", read("/proc/meminfo")).group(1))
    mebibytes = min(mebibytes, available_kib // 1024 // 4)
    code = f"import mmap\nm = mmap.mmap(-1, {mebibytes} << 20)\nm[::4096] = b'1' * ({mebibytes} << 8)"
    subprocess.run([sys.executable, "-S", "-E", "-c", code], check=True)


# ---- facts ----


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "unknown"


def machine_facts(arms, missing, builds_of_interest):
    huge = "/sys/kernel/mm/transparent_hugepage/"
    model = re.search(r"model name\s*:\s*(.*)", read("/proc/cpuinfo"))
    memory = re.search(r"MemTotal:\s+(\d+)", read("/proc/meminfo"))
    facts = {
        "time": time.strftime("%Y-%m-%d %H:%M:%S"),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": f"{model.group(1) if model else platform.processor() or 'unknown'},"
               f" {len(os.sched_getaffinity(0))} usable",
        "memory": f"{int(memory.group(1)) >> 20} GiB" if memory else "unknown",
        "huge pages": f"enabled {read(huge + 'enabled')}; defrag {read(huge + 'defrag')}",
        "load": read("/proc/loadavg"),
        "arms": "; ".join(arm.described() for arm in arms),
    }
    dropped = sorted(key for key in os.environ if FOREIGN_SETTINGS.match(key))
    if dropped:
        facts["not passed on"] = ", ".join(dropped)
    own = sorted(f"{key}={value}" for key, value in os.environ.items() if key.startswith("FASTALLOC_"))
    if own:
        facts["settings"] = ", ".join(own)
    if missing:
        facts["missing"] = "; ".join(missing)
    for build in builds_of_interest:
        facts["library built with"] = build_facts(build)
    return facts


def build_facts(build):
    """How meson built the library: figures of an unoptimised, instrumented or checking build are worth nothing."""
    try:
        with open(os.path.join(build, "meson-info", "intro-buildoptions.json"), encoding="utf-8") as file:
            values = {option["name"]: option["value"] for option in json.load(file)}
    except (OSError, ValueError):
        return "unknown"
    shown = ("buildtype", "optimization", "b_ndebug", "b_sanitize", "checks")
    text = " ".join(f"{name}={values[name]}" for name in shown if name in values)
    if (str(values.get("optimization")) not in ("2", "3") or values.get("b_sanitize", "none") != "none"
            or values.get("checks", 0) != 0):
        text += "   <- NOT A BUILD TO MEASURE"
    return text


def build_of(arms):
    """The meson build directory that holds our library, as a list of none or one."""
    for arm in arms:
        directory = os.path.dirname(os.path.realpath(arm.library)) if arm.name == OURS else "/"
        while directory != "/":
            if os.path.isdir(os.path.join(directory, "meson-info")):
                return [directory]
            directory = os.path.dirname(directory)
    return []


def print_facts(facts):
    for key, value in facts.items():
        print(f"{key + ':':<20}{value}")
    print(flush=True)


def write_json(path, content):
    if path:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
            file.write("\n")


def choose(named, text):
    """The entries of the dictionary that `text` names, comma separated; a prefix names several. All if empty."""
    if not text:
        return dict(named)
    chosen = {}
    for wanted in text.split(","):
        found = [name for name in named if name == wanted] or [name for name in named if name.startswith(wanted)]
        if not found:
            raise Failure(f"there is no \"{wanted}\"; there are: {' '.join(named)}")
        chosen.update((name, named[name]) for name in found)
    return chosen
