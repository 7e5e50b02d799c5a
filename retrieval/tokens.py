"""Turns code and prose into terms: every word whole and, if it is a compound identifier, in its parts.

`QuerySet.get_or_create` gives queryset, query, set, get_or_create, get, or, create; so an issue that says
"query set" and one that names the class both find it. Plurals count as their singular.

Text of any language is read: what is written without spaces between words gives its pairs of neighbouring
characters, as Lucene's CJK analyser has it, vowel signs belong to their word, and a word with an umlaut or an
accent is also found by the two ways to write it without.
"""

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

VERSION = 3
"""Part of the cache's key: raise it whenever the same text gives other terms."""

MAX_WORD = 64  # characters; longer ones are encoded data, not names
_WORD = re.compile(r"\w+")
_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
    "\uac00-\ud7af"  # Korean has spaces, but particles stand on to the words before them
)
_RUN = re.compile(f"[{_UNSPACED}]+")
_EDGE = re.compile(f"(?<=[{_UNSPACED}])(?=[^{_UNSPACED}\\s])|(?<=[^{_UNSPACED}\\s])(?=[{_UNSPACED}])")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "æ": "ae"})


def apart(text: str) -> str:
    """The text in the form that Python has identifiers in (NFKC), with spaces where a script ends that is
    written without them; an ASCII text is what it was."""
    return text if text.isascii() else _EDGE.sub(" ", unicodedata.normalize("NFKC", text))


def words(text: str) -> list[str]:
    """Its words in order, a run of a script without spaces counting as one."""
    if text.isascii():
        return [word for word in _WORD.findall(text) if len(word) <= MAX_WORD]
    found = _any_word().findall(apart(text))
    return [word for word in found if len(word) <= MAX_WORD or _RUN.fullmatch(word)]


@functools.lru_cache(maxsize=1 << 17)
def terms_of_word(word: str) -> tuple[str, ...]:
    """The lower-cased word, then the parts of snake_case and camelCase where it has more than one."""
    if not word.isascii():
        return tuple(_terms_of_any(word))
    whole = _singular(word.lower())
    parts = [_singular(part.lower()) for part in _PART.findall(word)]
    return (whole, *parts) if len(parts) > 1 else (whole,)


def count_terms(text: str) -> Counter[str]:
    """Term to its number of occurrences in the text."""
    counts: Counter[str] = Counter()
    for word, n in Counter(words(text)).items():
        for term in terms_of_word(word):
            counts[term] += n
    return counts


def _terms_of_any(word: str) -> Iterator[str]:
    if _RUN.fullmatch(word):
        yield from (word[at : at + 2] for at in range(max(1, len(word) - 1)))
        return
    shape = "".join(map(_kind, word))
    parts = [word[slice(*found.span())] for found in _PART.finditer(shape)]
    for part in [word, *parts] if len(parts) > 1 else [word]:
        yield from _spellings(part.casefold())


def _kind(character: str) -> str:
    """What `_PART` takes a character of any script for."""
    if character.isupper():
        return "A"
    if character.isdigit():
        return "0"
    return "_" if character == "_" else "a"


def _spellings(word: str) -> Iterable[str]:
    """A word, and where its letters are Latin ones with marks, how it is written in ASCII."""
    bare = "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
    ascii_ones = (each for each in (bare, word.translate(_UMLAUTS)) if each.isascii())
    return dict.fromkeys(map(_singular, (word, *ascii_ones)))


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


@functools.cache
def _any_word() -> re.Pattern[str]:
    """A word whose vowel signs and other marks, which `\\w` leaves out, belong to it."""
    marks = [code for code in range(0x300, 0x1_2000) if unicodedata.category(chr(code)) in ("Mn", "Mc")]
    joiners = "\u200c\u200d"
    return re.compile(f"\\w[\\w{joiners}{''.join(map(chr, marks))}]*")
