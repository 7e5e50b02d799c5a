"""Turns code and prose into terms: every word whole and, if it is a compound identifier, in its parts.

`QuerySet.get_or_create` gives queryset, query, set, get_or_create, get, or, create; so an issue that says
"query set" and one that names the class both find it. Plurals count as their singular.
"""

import functools
import re
from collections import Counter

VERSION = 2
"""Part of the cache's key: raise it whenever the same text gives other terms."""

WORD = re.compile(r"\w+")
_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
MAX_WORD = 64  # characters; longer ones are encoded data, not names


@functools.lru_cache(maxsize=1 << 17)
def terms_of_word(word: str) -> tuple[str, ...]:
    """The lower-cased word, then the parts of snake_case and camelCase where it has more than one."""
    whole = _singular(word.lower())
    parts = [_singular(part.lower()) for part in _PART.findall(word)]
    return (whole, *parts) if len(parts) > 1 else (whole,)


def _singular(word: str) -> str:
    """Harman's S-stemmer (1991, "How effective is suffixing?"), which hardly ever joins what is apart."""
    if len(word) < 4 or not word.isalpha():
        return word
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    if word.endswith("s") and not word.endswith(("us", "ss")):
        return word[:-1]
    return word


def count_terms(text: str) -> Counter[str]:
    """Term to its number of occurrences in the text."""
    counts: Counter[str] = Counter()
    for word, n in Counter(WORD.findall(text)).items():
        if len(word) <= MAX_WORD:
            for term in terms_of_word(word):
                counts[term] += n
    return counts
