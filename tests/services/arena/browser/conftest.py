"""A real browser on the built page; skipped with a reason where one of them is missing."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect, sync_playwright

from services.arena.page import BUILT
from tests.services.conftest import until
from tests.services.load.servers import Servers

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = BUILT.parent / "node_modules" / "axe-core" / "axe.min.js"
WAIT_MS = 120_000
"""For what a page shows later: how long is the machine's matter."""
WIDTHS = {"narrow": 360, "wide": 1280, "widest": 2560}


def missing() -> str | None:
    """Why there is nothing to test here."""
    if not CHROMIUM.exists():
        return f"no browser: install Debian's chromium ({CHROMIUM})"
    if not (BUILT / "index.html").exists():
        return "the page is not built: make arena"
    return None


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """One for each file: while it is open, Playwright's event loop runs in this thread, and no other can."""
    if why := missing():
        if os.environ.get("ORCHESTRATE_WITH_PAGE"):
            pytest.fail(why)
        pytest.skip(why)
    expect.set_options(timeout=WAIT_MS)

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture
def open_page(browser) -> Iterator[Callable]:
    """Opens a view of a server. What the page complains of, and what its policy refuses, fails the test."""
    contexts, wrong = [], []

    def open_(url: str, view: str = "", *, width: str = "wide", dark: bool = False, allow: str = ""):
        context = browser.new_context(
            viewport={"width": WIDTHS[width], "height": 900}, color_scheme="dark" if dark else "light"
        )
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        shown = context.new_page()
        shown.on("pageerror", lambda error: wrong.append(str(error)))
        shown.on(
            "console",
            lambda said: (
                wrong.append(said.text)
                if said.type == "error" and not (allow and allow in said.text)
                else None
            ),
        )
        shown.goto(f"{url}/#/{view}")
        return shown

    yield open_
    for context in contexts:
        context.close()
    assert not wrong


def is_accessible(shown) -> bool:
    """Waits until axe finds nothing wrong with a page: while a view is filled in, parts of it may be missing.
    Fails with what it finds to the end."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: make arena")
    wrong: list[str] = []
    ends = time.monotonic() + WAIT_MS / 1000
    while time.monotonic() < ends:
        if not (wrong := complaints(shown)):
            return True
        shown.wait_for_timeout(200)
    pytest.fail("\n".join(wrong))


def complaints(shown) -> list[str]:
    """What axe finds wrong with a page as it is shown now. It comes in through the debugger's door, because
    the page's policy lets no other script in."""
    if not shown.evaluate("'axe' in window"):
        shown.evaluate(AXE.read_text())
    found = shown.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {json.dumps([node['target'] for node in each['nodes']])} {each['help']}"
        for each in found["violations"]
    ]


def fits_the_window(shown) -> bool:
    """Waits until a page is no wider than its window."""
    return until(lambda: shown.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def sent_bytes(shown) -> int:
    """Bytes of the scripts that a page has loaded, as they were sent: compressed."""
    return shown.evaluate(
        "performance.getEntriesByType('resource').filter(each => each.name.endsWith('.js'))"
        ".reduce((sum, each) => sum + each.encodedBodySize, 0)"
    )


def begin(servers: Servers) -> None:
    """Start a server in a process of its own, beside the browser's loop, which is this thread's."""

    async def start() -> None:
        async with httpx.AsyncClient(base_url=servers.url) as http:
            await servers.start(http)

    with ThreadPoolExecutor() as apart:
        apart.submit(asyncio.run, start()).result()
