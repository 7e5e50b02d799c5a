import pytest

from swebench.patches.gate import refusal

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


def test_code_too_deep_to_be_looked_through_is_no_crash():
    before = "a = 1\nx = " + " + ".join(["a"] * 700) + "\n"
    assert refusal(before, before.replace("a = 1", "a = 2")) == ""
