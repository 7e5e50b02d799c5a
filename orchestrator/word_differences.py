"""Which words of two texts are the same, in order: what a comparison of answers colours."""

import difflib
import re
from collections.abc import Iterator


def stretches(before: str, after: str) -> Iterator[tuple[bool, str, str]]:
    """Both texts in stretches of whole words with the space behind them: whether they are the same words, and
    the stretch of each text. Where the words are the same their spaces may differ.
    """
    words = [re.findall(r"\S+\s*|\s+", text) for text in (before, after)]
    bare_before, bare_after = ([word.strip() for word in each] for each in words)
    matcher = difflib.SequenceMatcher(None, bare_before, bare_after, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        yield tag == "equal", "".join(words[0][a:b]), "".join(words[1][c:d])
