"""Regions are bounded, lie inside their definition and begin at a statement."""

import ast

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.regions import Target, targets
from retrieval.search import DefinitionHit

LONG = "def long(value):\n" + '    """Doc."""\n' + "".join(f"    step_{n} = value + {n}\n" for n in range(90))
NESTED = (
    "def nested(value):\n    if value:\n"
    + "".join(f"        step_{n} = {n}\n" for n in range(90))
    + "    return value\n"
)


def hit(name: str, source: str, kind: str = "function") -> DefinitionHit:
    node = ast.parse(source).body[0]
    start = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return DefinitionHit(
        path="m.py", name=name, kind=kind, start_line=start, end_line=node.end_lineno, score=1.0
    )


def one(source: str, issue: str = "", max_lines: int = 40) -> Target:
    name = ast.parse(source).body[0].name
    (target,) = targets([hit(name, source)], {"m.py": source}, issue, max_lines)
    return target


def test_a_short_function_is_one_region_that_opens_with_decorator_signature_and_docstring():
    source = '@cached\ndef f(\n    a,\n):\n    """Doc."""\n    return a\n'
    target = one(source)
    assert (target.start_line, target.end_line, target.opening_lines) == (1, 6, 5)


def test_a_function_on_one_line_keeps_nothing():
    assert one("def f(a): return a\n").opening_lines == 0


def test_a_long_function_gives_the_part_that_shares_most_words_with_the_report():
    target = one(LONG, issue="the value of step_70 is wrong, so are step_71 and step_72")
    assert "    step_71 = value + 71" in target.lines(LONG)


@given(st.integers(3, 60))
def test_every_region_is_bounded_and_parses_on_its_own(max_lines):
    for source in (LONG, NESTED):
        target = one(source, max_lines=max_lines)
        lines = target.lines(source)
        assert 0 < len(lines) <= max_lines
        indent = len(lines[0]) - len(lines[0].lstrip())
        ast.parse("\n".join(line[indent:] for line in lines))


def test_classes_are_passed_over_because_their_methods_are_definitions_of_their_own():
    source = "class C:\n    def f(self):\n        return 1\n"
    assert targets([hit("C", source, kind="class")], {"m.py": source}, "", 40) == []


def test_a_file_that_does_not_parse_still_gives_a_bounded_region():
    broken = "def f(a):\n    print 'python 2'\n    return a\n"
    found = DefinitionHit(path="m.py", name="f", kind="function", start_line=1, end_line=3, score=1.0)
    (target,) = targets([found], {"m.py": broken}, "", 2)
    assert (target.start_line, target.end_line) == (1, 2)
