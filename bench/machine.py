# SPDX-License-Identifier: MIT
"""The machine: what it is, and its memory made ready."""
import json
import os
import platform
import re
import subprocess
import sys
import time

import cells


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "unknown"


def available_mib():
    found = re.search(r"MemAvailable:\s+(\d+)", read("/proc/meminfo"))
    return int(found.group(1)) // 1024 if found else 0


def warm_memory(mebibytes):
    """Has the host back memory before anything is timed: first touch of unbacked memory is many times slower."""
    mebibytes = min(mebibytes, available_mib() * 3 // 4)
    code = f"import mmap\nm = mmap.mmap(-1, {mebibytes} << 20)\nm[::4096] = b'1' * ({mebibytes} << 8)"
    subprocess.run([sys.executable, "-S", "-E", "-c", code], check=True)


def cpu():
    model = re.search(r"model name\s*:\s*(.*)", read("/proc/cpuinfo"))
    return (f"{model.group(1) if model else platform.processor() or 'unknown'}, "
            f"{len(os.sched_getaffinity(0))} usable")


def facts(missing, build):
    huge = "/sys/kernel/mm/transparent_hugepage/"
    memory = re.search(r"MemTotal:\s+(\d+)", read("/proc/meminfo"))
    found = {
        "date": time.strftime("%Y-%m-%d"),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": cpu(),
        "memory": f"{int(memory.group(1)) >> 20} GiB" if memory else "unknown",
        "huge pages": f"enabled {read(huge + 'enabled')}; defrag {read(huge + 'defrag')}",
        "load at start": read("/proc/loadavg"),
        "build": build_facts(build),
    }
    if cells.foreign_settings():
        found["not passed on"] = ", ".join(cells.foreign_settings())
    if missing:
        found["missing"] = "; ".join(missing)
    return found


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
