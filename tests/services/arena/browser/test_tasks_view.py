"""Point 4: tasks are created, followed, cancelled, resumed, replayed and compared in the page."""

import re

from playwright.sync_api import expect

from tests.services.arena.browser.conftest import is_accessible
from tests.services.conftest import held

HOSTILE = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"


def test_a_task_is_created_followed_and_cancelled_and_goes_on(live, script, open_page):
    shown = open_page(live.url, "tasks")
    with held(script):
        shown.get_by_role("button", name="Create", exact=True).click()
        shown.get_by_role("button", name=re.compile("Read the issue.*runs")).wait_for()
        shown.get_by_label("Text as it is written").get_by_text("Zürich").wait_for()
        assert is_accessible(shown)
        shown.get_by_role("button", name="Cancel").click()
        shown.get_by_role("button", name="Resume").wait_for()
    shown.get_by_role("button", name="Resume").click()
    shown.locator("article header .chip.completed").wait_for()
    patch = shown.locator("section", has=shown.get_by_role("heading", name="Patch"))
    patch.get_by_text("é.py").first.wait_for()


def test_a_finished_task_is_replayed_event_by_event(live, open_page):
    task = live.wait(live.create()["id"], "completed")
    shown = open_page(live.url, f"tasks/{task['id']}")
    place, last = shown.get_by_label("Event"), task["last_event"]
    expect(place).to_have_attribute("aria-valuetext", f"{last} of {last}")
    place.press("Home")
    expect(shown.get_by_role("button", name=re.compile("Read the issue.*not reached"))).to_have_count(1)
    for event in (1, 2, 3):
        place.press("ArrowRight")
        expect(place).to_have_attribute("aria-valuetext", f"{event} of {last}")
    expect(shown.get_by_role("button", name=re.compile("Read the issue.*runs"))).to_have_count(1)
    shown.get_by_label("Speed").select_option("32")
    place.press("Space")
    expect(place).to_have_attribute("aria-valuetext", f"{last} of {last}")


def test_two_tasks_of_one_instance_stand_side_by_side(live, open_page):
    shown = open_page(live.url, "tasks")
    shown.get_by_role("button", name="Create two: steered and baseline").click()
    shown.locator("article.task").nth(1).get_by_text("baseline ·").wait_for()
    shown.locator("article.task").nth(0).get_by_text("dynamic ·").wait_for()
    assert is_accessible(shown)


def test_what_a_task_tells_is_shown_as_text_and_never_run(live, script, open_page):
    script.text = HOSTILE
    task = live.wait(live.create()["id"], "completed")
    shown = open_page(live.url, f"tasks/{task['id']}")
    shown.get_by_role("button", name=re.compile("Read the issue")).click()
    expect(shown.get_by_label("Text as it is written")).to_contain_text(HOSTILE)
    assert "broken" not in shown.title()


def test_a_request_that_the_server_refuses_is_told_in_its_words(live, open_page):
    shown = open_page(live.url, "tasks", allow="422")
    shown.get_by_label("Instance", exact=True).fill("harborlab__tidetable-99")
    shown.get_by_role("button", name="Create", exact=True).click()
    expect(shown.get_by_role("alert")).to_contain_text("harborlab__tidetable-99")
