"""Vectors of an autoencoder's features, made in a column's form and taken apart beside the vector space."""

import pytest
from playwright.sync_api import expect

from tests.services.arena.browser.conftest import fits_the_window, is_accessible
from tests.services.arena.test_lab_findings import experiment


@pytest.mark.parametrize("dark", [False, True])
def test_a_column_is_steered_by_a_vector_of_features_that_is_made_in_its_form(with_sae, open_page, dark):
    shown = open_page(with_sae.url, dark=dark)
    column = shown.get_by_role("group", name="bug_analysis")
    column.get_by_label("Steering").select_option("of an autoencoder’s features …")
    column.get_by_label("Of the domain").select_option("calendar")
    column.get_by_label("Put together").select_option("as a plain sum")
    column.get_by_label("Features (top-k)").fill("3")
    assert is_accessible(shown)
    column.get_by_role("button", name="Make the vector").click()
    made = shown.locator("fieldset.asked").nth(1)
    shown.get_by_role("group", name="calendar-uniform-difference-3-").wait_for()
    made.get_by_text("layer 2, add, all").wait_for()
    expect(made.locator(".note")).to_have_count(0)

    made.get_by_text("layer 2, add, all").click()
    made.get_by_label("Layer").fill("1")
    made.get_by_text("at layer 1 it is nothing").wait_for()
    other = shown.locator("fieldset.asked").nth(2)
    other.locator("summary").first.click()
    other.get_by_label("Layer").fill("0")
    other.locator("summary").first.click()
    other.get_by_text("No autoencoder of this server was trained at this layer").wait_for()
    assert not other.get_by_label("Layer").is_visible(), "it is told with the details closed"
    assert is_accessible(shown)

    made.get_by_label("Layer").fill("")
    shown.get_by_label("Most tokens").fill("6")
    shown.get_by_role("button", name="Run", exact=True).click()
    shown.locator(".bar .chip.completed").wait_for()
    shown.get_by_text("layer 2, α").wait_for()
    shown.set_viewport_size({"width": 360, "height": 800})
    assert fits_the_window(shown)


def test_nothing_runs_before_the_vector_is_made_and_what_goes_wrong_is_told(with_sae, open_page):
    shown = open_page(with_sae.url, allow="status of 4")
    column = shown.get_by_role("group", name="bug_analysis")
    column.get_by_label("Steering").select_option("of an autoencoder’s features …")
    shown.get_by_role("button", name="Run", exact=True).click()
    expect(column.get_by_label("Steering")).to_have_js_property("validationMessage", "Make the vector first.")
    (with_sae.sae / "sae_weights.safetensors").write_bytes(b"torn")
    column.get_by_role("button", name="Make the vector").click()
    column.get_by_text("The autoencoder random cannot be used").wait_for()
    assert is_accessible(shown)


@pytest.mark.parametrize("dark", [False, True])
def test_a_vector_is_taken_apart_into_features_with_what_is_known_of_them(with_sae, open_page, dark):
    (sae,) = with_sae.http.get("/v1/arena/library").json()["saes"]
    params = {"domain": "calendar", "sae": sae["id"]}
    first, second, *_ = with_sae.http.get("/v1/arena/space/features", params=params).json()["features"]
    root = with_sae.sae.parents[2]
    said = {"feature": f"tiny-llama/2-random/{first['feature']}", "said": "days of the week <b>"}
    experiment(root, "pedia", {"matches": [said], "searched": []})
    shown = open_page(with_sae.url, "space", dark=dark)
    apart = shown.locator(".made-of")
    apart.get_by_label("Vector", exact=True).select_option("calendar")

    def row_of(feature):
        header = shown.get_by_role("rowheader", name=str(feature["feature"]), exact=True)
        return apart.get_by_role("row").filter(has=header)

    row = row_of(first)
    row.get_by_text("days of the week <b>").wait_for()
    expect(row.get_by_role("cell").first).to_have_text(f"{first['weight']:#.3g}")
    expect(row_of(second)).to_contain_text("no explanation in the laboratory")
    assert is_accessible(shown)
    shown.set_viewport_size({"width": 360, "height": 800})
    assert fits_the_window(shown)


def test_without_an_autoencoder_nothing_is_taken_apart_and_the_page_says_how_to_get_one(live, open_page):
    shown = open_page(live.url, "space")
    shown.get_by_text("orchestrate lab sae train").wait_for()
