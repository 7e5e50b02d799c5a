"""Code of issues as people paste it."""

import pytest

from swebench.running.cells import MAX_CELLS, cells_of


def sources(issue):
    return [cell.source for cell in cells_of(issue)]


SESSION = """\
A title

    >>> from halves import half
    >>> half(3)
    1
    >>> def twice(n):
    ...     return 2 * n
    ...
    >>>
    >>> print(half(5))
    ...
    Traceback (most recent call last):
      File "halves.py", line 2, in half
        quarter(n)
    NameError: name 'quarter' is not defined

Fails for 5 too.
"""
STATEMENTS = [
    "from halves import half\n",
    "half(3)\n",
    "def twice(n):\n    return 2 * n\n",
    "print(half(5))\n",
]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("before", ["", "    ", "\t", "> "], ids=["left", "deeper", "tab", "quoted"])
def test_a_session_is_read_whatever_its_line_ends_and_indentation(end, before):
    lines = [before + line if line else "" for line in SESSION.splitlines()]
    assert sources(end.join(lines)) == STATEMENTS


def test_one_example_that_is_not_well_formed_hides_no_other():
    issue = ">>> half(3)\n1\n>>> half(\nno\n\n  >>> half(5)\n 2\n>>> print half(7)\n>>>half(8)\n>>> half(9)\n"
    assert sources(issue) == ["half(3)\n", "half(5)\n", "half(9)\n"]


def test_lines_that_a_prompt_was_left_out_of_belong_to_the_statement():
    assert sources(">>> half(\n    3,\n)\n1\n") == ["half(\n    3,\n)\n"]


def test_sessions_of_ipython_are_read():
    issue = "```python\nIn [14]: x = half(3)\n\nIn [15]: x\nOut[15]: 1\n\nIn [16]: %timeit x\n```\n"
    assert sources(issue) == ["x = half(3)\n", "x\n"]
    assert sources("In [1]: for n in [3]:\n   ...:     half(n)\n   ...:\n") == [
        "for n in [3]:\n    half(n)\n"
    ]


def test_sessions_and_scripts_are_read_in_the_order_of_the_issue():
    script, session = "```python\nx = 1\nprint(x)\n```", "```\n>>> x + 1\n2\n```"
    issue = f"See\n{script}\nthen\n{session}\nand `y`\n```\nnot code at all\n```"
    assert [(cell.kind, cell.source) for cell in cells_of(issue)] == [
        ("exec", "x = 1\nprint(x)\n"),
        ("single", "x + 1\n"),
    ]


@pytest.mark.parametrize("fence", ["```", "````", "~~~", "   ```"])
def test_a_fence_may_be_of_any_kind(fence):
    assert sources(f"See:\n\n{fence} Python\n  half(3)\n{fence}\n") == ["half(3)\n"]


def test_a_script_with_its_output_or_an_ellipsis_is_read_in_part():
    issue = "```python\nx = half(3)\n...\nprint(x)\nprints 1\n```\n"
    assert sources(issue) == ["x = half(3)\n", "print(x)\n"]


def test_a_block_in_another_language_is_no_code_and_hides_none():
    assert sources("```sh\nmake(1)\n```\nand\n```python\nprint(1)\n```\n") == ["print(1)\n"]


def test_a_block_of_values_is_what_code_printed():
    assert sources("```\n[1, 2]\n```\n") == []


UNMARKED = """\
Half is not whole.
Description

Given these models
class Item(models.Model):
	size = models.IntegerField()
	def half(self):
		return self.size // 2
class Other(Item):
	pass
I ran in a shell:
from shop import (
	Item,
)
Item(size=3).half()
response.content
# 1
which is wrong; see settings.py.
"""


def test_statements_that_nothing_marks_as_code_are_found_between_the_sentences():
    assert sources(UNMARKED) == [
        "class Item(models.Model):\n    size = models.IntegerField()\n"
        "    def half(self):\n        return self.size // 2\n",
        "class Other(Item):\n    pass\n",
        "from shop import (\n    Item,\n)\n",
        "Item(size=3).half()\n",
        "response.content\n",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "```",
        ">>> (",
        "```python\nif\n```",
        "text >>> x\n" * 3,
        "Works\nNote: this\nhalf(3) is wrong\nhalves.py\n[1, 2]\nhalf()",
        'Traceback (most recent call last):\n  File "a.py", line 1, in x\n    x = half(3)\nNameError: x',
        "diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n x = half(3)\n-y = 1\n",
        "if you ask me, for all I know, with care",
    ],
)
def test_prose_tracebacks_and_patches_are_no_code(text):
    assert cells_of(text) == []


def test_a_call_in_backticks_is_code():
    assert sources("`half(3)` gives 1, ``x()`` and `two words`") == ["half(3)\n"]


def test_a_long_issue_is_read_in_part():
    assert len(cells_of(">>> half(3)\n1\n" * 40_000)) == MAX_CELLS


def test_a_text_of_open_brackets_is_read_in_reasonable_time():
    assert cells_of("x = (\n" * 8_000) == []
