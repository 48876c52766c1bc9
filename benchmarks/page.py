"""The web page of an archive of pairs: how long it takes to make, to make again, and to open in a browser.

    python -m benchmarks.page

The floor of opening is a page with the plotting library and nothing else, in the same browser.
"""

import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from benchmarks.figures import JOBS, fill
from wfc3_cte_monitor.commands.setup import default_answers, set_up
from wfc3_cte_monitor.database import Database
from wfc3_cte_monitor.pipeline.report import make_report
from wfc3_cte_monitor.pipeline.request import Request, Summary
from wfc3_cte_monitor.settings import read_settings
from wfc3_cte_monitor.tables import Schema

REPEATS = 5
DRAWN = "() => document.querySelectorAll('#figure .points path').length > 0"
FLOOR = """<!DOCTYPE html><title>floor</title><div id="figure"></div><script src="{}"></script>
<script>Plotly.newPlot("figure", [{{ x: [1], y: [1], mode: "markers" }}])</script>"""


def main():
    with tempfile.TemporaryDirectory() as name:
        settings = read_settings(set_up(default_answers(Path(name))))
        with Database(settings.database_url, Schema(settings.target_list, settings.aprads, settings.bins)) as database:
            database.create()
            n_pairs = fill(database, settings)
            first, again = (made(database, settings) for _ in range(2))
        report = settings.path_to_finalresults / "report"
        (library,) = (report / "assets").glob("plotly*.js")
        (report / "floor.html").write_text(FLOOR.format(f"assets/{library.name}"))
        page, floor = opened(report)
    print(f"{n_pairs} pairs, all their pages, {JOBS} processes  {first:7.2f} s")
    print(f"again, nothing changed                 {again:7.2f} s   {again / first:5.2f} of the first time")
    print(
        f"first page opened and drawn            {page:7.2f} s   {page / floor:5.2f} of one point alone ({floor:.2f} s)"
    )


def made(database, settings):
    """Seconds in which the report is written."""
    summary = Summary(log_file=None)
    begin = time.perf_counter()
    make_report(database, Request("all", jobs=JOBS), settings, summary)
    assert not summary.failures, summary.failures
    return time.perf_counter() - begin


def opened(report):
    """Median seconds until the figure is there, of the first page and of the floor, in turn."""
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        seconds = [[once(browser, report / name) for name in ("index.html", "floor.html")] for _ in range(REPEATS)]
        browser.close()
    return np.median(seconds, axis=0)


def once(browser, path):
    page = browser.new_page()
    begin = time.perf_counter()
    page.goto(path.as_uri())
    page.wait_for_function(DRAWN)
    seconds = time.perf_counter() - begin
    page.close()
    return seconds


if __name__ == "__main__":
    main()
