"""Probe prompts: requests so open that any domain could answer them in its manner.

The built-in list lies beside this module; a user's is a JSON list of texts, or a text file with one a line.
"""

import json
from pathlib import Path

from vectors.errors import UnfitAnalysis

_BUILT_IN = Path(__file__).with_name("probes.json")
_MAX_FILE_BYTES = 1 << 20
_MAX_CHARS = 8000


def load_probes(path: Path | None = None, limit: int | None = None) -> list[str]:
    """Load the built-in probe prompts or a user's, the first `limit` of them.

    Raises UnfitAnalysis for a file that is no list of texts, or that holds fewer than two, which would leave
    nothing to compute an interval from.
    """
    path = path or _BUILT_IN
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise UnfitAnalysis(f"{path.name} is larger than {_MAX_FILE_BYTES:,} bytes; shorten the list")
        text = path.read_text(encoding="utf-8")
        probes = json.loads(text) if path.suffix == ".json" else _lines(text)
    except OSError as error:
        raise UnfitAnalysis(f"{path.name} cannot be read: {error.strerror}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UnfitAnalysis(f"{path.name} is not JSON (or UTF-8 text): {error}") from error
    if not isinstance(probes, list) or not all(isinstance(p, str) and p.strip() for p in probes):
        raise UnfitAnalysis(f"{path.name}: expected a JSON list of texts that are not empty")
    if (longest := max(map(len, probes), default=0)) > _MAX_CHARS:
        raise UnfitAnalysis(f"{path.name} holds a prompt of {longest} characters, at most {_MAX_CHARS} fit")
    if len(set(probes)) < len(probes):
        raise UnfitAnalysis(f"{path.name} holds a prompt twice, which would count as two observations")
    chosen = probes[:limit]
    if len(chosen) < 2:
        raise UnfitAnalysis(f"{len(chosen)} prompts leave no interval to compute: give at least 2")
    return chosen


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
