"""Regions are bounded, lie inside their definition, begin at a statement, and come in the promised order."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.task.regions import Target, targets
from retrieval.definition_hits import DefinitionHit

LONG = "def long(value):\n" + '    """Doc."""\n' + "".join(f"    step_{n} = value + {n}\n" for n in range(90))
NESTED = (
    "def nested(value):\n    if value:\n"
    + "".join(f"        step_{n} = {n}\n" for n in range(90))
    + "    return value\n"
)


def hits(source: str, path: str = "m.py") -> list[DefinitionHit]:
    found = []
    for node in ast.parse(source).body:
        start = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        kind = "class" if isinstance(node, ast.ClassDef) else "function"
        found.append(DefinitionHit(node.name, kind, start, node.end_lineno, path, 1.0))
    return found


def line_and_body(source: str, issue: str = "", max_lines: int = 40) -> list[Target]:
    return targets(hits(source), {"m.py": source}, issue, max_lines)


def test_a_short_function_is_rewritten_below_its_decorator_signature_and_docstring():
    source = '@cached\ndef f(\n    a,\n):\n    """Doc."""\n    b = a\n    return b\n'
    _, body = line_and_body(source)
    assert (body.context.start_line, body.context.end_line, body.region.start_line, body.region.end_line) == (
        1,
        7,
        6,
        7,
    )
    assert body.opening(source) == '@cached\ndef f(\n    a,\n):\n    """Doc."""\n   '


def test_a_method_is_shown_from_the_left_margin():
    source = "class C:\n    def f(self):\n        return 1\n"
    hit = DefinitionHit("C.f", "method", 2, 3, "m.py", 1.0)
    _, body = targets([hit], {"m.py": source}, "", 40)
    assert body.shown(source) == ["def f(self):", "    return 1"]


def test_the_line_has_most_words_of_the_issue_and_operations():
    source = "def f(width, text):\n    n = 1\n    if width > 3:\n        n = 2\n    return n\n"
    line, _ = line_and_body(source, issue="the width is ignored")
    assert (line.region.start_line, line.region.end_line, line.is_line) == (3, 3, True)


@pytest.mark.parametrize(
    ("issue", "line"),
    [
        pytest.param("", 3, id="without words the line with most operations"),
        pytest.param("the margin is wrong", 3, id="a word more is no reason against two operations more"),
        pytest.param("the colour and its palette", 4, id="words of the issue make up for operations"),
    ],
)
def test_the_words_of_the_issue_choose_among_the_lines(issue, line):
    source = (
        "def f(size):\n"
        "    margin = size\n"
        "    width = size + 1 - 2\n"
        "    palette = colour + 1\n"
        "    result = size * 2\n"
        "    return result\n"
    )
    chosen, _ = line_and_body(source, issue)
    assert chosen.region.start_line == line


def test_of_lines_that_are_equally_suspicious_the_first_is_chosen():
    line, _ = line_and_body("def f(a):\n    b = a\n    c = a\n    return c\n")
    assert line.region.start_line == 2


def test_lines_and_bodies_of_the_ranked_definitions_take_turns():
    source = "def f(a):\n    b = a\n    return b\n\n\ndef g(a):\n    b = a + 1\n    return b\n"
    order = [(target.name, target.is_line) for target in line_and_body(source)]
    assert order == [("f", True), ("f", False), ("g", True), ("g", False)]


def test_a_long_function_gives_the_part_that_shares_most_words_with_the_issue():
    line, body = line_and_body(LONG, issue="step_70 is wrong, and so are step_71 and step_72")
    assert "step_71 = value + 71" in body.shown(LONG)
    assert body.region.start_line <= line.region.start_line <= line.region.end_line <= body.region.end_line


@given(st.integers(3, 60))
def test_every_region_is_bounded_and_what_is_shown_parses_on_its_own(max_lines):
    for source in (LONG, NESTED):
        for target in line_and_body(source, max_lines=max_lines):
            assert (
                target.context.start_line
                <= target.region.start_line
                <= target.region.end_line
                <= target.context.end_line
            )
            assert target.context.end_line - target.context.start_line < max_lines
            ast.parse("\n".join(target.shown(source)))


@given(st.integers(3, 60), st.sampled_from([LONG, NESTED]))
def test_the_opening_and_the_region_make_up_what_is_shown(max_lines, source):
    for target in line_and_body(source, max_lines=max_lines):
        assert "\n".join(target.shown(source)).startswith(target.opening(source))


def test_a_line_inside_a_string_or_a_comment_is_never_the_region():
    source = 'def f(a):\n    b = """\n    width width\n    """\n    # width\n    return b\n'
    line, _ = line_and_body(source, issue="width")
    assert line.region.start_line in (2, 6)


def test_classes_and_files_that_could_not_be_read_are_passed_over():
    source = "class C:\n    def f(self):\n        return 1\n"
    assert line_and_body(source) == []
    assert targets(hits("def f():\n    return 1\n", path="unread.py"), {}, "", 40) == []


def test_a_file_that_does_not_parse_gives_no_region():
    hit = DefinitionHit("f", "function", 1, 3, "m.py", 1.0)
    assert targets([hit], {"m.py": "def f(a):\n    print 'python 2'\n    return a\n"}, "", 40) == []


def test_a_form_feed_or_a_byte_order_mark_does_not_shift_the_lines():
    source = "\ufeffx = 1\n\f\ndef f(a):\n    return a\n"
    hit = DefinitionHit("f", "function", 3, 4, "m.py", 1.0)
    _, body = targets([hit], {"m.py": source}, "", 40)
    assert body.shown(source) == ["def f(a):", "    return a"]
