import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swebench.patches.edits import EditRejected, Region, apply_replacement

SOURCE = '''\
import os


class Store:
    """Keeps things."""

    def get(self, key, default=None):
        """Return the value."""
        if key in self.items:
            return self.items[key]
        return None

    def drop(self, key):
        del self.items[key]


def free(text):
    return text.strip()
'''
GET = Region("pkg/store.py", 7, 11)
NEW_GET = '''\
def get(self, key, default=None):
    """Return the value."""
    if key in self.items:
        return self.items[key]
    return default
'''
EXPECTED = SOURCE.replace("return None", "return default")


def reason_of(before: str, region: Region, replacement: str) -> str:
    with pytest.raises(EditRejected) as raised:
        apply_replacement(before, region, replacement)
    assert "\n" not in str(raised.value)
    return raised.value.reason


def indent(text: str, margin: str) -> str:
    return "".join(margin + line if line.strip() else line for line in text.splitlines(keepends=True))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(NEW_GET, id="bare"),
        pytest.param(NEW_GET.rstrip("\n"), id="no final newline"),
        pytest.param("\n\n" + NEW_GET + "\n\n\n", id="blank lines around"),
        pytest.param(indent(NEW_GET, "    "), id="already indented"),
        pytest.param(indent(NEW_GET, " " * 12), id="indented too far"),
        pytest.param(NEW_GET.replace("\n", "\r\n"), id="carriage returns"),
        pytest.param(NEW_GET.replace("    ", "\t"), id="tabs"),
        pytest.param(indent(NEW_GET, "    ").lstrip(), id="the first line alone lost its indentation"),
        pytest.param(f"```python\n{NEW_GET}```", id="fenced"),
        pytest.param(f"```python\n{NEW_GET}", id="fence not closed"),
        pytest.param(f"{NEW_GET}```\nThis returns the default.", id="fence not opened"),
        pytest.param(f"~~~\n{NEW_GET}~~~\n", id="another fence"),
        pytest.param(
            f"Here is the corrected code:\n\n```py\n{NEW_GET}```\n\nIt returns `default` now.",
            id="prose around a fence",
        ),
        pytest.param(f"Here is the corrected code:\n{NEW_GET}", id="prose right above"),
        pytest.param(
            f"Sure!\n\n{NEW_GET}\nThis change makes the method return its default.",
            id="prose without a fence",
        ),
        pytest.param(
            f"```python\n{NEW_GET}```\nOr shorter:\n```python\nx = 1\n```", id="the first of two blocks"
        ),
    ],
)
def test_the_ways_models_answer_all_give_the_same_edit(answer):
    assert apply_replacement(SOURCE, GET, answer) == EXPECTED


LEADS = ("", "\n", "Sure!\n\n", "Here is the code:\n", "Sure!\n\nHere is the code:\n\n")
FENCES = (("", ""), ("```\n", "```\n"), ("```python\n", "```"), ("", "```\n"), ("~~~ py\n", "~~~\n"))
TAILS = ("", "\n\n", "\nThis returns it.", "\nNote that it is stripped.\n\nAnything else?\n")
CODES = (
    "def free(text):\n    return text\n",
    "def free(text):\n    a = 1\n\n    return a, text\n\n\ndef more():\n    pass\n",
    "@cached\ndef free(text):\n    return text[1:]\n\n\nLIMIT = 3\n\nx = [\n    1,\n\n    2,\n]\n",
)


@given(*map(st.sampled_from, (CODES, LEADS, FENCES, TAILS)))
def test_whatever_is_said_around_it_the_code_is_taken_and_all_of_it(code, lead, fence, tail):
    expected = SOURCE[: SOURCE.index("def free")] + code
    answer = lead + fence[0] + code + fence[1] + tail
    assert apply_replacement(SOURCE, Region("a.py", 17, 18), answer) == expected


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_stay_those_of_the_file(end):
    assert apply_replacement(SOURCE.replace("\n", end), GET, NEW_GET) == EXPECTED.replace("\n", end)


def test_a_file_without_a_final_newline_stays_without_it():
    region = Region("pkg/store.py", 17, 18)
    before = SOURCE.rstrip("\n")
    assert apply_replacement(before, region, "def free(text):\n    return text\n") == before.replace(
        ".strip()", ""
    )


def test_tabs_stay_tabs():
    before = SOURCE.replace("    ", "\t")
    assert apply_replacement(before, GET, NEW_GET) == EXPECTED.replace("    ", "\t")
    two_wide = NEW_GET.replace("    ", "  ")
    assert apply_replacement(before, GET, two_wide) == EXPECTED.replace("    ", "\t")


def test_a_byte_order_mark_stays():
    assert apply_replacement("\ufeff" + SOURCE, GET, NEW_GET) == "\ufeff" + EXPECTED


def test_form_feeds_do_not_count_as_line_ends():
    before = "x = 1\n\x0c\ndef f():\n    return 1\n"
    assert apply_replacement(before, Region("a.py", 3, 4), "def f():\n    return 2") == before.replace(
        "return 1", "return 2"
    )


