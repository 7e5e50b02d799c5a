"""What tells a likely repair from an unlikely one before any model is asked.

Most of it is about names: a repair often brings in one that the issue mentions. The weights were learned
from the history of repositories (see `learning`), never from the tasks that the system is measured on.
"""

import ast
import functools
import keyword
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.mentions import mentioned_symbols
from retrieval.titles import title_of
from retrieval.tokens import apart, count_terms
from swebench.catalogue import Code, Edit

_NAME = re.compile(r"[^\W\d]\w*")
_STRING = re.compile(r"""'([^'\n]*)'|"([^"\n]*)\"""")
_FENCED = re.compile(r"^```.*?^```|^[ \t]*(?:>>>|\.\.\.|File \").*$", re.MULTILINE | re.DOTALL)
_MOST = 3
"""Counts beyond this say nothing more."""
_LEAST_QUOTED = 12  # characters of a line that an issue can be said to quote
_TRACED = re.compile(r'^\s*File "[^"\n]+", line \d+, in .+\n(.+)$', re.MULTILINE)
_HEADS = ("def ", "async def ", "class ", "@", "import ", "from ", "raise ")
_STATEMENTS: dict[str, type[ast.stmt] | tuple[type[ast.stmt], ...]] = {
    "in_condition": (ast.If, ast.While, ast.Assert),
    "in_return": ast.Return,
    "in_raise": ast.Raise,
    "in_assignment": (ast.Assign, ast.AnnAssign, ast.AugAssign),
    "in_expression": ast.Expr,
    "in_signature": (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    "in_import": (ast.Import, ast.ImportFrom),
}
NAMES = (
    "new_in_title",  # names that come in and that the issue's first line has
    "new_in_prose",  # that its text names as code
    "new_in_code",  # that its code has, and only that
    "new_elsewhere",  # that it does not mention
    "gone_in_title",
    "gone_in_issue",
    "gone_elsewhere",
    "new_in_function",  # names that come in and that the function has elsewhere
    "new_in_file",  # names that come in and that the file lacks
    "new_frequency",  # ln(1 + how often the file has the most frequent name that comes in)
    "text_in_title",  # a string that comes in and that the first line has
    "text_in_issue",
    "text_elsewhere",
    "line_terms",  # terms that the line shares with the issue, each by its rarity in the region
    "line_title",  # the same with its first line
    "line_quoted",  # whether the issue quotes the line, and it is no head of a definition and no raise
    "line_traced",  # whether such a line is in a traceback
    "growth",  # ln(1 + characters more or less)
    "lines",  # whether lines are added
    "insertion",  # whether nothing goes
    "deletion",  # whether nothing comes in
    "crowd",  # ln of the number of edits of this kind in the region
    "line_crowd",  # ln of the number of edits of this line
    "needs_import",
    *_STATEMENTS,
)


@dataclass(frozen=True)
class Issue:
    """An issue as the features read it: names and terms of its title, its text and its code."""

    text: str

    @functools.cached_property
    def title(self) -> str:
        """The first line that says something."""
        return title_of(self.text)

    @functools.cached_property
    def title_names(self) -> frozenset[str]:
        """Every word of the title."""
        return frozenset(_NAME.findall(apart(self.title)))

    @functools.cached_property
    def prose_names(self) -> frozenset[str]:
        """Names that the text outside code marks as code."""
        return frozenset(mentioned_symbols(_FENCED.sub("", self.text)))

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """Every word."""
        return frozenset(_NAME.findall(apart(self.text)))

    @functools.cached_property
    def later_names(self) -> frozenset[str]:
        """Every word that the title lacks."""
        return self.names - self.title_names

    @functools.cached_property
    def traced(self) -> frozenset[str]:
        """The lines of code in its tracebacks, without what surrounds them."""
        return frozenset(line.strip() for line in _TRACED.findall(self.text))

    @functools.cached_property
    def quoted(self) -> frozenset[str]:
        """Every other line, without what surrounds it."""
        return frozenset(line.strip() for line in self.text.splitlines()) - self.traced


def features(
    code: Code, edits: Sequence[Edit], issue: Issue, first_line: int, last_line: int
) -> NDArray[np.float64]:
    """The features [len(edits), len(NAMES)] of edits in the lines first_line..last_line of a file."""
    region = code.source[code.start_of_line(first_line) : code.start_of_line(last_line + 1)]
    lines = region.split("\n")
    in_file, in_region = Counter(_NAME.findall(code.source)), set(_NAME.findall(region))
    shared = _shared_terms(lines, set(count_terms(issue.text)))
    with_title = _shared_terms(lines, set(count_terms(issue.title)))
    statements = _statements(code, first_line, last_line)
    kinds = Counter(edit.kind for edit in edits)
    numbers = [min(code.line_of(edit.start) - first_line, len(lines) - 1) for edit in edits]
    crowds = Counter(numbers)
    rows = []
    for edit, number in zip(edits, numbers, strict=True):
        before, after, texts = _whole_names(code.source, edit)
        new, gone = after - before, before - after
        in_title, in_prose = new & issue.title_names, (new & issue.prose_names) - issue.title_names
        mentioned = new & issue.names
        line = lines[number].strip()
        rows.append(
            [
                min(len(in_title), _MOST),
                min(len(in_prose), _MOST),
                min(len(mentioned - in_title - in_prose), _MOST),
                min(len(new - mentioned), _MOST),
                min(len(gone & issue.title_names), _MOST),
                min(len(gone & issue.later_names), _MOST),
                min(len(gone - issue.names), _MOST),
                min(len(new & in_region), _MOST),
                min(len(new - in_file.keys()), _MOST),
                max((math.log1p(in_file[name]) for name in new), default=0.0),
                float(any(text in issue.title for text in texts)),
                float(any(text in issue.text for text in texts)),
                float(any(text not in issue.text for text in texts)),
                shared[number],
                with_title[number],
                float(_tells(line) and line in issue.quoted),
                float(_tells(line) and line in issue.traced),
                math.log1p(abs(len(edit.text) - (edit.end - edit.start))),
                float("\n" in edit.text),
                float(edit.start == edit.end),
                float(not edit.text),
                math.log(kinds[edit.kind]),
                math.log(crowds[number]),
                float(edit.imports is not None),
                *(float(isinstance(statements[number], kind)) for kind in _STATEMENTS.values()),
            ]
        )
    return np.array(rows, dtype=np.float64).reshape(-1, len(NAMES))


def _tells(line: str) -> bool:
    """Whether a quoted line may be where the fault is: what is imported, defined or raised rarely is."""
    return len(line) >= _LEAST_QUOTED and not line.startswith(_HEADS)


def _statements(code: Code, first_line: int, last_line: int) -> list[ast.stmt | None]:
    """The innermost statement of each line."""
    found: list[ast.stmt | None] = [None] * (last_line - first_line + 2)
    for node in ast.walk(code.tree):  # from the outside in
        if isinstance(node, ast.stmt) and (node.end_lineno or 0) >= first_line and node.lineno <= last_line:
            for line in range(max(node.lineno, first_line), min(node.end_lineno or 0, last_line) + 1):
                found[line - first_line] = node
    return found


def _shared_terms(lines: Sequence[str], asked: set[str]) -> list[float]:
    terms = [set(count_terms(line)) for line in lines]
    frequency = Counter(term for line in terms for term in line)
    return [sum(1 / frequency[term] for term in line & asked) for line in terms]


def _whole_names(source: str, edit: Edit) -> tuple[set[str], set[str], set[str]]:
    """Names before and after in the text that an edit touches, taken whole, and the strings that come in."""
    start, end = edit.start, edit.end
    while start > 0 and (source[start - 1].isalnum() or source[start - 1] == "_"):
        start -= 1
    while end < len(source) and (source[end].isalnum() or source[end] == "_"):
        end += 1
    old, new = source[start:end], source[start : edit.start] + edit.text + source[edit.end : end]
    texts = _texts(new) - _texts(old)
    return _names(old), _names(new), {text for text in texts if text}


def _texts(source: str) -> set[str]:
    return {one or other for one, other in _STRING.findall(source)}


def _names(source: str) -> set[str]:
    return {name for name in _NAME.findall(_STRING.sub("", source)) if not keyword.iskeyword(name)}
