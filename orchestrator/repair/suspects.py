"""Which functions an edit may change: the best ranked of the retrieved files, each parsed once."""

import re
from collections.abc import Mapping, Sequence

from scipy.special import log_softmax

from orchestrator.repair.ranking import MOST_LINES, Suspect
from retrieval.definition_hits import LOGIT, DefinitionHit
from retrieval.mentions import mentioned_symbols
from swebench.catalogue import Code

MOST_SUSPECTS = 20
_QUOTED = re.compile(r"""["'`]([\w.-]{2,40})["'`]""")
_MOST_QUOTED = 20
_MOST_CHARACTERS = 5000
"""Of a function: a longer one in so few lines is a table, and would not fit a small model's context."""


def suspects(
    definitions: Sequence[DefinitionHit], sources: Mapping[str, str], report: str, most: int = MOST_SUSPECTS
) -> list[Suspect]:
    """The first functions and methods of a ranking whose files are at hand and parse."""
    mentioned = sorted(mentioned_symbols(report))
    quoted = list(dict.fromkeys(_QUOTED.findall(report)))[:_MOST_QUOTED]
    parsed: dict[str, Code | None] = {}
    found: list[tuple[DefinitionHit, Code]] = []
    for hit in definitions:
        if hit.kind == "class" or hit.path not in sources or len(found) == most:
            continue
        if hit.path not in parsed:
            parsed[hit.path] = _parsed(sources[hit.path], mentioned, quoted)
        code = parsed[hit.path]
        if code and _length(hit, code) <= _MOST_CHARACTERS:
            found.append((hit, code))
    if not found:
        return []
    priors = log_softmax([LOGIT * hit.score for hit, _ in found])
    return [
        Suspect(float(prior), hit, code, report) for prior, (hit, code) in zip(priors, found, strict=True)
    ]


def _length(hit: DefinitionHit, code: Code) -> int:
    last_line = min(hit.end_line, hit.start_line + MOST_LINES - 1)
    return len(code.source[code.start_of_line(hit.start_line) : code.start_of_line(last_line + 1)])


def _parsed(source: str, mentioned: Sequence[str], quoted: Sequence[str]) -> Code | None:
    try:
        return Code(source, mentioned, quoted)
    except SyntaxError:
        return None  # Python 2, or a template: nothing to edit by its tree
