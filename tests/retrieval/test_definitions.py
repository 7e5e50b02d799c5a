import argparse
import json
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
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


@pytest.mark.parametrize("module", [json.decoder, textwrap, argparse])
def test_reading_by_indentation_agrees_with_the_parser_on_real_code(module):
    text = Path(module.__file__).read_text()
    parsed, scanned = found(text), found(text + "\nprint 'unparsable'\n")
    assert len(parsed) > 5
    assert set(parsed) <= set(scanned)


@given(st.text(alphabet="def clas():\n\t@xy#'\"\\\r\x0c", max_size=200))
def test_whatever_the_text_the_lines_lie_in_it(text):
    for definition in find_definitions(text):
        assert 1 <= definition.start_line <= definition.end_line <= len(lines_of(text))


def test_nesting_too_deep_for_the_parser_is_read_by_indentation():
    assert found("x = " + "(" * 5000 + ")" * 5000 + "\ndef f():\n    pass\n") == [("f", "function", 2, 3)]
