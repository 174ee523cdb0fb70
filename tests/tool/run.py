# SPDX-License-Identifier: MIT
"""fastalloc run: the program is on the library, and else as it is without.

    run.py COMMAND LIBRARY FOLDER STATIC FAULTY

FOLDER is where the library lies as they are installed, seen from the command. STATIC is a program that is linked
statically, FAULTY one that writes behind a block (empty: the library knows nothing of Valgrind).
"""

import os
import re
import shutil
import signal
import struct
import subprocess
import sys
from pathlib import Path

from claims import LIMIT_SECONDS, SURROUNDINGS, NotTried, absolute, claim, expect, report, run, write

COMMAND, LIBRARY, FOLDER, STATIC, FAULTY = sys.argv[1:]
COMMAND, LIBRARY, STATIC, FAULTY = map(absolute, (COMMAND, LIBRARY, STATIC, FAULTY))
SHOW = 'printf "%s|%s" "$LD_PRELOAD" "$FASTALLOC_CONF"'


@claim
def program_is_on_the_library():
    done = run([COMMAND, "run", "grep", "-c", "libfastalloc", "/proc/self/maps"])
    expect(done, said="")
    assert int(done.output) > 0


@claim
def library_is_that_of_the_build():
    expect(run([COMMAND, "run", "sh", "-c", SHOW]), output=f"{LIBRARY}|", said="")


@claim
def installed_command_takes_the_library_of_its_prefix():
    prefix = Path("prefix").absolute()
    installed = prefix / "bin" / "fastalloc"
    library = Path(os.path.normpath(installed.parent / FOLDER / "libfastalloc.so.1"))
    for source, place in ((COMMAND, installed), (LIBRARY, library)):
        place.parent.mkdir(parents=True)
        shutil.copy(source, place)
    expect(run([installed, "run", "sh", "-c", SHOW]), output=f"{library}|", said="")
    Path("link").symlink_to(installed)
    expect(run(["./link", "run", "sh", "-c", SHOW]), output=f"{library}|", said="")
    prefix.rename("a prefix")
    done = run(["a prefix/bin/fastalloc", "run", "true"])
    expect(done, status=1, said="LD_PRELOAD takes no name with a blank or a colon")


@claim
def prefix_that_only_begins_like_a_folder_of_the_linker_is_named_whole():
    beside = Path("/usr/libexec")
    if os.geteuid() != 0 or not beside.is_dir() or run(["unshare", "--mount", "true"]).status != 0:
        raise NotTried("mounts of its own are root's")
    library = os.path.normpath(beside / "bin" / FOLDER / "libfastalloc.so.1")
    script = ('mount -t tmpfs none "$1" && mkdir -p "$1/bin" "${4%/*}" && cp "$2" "$1/bin/fastalloc" && cp "$3" "$4"'
              ' && exec "$1/bin/fastalloc" run sh -c "$5"')
    expect(run(["unshare", "--mount", "sh", "-c", script, "sh", beside, COMMAND, LIBRARY, library, SHOW]),
           output=f"{library}|", said="")


@claim
def command_that_stands_alone_names_no_folder():
    shutil.copy(COMMAND, "fastalloc")
    done = run(["./fastalloc", "run", "sh", "-c", SHOW])
    assert done.output == "libfastalloc.so.1|", done


@claim
def what_is_preloaded_already_comes_behind():
    expect(run([COMMAND, "run", "sh", "-c", SHOW], {"LD_PRELOAD": "libm.so.6 libdl.so.2"}),
           output=f"{LIBRARY}:libm.so.6 libdl.so.2|", said="")


@claim
def library_that_is_preloaded_already_is_left_in_its_place():
    for before in (LIBRARY, f"libm.so.6:{LIBRARY}"):
        expect(run([COMMAND, "run", "sh", "-c", SHOW], {"LD_PRELOAD": before}), output=f"{before}|")
    expect(run([COMMAND, "run", COMMAND, "run", "sh", "-c", SHOW]), output=f"{LIBRARY}|")


@claim
def settings_come_behind_those_that_are_there():
    words = ["--set", "slack=1M", "--set=check=on,huge=never", "--huge=always", "--numa", "off", "--stats"]
    wanted = "slack=1M,check=on,huge=never,huge=always,numa=off,stats_print=exit"
    expect(run([COMMAND, "run", *words, "sh", "-c", SHOW]), output=f"{LIBRARY}|{wanted}")
    expect(run([COMMAND, "run", "--set", "slack=1M", "sh", "-c", SHOW], {"FASTALLOC_CONF": "slack=2M"}),
           output=f"{LIBRARY}|slack=2M,slack=1M")
    expect(run([COMMAND, "run", "sh", "-c", SHOW], {"FASTALLOC_CONF": "slack=2M"}), output=f"{LIBRARY}|slack=2M")


