"""Which of an autoencoder's features a domain's vectors are made of, by three scores in three strategies."""

import hashlib
import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from orchestrator.errors import ConfigError
from orchestrator.lab.sae_sources import linear
from orchestrator.session import Session
from vectors.domains.domain_vector import DomainVector
from vectors.lab.sae.folders import WEIGHTS, frequencies_of
from vectors.lab.sae.portraits import read_domains
from vectors.lab.sae.scores import by_difference, by_output, output_scores
from vectors.lab.sae.targeted import (
    CHOICES,
    STRATEGIES,
    Choice,
    Strategy,
    best,
    directed,
    put_together,
    random_features,
    ranked,
)
from vectors.measuring.journal import Journal

_CANDIDATES = 5
"""So many times as are wanted, the best by difference, are scored as published: that knows no domain."""


@dataclass(frozen=True, eq=False)
class Made:
    """A vector of features, best first, as it was put together."""

    vector: DomainVector
    choice: Choice
    strategy: Strategy
    features: tuple[int, ...]


def weights_sha256(folder: Path) -> str:
    """Of an autoencoder's weights. Raises OSError."""
    return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()


def choose(
    session: Session, folder: Path, own: DomainVector, layer: int, top: int, journal: Journal
) -> list[Made]:
    """The nine vectors of a domain whose vector is `own`: each choice in each strategy.

    By difference and by the original's output score all features are ranked; by the published one the best
    by difference, and they keep the weights of that. Raises SaeError, PromptSetError, and ConfigError where
    no feature is chosen.
    """
    lm, sae, domain = session.model, linear(folder), own.domain
    prompts = session.vectors.domains.load(domain).prompts
    often = frequencies_of(folder)
    usable = sae.w_dec.norm(dim=1) > 0 if often is None else often > 0
    (reading,) = read_domains(lm, [prompts], layer, session.progress)
    differences = by_difference(reading, sae)
    found = {
        "difference": best(differences, usable, top),
        "output": best(by_output(lm, prompts, sae), usable, top),
    }
    if empty := [choice for choice, chosen in found.items() if not chosen.features]:
        raise ConfigError(
            f"no feature of {folder} has a score above zero by {empty[0]}: use another autoencoder"
        )
    candidates = best(differences, usable, min(_CANDIDATES * top, len(usable)))
    scores = output_scores(session.engine, lm, sae, layer, candidates.features, journal, session.progress)
    found["published"] = ranked(candidates, scores, top)
    facts = {"sae": folder.name, "sae_sha256": weights_sha256(folder), "source_domain": domain}
    made = []
    for choice, strategy in product(CHOICES, STRATEGIES):
        chosen = found[choice]
        features = chosen.features[: 1 if strategy == "single" else None]
        direction = put_together(strategy, chosen, sae.w_dec)
        said = {"method": f"sae features, {strategy} by {choice}", "features": json.dumps(features)}
        vector = directed(own, f"{domain}-{strategy}-{choice}", direction, layer, {**facts, **said})
        made.append(Made(vector, choice, strategy, features))
    return made


def controls(folder: Path, own: DomainVector, layer: int, count: int, seed: int) -> list[DomainVector]:
    """Vectors that are each one feature, drawn at random of those that are alive."""
    sae, often = linear(folder), frequencies_of(folder)
    usable = sae.w_dec.norm(dim=1) > 0 if often is None else often > 0
    drawn = random_features(sae.w_dec, usable, own.directions[layer], count, seed)
    return [directed(own, f"random-{number}", each, layer, {}) for number, each in enumerate(drawn)]
