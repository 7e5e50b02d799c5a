import dataclasses
import datetime
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swebench.data.tasks import MAX_STATEMENT_BYTES, Instance, Task
from swebench.errors import InvalidTask
from tests.swebench.conftest import calc_row

SHA = "a" * 40


def test_a_task_holds_no_gold_column():
    gold = "GOLD-MARK"
    row = calc_row(
        SHA, patch=gold, test_patch=gold, FAIL_TO_PASS=[gold], PASS_TO_PASS=[gold], hints_text=gold
    )
    assert gold not in json.dumps(dataclasses.asdict(Instance.from_row(row).task))


def test_rows_of_the_old_and_of_the_new_layout_are_the_same_instance():
    old = calc_row(SHA, FAIL_TO_PASS='["t::a", "t::b"]', PASS_TO_PASS="[]")
    new = calc_row(SHA, FAIL_TO_PASS=["t::a", "t::b"], PASS_TO_PASS=[], difficulty="easy", unknown={"x": 1})
    assert Instance.from_row(old) == Instance.from_row(new)
    assert Instance.from_row(new).fail_to_pass == ("t::a", "t::b")


def test_columns_of_the_new_layout_are_kept():
    row = calc_row(SHA, image="img:1", eval_script="set -e", eval_type="pass_and_fail")
    instance = Instance.from_row(row)
    assert (instance.image, instance.eval_script, instance.eval_type) == ("img:1", "set -e", "pass_and_fail")


def test_dates_and_versions_of_other_types_become_text():
    row = calc_row(SHA, created_at=datetime.datetime(2024, 5, 1, tzinfo=datetime.UTC), version=3.1)
    task = Instance.from_row(row).task
    assert task.created_at.startswith("2024-05-01") and task.version == "3.1"


def test_a_row_with_the_required_columns_alone_is_enough():
    row = {"instance_id": "a__b-1", "repo": "a/b", "base_commit": SHA, "problem_statement": "x"}
    assert Instance.from_row(row).fail_to_pass == ()


def test_an_environment_is_made_from_the_setup_commit_or_where_there_is_none_from_the_base():
    named = Instance.from_row(calc_row(SHA, environment_setup_commit="b" * 40)).task
    assert named.setup_commit == "b" * 40
    assert Instance.from_row(calc_row(SHA)).task.setup_commit == SHA
    with pytest.raises(InvalidTask, match="environment_setup_commit '--upload-pack'"):
        Instance.from_row(calc_row(SHA, environment_setup_commit="--upload-pack"))


def test_missing_columns_are_all_named():
    with pytest.raises(InvalidTask, match=r"missing columns repo, base_commit"):
        Instance.from_row({"instance_id": "a__b-1", "problem_statement": "x", "repo": None})


@pytest.mark.parametrize(
    "columns",
    [
        {"FAIL_TO_PASS": "not json"},
        {"FAIL_TO_PASS": '{"a": 1}'},
        {"PASS_TO_PASS": [1, 2]},
        {"patch": 3},
        {"instance_id": ["x"]},
    ],
)
def test_a_column_of_the_wrong_type_is_named(columns):
    with pytest.raises(InvalidTask, match=next(iter(columns))):
        Instance.from_row(calc_row(SHA, **columns))


@pytest.mark.parametrize(
    "bad",
    ["", ".", "..", "../x", "a/b", "a\\b", "-rf", ".hidden", "a\nb", "a\0b", "x" * 201, "é" * 101, "a:b"],
)
def test_an_instance_id_that_is_no_plain_name_is_refused(bad):
    with pytest.raises(InvalidTask, match="instance id"):
        Task(bad, "a/b", SHA, "x")


@given(st.text(max_size=30))
def test_no_accepted_instance_id_leaves_its_folder(text):
    try:
        Task(text, "a/b", SHA, "x")
    except InvalidTask:
        return
    assert "/" not in text and text not in {"", ".", ".."} and text.isprintable()


@pytest.mark.parametrize("bad", ["a", "a/b/c", "/b", "a/", "../b", "a/..", "-a/b", "a/-b", "a b c"])
def test_a_repository_that_is_not_owner_and_name_is_refused(bad):
    with pytest.raises(InvalidTask, match="owner/name"):
        Task("x", bad, SHA, "x")


@pytest.mark.parametrize("bad", ["", "HEAD", "abc", "--all", "A" * 40, "g" * 40, SHA + "\n", "a" * 65])
def test_a_base_commit_that_is_not_hexadecimal_is_refused(bad):
    with pytest.raises(InvalidTask, match="base_commit"):
        Task("x", "a/b", bad, "x")


@pytest.mark.parametrize("blank", ["", "  \n\t"])
def test_an_empty_problem_statement_is_refused(blank):
    with pytest.raises(InvalidTask, match="empty"):
        Task("x", "a/b", SHA, blank)


def test_a_problem_statement_may_have_a_mebibyte_and_not_a_byte_more():
    Task("x", "a/b", SHA, "x" * MAX_STATEMENT_BYTES)
    with pytest.raises(InvalidTask, match=str(MAX_STATEMENT_BYTES + 1)) as raised:
        Task("x", "a/b", SHA, "é" * (MAX_STATEMENT_BYTES // 2) + "x")
    assert len(str(raised.value)) < 300


def test_a_statement_that_is_not_unicode_is_refused():
    with pytest.raises(InvalidTask, match="Unicode"):
        Task("x", "a/b", SHA, "\ud800")
