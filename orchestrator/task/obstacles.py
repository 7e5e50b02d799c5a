"""Why a task cannot be worked on, in plain words: the file that the issue names cannot be read as Python, or
the fault is in another language.

A patch of some other file would be worse than none.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence

from orchestrator.records import Candidate
from retrieval.errors import NotHere, NotText
from retrieval.index import Index
from retrieval.languages import language_of, most_alike, named_in, other_code
from retrieval.mentions import mentioned_files, mentioned_symbols
from retrieval.store import Repository
from swebench.patches.source import file_fault

_PYTHON = f"Python {sys.version_info.major}.{sys.version_info.minor}"
_PYTHON_2 = re.compile(
    r"^[ \t]*(?:print[ \t]+[^\s(=]|exec[ \t]+[^\s(=]|except[ \t]+[\w.]+[ \t]*,|raise[ \t]+[\w.]+[ \t]*,)"
    r"|<>|\.has_key\(|\b0[0-7]+\b|\bur'|`\w+`",
    re.MULTILINE,
)
_MOST_TOLD = 3


def obstacle(repository: Repository, commit: str, issue: str, index: Index, hits: Sequence[str]) -> str:
    """Why no patch of this commit can be made for an issue; "" where none speaks against trying.

    Args:
        index: Of the commit.
        hits: The paths that were found for the issue, best first.
    """
    mentioned = mentioned_files(issue, index.paths, index.modules)
    named = [index.paths[place] for place, clarity in mentioned.items() if clarity == 1]
    faults = {path: unreadable(repository, commit, path) for path in named or _defining(issue, index)}
    if faults and (all(faults.values()) or faults.get(hits[0] if hits else "")):
        told = [fault for fault in faults.values() if fault][:_MOST_TOLD]
        return f"what the issue names cannot be repaired: {'; '.join(told)}"
    if not named and (elsewhere := _in_another_language(repository, commit, issue, index)):
        return elsewhere
    first = ""
    for path in hits:
        fault = unreadable(repository, commit, path)
        if not fault:
            return ""
        first = first or fault
    return f"none of the {len(hits)} files that were found can be repaired: {first}" if first else ""


def _defining(issue: str, index: Index) -> set[str]:
    """The files that alone define what the issue mentions."""
    places = (index.defined_in.get(symbol, ()) for symbol in mentioned_symbols(issue))
    return {index.paths[found[0]] for found in places if len(found) == 1}


def unreadable(repository: Repository, commit: str, path: str) -> str:
    """Why a file cannot be read as Python: its bytes, its syntax, or that it is not here; "" if it can."""
    try:
        text = repository.text(commit, path)
    except (NotText, NotHere) as error:
        return str(error)
    fault = file_fault(text)
    if fault is None:
        return ""
    old = ", and it reads like Python 2" if _PYTHON_2.search(text) else ""
    return f"{path}, line {fault.lineno}: {_PYTHON} does not compile it ({fault.msg}){old}"


def _in_another_language(repository: Repository, commit: str, issue: str, index: Index) -> str:
    files = repository.files(commit)
    others = other_code(files)
    if named := named_in(issue, others):
        return f"the issue names {named[0]}, which is {language_of(named[0])}: only Python is repaired here"
    if len(others) <= len(index.paths):
        return ""
    own = set(index.paths)
    alike = most_alike(repository, [*(file for file in files if file.path in own), *others], issue)
    if not language_of(alike):
        return ""
    return (
        f"the issue reads most like {alike}, which is {language_of(alike)} as {len(others)} of the "
        f"{len(others) + len(own)} files of code are: only Python is repaired here"
    )


def none_passed(candidates: Iterable[Candidate]) -> str:
    """Why a task that went its whole way ends without a patch: how many candidates there were, and what
    spoke against most of them."""
    verdicts = Counter(each.verdict.replace("_", " ")[:100] or "not looked at" for each in candidates)
    if not verdicts:
        return "no candidate was made: the files that were found hold nothing that could be edited"
    told = ", ".join(f"{count} × {verdict}" for verdict, count in verdicts.most_common(_MOST_TOLD))
    return f"none of {verdicts.total()} candidates passed validation ({told}): see candidates/"
