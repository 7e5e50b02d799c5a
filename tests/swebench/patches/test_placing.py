"""Where the lines of an answer come to stand: those that were there as they were, the others beside them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swebench.patches.placing import dedented, margin, placed

FUNCTION = [
    "def f(a):",
    "    if a:",
    "        return a",
    "    s = '''",
    "left",
    "      right",
    "    '''",
    "    return s",
]
"""At the left margin, as a model is shown it, with a string whose text stands where it likes."""


def at(edge: str, lines: list[str]) -> list[str]:
    """The lines moved to the right, the text of the string in FUNCTION as it stands."""
    return [line if line.strip() in {"", "left", "right"} else edge + line for line in lines]


def as_placed(code: list[str], old: list[str], python: bool = True) -> list[str]:
    return placed(code, [f"{line}\n" for line in old], python)[0]


@given(st.sampled_from(["", " ", "    ", "\t", "\t\t", "  \t"]), st.sets(st.sampled_from([1, 2, 7])))
def test_lines_that_were_there_stay_as_they_were_and_a_new_one_stands_with_them(edge, left_out):
    old = at(edge, FUNCTION)
    new = edge + ("\ta = 1" if "\t" in edge else "    a = 1")
    numbers = [n for n in range(len(FUNCTION)) if n not in left_out]
    code = [FUNCTION[0], "    a = 1", *(FUNCTION[n] for n in numbers[1:])]
    assert as_placed(code, old) == [old[0], new, *(old[n] for n in numbers[1:])]


@pytest.mark.parametrize("width", [1, 2, 3, 4, 8])
def test_in_a_file_of_tabs_each_level_of_an_answer_in_blanks_is_a_tab(width):
    code = ["if a:", f"{' ' * width}b()", f"{' ' * width}if c:", f"{' ' * 2 * width}d()", "e()"]
    assert as_placed(code, ["\tif a:", "\t\tb()"]) == [
        "\tif a:",
        "\t\tb()",
        "\t\tif c:",
        "\t\t\td()",
        "\te()",
    ]


def test_blanks_that_make_no_whole_level_stay_blanks():
    code = ["if a:", "    if b:", "          c()"]
    assert as_placed(code, ["\told()"]) == ["\tif a:", "\t\tif b:", "\t\t\t  c()"]


def test_a_tab_and_four_blanks_are_two_levels_where_nothing_says_how_wide_one_is():
    code = ["if a:", "\tif b:", "\t    c()"]
    assert as_placed(code, ["\told()"]) == ["\tif a:", "\t\tif b:", "\t\t\tc()"]


def test_in_a_file_of_blanks_each_tab_of_an_answer_is_four():
    code = ["if a:", "\tif b:", "\t\tc()", "\td = '\t'"]
    for edge in ("", "    "):
        expected = [edge + line for line in ("if a:", "    if b:", "        c()", "    d = '\t'")]
        assert as_placed(code, [f"{edge}old()", f"{edge}  more()"]) == expected


def test_a_region_at_the_left_margin_says_by_its_inner_lines_whether_it_is_of_tabs():
    code = ["def f():", "    return 2"]
    assert as_placed(code, ["def f():", "\treturn 1"]) == ["def f():", "\treturn 2"]
    assert as_placed(code, ["def f():", "    s = '''", "\ttab'''"]) == code


@pytest.mark.parametrize("edge", ["", "    ", "\t", "\t\t"])
def test_a_line_that_goes_on_with_a_statement_stays_below_the_place_that_it_was_aligned_with(edge):
    code = ["x = f(a,", "      b)", "if x:", "    y = g(c,", "", "          d)"]
    inner = "\t" if "\t" in edge else "    "
    expected = ["x = f(a,", "      b)", "if x:", f"{inner}y = g(c,", "", f"{inner}      d)"]
    assert as_placed(code, [f"{edge}old()"]) == [edge + line if line else "" for line in expected]


def test_after_a_comment_or_a_blank_line_a_statement_is_another_one():
    code = ["f(a,", "  # why", "", "  b)", "# then", "  # deeper", "if c:", "  d = '''", " e'''", "  g()"]
    expected = ["f(a,", "  # why", "", "  b)", "# then", "\t# deeper", "if c:", "\td = '''", " e'''", "\tg()"]
    at_home = [line if line in {"", " e'''"} else "\t" + line for line in expected]
    assert as_placed(code, ["\told()"]) == at_home


@pytest.mark.parametrize(
    ("text", "moves"),
    [
        pytest.param(["    One.", "", "    Two."], True, id="with the code around it"),
        pytest.param(["        One.", "    Two."], True, id="and further to the right"),
        pytest.param(["    One.", "  Two."], False, id="left of the statement"),
        pytest.param(["One."], False, id="at the left margin"),
    ],
)
@pytest.mark.parametrize("quote", ['"""', 'f"""'])
def test_the_text_of_a_new_string_moves_if_none_of_it_stands_left_of_its_statement(text, moves, quote):
    code = ["def f():", f"    {quote}Say.", *text, f"    {quote[-3:]}", "    return 1"]
    found = as_placed(code, ["        old()"])
    at_home = ["        " * (moves and bool(line)) + line for line in text]
    assert found[2:-2] == at_home
    assert (found[0], found[1], found[-1]) == (
        "        def f():",
        f"            {quote}Say.",
        "            return 1",
    )


def test_a_string_whose_lines_were_there_moves_as_those_of_them_did():
    old = ["    s = '''", "left", "''', a", "    t = '''", "    right", "    ''', a"]
    code = ["s = '''", "left", "new", "''', b", "t = '''", "right", "new", "''', b"]
    assert as_placed(code, old) == [
        "    s = '''", "left", "new", "''', b", "    t = '''", "    right", "    new", "    ''', b"
    ]  # fmt: skip


def test_in_another_language_quotes_and_brackets_mean_nothing():
    old, code = ["  a: (", "  b: '''"], ["a: (", "  c: '''", "b: '''", "d: '"]
    assert as_placed(code, old, python=False) == ["  a: (", "    c: '''", "  b: '''", "  d: '"]


def test_code_that_breaks_off_is_placed_as_far_as_it_goes():
    code = ["if a:", "  s = '''x", " text", "'''", "  f(b,", "    c"]
    assert as_placed(code, ["\told()"]) == ["\tif a:", "\t\ts = '''x", " text", "'''", "\t\tf(b,", "\t\t  c"]


def test_in_a_long_region_of_lines_that_repeat_each_stays_as_it_was():
    old = ["    s = '''", *["left", "    right"] * 100, "'''"]
    first, *repeated, last = (line.removeprefix("    ") for line in old)
    found = as_placed([first, "new", *repeated, "new", last], old)
    assert [line for line in found if line != "new"] == old


@pytest.mark.parametrize(
    ("code", "kept"),
    [
        pytest.param(
            ["if a:", "    b()", "c()"], ["    if a:", "        b()", "    c()"], id="all lost theirs"
        ),
        pytest.param(
            ["if a:", "        b()", "    c()"], ["    if a:", "        b()", "    c()"], id="only the first"
        ),
        pytest.param(["new()", "other()"], ["    new()", "    other()"], id="in doubt all of them"),
    ],
)
def test_of_the_two_ways_to_mean_an_indentation_that_comes_first_which_keeps_more_lines(code, kept):
    ways = placed(code, ["    if a:\n", "        b()\n", "    c()\n"], python=True)
    assert ways[0] == kept and len(ways) == 2


@given(st.text(alphabet=" \t", max_size=4), st.text(alphabet=" \tx\x0c", max_size=4))
def test_a_margin_is_the_blanks_and_tabs_before_the_first_other_character(blanks, rest):
    assert margin(f"{blanks}x{rest}") == blanks
    assert dedented([f"{blanks}x", f"{blanks} y", "z"]) == ["x", " y", "z".removeprefix(blanks)]
