"""The same texts read at the same characters by two models: what a map between their residuals is of."""

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from vectors.domains.activations import Passage, residuals
from vectors.lab.geometry.passages import Corpus
from vectors.measuring.journal import Journal, digest_of
from vectors.measuring.kept_tensors import kept_tensor
from vectors.models.loading import LanguageModel
from vectors.progress import Progress
from vectors.threads import in_own_thread

WORDS = 5
"""Places at which an excerpt is read, each the end of a word."""
_LEAST, _MOST = 160, 400
"""Characters of an excerpt."""
_FIRST = 24
"""Characters that come before the first place: a model that has read nothing represents little."""
UNIT = 50


@dataclass(frozen=True)
class Excerpt:
    """Whole sentences of a text, the number of that text, and the characters after which they are read."""

    text: str
    group: int
    ends: tuple[int, ...]


def excerpts(corpora: Sequence[Corpus], n: int, seed: int) -> list[Excerpt]:
    """At most `n` excerpts, drawn from all texts, and from each as few as possible."""
    draw = random.Random(seed)
    by_text = [
        (each, group)
        for corpus in corpora
        for group, text in zip(corpus.groups, corpus.texts, strict=True)
        if (each := _cut(text))
    ]
    draw.shuffle(by_text)
    found: list[Excerpt] = []
    for number, (parts, _) in enumerate(by_text):
        draw.shuffle(parts)
        found += [
            Excerpt(part, number, tuple(sorted(draw.sample(ends, WORDS))))
            for part in parts
            if len(ends := _word_ends(part)) >= WORDS
        ]
    taken: Counter[int] = Counter()
    rounds = []
    for excerpt in found:
        rounds.append(taken[excerpt.group])
        taken[excerpt.group] += 1
    order = sorted(range(len(found)), key=lambda number: rounds[number])
    return [found[number] for number in order[:n]]


def _cut(text: str) -> list[str]:
    parts, open_ = [], ""
    for sentence in re.split(r"(?<=[.?!]) +", " ".join(text.split())):
        open_ = f"{open_} {sentence}".strip()
        if len(open_) >= _LEAST:
            parts.append(open_)
            open_ = ""
    return [part for part in parts if len(part) <= _MOST]


def _word_ends(text: str) -> list[int]:
    return [found.end() for found in re.finditer(r"\w+(?=\W|$)", text) if found.end() >= _FIRST]


def read(
    lm: LanguageModel, texts: Sequence[Excerpt], journal: Journal, folder: str, progress: Progress
) -> Tensor:
    """Residuals at the ends of words [excerpts · WORDS, n_layers, d_model], in the model's own dtype.

    Where no token of the model ends with the word, it is not a number. A unit is UNIT excerpts.
    """
    digest, parts = digest_of([[each.text, each.ends] for each in texts])[:8], range(0, len(texts), UNIT)
    found = []
    for first in parts:
        progress(f"reading with {lm.model_id}", first, len(texts))
        part = texts[first : first + UNIT]
        name = f"{folder}{lm.digest[:12]}-{digest}-{first}.safetensors"
        found.append(kept_tensor(journal, name, partial(in_own_thread, _read, lm, part)))
    progress(f"reading with {lm.model_id}", len(texts), len(texts))
    return torch.cat(found)


def _read(lm: LanguageModel, texts: Sequence[Excerpt]) -> Tensor:
    places, found = [], torch.full((len(texts), WORDS, lm.n_layers, lm.d_model), torch.nan, dtype=lm.dtype)
    for each in texts:
        ids, ends = lm.chat.locate_content(each.text)
        # Of several tokens that end there, as pieces of a character do, the last has read all of it.
        last = {end: position for position, end in enumerate(ends)}
        places.append((ids, {word: last[end] for word, end in enumerate(each.ends) if end in last}))
    whole = [number for number, (_, at) in enumerate(places) if at]
    wanted = [Passage(places[number][0], list(places[number][1].values())) for number in whole]
    for number, hidden in residuals(lm.model, wanted):
        words = list(places[whole[number]][1])
        found[whole[number], words] = hidden.to(lm.dtype)
    return found.flatten(0, 1)