@claim
def settings_are_in_force():
    expect(run([COMMAND, "run", "--stats", "true"]), said="where the memory is")


@claim
def bad_setting_is_refused_before_the_program_starts():
    for words, said in (
        (["--set", "slac=1M"], "slac=1M: no such setting"),
        (["--set", "slack=much"], "slack=much: write it like 4M"),
        (["--set", "slack_share=101%"], "slack_share=101%: 0% to 100%"),
        (["--set", "huge=never,check=maybe"], "check=maybe: one of off|on"),
        (["--set", ""], "no setting: write it as KEY=VALUE"),
        (["--huge=big"], "huge=big: one of auto|always|never|hugetlb"),
        (["--numa="], "numa=: one of auto|off|interleave|bind:NODES"),
    ):
        expect(run([COMMAND, "run", *words, "touch", "begun"]), status=2, output="", said=said)
        assert not Path("begun").exists()


@claim
def words_that_are_not_understood_exit_2():
    for words, said in (
        ([], "no PROGRAM to run"),
        (["--"], "no PROGRAM to run"),
        (["--statistics", "true"], "there is no option --statistics"),
        (["--stats=no", "true"], "--stats has no value"),
        (["--set"], "--set wants a value"),
    ):
        done = run([COMMAND, "run", *words])
        expect(done, status=2, output="", said=said)
        assert "usage: fastalloc run" in done.said


@claim
def program_and_its_arguments_are_left_as_they_are():
    write("a program", '#!/bin/sh\nprintf "<%s>" "$@"\n', 0o755)
    expect(run([COMMAND, "run", "./a program", "--set", "two words", "", "--", "-x"]),
           output="<--set><two words><><--><-x>", said="")
    expect(run([COMMAND, "run", "--", "./a program", "--stats"]), output="<--stats>")
    write("--stats", "#!/bin/sh\necho own\n", 0o755)
    expect(run([COMMAND, "run", "--", "--stats"], {"PATH": f".:{os.environ['PATH']}"}), output="own\n")


@claim
def exit_code_is_the_program_s():
    for code in (0, 1, 2, 77, 126, 255):
        expect(run([COMMAND, "run", "sh", "-c", f"exit {code}"]), status=code, said="")


@claim
def signals_reach_the_program_itself():
    words = [COMMAND, "run", "sh", "-c", "echo $$; exec sleep 60"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=SURROUNDINGS) as one:
        assert int(one.stdout.readline()) == one.pid
        one.send_signal(signal.SIGTERM)
        assert one.wait(LIMIT_SECONDS) == -signal.SIGTERM


@claim
def program_that_is_not_there_is_127():
    expect(run([COMMAND, "run", "no-such-program"]), status=127, said="cannot run no-such-program: No such file")
    expect(run([COMMAND, "run", "./no-such-program"]), status=127)


@claim
def program_that_cannot_be_executed_is_126():
    write("text", "no program\n")
    expect(run([COMMAND, "run", "./text"]), status=126, said="cannot run ./text: Permission denied")
    expect(run([COMMAND, "run", "/"]), status=126)


@claim
def static_program_runs_and_it_is_said():
    expect(run([COMMAND, "run", STATIC]), output="ran\n",
           said=f"fastalloc: {STATIC} runs without the library: it is linked statically\n")


@claim
def interpreter_of_a_script_is_looked_at():
    write("script", f"#!{STATIC}\n", 0o755)
    expect(run([COMMAND, "run", "./script"]), output="ran\n", said=f"{STATIC}, which runs it, is linked statically")
    write("script", "#!/bin/sh\necho ran\n", 0o755)
    expect(run([COMMAND, "run", "./script"]), output="ran\n", said="")
    write("script", "#!/usr/bin/env made_up\n", 0o755)
    shutil.copy(STATIC, "made_up")
    expect(run([COMMAND, "run", "./script"], {"PATH": f"{os.getcwd()}:{os.environ['PATH']}"}), output="ran\n",
           said="made_up, which runs it, is linked statically")
    write("script", "#!/usr/bin/env -S A=b made_up -x\n", 0o755)
    expect(run([COMMAND, "run", "./script"], {"PATH": f"{os.getcwd()}:{os.environ['PATH']}"}), output="ran\n",
           said="made_up, which runs it, is linked statically")
    write("script", "echo without a first line\n", 0o755)
    expect(run([COMMAND, "run", "./script"]), output="without a first line\n", said="")


@claim
def scripts_that_name_each_other_end():
    write("one", "#!./two\n", 0o755)
    write("two", "#!./one\n", 0o755)
    expect(run([COMMAND, "run", "./one"]), status=126)


