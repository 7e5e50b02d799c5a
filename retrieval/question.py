"""What an issue asks for, read once: weighted terms, those of its title, the files and symbols it names."""

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retrieval.mentions import mentioned_files, mentioned_symbols
from retrieval.titles import title_of
from retrieval.tokens import count_terms

MAX_QUERY_CHARACTERS = 50_000
EXTRA_WEIGHT = 0.3
"""What a word of `extra` counts beside a word of the issue."""
_NOISE = re.compile(r"<!--.*?(?:-->|\Z)|https?://\S+", re.DOTALL)
"""Comments of issue forms, and addresses: their words are no words of the issue."""


@dataclass(frozen=True)
class Question:
    """`terms` and `title` map a term to its weight, `files` a position to how clearly the file is named."""

    terms: Mapping[str, float]
    title: Mapping[str, float]
    files: Mapping[int, float]
    symbols: Mapping[str, float]

    @classmethod
    def of(
        cls, issue: str, extra: Sequence[str], paths: Sequence[str], modules: Mapping[str, int]
    ) -> "Question":
        """Read an issue and what else is known of it.

        A term said n times weighs 1 + ln n: what a traceback repeats is not that much more to the point. The
        title is the first line that says something (see `title_of`).
        """
        terms: dict[str, float] = defaultdict(float)
        files: dict[int, float] = defaultdict(float)
        symbols: dict[str, float] = defaultdict(float)
        for text, weight in ((issue, 1.0), ("\n".join(extra), EXTRA_WEIGHT)):
            read = text[:MAX_QUERY_CHARACTERS]
            words = _NOISE.sub(" ", read)
            for term, n in count_terms(words).items():
                terms[term] += weight * (1 + math.log(n))
            for position, clarity in mentioned_files(read, paths, modules).items():
                files[position] += weight * clarity
            for symbol in mentioned_symbols(words):
                symbols[symbol] += weight
        title = title_of(issue[:MAX_QUERY_CHARACTERS])
        return cls(terms, dict(count_terms(title)), files, symbols)
