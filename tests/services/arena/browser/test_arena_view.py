"""Points 1 and 7: one prompt in several columns, compared with the baseline, kept and shown again."""

import re
import sqlite3
from contextlib import closing

import httpx
import pytest
from playwright.sync_api import expect

from orchestrator.session import Session
from orchestrator.settings import Settings
from services.serving.runtime import Runtime
from services.settings import ServeSettings
from tests.services.arena.browser.conftest import begin, fits_the_window, is_accessible
from tests.services.conftest import run, until
from tests.services.load.servers import Servers

HOSTILE = "<img src=x onerror=document.title='broken'><script>document.title=1</script>"
CUT = """() => {
const fetched = window.fetch;
let left = 1;
window.fetch = async (request) => {
  if (!request.url.endsWith("/events")) return fetched(request);
  if (left < 0) await new Promise((resolve) => { window.answer = resolve; });
  const answer = await fetched(request);
  if (left < 0) return answer;
  const cut = new TransformStream({
    transform(chunk, out) {
      if (left-- > 0) out.enqueue(chunk);
      else out.error(new TypeError("network error"));
    },
  });
  return new Response(answer.body.pipeThrough(cut), {headers: answer.headers});
};
}"""
"""The first stream of the page breaks in its middle, and the next one is not answered before `answer()`."""


@pytest.fixture(scope="module")
def real(browser, tmp_path_factory, cache_dir):
    """A server of the embedded model."""
    settings = Settings(model="smollm2-135m", cache=cache_dir)
    with Session(settings, progress=lambda *_: None) as session:
        runtime = Runtime(session, ServeSettings(data=tmp_path_factory.mktemp("service"), drain_s=1))
        live = run(runtime)
        runtime.start()
        until(lambda: runtime.models.served or runtime.models.failed)
        yield live
        live.stop()


@pytest.mark.real_model
def test_a_prompt_is_answered_in_three_columns_and_each_is_compared_with_the_baseline(real, open_page):
    shown = open_page(real.url, "arena")
    shown.get_by_text("α = 16.73").wait_for()
    shown.get_by_label("Most tokens").fill("24")
    shown.get_by_label("Prompt").fill("How do I start my day well?")
    shown.get_by_label("Prompt").press("Control+Enter")
    shown.get_by_text("Self-check: α = 0 gives the baseline’s very tokens (8 compared)").wait_for()

    kept = real.http.get(f"/v1/arena/runs/{shown.url.rpartition('/')[2]}").json()
    steered = kept["columns"][1]
    column = shown.get_by_role("article", name="bug_analysis")
    expect(column).to_contain_text("layer 19, α 16.73, add")
    expect(column).to_contain_text(f"First {steered['difference']['first']['index']} tokens equal")
    expect(column).to_contain_text("24 tokens")
    text = re.sub(r"\s", "", steered["text"])
    until(lambda: re.sub(r"[\s⏎]", "", column.locator(".tokens").inner_text()) == text)

    column.locator(".tokens").focus()
    for token in range(3):
        shown.keyboard.press("ArrowRight")
        expect(column.locator(".chosen").first).to_have_attribute("data-token", str(token))
    third = steered["tokens"][2]
    detail = column.locator(".detail")
    expect(detail).to_contain_text(f"{third['divergence']:.3f} bits")
    expect(detail.locator("li")).to_contain_text(["%"] * len(third["alternatives"]))
    assert is_accessible(shown)

    shown.get_by_role("button", name="Word diff").click()
    inserted = [span["text"] for span in steered["difference"]["diff"] if span["kind"] == "insert"]
    expect(column.locator("ins")).to_have_text(inserted)
    shown.emulate_media(color_scheme="dark")
    shown.set_viewport_size({"width": 360, "height": 900})
    assert is_accessible(shown)
    assert fits_the_window(shown)

    with shown.expect_download() as saved:
        shown.get_by_role("button", name="Save as one HTML file").click()
    page = saved.value.path().read_text("utf-8")
    assert "bug_analysis" in page
    assert "<script" not in page

    again = shown.url
    shown.get_by_role("button", name="Run again").click()
    shown.wait_for_url(lambda url: url != again)
    address = f"/v1/arena/runs/{shown.url.rpartition('/')[2]}"
    repeated = until(lambda: run if (run := real.http.get(address).json())["state"] == "done" else None)
    assert [each["text"] for each in repeated["columns"]] == [each["text"] for each in kept["columns"]]


def test_a_run_is_stopped_with_escape_and_what_there_is_is_kept(live, open_page):
    shown = open_page(live.url, "arena")
    shown.get_by_label("Most tokens").fill("2048")
    shown.get_by_role("button", name="Run", exact=True).click()
    shown.locator(".token-line span").first.wait_for()
    shown.keyboard.press("Escape")
    shown.locator(".bar .chip.cancelled").wait_for()
    shown.goto(f"{live.url}/#/saved")
    row = shown.locator("tbody tr")
    row.get_by_text("stopped").wait_for()
    assert is_accessible(shown)
    row.get_by_role("link").click()
    shown.locator(".token-line span").first.wait_for()
    shown.go_back()
    shown.get_by_role("button", name=re.compile("Delete")).click()
    shown.get_by_text("Nothing is saved yet").wait_for()


