"""Statements of MMLU-Pro's 14 domains and neutral ones, our own: none is a question of MMLU-Pro's."""

import json
from functools import cache
from pathlib import Path

from vectors.domains.prompt_sets import PromptSet, checked

_FILE = Path(__file__).parent / "statements.json"


@cache
def statement_sets() -> tuple[PromptSet, ...]:
    """A prompt set for each domain, in the alphabet's order: 24 statements each against the same neutral."""
    found = json.loads(_FILE.read_text("utf-8"))
    neutral = found["neutral"]
    return tuple(
        checked(
            _FILE.name,
            {
                "domain": domain,
                "description": f"Statements of {domain}, a category of MMLU-Pro.",
                "keywords": [],
                "positive": positive,
                "negative": neutral,
            },
            own=True,
        )
        for domain, positive in sorted(found["domains"].items())
    )
