"""Repairs that an issue spells out are proposed where the code is like them, and nowhere else."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swebench.catalogue import Code, propose
from swebench.catalogue.issue import shown_by

PAGES = """class Pages:
    def __init__(self, pages):
        self.pages = pages

    def page(self, number):
        return self.pages[number]


class Book:
    def title(self):
        return self.name
"""
METHOD = """It should go through the pages:

def __iter__(self):
\tfor number in range(len(self.pages)):
\t\tyield self.page(number)

Thank you.
"""


def edited(source: str, issue: str, kind: str) -> list[str]:
    code = Code(source, shown=shown_by(issue))
    return [edit.apply(source) for edit in propose(code, 1, code.n_lines) if edit.kind == kind]


@pytest.mark.parametrize(
    "issue",
    [
        "I would write\n\n    return self.pages[number - 1]\n\nthere.",
        "```diff\n-        return self.pages[number]\n+        return self.pages[number - 1]\n```",
        "Should it not be `return self.pages[number - 1]`?",
    ],
)
def test_a_line_of_the_issue_replaces_the_one_like_it(issue: str) -> None:
    assert PAGES.replace("[number]", "[number - 1]") in edited(PAGES, issue, "shown")


def test_a_condition_of_the_issue_replaces_the_one_like_it() -> None:
    source = "if not isinstance(value, Expression):\n    wrap(value)\n"
    issue = "if not isinstance(value, (Expression, F)):\n    ..."
    assert edited(source, issue, "shown") == [source.replace("Expression", "(Expression, F)")]


def test_a_line_of_a_traceback_is_quoted_and_not_proposed() -> None:
    issue = '  File "pages.py", line 6, in page\n    return self.pages[number - 1]\nIndexError\n'
    assert not edited(PAGES, issue, "shown")


def test_a_function_of_the_issue_replaces_the_one_of_its_name_that_is_like_it() -> None:
    issue = "    def page(self, number):\n        return self.pages[number] or None\n"
    assert PAGES.replace("[number]", "[number] or None") in edited(PAGES, issue, "shown function")
    assert not edited(PAGES, "def page(a):\n    send(a, a, everything=True, to='all')\n", "shown function")


def test_a_method_of_the_issue_comes_into_the_class_that_has_what_it_uses() -> None:
    found = edited(PAGES, METHOD, "shown method")
    assert found
    for source in found:
        pages, book = ast.parse(source).body
        assert isinstance(pages, ast.ClassDef)
        assert isinstance(book, ast.ClassDef)
        assert "__iter__" in [each.name for each in pages.body if isinstance(each, ast.FunctionDef)]
        assert len(book.body) == 1


def test_a_function_that_is_called_in_the_issue_is_put_around_a_value() -> None:
    source = "import re\n\n\ndef look(prefix):\n    return re.compile(prefix)\n"
    found = edited(source, "The fix is to use re.escape().", "missing call")
    assert source.replace("(prefix)\n", "(re.escape(prefix))\n") in found


@pytest.mark.parametrize(
    "issue", ["The pages are gone.", "def page(self, number):\n    ...\n", "def page(:", "x" * 99]
)
def test_words_and_definitions_without_a_body_are_no_code(issue: str) -> None:
    shown = shown_by(issue)
    assert not shown.functions
    assert not shown.statements


@given(st.text(alphabet=st.sampled_from("def f(self):\n\t return`=+>. 1#'\"\\"), max_size=200))
def test_whatever_an_issue_holds_what_is_shown_parses(issue: str) -> None:
    shown = shown_by(issue)
    for function in shown.functions:
        assert isinstance(ast.parse(function).body[0], ast.FunctionDef)
    for kind, text in shown.statements:
        branch = issubclass(kind, ast.If | ast.While)
        assert isinstance(ast.parse(f"{text}: pass" if branch else text).body[0], kind)
