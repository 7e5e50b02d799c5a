"""Which line end a line gets that an edit brings in: that of the lines it comes to stand among."""

import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swebench.patches.edits import Region, apply_replacement
from swebench.patches.line_ends import content, joined, put_in, split_lines

ENDS = ("\n", "\r\n", "\r")
TEXTS = st.text(alphabet="ab \x0c\x0b\u2028\r\n", max_size=30)


def in_ends(text: str, end: str) -> str:
    """The text with all its line ends of one kind."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", end)


@given(TEXTS)
def test_lines_end_where_python_ends_them_and_nowhere_else(text):
    lines = split_lines(text)
    assert lines == list(io.StringIO(text, newline=""))
    assert all(line in {content(line), *(content(line) + end for end in ENDS)} for line in lines)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param("a\r\nb\nc\r", "a b c", "a\r\nb\nc\r", id="lines that were there keep theirs"),
        pytest.param("a\r\nb\nc\r", "a x c", "a\r\nx\nc\r", id="another line gets that of its place"),
        pytest.param("a\r\nb\nc\rd\n", "a x y d", "a\r\nx\ny\rd\n", id="two lines for two, each its own"),
        pytest.param("a\r\nb\nc\r", "a x y z c", "a\r\nx\ny\nz\nc\r", id="more lines than were replaced"),
        pytest.param("a\rb\r\nc\r", "a b n c", "a\rb\r\nn\r\nc\r", id="a new line that of the one above"),
        pytest.param("a\rb\nc\r\nd\n", "a b c n d", "a\rb\nc\r\nn\r\nd\n", id="and of no other"),
        pytest.param("a\r\nb\n", "n a b", "n\r\na\r\nb\n", id="a new first line gets that of the next"),
        pytest.param("a\r\nb\nc\r", "a c", "a\r\nc\r", id="a line that goes takes its own away"),
        pytest.param("a\nb\r\nc", "a b c d", "a\nb\r\nc\nd", id="one after the last, which has none"),
        pytest.param("a\r\nb", "a b n", "a\r\nb\r\nn", id="of a text without a final line end"),
        pytest.param("a", "x y", "x\ny", id="of a single line that has none"),
    ],
)
def test_among_mixed_line_ends_each_line_gets_that_of_its_place(old, new, expected):
    assert joined(new.split(), split_lines(old)) == expected


@given(
    st.lists(st.text(alphabet="ab ", max_size=3), min_size=1),
    st.lists(st.text(alphabet="ab ", max_size=3), min_size=1),
    st.sampled_from(ENDS),
    st.booleans(),
)
def test_among_line_ends_of_one_kind_every_line_gets_that_kind_and_the_last_what_it_had(old, new, end, final):
    last = end * (final or len(old) == 1)
    assert joined(new, [*(line + end for line in old[:-1]), old[-1] + last]) == end.join(new) + last


@given(TEXTS, TEXTS, st.sampled_from(ENDS), st.data())
def test_a_text_put_into_a_file_is_that_text_in_the_files_line_ends(source, text, end, data):
    source = in_ends(source, end)
    bounds = [0, *(at for at in range(1, len(source)) if source[at - 1 : at + 1] != "\r\n"), len(source)]
    start, stop = sorted(data.draw(st.sampled_from(bounds)) for _ in range(2))
    made = put_in(source, start, stop, text)
    assert made == in_ends(text, end if end in source else "\n")


@given(st.lists(st.sampled_from(ENDS), min_size=4, max_size=4), st.integers(0, 3))
def test_a_break_put_into_a_line_is_that_of_the_line(ends, number):
    lines = [name + end for name, end in zip("abcd", ends, strict=True)]
    if any(one.endswith("\r") and other == "\n" for one, other in pairwise(lines)):
        return
    source, at = "".join(lines), len("".join(lines[:number]))
    assert put_in(source, at, at + 1, "x\ny") == f"x{ends[number]}y"
    assert put_in(source, at, at, "x\n") == f"x{ends[number]}"
    assert put_in(source, at + 1, at + 1, "\nx") == f"{ends[number]}x"


def test_a_line_that_is_put_in_from_its_middle_on_is_compared_as_a_whole():
    source = "\r\n  b\r\nb\nc\n"
    assert put_in(source, source.index("b"), source.index("\nc"), "x\nb\ny") == "x\r\nb\ny"


@pytest.mark.parametrize("end", ENDS)
def test_after_a_last_line_without_an_end_new_lines_end_as_the_lines_before(end):
    source = f"a = 1{end}b = 2"
    assert put_in(source, len(source), len(source), "\nc = 3") == f"{end}c = 3"
    after = apply_replacement(source, Region("m.py", 2, 2), "b = 2\nc = 3")
    assert after == f"{source}{end}c = 3"


@pytest.mark.parametrize("end", ENDS)
def test_the_last_line_replaced_with_its_end_brings_no_further_one(end):
    source = f"a = 1{end}b = 2{end}"
    assert put_in(source, len("a = 1" + end), len(source), "b = 3\nc = 4\n") == f"b = 3{end}c = 4{end}"


def test_in_a_long_text_of_lines_that_repeat_each_keeps_its_end():
    old = [name + end for name, end in zip("aba" * 100, ENDS * 100, strict=True)]
    assert joined(["new", *map(content, old)], old) == "new\n" + "".join(old)
