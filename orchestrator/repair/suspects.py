"""Which places an edit may change: the best ranked of the retrieved files, each parsed once."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator.repair.features import Issue
from orchestrator.repair.ranking import Suspect
from retrieval.definition_hits import LOGIT, DefinitionHit
from retrieval.definitions import find_definitions
from retrieval.mentions import mentioned_symbols
from swebench.catalogue import KINDS, Code, Kind
from swebench.catalogue.issue import shown_by

MOST_SUSPECTS = 24
MOST_EXECUTED = 48
"""The same where it is known what runs."""
_NOT_TRACED = {"class", "module"}  # what they hold outside of functions runs on import
_BIAS = {"class": -2.0, "module": 2.0}
"""Log-odds against a function of the same score: patches seldom change what a class holds outside of its
methods, and a module's score misses the signals of a name. Fitted on 164 real patches.
"""
_DEEPEST_FRAME = 1.0
"""Log-odds of the last function of a traceback that is among the hits; it held the fault in 7 of 19."""
_FRAME = re.compile(r'File "([^"\n]{1,300}\.py)", line \d+, in (\w+)')
_QUOTED = re.compile(r"""["'`]([\w.-]{2,40})["'`]""")
_DOTTED = re.compile(r"\b[^\W\d]\w*(?:\.[^\W\d]\w*)+")
_MOST_QUOTED = 20


def suspects(
    definitions: Sequence[DefinitionHit],
    sources: Mapping[str, str],
    issue: str,
    executed: Mapping[str, frozenset[int]] | None = None,
    kinds: Sequence[Kind] = KINDS,
) -> list[Suspect]:
    """The best places of a ranking whose files are at hand and parse.

    Args:
        executed: Path to the lines that run when the fault shows, where that is known. Then functions that do
            not run are left out, and those that run and are in no hit come after the others.
        kinds: What proposes edits there.
    """
    deepest = _deepest_frame(definitions, issue)

    def logit(hit: DefinitionHit) -> float:
        return LOGIT * hit.score + _BIAS.get(hit.kind, 0.0) + _DEEPEST_FRAME * (hit == deepest)

    most = MOST_SUSPECTS
    hits = sorted(definitions, key=logit, reverse=True)
    if executed is not None:
        most = MOST_EXECUTED
        hits = [hit for hit in hits if hit.kind in _NOT_TRACED or _runs(hit, executed)]
        hits += _unlisted(hits, sources, executed, min((hit.score for hit in definitions), default=0.0))
    parsed: dict[str, Code | None] = {}
    found: list[tuple[DefinitionHit, Code]] = []
    for hit in hits:
        if hit.path not in sources or len(found) == most:
            continue
        if hit.path not in parsed:
            parsed[hit.path] = parsed_with(sources[hit.path], issue)
        code = parsed[hit.path]
        if code:
            found.append((whole(hit, code), code))
    if not found:
        return []
    from scipy.special import log_softmax  # not needed before the first token

    priors = log_softmax([logit(hit) for hit, _ in found])
    read = Issue(issue)
    return [
        Suspect(float(prior), hit, code, read, executed=_lines(hit, executed), kinds=kinds)
        for prior, (hit, code) in zip(priors, found, strict=True)
    ]


def _runs(hit: DefinitionHit, executed: Mapping[str, frozenset[int]]) -> bool:
    lines = executed.get(hit.path, frozenset())
    return any(line in hit for line in lines)


def _lines(hit: DefinitionHit, executed: Mapping[str, frozenset[int]] | None) -> frozenset[int] | None:
    if executed is None or hit.kind in _NOT_TRACED:
        return None
    return executed[hit.path]


def _unlisted(
    hits: Sequence[DefinitionHit],
    sources: Mapping[str, str],
    executed: Mapping[str, frozenset[int]],
    score: float,
) -> list[DefinitionHit]:
    listed = {(hit.path, hit.start_line) for hit in hits}
    every = [
        DefinitionHit.of(each, path, score)
        for path in executed
        for each in find_definitions(sources.get(path, ""))
        if each.kind not in _NOT_TRACED and (path, each.start_line) not in listed
    ]
    return [hit for hit in every if _runs(hit, executed)]


def whole(hit: DefinitionHit, code: Code) -> DefinitionHit:
    """A hit with its lines; the ranking of files does not know where a module ends."""
    return replace(hit, start_line=1, end_line=code.n_lines) if hit.kind == "module" else hit


def _deepest_frame(definitions: Sequence[DefinitionHit], issue: str) -> DefinitionHit | None:
    for file, function in reversed(_FRAME.findall(issue)):
        ends = file.replace("\\", "/")
        for hit in definitions:
            inside = hit.path.split("/", 1)[-1]
            if hit.name.rsplit(".", 1)[-1] == function and f"/{ends}".endswith(f"/{inside}"):
                return hit
    return None


def parsed_with(source: str, issue: str) -> Code | None:
    """A file with what the issue mentions; None for one that does not parse (Python 2, or a template)."""
    quoted = list(dict.fromkeys(_QUOTED.findall(issue)))[:_MOST_QUOTED]
    symbols, dotted = sorted(mentioned_symbols(issue)), _DOTTED.findall(issue)
    try:
        return Code(source, symbols, quoted, dotted, shown_by(issue))
    except SyntaxError:
        return None
