"""Terms as numbers, so that they can be counted in numpy."""

from collections.abc import Iterable
from itertools import chain

import numpy as np

from retrieval.bm25 import Ints
from retrieval.tokens import terms_of_word


class Numbers(dict[str, int]):
    """Word to its number, in the order they are met: looking one up that is not there gives it the next."""

    def __missing__(self, word: str) -> int:
        self[word] = number = len(self)
        return number

    def of(self, words: Iterable[str]) -> Ints:
        """The numbers of words [n], new ones for those not met before."""
        return np.array(list(map(self.__getitem__, words)), dtype=np.int32)


def count_in_groups(groups: Ints, words: list[str]) -> tuple[list[str], Ints]:
    """The terms of words [n], and [3, m] group, term, occurrences; `groups` [n] says whose each word is."""
    numbers, terms = Numbers(), Numbers()
    word = numbers.of(words)
    split = list(map(terms_of_word, numbers))
    term = terms.of(chain.from_iterable(split))
    sizes = np.array(list(map(len, split)), dtype=np.int64)
    # Every occurrence of a word in its terms: from the place of the word's first term on.
    n = sizes[word]
    skipped = np.cumsum(sizes)[word] - np.cumsum(n)
    occurring = term[np.repeat(skipped, n) + np.arange(n.sum())]
    keys = np.repeat(groups.astype(np.int64), n) * max(len(terms), 1) + occurring
    pairs, occurrences = np.unique(keys, return_counts=True)
    return list(terms), np.stack([*np.divmod(pairs, max(len(terms), 1)), occurrences]).astype(np.int32)
