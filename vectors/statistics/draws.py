"""Some of many, by chance: the first ones of a data set are seldom like the rest."""

import random
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def drawn(items: Sequence[Item], n: int, seed: int) -> list[Item]:
    """At most `n` of the items, each as likely as any other, in the order they stand in."""
    places = random.Random(seed).sample(range(len(items)), min(n, len(items)))
    return [items[place] for place in sorted(places)]
