"""The frame of the page: its colours, its keyboard, its addresses, the key that it asks for."""

from playwright.sync_api import expect

from tests.services.arena.browser.conftest import fits_the_window, is_accessible, sent_bytes
from tests.services.conftest import until

VIEWS = {
    "arena": "output:has-text('α =')",
    "batch": "output:has-text('α =')",
    "space": ".cosines",
    "tasks": "text=harborlab__tidetable-23",
    "models": "text=bug_analysis",
    "laboratory": "text=No experiment in the server’s folder is finished.",
    "saved": "text=Nothing is saved yet",
}
"""Each view with what it shows last."""
PAPER = "getComputedStyle(document.documentElement).backgroundColor"


def test_no_view_breaks_a_rule_of_accessibility_in_either_theme_at_any_width(live, open_page):
    live.wait(live.create()["id"], "completed")
    shown = open_page(live.url)
    for view, last in VIEWS.items():
        shown.goto(f"{live.url}/#/{view}")
        shown.locator("main").locator(last).first.wait_for()
        for colours, width in (("light", 360), ("dark", 2560)):
            shown.emulate_media(color_scheme=colours)
            shown.set_viewport_size({"width": width, "height": 900})
            assert is_accessible(shown), (view, colours)
            assert fits_the_window(shown), (view, width)


def test_the_keyboard_reaches_everything(live, open_page):
    shown = open_page(live.url, "tasks")
    shown.locator("main h2").first.wait_for()
    shown.keyboard.press("Tab")
    expect(shown.get_by_text("Skip to the content")).to_be_focused()
    shown.keyboard.press("Enter")
    expect(shown.locator("#content")).to_be_focused()
    shown.keyboard.type("gm")
    shown.get_by_role("heading", name="In memory").wait_for()
    shown.keyboard.press("?")
    shown.get_by_role("dialog", name="Keyboard").wait_for()
    shown.keyboard.press("Escape")
    expect(shown.get_by_role("dialog")).to_have_count(0)
    shown.go_back()
    shown.get_by_role("heading", name="New task").wait_for()


def test_the_colours_are_the_systems_until_somebody_chooses(live, open_page):
    shown = open_page(live.url, "models", dark=True)
    shown.get_by_label("Colours").wait_for()
    dark = shown.evaluate(PAPER)
    shown.get_by_label("Colours").select_option("light")
    light = until(lambda: paper if (paper := shown.evaluate(PAPER)) != dark else None)
    shown.reload()
    shown.get_by_label("Colours").wait_for()
    until(lambda: shown.evaluate(PAPER) == light)


def test_the_script_of_the_first_view_is_small(live, open_page):
    shown = open_page(live.url, "tasks")
    shown.locator("main h2").first.wait_for()
    assert 0 < sent_bytes(shown) < 350_000


def test_a_server_with_keys_is_asked_with_one_and_shows_each_owner_his_own(serving, open_page):
    live = serving()
    _, ada = live.runtime.store.keys.create("ada")
    _, bob = live.runtime.store.keys.create("bob")
    headers = {"Authorization": f"Bearer {ada}"}
    live.create({"instance_id": "harborlab__tidetable-23"}, **headers)

    shown = open_page(live.url, "tasks", allow="401")
    dialog = shown.get_by_role("dialog", name="This server wants a key")
    dialog.get_by_label("Key", exact=True).fill("orch_wrong")
    dialog.get_by_role("button", name="Use this key").click()
    dialog.get_by_text("The server does not know that key.").wait_for()
    assert is_accessible(shown)
    dialog.get_by_label("Key", exact=True).fill(bob)
    dialog.get_by_role("button", name="Use this key").click()
    shown.get_by_text("No tasks yet.").wait_for()
    shown.get_by_role("button", name="Forget the key").click()
    dialog.get_by_label("Key", exact=True).fill(ada)
    dialog.get_by_role("button", name="Use this key").click()
    shown.get_by_role("link", name="harborlab__tidetable-23").wait_for()
    assert "orch_" not in shown.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")


def test_a_server_that_goes_away_is_told_and_so_is_that_it_came_back(live, open_page):
    shown = open_page(live.url, "models", allow="net::ERR")
    shown.get_by_role("heading", name="In memory").wait_for()
    shown.context.set_offline(True)
    shown.get_by_text("No answer from the server").wait_for()
    shown.context.set_offline(False)
    shown.get_by_text("No answer from the server").wait_for(state="detached")