def test_a_lost_connection_is_told_and_the_run_goes_on_where_it_was(live, open_page):
    shown = open_page(live.url, "arena")
    shown.get_by_label("Most tokens").fill("600")
    shown.evaluate(CUT)
    shown.get_by_role("button", name="Run", exact=True).click()
    shown.get_by_text("Connection lost; trying again").wait_for()
    until(lambda: shown.evaluate("'answer' in window"))
    shown.evaluate("answer()")
    shown.locator(".bar .chip.completed").wait_for()
    kept = live.http.get(f"/v1/arena/runs/{shown.url.rpartition('/')[2]}").json()
    assert kept["state"] == "done"
    for column in kept["columns"]:
        footer = shown.get_by_role("article", name=column["name"], exact=True).locator("footer")
        expect(footer).to_contain_text(f"{len(column['tokens'])} tokens")


@pytest.fixture
def servers(tmp_path):
    """A server in a process of its own, that can be killed."""
    with Servers(tmp_path, lease_s=3) as started:
        begin(started)
        yield started


def kept_events(folder):
    """How many events of the only run or batch are in a server's store."""
    with closing(sqlite3.connect(folder / "service" / "store.sqlite")) as store:
        return store.execute("SELECT last_event FROM arena_results").fetchone()[0]


def test_a_killed_server_is_told_and_what_it_ran_is_run_again_with_the_next(servers, open_page):
    with httpx.Client(base_url=servers.url) as http:
        asked = {"prompt": "Later?", "columns": [{"name": "baseline"}], "max_tokens": 8}
        made = http.post("/v1/arena/runs", json=asked).raise_for_status().json()
        shown = open_page(servers.url, f"arena/{made['id']}", allow="net::ERR")
        shown.locator(".token-line span").first.wait_for()
        servers.kill()
        shown.get_by_text("Connection lost; trying again").wait_for()
        servers.gate.touch()
        begin(servers)
        shown.get_by_text("The server stopped in the middle of this run").wait_for()
        killed = shown.url
        shown.get_by_role("button", name="Try again").click()
        shown.wait_for_url(lambda url: url != killed)
        shown.locator(".bar .chip.completed").wait_for()
        states = [each["state"] for each in http.get("/v1/arena/runs").json()["data"]]
        assert states == ["done", "interrupted"]


def test_a_batch_goes_on_after_its_last_whole_prompt_when_its_server_was_killed(servers, open_page, tmp_path):
    with httpx.Client(base_url=servers.url) as http:
        columns = [{"name": "baseline"}, {"name": "b", "steering": "1·code_reading@1"}]
        prompts = ["Why?", "Where?", *(f"Later {n}?" for n in range(6))]
        asked = {"prompts": prompts, "columns": columns, "max_tokens": 4}
        made = http.post("/v1/arena/batches", json=asked).raise_for_status().json()
        shown = open_page(servers.url, f"batch/{made['id']}", allow="net::ERR")
        shown.get_by_text("4 of 16 cells").wait_for()
        address = f"/v1/arena/batches/{made['id']}"
        until(lambda: kept_events(tmp_path) == 4)
        servers.kill()
        shown.get_by_text("Connection lost; trying again").wait_for()
        begin(servers)
        shown.get_by_text("resume it").wait_for()
        assert http.get(address).json()["state"] == "interrupted"
        servers.gate.touch()
        shown.get_by_role("button", name="Go on").click()
        shown.locator(".bar .chip.completed").wait_for()
        shown.get_by_text("16 of 16 cells").wait_for()
        expect(shown.locator(".matrix .cut")).to_have_count(16)
        cells = http.get(address).json()["cells"]
        assert [(each["prompt"], each["column"]) for each in cells] == [
            (prompt, column) for prompt in range(8) for column in range(2)
        ]


def test_a_hostile_prompt_and_name_are_shown_as_text(live, open_page):
    columns = [{"name": HOSTILE}, {"name": "b", "steering": "1·code_reading"}]
    asked = {"prompt": HOSTILE, "columns": columns, "max_tokens": 4}
    made = live.http.post("/v1/arena/runs", json=asked).json()
    shown = open_page(live.url, f"arena/{made['id']}")
    shown.get_by_role("heading", name=columns[0]["name"]).wait_for()
    expect(shown.get_by_label("Prompt")).to_have_value(HOSTILE)
    shown.goto(f"{live.url}/#/saved")
    expect(shown.locator("tbody tr a")).to_contain_text(HOSTILE)
    assert "broken" not in shown.title()
    assert shown.locator("img").count() == 0


def test_another_owners_run_is_none(serving, open_page):
    live = serving()
    _, ada = live.runtime.store.keys.create("ada")
    _, bob = live.runtime.store.keys.create("bob")
    asked = {"prompt": "x", "columns": [{"name": "a"}], "max_tokens": 2}
    made = live.http.post("/v1/arena/runs", json=asked, headers={"Authorization": f"Bearer {ada}"}).json()
    shown = open_page(live.url, f"arena/{made['id']}", allow="status of 40")
    shown.get_by_role("dialog").get_by_label("Key", exact=True).fill(bob)
    shown.get_by_role("button", name="Use this key").click()
    shown.get_by_text("There is no such run.").wait_for()
    expect(shown.locator(".column")).to_have_count(0)
