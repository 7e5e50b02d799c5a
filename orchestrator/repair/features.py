"""What tells a likely repair from an unlikely one before any model is asked.

Most of it is about names: a repair often brings in one that the report mentions. The weights were learned
from the history of repositories (see `weights`), never from the tasks that the system is measured on.
"""

import keyword
import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.tokens import count_terms
from swebench.catalogue import Code, Edit

_NAME = re.compile(r"[A-Za-z_]\w*")
_MOST = 3
"""Counts beyond this say nothing more."""
NAMES = (
    "new_in_report",  # names that come in and that the report has
    "new",  # names that come in
    "gone_in_report",  # names that go and that the report has
    "gone",  # names that go
    "new_in_function",  # names that come in and that the function has elsewhere
    "new_in_file",  # names that come in and that the file lacks
    "line_terms",  # terms that the line shares with the report, each by its rarity in the function
    "growth",  # ln(1 + characters more or less)
    "lines",  # whether lines are added
    "insertion",  # whether nothing goes
    "deletion",  # whether nothing comes in
)


def features(
    code: Code, edits: Sequence[Edit], report: str, first_line: int, last_line: int
) -> NDArray[np.float64]:
    """The features [len(edits), len(NAMES)] of edits in the lines first_line..last_line of a file."""
    mentioned, in_file = set(_NAME.findall(report)), set(_NAME.findall(code.source))
    start, end = code.start_of_line(first_line), code.start_of_line(last_line + 1)
    in_function = set(_NAME.findall(code.source[start:end]))
    shared = _shared_terms(code.source[start:end].split("\n"), set(count_terms(report)))
    rows = []
    for edit in edits:
        before, after = _whole_names(code.source, edit)
        new, gone = after - before, before - after
        rows.append(
            [
                min(len(new & mentioned), _MOST),
                min(len(new), _MOST),
                min(len(gone & mentioned), _MOST),
                min(len(gone), _MOST),
                min(len(new & in_function), _MOST),
                min(len(new - in_file), _MOST),
                shared[min(code.line_of(edit.start) - first_line, len(shared) - 1)],
                math.log1p(abs(len(edit.text) - (edit.end - edit.start))),
                float("\n" in edit.text),
                float(edit.start == edit.end),
                float(not edit.text),
            ]
        )
    return np.array(rows, dtype=np.float64).reshape(-1, len(NAMES))


def _shared_terms(lines: Sequence[str], asked: set[str]) -> list[float]:
    terms = [set(count_terms(line)) for line in lines]
    frequency = Counter(term for line in terms for term in line)
    return [sum(1 / frequency[term] for term in line & asked) for line in terms]


def _whole_names(source: str, edit: Edit) -> tuple[set[str], set[str]]:
    """The names before and after in the text that an edit touches, taken as whole names."""
    start, end = edit.start, edit.end
    while start > 0 and (source[start - 1].isalnum() or source[start - 1] == "_"):
        start -= 1
    while end < len(source) and (source[end].isalnum() or source[end] == "_"):
        end += 1
    after = source[start : edit.start] + edit.text + source[edit.end : end]
    before = {name for name in _NAME.findall(source[start:end]) if not keyword.iskeyword(name)}
    return before, {name for name in _NAME.findall(after) if not keyword.iskeyword(name)}