def test_the_text_of_a_string_at_the_left_margin_does_not_move():
    before = 'class A:\n    def f(self):\n        return """\nHello\n  you\n"""\n'
    answer = 'def f(self, name):\n    return """\nHello\n  you\n"""\n'
    after = apply_replacement(before, Region("a.py", 2, 6), answer)
    assert after == before.replace("(self)", "(self, name)")


def test_code_with_a_fence_in_a_string_is_taken_whole():
    answer = 'def free(text):\n    """Render.\n\n    ```\n    x\n    ```\n    """\n    return text\n'
    assert apply_replacement(SOURCE, Region("a.py", 17, 18), answer).endswith(answer)


def test_a_change_of_indentation_alone_is_a_change():
    before = "for x in y:\n    a(x)\n    b(x)\n"
    assert apply_replacement(before, Region("a.py", 1, 3), "for x in y:\n    a(x)\nb(x)\n").endswith(
        "\nb(x)\n"
    )


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(indent("\n".join(SOURCE.splitlines()[6:11]), "")[4:], id="the same code"),
        pytest.param(
            'def get(self, key, default = None):\n    # look it up\n    """Return the value."""\n'
            "    if (key in self.items):\n        return self.items[key]\n\n    return None",
            id="layout and comments",
        ),
    ],
)
def test_a_replacement_that_changes_nothing_is_rejected(answer):
    assert reason_of(SOURCE, GET, answer) == "no_op"


@pytest.mark.parametrize(
    "answer", ["", " \n\t\n", "```python\n```", "```", "I cannot help with that request."]
)
def test_an_answer_without_code_is_rejected(answer):
    assert reason_of(SOURCE, GET, answer) == "empty"


@pytest.mark.parametrize(
    "answer",
    [
        "def get(self, key, default=None):\n    if key in self.items:\n        return self.items.get(",
        'def get(self, key, default=None):\n    """Return the',
        "def get(self, key, default=None):\n    if key in self.items:",
        "def get(self, key, default=None):\n    a = 1\n\n    Value = foo(",
    ],
)
def test_an_answer_that_breaks_off_is_rejected_as_truncated(answer):
    assert reason_of(SOURCE, GET, answer) == "truncated"


def test_of_an_answer_with_a_fence_what_stands_in_it_is_the_code_that_breaks_off():
    broken = "def get(self, key, default=None):\n    return self.items.get("
    for answer in (f"Here it is:\n```python\n{broken}\n```\nThis should do.", f"{broken}\n```\n"):
        assert reason_of(SOURCE, GET, answer) == "truncated"


@pytest.mark.parametrize(
    "answer",
    [
        "def get(self, key: return 1)\n\nx = 2",
        "def get(self) return None\nx = 1",
        "def f():\nreturn\n\nx=1",
    ],
)
def test_an_answer_that_does_not_parse_is_rejected(answer):
    assert reason_of(SOURCE, GET, answer) == "does_not_parse"


def test_why_an_answer_does_not_parse_is_said_of_the_indentation_that_fits_it_best():
    with pytest.raises(EditRejected, match="no longer parse: invalid syntax"):
        apply_replacement(SOURCE, GET, "def get(self, key):\n    return = 1\n\nx = 1")


def test_a_file_that_did_not_parse_before_may_stay_so():
    before = "print 'a'\nx = 1\n"
    assert apply_replacement(before, Region("old.py", 2, 2), "x = 2") == "print 'a'\nx = 2\n"
    assert reason_of(before, Region("old.py", 2, 2), "  x  =  1 ") == "no_op"


def test_other_files_are_not_parsed():
    for answer in ("a: 2", "```yaml\na: 2\n```", "Here it is:\n\n~~~\na: 2\n~~~\nAnd:\n```\nb: 3\n```"):
        assert apply_replacement("a: 1\nb: [\n", Region("c.yml", 1, 1), answer) == "a: 2\nb: [\n"
    assert reason_of("a: 1\n", Region("c.yml", 1, 1), "a:   1") == "no_op"
    nested = "a:\n  b:\n    c: 1\n  d: 2\n"
    assert apply_replacement(nested, Region("c.yml", 2, 3), "b:\n  c: 3") == nested.replace("1", "3")


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_a_region_holds_the_lines_from_its_first_to_its_last(start, end, line):
    assert (line in Region("a.py", start, end)) == (line in range(start, end + 1))


@pytest.mark.parametrize(("start", "end"), [(0, 1), (3, 2), (18, 19), (-1, 2)])
def test_a_region_outside_the_file_is_rejected(start, end):
    assert reason_of(SOURCE, Region("a.py", start, end), "x = 1") == "outside_file"


@given(st.text(alphabet="ab:()=\"'`~#\n\r\t ,.Xé\x0c{}", max_size=80), st.integers(1, 18), st.integers(0, 12))
def test_whatever_the_answer_the_rest_of_the_file_stays_and_it_parses(answer, start, length):
    lines = SOURCE.splitlines(keepends=True)
    end = min(start + length, len(lines))
    try:
        after = apply_replacement(SOURCE, Region("a.py", start, end), answer)
    except EditRejected:
        return
    assert after.startswith("".join(lines[: start - 1])) and after.endswith("".join(lines[end:]))
    assert ast.dump(ast.parse(after)) != ast.dump(ast.parse(SOURCE))
    assert after.endswith("\n")
