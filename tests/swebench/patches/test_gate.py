import pytest
from hypothesis import given
from hypothesis import strategies as st

from swebench.patches.gate import newly_unbound, refusal

BEFORE = "import os\n\n\ndef f(path, mode):\n    return os.open(path, mode)\n"


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (BEFORE.replace("mode)\n", "mode))\n"), "does_not_parse"),
        (BEFORE.replace("path, mode)\n", "path,  mode)  # the same\n"), "no_op"),
        (BEFORE.replace("os.open(path", "os.open(folder"), "undefined_name"),
        (BEFORE.replace("import os\n", "pass\n"), "undefined_name"),
        (BEFORE.replace("os.open(path, mode)", "os.open(path)"), ""),
        (BEFORE.replace("os.open(path", "os.open(str(path)"), ""),
    ],
)
def test_what_may_not_become_a_patch_is_refused_with_the_reason(after, reason):
    assert refusal(BEFORE, after) == reason


def test_a_name_that_was_unbound_before_is_no_reason():
    before = "def f():\n    return unknown + 1\n"
    assert refusal(before, before.replace("1", "2")) == ""
    assert refusal(before, before.replace("1", "unknown")) == "undefined_name"


def test_a_local_name_that_is_used_before_it_is_bound_is_called_by_its_name():
    before = "limit = 1\n\n\ndef f():\n    return limit + other\n"
    after = before.replace("return limit", "rest = limit\n    limit = 2\n    return more + rest")
    assert newly_unbound(before, after) == ["limit", "more"]


@given(st.permutations(["latin-1", "utf-8", "cp1252", "koi8-r"]))
def test_no_file_changes_its_encoding(names):
    before, after = (f"# coding: {name}\nx = {value}\n" for value, name in enumerate(names[:2]))
    assert refusal(before, after) == "not_encodable"
    assert refusal(before, before.replace("x = 0", "x = 1")) == ""


@pytest.mark.parametrize(("before", "reason"), [("x = 1\n", ""), ("# a comment\n", "no_op"), ("", "no_op")])
def test_a_file_may_become_empty(before, reason):
    assert refusal(before, "") == reason


def test_code_too_deep_to_be_looked_through_is_no_crash():
    before = "a = 1\nx = " + " + ".join(["a"] * 700) + "\n"
    assert refusal(before, before.replace("a = 1", "a = 2")) == ""
