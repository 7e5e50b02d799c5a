import ast
import importlib
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.definitions import find_definitions, lines_of

SOURCE = '''\
import functools


@functools.cache
@other(
    1,
)
def top(a):
    def inner():
        return a
    return inner


class Outer(Base):
    """Text."""
    limit = 3

    class Inner:
        def method(self): return 1

    async def run(self):
        await x


if limit:
    def late():
        pass
else:
    try:
        class Other: pass
    except ImportError:
        def handler(): pass
'''
EXPECTED = [
    ("top", "function", 4, 11),
    ("Outer", "class", 14, 22),
    ("Outer.Inner", "class", 18, 19),
    ("Outer.Inner.method", "method", 19, 19),
    ("Outer.run", "method", 21, 22),
    ("late", "function", 26, 27),
    ("Other", "class", 30, 30),
    ("handler", "function", 32, 32),
]


def found(text: str) -> list[tuple[str, str, int, int]]:
    return [(d.name, d.kind, d.start_line, d.end_line) for d in find_definitions(text)]


def test_definitions_have_qualified_names_and_lines_with_their_decorators():
    assert found(SOURCE) == EXPECTED


def test_a_byte_order_mark_and_windows_line_ends_change_nothing():
    assert found("\ufeff" + SOURCE.replace("\n", "\r\n")) == EXPECTED


def test_a_form_feed_is_no_line_end():
    text = "x = 1\n\x0c\ndef after():\n    pass\n"
    assert found(text) == [("after", "function", 3, 4)]
    assert lines_of(text)[2] == "def after():"


def test_python_2_code_is_read_by_indentation():
    text = textwrap.dedent("""\
        class Old:
            @classmethod
            def speak(cls, (a, b)):
                print "hello"

                def inner(): pass
                return 1
            # trailing comment

        def last():
            exec "code" in {}
        """)
    assert found(text) == [
        ("Old", "class", 1, 7),
        ("Old.speak", "method", 2, 7),
        ("last", "function", 10, 11),
    ]


def parsed(body: list[ast.stmt], outer: str = "") -> Iterator[tuple[str, str, int, int]]:
    """What Python's own parser finds."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            is_class = isinstance(node, ast.ClassDef)
            kind = "class" if is_class else "method" if outer else "function"
            start = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            yield outer + node.name, kind, start, node.end_lineno
            yield from parsed(node.body if is_class else [], f"{outer}{node.name}.")
        else:
            inner = [getattr(node, field, []) for field in ("body", "orelse", "finalbody")]
            inner += [branch.body for field in ("handlers", "cases") for branch in getattr(node, field, [])]
            for statements in inner:
                yield from parsed(statements, outer)


def by_the_parser(text: str) -> list[tuple[str, str, int, int]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    return sorted(parsed(tree.body), key=lambda each: (each[2], -each[3]))


@pytest.mark.parametrize(
    "package", ["json", "asyncio", "email", "unittest", "importlib", "hypothesis", "numpy"]
)
def test_the_definitions_of_real_code_are_those_of_the_parser(package):
    folder = Path(importlib.import_module(package).__file__).parent
    for path in sorted(folder.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert found(text) == by_the_parser(text), path


LINES = [
    "def f():",
    "class A(B):",
    "async def g(a,",
    "b=1):",
    "    def h(self): return '('",
    "    @deco",
    "@deco(",
    "    1)",
    "x = (",
    ")",
    "pass",
    "    pass",
    "        pass",
    "    class C: x = 1",
    "if x:",
    "else:",
    "try:",
    "finally:",
    "# def no(): (",
    "    # it's",
    "x = '# def n():'",
    '"""',
    "def in_text():",
    '    """',
    "x = [\\",
    "\tdef t():",
    "\t    pass",
    "",
    "\x0c",
    'é = "é"',
    "def é(): pass",
    'x = r"\\"',
    'f("\'")',
]


@settings(max_examples=400)
@given(st.lists(st.sampled_from(LINES), max_size=12))
def test_whatever_python_accepts_has_the_definitions_of_the_parser(lines):
    text = "\n".join(lines) + "\n"
    try:
        expected = by_the_parser(text)
    except SyntaxError:
        return
    assert found(text) == expected


@pytest.mark.parametrize("start", ["x = (", "{% don't %}", '"""', "x = )"])
def test_where_a_quote_or_a_bracket_does_not_close_every_line_is_read_as_one_of_its_own(start):
    assert found(f"{start}\ndef f():\n    pass\n") == [("f", "function", 2, 3)]


def test_brackets_strings_and_comments_neither_end_a_definition_nor_begin_one():
    text = 'def f():\n    x = (\n1,\n)\n    y = """\ndef no():\n"""\n# def no():\n    return x\n\n\nz = 1\n'
    assert found(text) == [("f", "function", 1, 9)]


@given(st.text(alphabet="def clas():\n\t@xy#'\"\\\r\x0c", max_size=200))
def test_whatever_the_text_the_lines_lie_in_it(text):
    for definition in find_definitions(text):
        assert 1 <= definition.start_line <= definition.end_line <= len(lines_of(text))


def test_nesting_too_deep_for_the_parser_is_read_by_indentation():
    assert found("x = " + "(" * 5000 + ")" * 5000 + "\ndef f():\n    pass\n") == [("f", "function", 2, 3)]
