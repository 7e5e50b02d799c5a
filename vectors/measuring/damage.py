"""What steering costs: how much worse a model reads plain text, and how far its next tokens move.

The texts are of no domain, no vector was made of them, and nothing else is measured on them.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from torch import Tensor

from vectors.engine.engine import Engine
from vectors.engine.requests import Generation, GenerationRequest, scoring
from vectors.measuring.asking import asked
from vectors.measuring.measures import kl_bits
from vectors.models.loading import LanguageModel
from vectors.statistics.estimates import Estimate, mean
from vectors.steering.intervention import Steering

_FILE = Path(__file__).with_name("plain.json")
_CONTEXT = 3
"""A third of a text is what stands before: it is not scored, and after it distributions are compared."""
_FEW = 3
"""Every third text, for a rough figure."""
_TEXTS_AT_ONCE = 24
"""Their distributions under every steering are in memory together."""


@cache
def plain_texts() -> tuple[str, ...]:
    """Prose, and comments and docstrings of code, about two to one."""
    return tuple(json.loads(_FILE.read_text(encoding="utf-8")))


@cache
def texts_sha256() -> str:
    """Of the texts."""
    return hashlib.sha256(json.dumps(plain_texts()).encode()).hexdigest()


@dataclass(frozen=True)
class Damage:
    """What a steering does to plain text; n is the number of texts, the intervals are over them.

    perplexity_ratio: perplexity over the unsteered one, as the geometric mean over texts. kl_bits: D(steered
    ‖ unsteered) of the next token.
    """

    perplexity_ratio: Estimate
    kl_bits: Estimate


class _Read(NamedTuple):
    """A text as a model reads it: mean log-likelihood in nats a token, and one distribution [vocab]."""

    nats: float
    distribution: Tensor


class PlainReading:
    """Plain text read by one model. What it reads unsteered is measured once, and held."""

    def __init__(self, engine: Engine, lm: LanguageModel) -> None:
        self._engine, self._vocabulary = engine, lm.tokenizer.backend.get_vocab_size()
        self._texts = [tuple(lm.encode(text, begins=True)) for text in plain_texts()]
        self._bare: dict[tuple[int, ...], _Read] = {}

    @property
    def perplexity(self) -> float:
        """Unsteered, as the geometric mean over texts."""
        return math.exp(-fmean(each.nats for each in self._unsteered(self._texts)))

    def senseless(self) -> bool:
        """Whether the model reads no better than one that draws tokens blindly: it has nothing to lose.

        Looks at a few texts only.
        """
        few = self._unsteered(self._texts[:: 3 * _FEW])
        return fmean(each.nats for each in few) < -math.log(self._vocabulary)

    def damages(self, steerings: Sequence[Steering], *, rough: bool = False) -> list[Damage]:
        """What each steering does, to all texts or a third of them; steerings and texts share batches."""
        texts = self._texts[::_FEW] if rough else self._texts
        bare, by_text = self._unsteered(texts), list(self._read(texts, steerings))
        return [_damage(bare, [reads[number] for reads in by_text]) for number in range(len(steerings))]

    def _unsteered(self, texts: Sequence[tuple[int, ...]]) -> list[_Read]:
        new = [text for text in texts if text not in self._bare]
        self._bare.update((text, read) for text, (read,) in zip(new, self._read(new, [()]), strict=True))
        return [self._bare[text] for text in texts]

    def _read(self, texts: Sequence[tuple[int, ...]], steerings: Sequence[Steering]) -> Iterator[list[_Read]]:
        """Each text as it is read under each steering."""
        for first in range(0, len(texts), _TEXTS_AT_ONCE):
            part = texts[first : first + _TEXTS_AT_ONCE]
            requests = [_request(text, steering) for text in part for steering in steerings]
            made = iter(asked(self._engine, requests))
            for _ in part:
                yield [_read_of(next(made)) for _ in steerings]


def _request(text: tuple[int, ...], steering: Steering) -> GenerationRequest:
    context = max(1, len(text) // _CONTEXT)
    return replace(scoring(text[:context], text[context:], steering), distribution=True)


def _read_of(generation: Generation) -> _Read:
    assert generation.distribution is not None
    return _Read(fmean(generation.logprobs), generation.distribution)


def _damage(bare: Sequence[_Read], steered: Sequence[_Read]) -> Damage:
    pairs = list(zip(bare, steered, strict=True))
    lost = mean([one.nats - other.nats for one, other in pairs])
    ratio = Estimate(math.exp(lost.value), math.exp(lost.low), math.exp(lost.high), lost.n)
    moved = [kl_bits(other.distribution, one.distribution) for one, other in pairs]
    return Damage(ratio, mean(moved, at_least=0))
