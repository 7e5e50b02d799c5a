"""Data sets of the laboratory: by name from the hub, or from a file, and what is said of a wrong one."""

import json

import pytest

from orchestrator.lab.data import PINNED, data_set
from swebench.errors import DatasetUnavailable, InvalidRow, UnknownDataset

COLUMNS = {"question": str, "options": list, "answer_index": int}
ROW = {"question": "Which?", "options": ["a", "b"], "answer_index": 1, "more": None}


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path)


def test_the_same_rows_are_the_same_data_in_every_kind_of_file(tmp_path):
    import datasets

    one = data_set(write(tmp_path / "rows.jsonl", ROW, ROW), COLUMNS)
    (tmp_path / "rows.json").write_text(json.dumps([ROW, ROW]))
    datasets.Dataset.from_list([ROW, ROW]).to_parquet(str(tmp_path / "rows.parquet"))
    assert one.rows == ({name: ROW[name] for name in COLUMNS},) * 2
    for ending in ("json", "parquet"):
        other = data_set(str(tmp_path / f"rows.{ending}"), COLUMNS)
        assert (other.rows, other.sha256) == (one.rows, one.sha256)
    assert data_set(write(tmp_path / "one.jsonl", ROW), COLUMNS).sha256 != one.sha256


@pytest.mark.parametrize("name", ["gsm8k", "gsm8k:train"])
def test_a_pinned_set_is_read_from_the_cache_without_the_network(tmp_path, name):
    import datasets

    split = name.partition(":")[2] or "test"
    assert len(PINNED["gsm8k"].revision) == 40
    kept = tmp_path / "datasets" / f"openai__gsm8k--main@{PINNED['gsm8k'].revision}-{split}.parquet"
    kept.parent.mkdir()
    datasets.Dataset.from_list([{"question": "?", "answer": "#### 1"}]).to_parquet(str(kept))
    found = data_set(name, {"question": str, "answer": str}, cache=tmp_path)
    assert found.rows[0]["answer"] == "#### 1"
    assert found.source == f"openai/gsm8k/main@{PINNED['gsm8k'].revision}:{split}"


def test_one_that_cannot_be_had_is_one_line(tmp_path, monkeypatch):
    import datasets
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(DatasetUnavailable, match="check the name and the network, or give a file") as told:
        data_set("mmlu-pro", COLUMNS, cache=tmp_path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("gsm9k", "did you mean gsm8k"), ("", "no data set"), ("gone.jsonl", "no file"), ("a.csv", "ending in")],
)
def test_an_unknown_name_says_what_there_is(name, complaint):
    with pytest.raises(UnknownDataset, match=complaint):
        data_set(name, COLUMNS)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"question": None}, "line 2: there is no column question"),
        ({"question": 4}, "line 2: question is int, expected str"),
        ({"options": "ab"}, "options is str, expected list"),
        ({"options": ["a", 2]}, "options holds '2', expected texts"),
        ({"answer_index": True}, "answer_index is bool"),
        ({"question": "x" * 20_001}, "longer than 20,000"),
    ],
)
def test_a_wrong_column_names_its_line(tmp_path, change, complaint):
    with pytest.raises(InvalidRow, match=complaint):
        data_set(write(tmp_path / "rows.jsonl", ROW, ROW | change), COLUMNS)


def test_a_file_without_rows_is_refused(tmp_path):
    with pytest.raises(InvalidRow, match="has no rows"):
        data_set(write(tmp_path / "rows.jsonl"), COLUMNS)
