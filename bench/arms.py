# SPDX-License-Identifier: MIT
"""Arms: the allocators that are compared, and where they are found.

An arm is a name, the library to preload (None: the C library's own malloc), settings for its environment, and a role
(see results.py). libfastalloc and the floor come from a build directory, the others from where Debian's packages put
them; --with names any other.
"""
import glob
import os
import platform
import re
import subprocess

from failure import Failure

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OURS = "fastalloc"
FLOOR = "floor"

# The other allocators: the file name (or a pattern for where it lies) and Debian's package.
PEERS = {
    "jemalloc": ("libjemalloc.so.2", "libjemalloc2"),
    "mimalloc": ("libmimalloc.so.2", "libmimalloc2.0"),
    "tcmalloc": ("libtcmalloc_minimal.so.4", "libtcmalloc-minimal4"),
    "tbbmalloc": ("libtbbmalloc_proxy.so.2", "libtbbmalloc2"),
    "scudo": ("/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.scudo_standalone-{machine}.so", "libclang-rt-dev"),
}


class Arm:
    def __init__(self, name, library, role, environment=None):
        self.name = name
        self.library = os.path.abspath(library) if library else None
        self.role = role
        self.environment = environment or {}

    def described(self):
        """What it is, by version where Debian's package says one."""
        if self.library is None:
            text = " ".join(platform.libc_ver())
        else:
            text = package_version(self.library) or os.path.basename(os.path.realpath(self.library))
        return text + "".join(f", {key}={value}" for key, value in self.environment.items())


def package_version(library):
    """"libjemalloc2 5.3.0-1", or None where no package owns the file."""
    try:
        found = subprocess.run(["dpkg-query", "-S", os.path.realpath(library)], capture_output=True, text=True,
                               check=True).stdout
        package = found.split(": ")[0]
        version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True,
                                 check=True).stdout
        return f"{package.split(':')[0]} {version}"
    except (OSError, subprocess.CalledProcessError):
        return None


# ---- the build directory ----


def build_directories():
    """Meson build directories inside the repository, hidden ones too: those with the programs first, then by age."""
    found = []
    for pattern in ("*", ".*", os.path.join("*", "*"), os.path.join(".*", "*")):
        found += [os.path.dirname(path) for path in glob.glob(os.path.join(REPOSITORY, pattern, "meson-info"))]
    return sorted(found, key=lambda path: (not has_programs(path), -os.path.getmtime(os.path.join(path, "meson-info"))))


def has_programs(build):
    return os.access(os.path.join(build, "bench", "measure"), os.X_OK)


def find_build(wanted):
    """The build directory to use, with the benchmark programs in it."""
    for build in [wanted] if wanted else build_directories():
        if has_programs(build):
            return os.path.abspath(build)
    raise Failure(f"the benchmark programs are not built in {wanted or REPOSITORY}.\n"
                  "Build them: meson setup build -Dbench=true && meson compile -C build")


def our_library(build):
    for path in sorted(glob.glob(os.path.join(build, "src", "libfastalloc.so*"))):
        if re.search(r"\.so(\.\d+)*$", path) and os.path.isfile(path):
            return os.path.realpath(path)
    raise Failure(f"there is no libfastalloc.so in {build}/src; name it with --library FILE")


# ---- the others ----


def find_peer(file_name):
    """The path of an installed library, or None."""
    pattern = file_name.format(machine=platform.machine())
    directories = (f"/usr/lib/{platform.machine()}-linux-gnu", "/usr/lib64", "/usr/local/lib", "/usr/lib")
    places = [pattern] if os.path.isabs(pattern) else [os.path.join(directory, pattern) for directory in directories]
    return next((path for place in places for path in sorted(glob.glob(place), reverse=True)), None)


def add_options(parser):
    parser.add_argument("--build", metavar="DIR", help="meson build directory (default: the newest in the repository)")
    parser.add_argument("--library", metavar="FILE", help="libfastalloc.so to measure (default: that of the build)")
    parser.add_argument("--with", metavar="NAME=FILE", dest="peers", action="append", default=[],
                        help="one more allocator to compare with")
    parser.add_argument("--variant", metavar="NAME=FILE", dest="variants", action="append", default=[],
                        help="one more that is shown but sets no bar: an older libfastalloc, say")
    parser.add_argument("--env", metavar="NAME:KEY=VALUE", dest="settings", action="append", default=[],
                        help="a setting in the environment of one arm")
    parser.add_argument("--arms", metavar="NAME,...", help="only these (default: all that are there)")


def parse_named_file(text, role):
    name, _, library = text.partition("=")
    if not name or not os.path.isfile(library):
        raise Failure(f"{text}: want NAME=FILE, and there is no file \"{library}\"")
    return Arm(name, library, role)


def apply_settings(arms, settings):
    for text in settings:
        name, _, setting = text.partition(":")
        key, equals, value = setting.partition("=")
        arm = next((arm for arm in arms if arm.name == name), None)
        if arm is None or not equals:
            raise Failure(f"{text}: want NAME:KEY=VALUE, NAME one of {' '.join(arm.name for arm in arms)}")
        arm.environment[key] = value


def find_arms(options, build):
    """(the arms, the reference first; sentences about what is missing)."""
    arms = [Arm(OURS, options.library or our_library(build), "ours"), Arm("glibc", None, "peer")]
    missing = []
    for name, (file_name, package) in PEERS.items():
        library = find_peer(file_name)
        if library:
            arms.append(Arm(name, library, "peer"))
        else:
            missing.append(f"{name} is not installed (Debian's package {package}); left out")
    arms += [parse_named_file(text, "peer") for text in options.peers]
    arms += [parse_named_file(text, "variant") for text in options.variants]
    arms.append(Arm(FLOOR, os.path.join(build, "bench", "libfloor.so"), "floor"))
    if len({arm.name for arm in arms}) != len(arms):
        raise Failure("two arms have one name")
    if options.arms:
        wanted = options.arms.split(",")
        unknown = set(wanted) - {arm.name for arm in arms}
        if unknown:
            raise Failure(f"no such arm: {', '.join(sorted(unknown))}")
        arms = [arm for arm in arms if arm.name in wanted]
    apply_settings(arms, options.settings)
    return arms, missing
