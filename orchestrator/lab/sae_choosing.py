"""Which of an autoencoder's features a domain's vectors are made of, by three scores in three strategies."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

from orchestrator.errors import ConfigError
from orchestrator.lab.sae_sources import linear
from orchestrator.session import Session
from vectors.domains.domain_vector import DomainVector
from vectors.lab.sae.folders import WEIGHTS, alive
from vectors.lab.sae.portraits import read_domains
from vectors.lab.sae.scores import by_difference, by_output, output_scores
from vectors.lab.sae.targeted import (
    CHOICES,
    STRATEGIES,
    Choice,
    Chosen,
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


class Choosing:
    """The features of an autoencoder that vectors of a domain, whose own is `own`, are made of.

    By difference and by the original's output score all features are ranked; by the published one the best
    by difference, and they keep the weights of that. Nothing is scored before it is asked for, nor twice.
    Raises SaeError and PromptSetError.
    """

    def __init__(
        self,
        session: Session,
        folder: Path,
        own: DomainVector,
        layer: int,
        top: int,
        journal: Journal | None = None,
    ) -> None:
        self._session, self._folder, self._own, self._layer, self._top = session, folder, own, layer, top
        self._journal = journal or Journal()
        self._prompts = session.vectors.domains.load(own.domain).prompts
        self._sae = linear(folder)
        self._alive = alive(folder, self._sae.w_dec)
        self._facts = {"sae": folder.name, "sae_sha256": weights_sha256(folder), "source_domain": own.domain}

    def make(self, choice: Choice, strategy: Strategy) -> Made:
        """One vector. Raises ConfigError where no feature is chosen."""
        chosen = self._chosen(choice)
        if not chosen.features:
            raise ConfigError(
                f"no feature of {self._folder} has a score above zero by {choice}: use another autoencoder"
            )
        features = chosen.features[: 1 if strategy == "single" else None]
        direction = put_together(strategy, chosen, self._sae.w_dec)
        said = {"method": f"sae features, {strategy} by {choice}", "features": json.dumps(features)}
        name = f"{self._own.domain}-{strategy}-{choice}"
        vector = directed(self._own, name, direction, self._layer, {**self._facts, **said})
        return Made(vector, choice, strategy, features)

    def _chosen(self, choice: Choice) -> Chosen:
        if choice == "output":
            return self._by_output
        return self._by_published if choice == "published" else self._candidates.first(self._top)

    @cached_property
    def _candidates(self) -> Chosen:
        """The best by difference."""
        session = self._session
        (reading,) = read_domains(session.model, [self._prompts], self._layer, session.progress)
        return best(by_difference(reading, self._sae), self._alive, _CANDIDATES * self._top)

    @cached_property
    def _by_output(self) -> Chosen:
        return best(by_output(self._session.model, self._prompts, self._sae), self._alive, self._top)

    @cached_property
    def _by_published(self) -> Chosen:
        session, features, layer = self._session, self._candidates.features, self._layer
        scores = output_scores(
            session.engine, session.model, self._sae, layer, features, self._journal, session.progress
        )
        return ranked(self._candidates, scores, self._top)


def choose(
    session: Session, folder: Path, own: DomainVector, layer: int, top: int, journal: Journal
) -> list[Made]:
    """The nine vectors of a domain whose vector is `own`: each choice in each strategy.

    Raises as `Choosing` does.
    """
    choosing = Choosing(session, folder, own, layer, top, journal)
    return [choosing.make(choice, strategy) for choice, strategy in product(CHOICES, STRATEGIES)]


def controls(folder: Path, own: DomainVector, layer: int, count: int, seed: int) -> list[DomainVector]:
    """Vectors that are each one feature, drawn at random of those that are alive."""
    sae = linear(folder)
    drawn = random_features(sae.w_dec, alive(folder, sae.w_dec), own.directions[layer], count, seed)
    return [directed(own, f"random-{number}", each, layer, {}) for number, each in enumerate(drawn)]
