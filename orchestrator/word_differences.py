"""Which words of two texts are the same, in order: what a comparison of answers colours."""

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest

_MOST_PAIRS = 50_000
"""Of equal words that are compared: difflib's time is the square of them in texts that repeat a few words, as
answers of a model do that is steered too far."""


def stretches(before: str, after: str) -> Iterator[tuple[bool, str, str]]:
    """Both texts in stretches of whole words with the space behind them: whether they are the same words, and
    the stretch of each text. Where the words are the same their spaces may differ.

    Of texts that repeat themselves too long only the beginnings are compared: the rest is one stretch.
    """
    words = [re.findall(r"\S+\s*|\s+", text) for text in (before, after)]
    bare = [[word.strip() for word in each] for each in words]
    compared = _compared(*bare)
    matcher = difflib.SequenceMatcher(None, bare[0][:compared], bare[1][:compared], autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        yield tag == "equal", "".join(words[0][a:b]), "".join(words[1][c:d])
    if any(len(each) > compared for each in words):
        yield False, "".join(words[0][compared:]), "".join(words[1][compared:])


def _compared(before: Sequence[str], after: Sequence[str]) -> int:
    """How many words of each have no more equal pairs than are compared."""
    counts: tuple[Counter[str | None], Counter[str | None]] = Counter(), Counter()
    pairs = 0
    for number, (one, other) in enumerate(zip_longest(before, after)):
        counts[0][one] += one is not None
        pairs += counts[0][other]
        pairs += counts[1][one]
        counts[1][other] += other is not None
        if pairs > _MOST_PAIRS:
            return number
    return max(len(before), len(after))