@claim
def rights_that_the_caller_has_not_are_said():
    if os.geteuid() != 0:
        raise NotTried("only root can give a program to another user")
    shutil.copy("/bin/true", "program")
    if os.statvfs(".").f_flag & os.ST_NOSUID:
        raise NotTried("the file system ignores set-user-ID")
    for user, group, mode, said in (
        (65534, 0, 0o4755, "it is set-user-ID"),
        (0, 65534, 0o2755, "it is set-group-ID"),
        (0, 0, 0o6755, ""),
        (65534, 65534, 0o755, ""),
    ):
        os.chown("program", user, group)
        os.chmod("program", mode)
        expect(run([COMMAND, "run", "./program"]), said=f"./program runs without the library: {said}" if said else "")
    os.chown("program", 65534, 0)
    os.chmod("program", 0o4755)
    no_new_privileges = ["setpriv", "--no-new-privs"]
    expect(run([*no_new_privileges, COMMAND, "run", "./program"]), said="")


@claim
def file_capabilities_that_the_caller_has_not_are_said():
    if os.geteuid() != 0:
        raise NotTried("only root can give them")
    shutil.copy("/bin/true", "program")
    shutil.copy(COMMAND, "fastalloc")
    ordinary = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "./fastalloc", "run", "./program"]
    assert "file capabilities" not in run(ordinary).said
    # VFS_CAP_REVISION_2, effective; CAP_NET_RAW permitted (capabilities(7)).
    os.setxattr("program", "security.capability", struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0))
    done = run(ordinary)
    expect(done, said="./program runs without the library: it has file capabilities")
    assert "file capabilities" not in run([COMMAND, "run", "./program"]).said, "root has them already"


def header_of(path):
    content = bytearray(Path(path).read_bytes())
    assert content[:4] == b"\x7fELF"
    return content


@claim
def program_for_another_machine_is_said():
    content = header_of("/bin/true")
    content[4] = 1
    Path("narrow").write_bytes(content)
    Path("narrow").chmod(0o755)
    assert "it is a 32-bit program" in run([COMMAND, "run", "./narrow"]).said
    content = header_of("/bin/true")
    struct.pack_into("<H", content, 18, 243) # EM_RISCV
    Path("other").write_bytes(content)
    Path("other").chmod(0o755)
    done = run([COMMAND, "run", "./other"])
    assert "it is a program for another processor" in done.said, done


@claim
def program_of_another_libc_is_refused():
    content = header_of("/bin/true")
    place = re.search(rb"/lib[^\0]*/ld-linux[^\0]*\0", content)
    name = b"/lib/ld-musl-x.so.1\0"
    content[place.start():place.start() + len(name)] = name
    segments, = struct.unpack_from("<Q", content, 32)
    count, = struct.unpack_from("<H", content, 56)
    for number in range(count):
        at = segments + 56 * number
        if struct.unpack_from("<I", content, at)[0] == 3: # PT_INTERP
            struct.pack_into("<Q", content, at + 32, len(name))
    Path("of_musl").write_bytes(content)
    Path("of_musl").chmod(0o755)
    expect(run([COMMAND, "run", "./of_musl"]), status=126, output="",
           said="fastalloc: cannot run ./of_musl on the library: it is linked with musl, and the library needs glibc\n")


@claim
def linker_that_is_told_a_program_is_no_static_program():
    linker = re.search(rb"/lib[^\0]*/ld-linux[^\0]*", header_of("/bin/true")).group(0).decode()
    expect(run([COMMAND, "run", linker, "/bin/true"]), said="")


@claim
def empty_environment_will_do():
    done = subprocess.run(
        [COMMAND, "run", "env"], env={}, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"LD_PRELOAD={LIBRARY}\n", ""), done


@claim
def valgrind_tells_errors_in_blocks_of_the_library():
    if not FAULTY or not shutil.which("valgrind"):
        raise NotTried("no valgrind")
    done = run([COMMAND, "run", "--valgrind=--error-exitcode=9 --num-callers=20", FAULTY])
    expect(done, status=9, said="Invalid write of size 1")
    assert "is 0 bytes after a block of size 24 alloc'd" in done.said, done
    told = f"the library is not on the way to the block: {done}"
    assert re.search("libfastalloc|forwarding_allocate", done.said), told
    expect(run([COMMAND, "run", "--valgrind=--tool=none -q", "sh", "-c", SHOW.replace("$LD_PRELOAD", "")]), output="|")
    expect(run([COMMAND, "run", "--valgrind=-q", "sh", "-c", "exit 3"]), status=3)


@claim
def valgrind_that_is_not_installed_is_said():
    shutil.copy("/bin/true", "program")
    done = run([COMMAND, "run", "--valgrind", "./program"], {"PATH": "."})
    expect(done, status=127, said="valgrind is not installed")


report()
