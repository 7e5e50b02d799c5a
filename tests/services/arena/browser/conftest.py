"""A real browser on the built page; skipped with a reason where one of them is missing."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.arena.page import BUILT

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
    from playwright.sync_api import sync_playwright

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
        context.set_default_timeout(60_000)
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


def complaints(shown) -> list[str]:
    """What axe finds wrong with a page as it is shown now. It comes in through the debugger's door, because
    the page's policy lets no other script in."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: make arena")
    shown.evaluate(AXE.read_text())
    found = shown.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {json.dumps([node['target'] for node in each['nodes']])} {each['help']}"
        for each in found["violations"]
    ]


def wider_than_the_window(shown) -> bool:
    return shown.evaluate("document.documentElement.scrollWidth > window.innerWidth")
