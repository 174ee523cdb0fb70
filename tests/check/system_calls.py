# SPDX-License-Identifier: MIT
"""The section SYSTEM CALLS names every system call that the library can make.

    system_calls.py PAGE LIBRARY NM SOURCES

What the library imports is all of libc it can reach: each name is one of those below, which make no system call of
their own accord, or stands for the calls next to it. What SOURCES pass to syscall() counts as well, the command's left
out. A call that the section gives a paragraph of its own must be made. Which of them are made by default, and that
nothing else is, is what the test filtered_calls finds out by running.
"""

import re
import sys
from pathlib import Path

import report

WITHOUT_CALLS = """
    __asan_init __cxa_atexit __cxa_finalize __environ __errno_location __gmon_start__ __lsan_init __progname
    __register_atfork __rseq_offset __tsan_init
    _ITM_deregisterTMCloneTable
    _ITM_registerTMCloneTable _ZSt15get_new_handlerv _ZSt17__throw_bad_allocv __libc_free __libc_realloc
    __stack_chk_fail
    __stack_chk_guard bcmp dlsym environ getauxval memcmp memcpy memmove memset program_invocation_short_name
    pthread_attr_destroy pthread_attr_init pthread_attr_setstacksize pthread_key_create pthread_mutex_lock
    pthread_mutex_unlock pthread_setcancelstate pthread_setspecific sigaddset sigemptyset sigfillset sigismember stderr stdin stdout
    strchr strcspn strlen strncmp strrchr strstr syscall
""".split()

# abort sends the signal that ends the process, and exit is called where it has been; dlopen is asked for what is loaded
# already.
CALLS = {
    "abort": [],
    "clock_gettime": ["clock_gettime"],
    "dlopen": [],
    "exit": [],
    "fprintf": ["write"],
    "fwrite": ["write"],
    "getpid": ["getpid"],
    "getrlimit": ["getrlimit"],
    "madvise": ["madvise"],
    "mincore": ["mincore"],
    "mmap": ["mmap"],
    "mprotect": ["mprotect"],
    "mremap": ["mremap"],
    "munmap": ["munmap"],
    "nanosleep": ["nanosleep"],
    "prctl": ["prctl"],
    "pthread_create": ["clone"],
    "pthread_join": ["futex"],
    "pthread_setname_np": ["prctl"],
    "pthread_sigmask": ["rt_sigprocmask"],
    "sched_yield": ["sched_yield"],
    "sigaction": ["rt_sigaction"],
    "sigpending": ["rt_sigpending"],
    "write": ["write"],
}


def main():
    page, library, nm, sources = sys.argv[1:5]
    text = Path(page).read_text(encoding="utf-8")
    section = re.search(r"^\.SH SYSTEM CALLS\n(.*?)^\.SH ", text, re.MULTILINE | re.DOTALL)
    if section is None:
        report.finish([f"{page}: there is no section SYSTEM CALLS"], "", "")
    body = section.group(1)
    # `.BR mmap (2)` and `.BR getpid "(2), " gettid (2)`
    lines = [line.replace('"', " ") for line in body.splitlines() if line.startswith(".BR ")]
    named = {name for line in lines for name in re.findall(r"(\w+)\s*\(2\)", line)}
    beyond = body.partition("\n.TP\n")[2]
    tags = {
        name
        for line in re.findall(r"(?:^|\n)\.TP\n\.BR ([^\n]*)", "\n.TP\n" + beyond)
        for name in re.findall(r"(\w+)\s*\(2\)", line.replace('"', " "))
    }

    made = set()
    faults = []
    for line in report.output_of([nm, "-D", "--undefined-only", library]).splitlines():
        name = line.split()[-1].partition("@")[0].removesuffix("64")
        name = re.sub(r"^__(\w+)_chk$", r"\1", name)  # what _FORTIFY_SOURCE makes of it
        if name in CALLS:
            made.update(CALLS[name])
        elif name not in WITHOUT_CALLS:
            faults.append(f"{name} is imported, and {Path(__file__).name} does not know which system calls it makes")
    for source in sorted(Path(sources).rglob("*.cpp")):
        if source.parent.name == "tool":
            continue
        made.update(re.findall(r"\bSYS_(\w+)", source.read_text(encoding="utf-8")))
    faults += [f"SYSTEM CALLS lacks {name}" for name in sorted(made - named)]
    faults += [f"SYSTEM CALLS has a paragraph on {name}, which is not made" for name in sorted(tags - made)]
    report.finish(faults, f"{len(made)} system calls are in {Path(page).name}", "The code is the truth.")


main()
