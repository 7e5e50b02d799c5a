"""`python -m tests.services.arena.browser.figures`: how fast the page is there, and how it is read, as JSON.

The figures are those that Lighthouse reports, taken in the same browser without slowing it down: medians of
some loads with an empty cache, in milliseconds since the load began.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from tests.services.arena.browser.conftest import (
    ARGUMENTS,
    AXE,
    CHROMIUM,
    WAIT_MS,
    begin,
    missing,
    sent_bytes,
)
from tests.services.arena.browser.flood import COLUMNS, TOKENS, flood
from tests.services.load.servers import Servers

VIEWS = ("arena", "tasks")
_QUIET_MS = 1000
_LONG_MS = 50
"""What Lighthouse calls a long task; what is above it is time in which nobody is answered."""
_WATCH = """
window.entries = {};
for (const type of ["largest-contentful-paint", "layout-shift", "longtask"]) {
  const seen = (window.entries[type] = []);
  new PerformanceObserver((list) => seen.push(...list.getEntries())).observe({type, buffered: true});
}
"""
_READ = """() => ({
  first_paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
  largest_paint: Math.max(...entries["largest-contentful-paint"].map((each) => each.startTime)),
  long: entries.longtask.map((each) => each.duration),
  shift: entries["layout-shift"].filter((each) => !each.hadRecentInput)
    .reduce((sum, each) => sum + each.value, 0),
})"""
_AXE = """async () => {
  const found = await axe.run(document);
  const count = (rules) => rules.reduce((sum, rule) => sum + rule.nodes.length, 0);
  return {rules: found.passes.length + found.violations.length, violations: count(found.violations)};
}"""


class View(TypedDict):
    """A view of the page as it is loaded."""

    loads: int
    first_contentful_paint_ms: float
    largest_contentful_paint_ms: float
    total_blocking_ms: float
    cumulative_layout_shift: float
    script_bytes_gzipped: int
    axe_rules: int
    axe_violations: int


class Flood(TypedDict):
    """A run of many columns and tokens."""

    columns: int
    tokens_a_column: int
    tasks: int
    longest_busy_ms: float


def loaded(browser: Browser, url: str, view: str, loads: int) -> View:
    """A view from an empty cache, so many times."""
    found, sent, rules = [], 0, {"rules": 0, "violations": 0}
    for _ in range(loads):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(WAIT_MS)
        context.add_init_script(_WATCH)
        shown = context.new_page()
        shown.goto(f"{url}/#/{view}")
        shown.locator("main h2").first.wait_for(state="attached")
        shown.wait_for_timeout(_QUIET_MS)
        found.append(shown.evaluate(_READ))
        sent = sent_bytes(shown)
        shown.evaluate(AXE.read_text())
        rules = shown.evaluate(_AXE)
        context.close()

    def median(values: Iterator[float]) -> float:
        return round(statistics.median(values), 1)

    return {
        "loads": loads,
        "first_contentful_paint_ms": median(each["first_paint"] for each in found),
        "largest_contentful_paint_ms": median(each["largest_paint"] for each in found),
        "total_blocking_ms": median(sum(max(0, ms - _LONG_MS) for ms in each["long"]) for each in found),
        "cumulative_layout_shift": round(statistics.median(each["shift"] for each in found), 4),
        "script_bytes_gzipped": sent,
        "axe_rules": rules["rules"],
        "axe_violations": rules["violations"],
    }


def flooded(browser: Browser, shown: Page, http: httpx.Client, folder: Path) -> Flood:
    """For how long the page's thread computes at once, of the processor's time, while a flood is shown."""
    trace = folder / "trace.json"
    browser.start_tracing(page=shown, path=trace, categories=["toplevel", "devtools.timeline"])
    flood(shown, http)
    browser.stop_tracing()
    busy = busy_ms(json.loads(trace.read_text())["traceEvents"])
    return {
        "columns": COLUMNS,
        "tokens_a_column": TOKENS,
        "tasks": len(busy),
        "longest_busy_ms": round(max(busy), 1),
    }


def busy_ms(events: list[dict]) -> list[float]:
    """For how long a thread computed for each task of the page's loop, of a trace."""
    page = {
        (each["pid"], each["tid"])
        for each in events
        if each["name"] == "thread_name" and each["args"]["name"] == "CrRendererMain"
    }
    return [
        each.get("tdur", 0) / 1000
        for each in events
        if each["name"] == "ThreadControllerImpl::RunTask" and (each["pid"], each["tid"]) in page
    ]


@contextmanager
def _browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield found
        found.close()


def main() -> None:
    """Start a server of a tiny model, load the page from it, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loads", type=int, default=5)
    loads = parser.parse_args().loads
    if why := missing():
        parser.error(why)
    with tempfile.TemporaryDirectory() as made, _browser() as browser, Servers(Path(made)) as servers:
        begin(servers)
        views = {view: loaded(browser, servers.url, view, loads) for view in VIEWS}
        shown = browser.new_page(viewport={"width": 1280, "height": 900})
        shown.goto(f"{servers.url}/#/saved")
        shown.locator("main h2").wait_for()
        with httpx.Client(base_url=servers.url) as http:
            many = flooded(browser, shown, http, Path(made))
    print(json.dumps({"views": views, "flood": many}, indent=1))


if __name__ == "__main__":
    main()
