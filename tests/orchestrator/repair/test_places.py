"""Which lines of a file an edit may change."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.repair.places import MOST_LINES, ranges, reached_lines
from retrieval.definition_hits import DefinitionHit
from swebench.catalogue import Code

MODULE = '''"""What it is."""

import os

LIMIT = 3
NAMES = {"a": 1}


class Table:
    """Rows."""

    width = 4
    strict = False

    def find(self, key):
        return key < self.width


def look(key):
    return key


DEFAULT = Table()
'''


def hit(kind: str, start: int, end: int) -> DefinitionHit:
    return DefinitionHit(kind, kind, start, end, "m.py", 1.0)


def places(source: str, kind: str = "module", asked: str = "", start: int = 1) -> list[tuple[int, int]]:
    return ranges(Code(source), hit(kind, start, source.count("\n")), set(asked.split()))


def filled(*gaps: int, line: str = "x{} = 1") -> str:
    """Statements of one line each, with so many blank lines after each of them."""
    return "".join(line.format(n) + "\n" * (gap + 1) for n, gap in enumerate(gaps))


@pytest.mark.parametrize(
    ("kind", "start", "end", "expected"),
    [
        ("function", 19, 20, [(19, 20)]),
        ("method", 15, 16, [(15, 16)]),
        ("class", 9, 16, [(12, 13)]),
        ("class", 8, 16, []),
        ("module", 1, 23, [(5, 6), (23, 23)]),
    ],
)
def test_a_place_is_what_belongs_to_no_definition_inside_it(kind, start, end, expected):
    assert ranges(Code(MODULE), hit(kind, start, end), set()) == expected


def test_a_class_begins_with_its_first_decorator_and_the_one_that_begins_there_is_meant():
    source = (
        "class A:\n    a = 1\n\n\n@one\n@two(\n    3\n)\nclass B:\n    b = 1\n    class C:\n        c = 1\n"
    )
    assert [places(source, "class", start=start) for start in (1, 5, 11)] == [
        [(2, 2)],
        [(10, 10)],
        [(12, 12)],
    ]
    assert places(source, "class", start=9) == []
    assert places("\n" * 1000 + source, "class", start=1005) == [(1010, 1010)]


def test_statements_with_a_blank_line_between_them_are_one_place_and_with_two_they_are_two():
    assert places(filled(0, 1, 0)) == [(1, 4)]
    assert places(filled(0, 2, 0)) == [(1, 2), (5, 5)]
    assert places(filled(0, 2, 0, 0)) == [(1, 2), (5, 6)]


def test_imports_and_docstrings_begin_no_place_but_may_stand_in_one():
    source = '"""Doc."""\nimport os\nfrom os import path\npass\nx = 1\nimport re\ny = 2\n"""More."""\n'
    assert places(source) == [(5, 8)]
    assert places('import os\n"""Doc."""\n') == []
    assert places("print(1)\n") == [(1, 1)]


def test_an_import_does_not_separate_what_stands_around_it():
    assert places("x = 1\n\nimport os\n\ny = 2\n") == [(1, 5)]


@pytest.mark.parametrize("n", [1, MOST_LINES - 1, MOST_LINES])
def test_statements_up_to_the_most_lines_are_one_place(n):
    assert places(filled(*[0] * n)) == [(1, n)]
    assert places(filled(2, *[0] * n)) == [(1, 1), (4, n + 3)]


def test_a_statement_that_would_make_a_place_too_long_begins_the_next():
    assert places(filled(*[0] * (MOST_LINES + 1))) == [(1, MOST_LINES), (MOST_LINES + 1, MOST_LINES + 1)]
    assert places(filled(*[0] * (MOST_LINES - 1)) + "y = [\n]\n") == [
        (1, MOST_LINES - 1),
        (MOST_LINES, MOST_LINES + 1),
    ]


@given(st.integers(2, 2 * MOST_LINES), st.integers(0, 3))
def test_a_function_of_up_to_twice_the_most_lines_is_read_whole(n, above):
    source = "\n" * above + "def f():\n" + filled(*[0] * (n - 1), line="    x{} = 1")
    lines = range(above + 1, above + n + 1)
    parts = [lines[at : at + MOST_LINES] for at in range(0, n, MOST_LINES)]
    assert places(source, "function", start=above + 1) == [(part[0], part[-1]) for part in parts]


@given(st.integers(3, 6), st.integers(0, 3), st.sampled_from([1, 7, MOST_LINES - 1]), st.data())
def test_of_more_ranges_the_two_are_taken_that_share_most_terms_with_the_issue(n, above, at, data):
    words = {number: data.draw(st.integers(0, 2)) for number in range(n)}
    lines = ["def f():"] + [f"    x{number} = 1" for number in range(1, n * MOST_LINES)]
    for number, count in words.items():
        lines[number * MOST_LINES + at] = f"    y = {' + '.join(['1', 'harbour', 'tide'][: count + 1])}"
    source = "\n" * above + "\n".join(lines) + "\n"
    found = places(source, "function", asked="harbour tide other", start=above + 1)
    best = sorted(sorted(range(n), key=lambda number: -words[number])[:2])
    assert found == [(above + m * MOST_LINES + 1, above + (m + 1) * MOST_LINES) for m in best]


def test_a_table_of_more_characters_than_a_model_reads_at_once_is_no_place():
    def table(characters: int) -> str:
        return f"x = '{'a' * (characters - len('x = ' + '..' + chr(10)))}'\n"

    assert len(table(6000)) == 6000
    assert places(table(6000)) == [(1, 1)]
    assert places(table(6001)) == []
    assert places(table(6001) + "\n\n\ny = 1\n") == [(5, 5)]


SOURCE = """\
def f(a,
      b):
    if (a and
            b):
        x = [1,
             2]
    elif a:
        y = 2
    else:
        z = 3; z = 4
    for n in a:
        y = n
    else:

        y = 4
        y = 5
    try:
        y = 5
    except OSError:
        y = 6
    else:
        y = 7
    match a:
        case 1:
            y = 8
        case _:
            y = 9
    return (x,
            y)
"""


@pytest.mark.parametrize(
    ("executed", "reached"),
    [
        ({1}, {1, 2}),
        ({3}, {3, 4}),
        ({5}, {5, 6}),
        ({7}, {7, 9}),
        ({8}, {8}),
        ({10}, {10}),
        ({11}, {11, 13, 14}),
        ({17}, {17, 21}),
        ({19}, {19}),
        ({23}, {23}),
        ({26, 27}, {26, 27}),
        ({28}, {28, 29}),
        ({3, 5, 28}, {3, 4, 5, 6, 28, 29}),
        (set(), set()),
    ],
)
def test_of_what_runs_the_whole_statement_is_reached_and_of_a_compound_one_its_head_and_else(
    executed, reached
):
    assert reached_lines(Code(SOURCE), frozenset(executed)) == reached


@given(st.sets(st.integers(1, SOURCE.count("\n"))))
def test_no_statement_is_reached_that_does_not_run(executed):
    reached = reached_lines(Code(SOURCE), frozenset(executed))
    begins = {node.lineno for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, ast.stmt)}
    assert reached & begins == executed & begins
