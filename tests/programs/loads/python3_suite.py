# SPDX-License-Identifier: MIT
"""A part of python3's own regression suite, on malloc alone: each test ends as it does without the library.

Chosen are modules that allocate in ways of their own, that use threads, fork or C libraries, and that need no network.
"""

import xml.etree.ElementTree

PROGRAMS = {
    "/usr/bin/python3": "python3",
    "/usr/lib/python3.11/test/test_list.py": "libpython3.11-testsuite",
}

MODULES = """
    test_bytes test_collections test_contextlib test_csv test_ctypes test_deque test_dict
    test_functools test_generators test_heapq test_json test_list test_memoryio test_mmap test_ordered_dict test_re
    test_struct test_thread test_threading test_threading_local test_unicode test_xml_etree_c test_zlib
""".split()


def run(arm):
    results = arm.path("tmp/results.xml")
    # Not announced: many of these tests read the standard error of a python3 that they start.
    arm.run("/usr/bin/python3", "-c", "import test.libregrtest")
    arm.run("/usr/bin/python3", "-X", "faulthandler", "-m", "test", "--timeout", "100", "--junit-xml", results,
            *MODULES, label="python3 -m test", compare=False, quiet=True, timeout=240, extra={"PYTHONMALLOC": "malloc"})
    ends = {}
    for case in xml.etree.ElementTree.parse(results).getroot().iter("testcase"):
        end = " ".join(sorted(part.tag for part in case if part.tag in ("error", "failure", "skipped"))) or "passed"
        ends[case.get("name")] = end
    arm.record("tests that ran", len(ends) >= 2000)
    arm.record("how each ended", "\n".join(f"{name}: {end}" for name, end in sorted(ends.items())))
