"""Where the tokens of an edited text first differ from those of the text, without encoding all of it."""

from collections.abc import Callable, Sequence
from functools import cache


class TokenizedText:
    """A text and its tokens.

    An edit is encoded with a line before and a line after it. That gives the tokens of the whole where the
    tokenizer, so cut, agrees with itself on the text as it stands; where it does not, the whole is encoded.
    """

    def __init__(self, encode: Callable[[str], Sequence[int]], text: str) -> None:
        self.text = text
        self.ids = list(encode(text))
        self._encode = encode
        self._window = cache(self._cut)

    def first_difference(self, start: int, end: int, new: str) -> tuple[int, int] | None:
        """The place of the first token that is another when start..end become `new`, and that token.

        None where one of the two only goes on after the other has ended.
        """
        first, last = self._before(start), self._after(end)
        known = self._window(first, last)
        if known:
            place, there = known
            edited = self._encode(self.text[first:start] + new + self.text[end:last])
            found = _first_difference(there, edited)
            if found is not None and (found + 1 < len(edited) or last == len(self.text)):
                return place + found, edited[found]  # the last token of a window may be a part of one
        edited = self._encode(self.text[:start] + new + self.text[end:])
        found = _first_difference(self.ids, edited)
        return None if found is None else (found, edited[found])

    def _before(self, start: int) -> int:
        """Where the words of the last line with any before this one begin, with a blank before them."""
        words = len(self.text[: self.text.rfind("\n", 0, start) + 1].rstrip())
        line = self.text.rfind("\n", 0, words) + 1
        first = line + len(self.text[line:words]) - len(self.text[line:words].lstrip())
        return first - 1 if words and self.text[first - 1 : first] == " " else first * bool(words)

    def _after(self, end: int) -> int:
        """The end of the next line with any words after this one."""
        line = self.text.find("\n", end)
        if line < 0:
            return len(self.text)
        words = len(self.text) - len(self.text[line:].lstrip())
        last = self.text.find("\n", words)
        return last if last >= 0 else len(self.text)

    def _cut(self, first: int, last: int) -> tuple[int, list[int]] | None:
        """How many tokens come before a window, and its own but the last; None if they disagree."""
        place = len(self._encode(self.text[:first]))
        there = list(self._encode(self.text[first:last]))[:-1]
        return (place, there) if self.ids[place : place + len(there)] == there else None


def _first_difference(one: Sequence[int], other: Sequence[int]) -> int | None:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
