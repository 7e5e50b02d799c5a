"""Statements of MMLU-Pro's 14 domains and neutral ones, our own: none is a question of MMLU-Pro's."""

import json
from functools import cache
from pathlib import Path

from torch import Tensor

from vectors.domains.prompt_sets import PromptSet, checked
from vectors.measuring.journal import Journal
from vectors.measuring.kept_tensors import kept_residuals
from vectors.models.loading import LanguageModel
from vectors.progress import Progress

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


def statement_directions(
    lm: LanguageModel, journal: Journal, folder: str, progress: Progress
) -> list[Tensor]:
    """Each domain's vector at every block [n_layers, d_model], from the means over statements' tokens."""
    sets = statement_sets()
    groups = [(each.domain, each.positive) for each in sets] + [("neutral", sets[0].negative)]
    *domains, neutral = (
        each.mean(0) for each in kept_residuals(lm, groups, "mean", journal, folder, progress)
    )
    return [each - neutral for each in domains]
