import json
from pathlib import Path

import pytest

from swebench.data.loading import PINNED, load_instances
from swebench.errors import (
    DatasetUnavailable,
    InvalidRow,
    InvalidTask,
    SwebenchError,
    UnknownDataset,
    UnknownInstance,
)
from tests.swebench.conftest import calc_row

SHARED = Path(__file__).parents[4] / "shared" / "data"


def rows(count: int = 3, **columns: object) -> list[dict[str, object]]:
    return [
        calc_row(f"{number:040x}", instance_id=f"acme__calc-{number}", **columns) for number in range(count)
    ]


def as_jsonl(path: Path, found: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in found), "utf-8")
    return path


@pytest.fixture
def offline(monkeypatch):
    """The hub's own switch, so that the network is not waited for."""
    import datasets
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def test_the_same_rows_are_the_same_set_in_every_kind_of_file(tmp_path):
    import datasets

    found = rows(FAIL_TO_PASS=["a::b"], PASS_TO_PASS=["c::d"])
    as_jsonl(tmp_path / "rows.jsonl", found)
    (tmp_path / "rows.json").write_text(json.dumps(found), "utf-8")
    datasets.Dataset.from_list(found).to_parquet(str(tmp_path / "rows.parquet"))
    sets = [load_instances(str(tmp_path / f"rows.{ending}")) for ending in ("jsonl", "json", "parquet")]
    assert len(sets[0].instances) == 3
    assert sets[0].instances == sets[1].instances == sets[2].instances
    assert len({each.fingerprint for each in sets}) == 1


def test_a_named_data_set_comes_through_the_datasets_library(tmp_path, monkeypatch, offline):
    folder = tmp_path / "acme" / "tasks"
    folder.mkdir(parents=True)
    as_jsonl(folder / "train.jsonl", rows(2))
    as_jsonl(folder / "test.jsonl", rows(3))
    monkeypatch.chdir(tmp_path)
    seen = []
    found = load_instances("acme/tasks", cache=tmp_path / "cache", progress=lambda *step: seen.append(step))
    assert found.instances == load_instances(str(folder / "test.jsonl")).instances
    assert seen == [("data set acme/tasks", 0, 1), ("data set acme/tasks", 1, 1)]
    assert len(load_instances("acme/tasks:train", cache=tmp_path / "cache").instances) == 2


def test_a_pinned_data_set_is_read_from_the_cache_without_the_network(tmp_path, offline):
    import datasets

    name, _, rest = PINNED["verified"].partition("@")
    kept = tmp_path / "datasets" / f"{name.replace('/', '__')}@{rest.replace(':', '-')}.parquet"
    kept.parent.mkdir()
    datasets.Dataset.from_list(rows()).to_parquet(str(kept))
    assert set(load_instances("verified", cache=tmp_path).instances) == {f"acme__calc-{n}" for n in range(3)}


def test_a_data_set_that_cannot_be_had_is_one_line_that_says_what_to_do(tmp_path, offline):
    with pytest.raises(DatasetUnavailable, match="check the name and the network, or give a file") as raised:
        load_instances("verified", cache=tmp_path)
    assert "\n" not in str(raised.value)
    assert not isinstance(raised.value, ValueError | LookupError)
    assert list(tmp_path.rglob("*.parquet")) == []


def test_a_folder_cannot_pass_for_a_pinned_data_set(tmp_path, monkeypatch):
    name = PINNED["lite"].partition("@")[0]
    (tmp_path / name).mkdir(parents=True)
    as_jsonl(tmp_path / name / "test.jsonl", rows())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownDataset, match="hides"):
        load_instances("lite", cache=tmp_path / "cache")


@pytest.mark.parametrize(
    "name", ["", "verify", "a/b/c", "../x/y", "-x/y", "a/b@", "a/b:../c", "rows.csv", "missing.jsonl"]
)
def test_a_name_that_is_no_data_set_is_refused(name):
    with pytest.raises(UnknownDataset):
        load_instances(name)


@pytest.mark.parametrize("line", [b'{"a": ', b"[1]", b'"text"', b'\xff{"a": 1}', b"[" * 100_000])
def test_a_bad_line_names_its_file_and_number(tmp_path, line):
    path = as_jsonl(tmp_path / "rows.jsonl", rows(1))
    path.write_bytes(path.read_bytes() + b"\n" + line + b"\n")
    with pytest.raises(InvalidRow, match=r"rows\.jsonl, line 3: "):
        load_instances(str(path))


def test_a_row_that_is_no_task_names_its_place(tmp_path):
    bad = calc_row("nothing")
    assert load_instances(str(as_jsonl(tmp_path / "two.jsonl", [*rows(1), bad]))).faults.keys() == {
        "acme__calc-1"
    }
    path = as_jsonl(tmp_path / "rows.jsonl", [bad])
    with pytest.raises(InvalidTask, match=r"rows\.jsonl, line 1: acme__calc-1: base_commit"):
        load_instances(str(path))


@pytest.mark.parametrize("content", ["", "[]", "{}", "null"])
def test_a_file_without_rows_is_refused(tmp_path, content):
    path = tmp_path / "rows.json"
    path.write_text(content)
    with pytest.raises(SwebenchError, match=r"rows\.json"):
        load_instances(str(path))


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    path = tmp_path / "rows.parquet"
    path.write_text("not a table")
    with pytest.raises(InvalidRow, match="Parquet"):
        load_instances(str(path))


def test_an_instance_that_occurs_twice_is_refused(tmp_path):
    path = as_jsonl(tmp_path / "rows.jsonl", [*rows(2), *rows(1)])
    with pytest.raises(InvalidTask, match="line 3: instance acme__calc-0 occurs twice"):
        load_instances(str(path))


def test_an_unknown_instance_names_the_three_nearest(tmp_path):
    found = load_instances(str(as_jsonl(tmp_path / "rows.jsonl", rows(30))))
    with pytest.raises(UnknownInstance) as raised:
        found.get("acme__calc-290")
    assert isinstance(raised.value, LookupError)
    near = str(raised.value).rpartition("the nearest are ")[2].split(", ")
    assert "acme__calc-29" in near and len(near) == 3


def test_the_fingerprint_depends_on_every_column_and_not_on_the_order(tmp_path):
    found = rows()
    first = load_instances(str(as_jsonl(tmp_path / "a.jsonl", found))).fingerprint
    assert load_instances(str(as_jsonl(tmp_path / "b.jsonl", found[::-1]))).fingerprint == first
    found[1]["test_patch"] = "another"
    assert load_instances(str(as_jsonl(tmp_path / "c.jsonl", found))).fingerprint != first


@pytest.mark.parametrize(
    ("name", "count", "graded"),
    [("swebench_verified_dev.jsonl", 232, False), ("swebench_verified_dev_full.jsonl", 28, True)],
)
def test_rows_of_verified_load(name, count, graded):
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    found = load_instances(str(path))
    assert len(found.instances) == count
    assert all(instance.patch and instance.task.problem_statement for instance in found.instances.values())
    assert all(bool(instance.fail_to_pass) == graded for instance in found.instances.values())
