# SPDX-License-Identifier: MIT
"""report_page.py - what bench/report/ makes of figures: the page in a real browser, the tables, the summary.

A page with a broken picture, a missing name or a request to another machine is noticed by nobody until someone opens
it, so this opens it: headless Chromium loads a copy of the page with a small script in it that counts the pictures
that are shown, and with a policy under which nothing may be loaded. Broken pages must be found broken, else the checks
of the good one would prove nothing. Exit status 0: all holds; 1: not, with a line per fault; 77: a package is missing.
"""
import base64
import html
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
import report  # noqa: E402
import results as figures  # noqa: E402
import sample_results  # noqa: E402

SKIPPED = 77
BROWSER_SECONDS = 60

# Errors of loading are events that do not bubble, and happen before the end of the page: hence the listener in front.
HEAD_PROBE = """
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<script>
let failed = 0;
addEventListener("error", () => ++failed, true);
addEventListener("load", () => {
  const images = [...document.images];
  const shown = images.filter(image => image.complete && image.naturalWidth > 0);
  const line = document.createElement("p");
  line.textContent = `images ${shown.length} of ${images.length}, failed ${failed}`;
  document.body.append(line);
});
</script>
"""


class Browser:
    """Headless Chromium with a profile and a home of its own, so that it finds and leaves nothing."""

    def __init__(self, directory):
        self.directory = directory

    def open(self, page):
        """(what the probe counted, lines of the console, the document) of a page's text."""
        path = self.directory / "probed.html"
        path.write_text(page.replace("<head>", "<head>" + HEAD_PROBE, 1), encoding="utf-8")
        done = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             f"--user-data-dir={self.directory / 'profile'}", "--enable-logging=stderr",
             "--virtual-time-budget=10000", "--dump-dom", path.as_uri()],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=BROWSER_SECONDS,
            env={**os.environ, "HOME": str(self.directory)})
        counted = re.search(r"<p>(images .*)</p>", done.stdout)
        # Chromium gives a page's messages no level here. The page has no script, so every message is an error.
        console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
        return counted.group(1) if counted else f"nothing: {done.stderr[-500:]}", console, done.stdout


class Faults:
    def __init__(self):
        self.found = []

    def expect(self, holds, fault):
        if not holds:
            self.found.append(fault)


def missing():
    browser = [] if shutil.which("chromium") else ["chromium"]
    return browser + report.missing_packages()


def check_shown(faults, browser, sample, page):
    counted, console, document = browser.open(page)
    wanted = f"images {sample_results.FIGURES} of {sample_results.FIGURES}, failed 0"
    faults.expect(counted == wanted, f"the page shows {counted}, not {wanted}")
    faults.expect(not console, f"the console says {console}")
    for row in sample.rows:
        faults.expect(html.escape(row["name"], quote=False) in document, f"the page lacks the row {row['name']}")


def check_faults_are_noticed(faults, browser, page):
    """The negative controls: what check_shown looks at changes when a page is broken."""
    data = re.search(r'data:[^"]+base64,([^"]+)"', page)
    cut = page.replace(data.group(1), data.group(1)[:len(data.group(1)) // 8 * 4])
    fewer = f"images {sample_results.FIGURES - 1} of {sample_results.FIGURES}, failed 1"
    counted = browser.open(cut)[0]
    faults.expect(counted == fewer, f"a picture cut short is not noticed: {counted}")

    far = page.replace(data.group(0), 'https://example.invalid/picture.svg"')
    counted, console, _ = browser.open(far)
    faults.expect(counted == fewer and console, f"a picture from elsewhere is not noticed: {counted}, {console}")


def check_text(faults, page):
    """What can be seen without a browser."""
    hostile = sample_results.HOSTILE_NAME
    faults.expect(html.escape(hostile) in page and hostile not in page, "a row's name is not escaped")
    faults.expect("<b>must" not in page, "a row's description is not escaped")
    pictures = [base64.b64decode(data).decode() for data in re.findall(r'base64,([^"]+)"', page)]
    for text in (page, *pictures):
        outside = re.findall(r"""(?:src|href)\s*=\s*["']?\s*https?:[^"'\s]*|url\(\s*["']?https?:[^)]*""", text)
        faults.expect(not outside, f"the page refers to {outside}")
    faults.expect("<script" not in page, "the page has a script")


def check_same_bytes(faults, sample, page, directory):
    """Once more, and from figures that were saved and loaded."""
    sample.save(directory / "results.json")
    report.write_page(figures.Results.load(directory / "results.json"), directory / "again.html")
    faults.expect((directory / "again.html").read_text(encoding="utf-8") == page, "the same figures make another page")


def printed(sample):
    text = io.StringIO()
    report.print_table(sample, text)
    return text.getvalue()


def check_table(faults, sample):
    table = printed(sample)
    for name, (word, _) in sample_results.SETTLED.items():
        faults.expect(re.search(rf"^{word} +{name}( |$)", table, re.MULTILINE), f"the table lacks: {word} {name}")
    for name, arm in sample_results.FAILED:
        block = table[table.index(f"{name}  ("):].split("\n\n")[0]
        faults.expect(re.search(rf"^ +{arm} +failed$", block, re.MULTILINE), f"{arm} did not fail in {name}")
    for failure in sample.failures:
        faults.expect(failure in table, f"the table does not tell: {failure}")
    faults.expect(re.search(r"^of \d+ figures: ahead \d+, tie \d+, behind \d+, unknown 2$", table, re.MULTILINE),
                  "the table does not count the verdicts")

    nobodys = figures.Results(sample.facts, [{**arm, "role": "peer"} for arm in sample.arms], sample.rows)
    faults.expect("\nof " not in printed(nobodys), "there is a verdict though no arm is ours")


def check_summary(faults, sample, directory):
    report.write_summary(sample, directory / "summary.md", directory / "summary.svg")
    summary = (directory / "summary.md").read_text(encoding="utf-8")
    lost = [verdict for verdict in sample.verdicts() if verdict.word == "behind"]
    first, rest = summary.split("\n\n", maxsplit=1)
    faults.expect(len(first.splitlines()) == 2 + 5, "the summary has not a line for each group and one for all")
    lines = [line for line in rest.splitlines() if line.startswith("| ")]
    faults.expect(len(lines) == 2 + len(lost), f"the summary does not list {len(lost)} lost rows")
    faults.expect(f"<summary>{len(lost)} figures" in rest, "the summary does not count the lost rows")
    faults.expect(sample.facts["cpu"] in summary, "the summary does not name the processor")
    xml.etree.ElementTree.parse(directory / "summary.svg")


def main():
    packages = missing()
    if packages:
        print(f"skipped: {sys.executable} needs: apt-get install {' '.join(packages)}")
        return SKIPPED
    faults = Faults()
    sample = sample_results.make()
    with tempfile.TemporaryDirectory(prefix="report_page.", ignore_cleanup_errors=True) as name:
        directory = pathlib.Path(name)
        report.write_page(sample, directory / "report.html")
        page = (directory / "report.html").read_text(encoding="utf-8")
        browser = Browser(directory)
        check_shown(faults, browser, sample, page)
        check_faults_are_noticed(faults, browser, page)
        check_text(faults, page)
        check_same_bytes(faults, sample, page, directory)
        check_table(faults, sample)
        check_summary(faults, sample, directory)
    for fault in faults.found:
        print(f"fault: {fault}")
    if not faults.found:
        print(f"ok: the page shows {sample_results.FIGURES} figures and every row, and loads nothing")
    return 1 if faults.found else 0


if __name__ == "__main__":
    sys.exit(main())
