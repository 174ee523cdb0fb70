# SPDX-License-Identifier: MIT
"""Programs of the kind that is started often and lives briefly."""

from loads import texts

PROGRAMS = {
    "bash": "bash", "find": "findutils", "gawk": "gawk", "grep": "grep", "jq": "jq", "sed": "sed", "tar": "tar",
    "xz": "xz-utils", "zstd": "zstd",
}


def run(arm):
    text = arm.write("text", texts.lines(200000))
    records = ",".join('{"key":%d,"list":[%d,"%s"]}' % (int(number), len(word), word)
                       for number, word, _ in map(str.split, texts.lines(60000).splitlines()))
    json = arm.write("json", f"[{records}]")

    arm.run("true")
    arm.run("ls", "-lR", "/usr/lib/python3", "/usr/share/perl")
    arm.run("find", "/usr/share/perl", "/usr/lib/python3.11", "-name", "*.p[lmy]", "-size", "+1k",
            "-printf", "%s %p\\n")
    arm.run("gawk", "{ seen[$1 % 5000] = seen[$1 % 5000] $3 } "
                    "END { n = asorti(seen, order); for (i = 1; i <= n; i++) print seen[order[i]] }", text)
    arm.run("grep", "-nE", "(ab|cd)+[e-h]{2,}.*(a|b)", text)
    arm.run("sed", "-E", "s/([a-e]+)([0-9]*)$/<\\2|\\1>/; $!N; P; D", text)
    arm.run("jq", "-c", "group_by(.key % 100) | map(length)", json)
    arm.run("jq", "[.[] | {(.list[1]): .key}] | add | to_entries | sort_by(.value) | .[:500]", json)
    arm.run("bash", "-c", "declare -A n; while read -r a b c; do (( n[$b] += a )); done < <(head -n 30000 \"$0\"); "
                          "for k in \"${!n[@]}\"; do echo \"$k $(( n[$k] ))\"; done | sort", text, label="bash")
    for packer, pack, unpack in (("xz", ["-1", "-T2", "-k", "-c"], ["-dc"]),
                                 ("zstd", ["-q", "-9", "-T2", "-c"], ["-q", "-dc"])):
        packed, _ = arm.run(packer, *pack, text, compare=False)
        path = arm.write(f"packed.{packer}", packed)
        arm.record_file(path.name)
        unpacked, _ = arm.run(packer, *unpack, path, compare=False)
        arm.record(f"{packer} gives back what it got", unpacked == text.read_bytes())
    arm.run("tar", "-cf", arm.path("tmp/archive.tar"), "-C", "/usr/lib/python3.11", "--exclude=__pycache__", ".")
    arm.record_file("tmp/archive.tar")
