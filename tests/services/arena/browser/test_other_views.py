"""Points 2, 3, 5 and 6: batches, vectors by layer, the model in memory, and finished experiments."""

import json

from playwright.sync_api import expect

from tests.services.arena.browser.conftest import fits_the_window, is_accessible
from tests.services.arena.test_laboratory import runs as experiments  # noqa: F401
from tests.services.conftest import until
from tests.services.serving.test_exchange import OTHER, other_model, two  # noqa: F401

HOSTILE = "<img src=x onerror=document.title='broken'>"


def test_a_batch_is_a_matrix_with_intervals_that_can_be_kept_as_a_file(live, open_page, tmp_path):
    shown = open_page(live.url, "batch")
    wrong = tmp_path / "prompts.txt"
    wrong.write_bytes(b"\xff\xfe\x00")
    shown.get_by_label("or a file of them").set_input_files(wrong)
    shown.get_by_text("The file is no text in UTF-8").wait_for()
    prompts = tmp_path / "prompts.json"
    prompts.write_text(json.dumps(["What is a deadlock?", HOSTILE, "Why?"]))
    shown.get_by_label("or a file of them").set_input_files(prompts)
    shown.get_by_label("Prompts (3 prompts)").wait_for()
    shown.get_by_label("Most tokens").fill("6")
    shown.get_by_role("button", name="Start").click()
    shown.locator(".bar .chip.completed").wait_for()

    kept = live.http.get(f"/v1/arena/batches/{shown.url.rpartition('/')[2]}").json()
    method = shown.get_by_role("row", name="bug_analysis").first
    expect(method).to_contain_text(f"n = {kept['methods'][0]['change_rate']['n']}")
    shown.get_by_role("button", name=HOSTILE).click()
    until(lambda: shown.locator(".whole").first.text_content() == kept["cells"][3]["text"])
    assert shown.locator("img").count() == 0
    assert is_accessible(shown)
    shown.set_viewport_size({"width": 360, "height": 800})
    assert fits_the_window(shown)
    with shown.expect_download() as saved:
        shown.get_by_role("button", name="CSV").click()
    assert saved.value.path().read_text("utf-8").startswith("prompt,column,text,")


def test_vectors_are_drawn_at_every_layer(live, open_page):
    shown = open_page(live.url, "space")
    shown.get_by_label("Each vector’s path through the layers").wait_for()
    space = live.http.get("/v1/arena/space").json()
    paths = shown.locator(".charts svg").first.locator("path")
    expect(paths).to_have_count(len(space["vectors"]))
    shown.get_by_role("slider", name="Layer").press("Home")
    shown.get_by_role("heading", name="Cosines at layer 0").wait_for()
    first = f"{space['cosines'][0][0][1]:.2f}".replace("-", "−")
    expect(shown.locator(".cosines tbody td").nth(1)).to_have_text(first)
    shown.get_by_label(space["vectors"][0]["domain"], exact=True).uncheck()
    expect(paths).to_have_count(len(space["vectors"]) - 1)
    assert is_accessible(shown)


def test_the_model_in_memory_is_told_and_a_file_that_is_no_vector_is_refused(live, open_page, tmp_path):
    shown = open_page(live.url, "models", allow="status of 4")
    shown.get_by_text("ready").wait_for()
    expect(shown.locator("main")).to_contain_text(live.runtime.models.target)
    file = tmp_path / "vector.safetensors"
    file.write_bytes(b"no vector")
    shown.get_by_label("Name").fill("mine")
    shown.get_by_label("File").set_input_files(file)
    shown.get_by_role("button", name="Upload").click()
    expect(shown.get_by_role("alert")).to_contain_text("safetensors")
    assert is_accessible(shown)


def test_a_batch_that_was_stopped_goes_on_from_where_it_was(live, gate, open_page):
    asked = {"prompts": ["Why?", *(f"Later {n}?" for n in range(15))], "max_tokens": 6}
    columns = [{"name": "baseline"}, {"name": "b", "steering": "1·code_reading"}]
    made = live.http.post("/v1/arena/batches", json={**asked, "columns": columns}).json()
    shown = open_page(live.url, f"batch/{made['id']}")
    shown.locator(".matrix .cut").first.wait_for()
    with shown.expect_response(lambda answer: answer.request.method == "DELETE"):
        shown.get_by_role("button", name="Stop").click()
    gate.set()
    shown.get_by_role("button", name="Go on").click()
    shown.locator(".bar .chip.completed").wait_for()
    shown.get_by_text("32 of 32 cells").wait_for()


def test_another_model_is_loaded_and_one_that_cannot_be_is_told(two, open_page):  # noqa: F811
    shown = open_page(two.url, "models")
    shown.get_by_role("button", name=f"Load {OTHER}").click()
    shown.locator(".big").get_by_text(OTHER).wait_for()
    shown.locator(".big .chip.ready").wait_for()
    assert is_accessible(shown)
    shown.get_by_role("button", name="Load nowhere").click()
    shown.get_by_text("The last exchange came to nothing").wait_for()
    assert two.http.get("/v1/model").json()["model"] == OTHER


def test_an_experiment_is_shown_with_its_figure_its_tables_and_its_items(serving, experiments, open_page):  # noqa: F811
    live = serving(lab_runs=experiments)
    shown = open_page(live.url, "laboratory")
    shown.get_by_text("broken cannot be read as an experiment").wait_for()
    shown.get_by_role("link", name="MMLU-Pro").click()
    figure = shown.get_by_role("img")
    figure.wait_for()
    assert figure.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    run = next(each for each in live.http.get("/v1/arena/laboratory").json()["data"] if not each["error"])
    items = live.http.get(f"/v1/arena/laboratory/{run['id']}/items").json()["data"]
    shown.get_by_role("button", name="Next").click()
    heading = f"{items[1]['name']} {items[1]['group']}"
    shown.get_by_role("heading", name=heading, exact=True).wait_for()
    conditions = [said["condition"] for said in items[1]["said"]]
    expect(shown.locator(".items table tbody th")).to_have_text(conditions)
    assert is_accessible(shown)
    shown.set_viewport_size({"width": 360, "height": 800})
    assert fits_the_window(shown)
