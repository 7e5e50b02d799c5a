"""Which places an edit may change: the best ranked of the retrieved files, each parsed once."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from scipy.special import log_softmax

from orchestrator.repair.features import Report
from orchestrator.repair.ranking import Suspect
from retrieval.definition_hits import LOGIT, DefinitionHit
from retrieval.mentions import mentioned_symbols
from swebench.catalogue import Code

MOST_SUSPECTS = 24
_BIAS = {"class": -2.0, "module": 2.0}
"""Log-odds against a function of the same score: patches seldom change what a class holds outside of its
methods, and a module's score misses the signals of a name. Fitted on 164 real patches.
"""
_QUOTED = re.compile(r"""["'`]([\w.-]{2,40})["'`]""")
_DOTTED = re.compile(r"\b[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_MOST_QUOTED = 20


def suspects(
    definitions: Sequence[DefinitionHit], sources: Mapping[str, str], report: str, most: int = MOST_SUSPECTS
) -> list[Suspect]:
    """The best places of a ranking whose files are at hand and parse."""
    parsed: dict[str, Code | None] = {}
    found: list[tuple[DefinitionHit, Code]] = []
    for hit in sorted(definitions, key=lambda hit: -_logit(hit)):
        if hit.path not in sources or len(found) == most:
            continue
        if hit.path not in parsed:
            parsed[hit.path] = parsed_with(sources[hit.path], report)
        code = parsed[hit.path]
        if code:
            found.append((whole(hit, code), code))
    if not found:
        return []
    priors = log_softmax([_logit(hit) for hit, _ in found])
    read = Report(report)
    return [Suspect(float(prior), hit, code, read) for prior, (hit, code) in zip(priors, found, strict=True)]


def whole(hit: DefinitionHit, code: Code) -> DefinitionHit:
    """A hit with its lines; the ranking of files does not know where a module ends."""
    return replace(hit, start_line=1, end_line=code.n_lines) if hit.kind == "module" else hit


def _logit(hit: DefinitionHit) -> float:
    return LOGIT * hit.score + _BIAS.get(hit.kind, 0.0)


def parsed_with(source: str, report: str) -> Code | None:
    """A file with what the report mentions; None for one that does not parse (Python 2, or a template)."""
    quoted = list(dict.fromkeys(_QUOTED.findall(report)))[:_MOST_QUOTED]
    try:
        return Code(source, sorted(mentioned_symbols(report)), quoted, _DOTTED.findall(report))
    except SyntaxError:
        return None
