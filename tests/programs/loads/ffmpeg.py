# SPDX-License-Identifier: MIT
"""ffmpeg: made pictures and sound, filtered, encoded and decoded by several threads."""

PROGRAMS = {"ffmpeg": "ffmpeg"}

QUIET = ("ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-y")
EXACT = ("-fflags", "+bitexact", "-flags", "+bitexact")


def run(arm):
    sources = ("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=4",
               "-f", "lavfi", "-i", "sine=frequency=440:duration=4")
    filters = "[0:v]split[a][b];[b]scale=160:90,hue=s=0,boxblur=2[c];[a][c]overlay=10:10,unsharp,format=yuv420p[v]"
    for name, codecs in {
        "h264.mkv": ["-c:v", "libx264", "-preset", "fast", "-threads", "4", "-c:a", "flac"],
        "mpeg4.avi": ["-c:v", "mpeg4", "-q:v", "4", "-threads", "2", "-c:a", "pcm_s16le"],
        "vp8.webm": ["-c:v", "libvpx", "-deadline", "good", "-cpu-used", "5", "-threads", "2", "-an"],
    }.items():
        sound = [] if "-an" in codecs else ["-map", "1:a"]
        arm.run(*QUIET, *sources, "-filter_complex", filters, "-map", "[v]", *sound, *codecs, *EXACT, name, label=name)
        arm.record_file(name)
        arm.run(*QUIET, "-threads", "4", "-i", name, *EXACT, "-f", "framemd5", "-", label=f"frames of {name}")
