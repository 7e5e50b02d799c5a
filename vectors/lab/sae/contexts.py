"""Where in a collection features are most active: the texts that say what a feature is of.

Two passes over some of its shards: the first finds for each feature the contexts in which it is most active,
the second reads these again for the activations around that token. What is in memory is a context's code and
the contexts found, whatever the collection's size.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vectors.lab.sae.architectures import Sae
from vectors.lab.sae.collecting import Collection, Shard
from vectors.progress import Progress, silent

WINDOW = 24
"""Tokens before and after the most activating one that belong to a context."""
_HELD = 256
"""Contexts whose largest activations are in memory before the smaller ones of them are dropped."""


@dataclass(frozen=True)
class Context:
    """Consecutive token ids and a feature's activation at each; `strongest` is the place of the largest.

    Zero at tokens that a collection leaves out. source: numbers of the shard, and of the context in it.
    """

    tokens: tuple[int, ...]
    activations: tuple[float, ...]
    strongest: int
    source: tuple[int, int]


@torch.no_grad()
def strongest_contexts(
    sae: Sae,
    collection: Collection,
    features: Sequence[int],
    count: int,
    shards: int,
    progress: Progress = silent,
) -> list[list[Context]]:
    """For each feature at most `count` contexts of the first `shards` in which it is active, the most first.

    A context of the collection counts once, by its most activating token.
    """
    read = range(min(shards, len(collection.rows)))
    wanted, label = torch.tensor(list(features)), "looking for contexts"
    largest, spots = list[Tensor](), list[Tensor]()
    for number in read:
        progress(label, number, 2 * len(read))
        shard = collection.shard(number)
        contexts, length = shard.tokens.shape
        for context, (places, hidden) in enumerate(_by_context(shard)):
            if len(places) == 0:
                continue
            value, at = sae.encode(hidden)[:, wanted].max(0)
            largest.append(value[None])
            spots.append(((number * contexts + context) * length + places[at])[None])
            if len(largest) >= _HELD:
                largest, spots = _most(largest, spots, count)
    largest, spots = _most(largest, spots, count)
    found: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for rank, column in (largest[0] > 0).nonzero().tolist():
        source, place = divmod(int(spots[0][rank, column]), length)
        found[source].append((rank, column, place))
    made: list[list[tuple[int, Context]]] = [[] for _ in wanted]
    for number in read:
        progress(label, len(read) + number, 2 * len(read))
        shard = collection.shard(number)
        for context, (places, hidden) in enumerate(_by_context(shard)):
            if not (those := found[number * contexts + context]):
                continue
            dense = torch.zeros(length, len(wanted))
            dense[places] = sae.encode(hidden)[:, wanted]
            for rank, column, place in those:
                row = _window(shard.tokens[context], dense[:, column], place, (number, context))
                made[column].append((rank, row))
    progress(label, 2 * len(read), 2 * len(read))
    return [[row for _, row in sorted(rows, key=lambda item: item[0])] for rows in made]


def _by_context(shard: Shard) -> list[tuple[Tensor, Tensor]]:
    """Of each context the places of its residuals in it [kept], and these [kept, d_model]."""
    contexts, length = shard.tokens.shape
    counts = torch.bincount(shard.places.long() // length, minlength=contexts).tolist()
    places = torch.split(shard.places.long() % length, counts)
    return list(zip(places, torch.split(shard.hidden, counts), strict=True))


def _most(values: list[Tensor], spots: list[Tensor], count: int) -> tuple[list[Tensor], list[Tensor]]:
    """The `count` largest of each column [n, features], the largest first and equals as they came."""
    joined = torch.cat(values)
    order = joined.argsort(dim=0, descending=True, stable=True)[:count]
    return [joined.gather(0, order)], [torch.cat(spots).gather(0, order)]


def _window(tokens: Tensor, activations: Tensor, place: int, source: tuple[int, int]) -> Context:
    part = slice(max(0, place - WINDOW), place + WINDOW + 1)
    return Context(
        tokens=tuple(tokens[part].tolist()),
        activations=tuple(activations[part].tolist()),
        strongest=place - part.start,
        source=source,
    )
