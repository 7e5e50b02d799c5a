"""The six variants of the original study: what it published, and its own counting on predictions of ours.

The original (Edmond, steering-research, README, "SWE-bench Verified — RAG + Steering") called any text that
is not empty a valid diff. Counted again, none of its 15 checkable patches with retrieval applies to the base
commit. So its counting is kept here for comparison only, beside `git apply --check`.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from orchestrator.reporting.document import Published

MODEL, N = "Qwen3-0.6B", 20
PUBLISHED: dict[tuple[str, bool], tuple[float, float, float] | None] = {
    ("baseline", True): (0.95, 0.68, 0.655),
    ("static", True): (1.00, 0.15, 0.276),
    ("dynamic", True): (0.90, 0.00, 0.205),
    ("baseline", False): None,
    ("static", False): None,
    ("dynamic", False): None,
}
"""Variant and retrieval to valid diffs, path validity and mean quality, of 20 instances each. Without
retrieval the original says only that every patch fails and that file paths are invented."""

_HEADERS = ("diff --git ", "--- ", "+++ ", "@@ ")
_NOTES = (
    "index ",
    "new file",
    "deleted file",
    "old mode",
    "new mode",
    "similarity",
    "rename ",
    "copy ",
    "\\",
)
_PATHS = re.compile(r"^(?:diff --git a/(\S+) b/(\S+)|(?:---|\+\+\+) (?:[ab]/)?([^\t\n]+))", re.MULTILINE)
_ONLY_DELETIONS = 0.5


@dataclass(frozen=True)
class Loose:
    """The original's three figures for one prediction: is there a text, the share of its paths that exist,
    and its quality from 0 to 1."""

    valid: bool
    paths: float
    quality: float


def loose(patch: str, existing: Collection[str]) -> Loose:
    """Count a prediction the original's way; `existing` are the paths of the base commit.

    Quality is 0.25 structure (of the four kinds of header lines, the share present) + 0.35 paths + 0.2
    content (from the share r of changed among body lines: 0.1 below 0.05, 0.5 above 0.9, else 1.5 r and at
    most 1) + 0.2 coherence (1 with additions; with deletions only less, here 0.5).
    """
    if not patch.strip():
        return Loose(False, 0.0, 0.0)
    lines = patch.splitlines()
    structure = sum(any(line.startswith(kind) for line in lines) for kind in _HEADERS) / len(_HEADERS)
    named = {path.strip() for match in _PATHS.findall(patch) for path in match if path} - {"/dev/null"}
    paths = sum(path in existing for path in named) / len(named) if named else 0.0
    body = [line for line in lines if not line.startswith((*_HEADERS, *_NOTES))]
    added = sum(line.startswith("+") for line in body)
    changed = added + sum(line.startswith("-") for line in body)
    share = changed / len(body) if body else 0.0
    content = 0.1 if share < 0.05 else 0.5 if share > 0.9 else min(1.0, 1.5 * share)
    coherence = 1.0 if added else _ONLY_DELETIONS if changed else 0.0
    return Loose(True, paths, 0.25 * structure + 0.35 * paths + 0.2 * content + 0.2 * coherence)


def published(variant: str, rag: bool) -> Published | None:
    """What the original says of a variant; None for one that it does not have or gives no figures of."""
    found = PUBLISHED.get((variant, rag))
    if found is None:
        return None
    return {"model": MODEL, "n": N, "valid": found[0], "paths": found[1], "quality": found[2]}
