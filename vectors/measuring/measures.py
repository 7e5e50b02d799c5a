"""What one answer is measured by: whether it repeats itself, which words it uses, how far it was moved."""

import math
import re
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Protocol

from torch import Tensor

REPEATS_BELOW = 0.5
"""An answer whose distinct-2 is lower repeats itself: more than half of its token pairs occurred before."""


def distinct_2(token_ids: Sequence[int]) -> float:
    """Distinct pairs of neighbouring tokens over all such pairs (Li et al. 2016, arXiv 1510.03055).

    1 for fewer than two tokens, which cannot repeat a pair.
    """
    pairs = list(pairwise(token_ids))
    return len(set(pairs)) / len(pairs) if pairs else 1.0


class Written(Protocol):
    """Anything written by the model: a generation, or several that continue one another."""

    @property
    def token_ids(self) -> Sequence[int]:
        """Its tokens."""
        ...

    @property
    def text(self) -> str:
        """Its text."""
        ...


def degenerate(answer: Written) -> bool:
    """Whether an answer repeats itself or says nothing."""
    return distinct_2(answer.token_ids) < REPEATS_BELOW or not answer.text.strip()


def keyword_hits(text: str, keywords: Collection[str]) -> int:
    """How many of the keywords a text holds as whole words, in any case; each counts once.

    Counting each once keeps an answer that repeats one word forever from scoring.
    """
    return len(set(re.findall(r"\w+", text.lower())) & {keyword.lower() for keyword in keywords})


def kl_bits(steered: Tensor, unsteered: Tensor) -> float:
    """Kullback–Leibler divergence D(steered ‖ unsteered) in bits, of natural log-probabilities [vocab]."""
    nats = (steered.double().exp() * (steered.double() - unsteered.double())).nansum()
    return max(0.0, float(nats)) / math.log(2)
