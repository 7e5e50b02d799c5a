import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swebench.data.predictions import Prediction, read_predictions, record_prediction
from swebench.errors import InvalidRow

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@settings(max_examples=30)
@given(st.lists(st.builds(Prediction, TEXT.filter(bool), TEXT, TEXT), max_size=8))
def test_what_is_recorded_is_what_is_read_the_last_for_each_instance(tmp_path_factory, predictions):
    path = tmp_path_factory.mktemp("run") / "predictions.jsonl"
    for prediction in predictions:
        record_prediction(path, prediction)
    if predictions:
        assert read_predictions(path) == {each.instance_id: each for each in predictions}


def test_a_line_has_the_harness_s_three_keys(tmp_path):
    path = tmp_path / "predictions.jsonl"
    record_prediction(path, Prediction("a__b-1", "smollm2-adaptive", "diff\n"))
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"instance_id": "a__b-1", "model_name_or_path": "smollm2-adaptive", "model_patch": "diff\n"}
    ]


def test_concurrent_writers_lose_nothing(tmp_path):
    path = tmp_path / "predictions.jsonl"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: record_prediction(path, Prediction(f"a__b-{n}", "m", "x" * 5000)), range(40)))
    assert len(read_predictions(path)) == 40
    assert {file.name for file in tmp_path.iterdir()} <= {"predictions.jsonl", ".predictions.jsonl.lock"}


def test_a_null_patch_is_an_empty_patch_and_further_columns_are_ignored(tmp_path):
    path = tmp_path / "p.json"
    path.write_text('[{"instance_id": "a", "model_name_or_path": "m", "model_patch": null, "cost": 1}]')
    assert read_predictions(path) == {"a": Prediction("a", "m", "")}


@pytest.mark.parametrize(
    "row",
    [
        {"instance_id": "a", "model_patch": ""},
        {"instance_id": "", "model_name_or_path": "m", "model_patch": ""},
        {"instance_id": 1, "model_name_or_path": "m", "model_patch": ""},
        {"instance_id": "a", "model_name_or_path": "m", "model_patch": ["x"]},
        {"instance_id": "first", "model_name_or_path": "m", "model_patch": "twice"},
    ],
)
def test_a_bad_row_names_its_line_and_is_never_overwritten(tmp_path, row):
    path = tmp_path / "p.jsonl"
    first = {"instance_id": "first", "model_name_or_path": "m", "model_patch": ""}
    path.write_text(json.dumps(first) + "\n" + json.dumps(row) + "\n")
    before = path.read_bytes()
    with pytest.raises(InvalidRow, match=r"p\.jsonl, line 2"):
        read_predictions(path)
    with pytest.raises(InvalidRow):
        record_prediction(path, Prediction("b", "m", ""))
    assert path.read_bytes() == before


def test_predictions_are_kept_in_the_order_that_is_named_and_others_come_after(tmp_path):
    path = tmp_path / "predictions.jsonl"
    for name in ("other", "c", "a", "b"):
        record_prediction(path, Prediction(name, "m", ""), order=("a", "b", "c", "d"))
    assert list(read_predictions(path)) == ["a", "b", "c", "other"]
