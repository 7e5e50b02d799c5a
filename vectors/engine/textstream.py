"""Turns one row's tokens into text as they come: incremental decoding, and stop strings that span tokens.

Decoding everything again at each token would be quadratic; decoding each token alone would break characters
and leading spaces. So a short window is decoded: the tokens that last gave text, and those since. The
tokenizers library's DecodeStream does the same with three differences that matter here: it gives nothing back
where a text ends inside a character, it holds bytes that are no text for as long as they come, and it raises
where a decoder changes what it has given out.
"""

import re
from collections.abc import Sequence

from vectors.models.tokenizer import Tokenizer

_REPLACEMENT = "\ufffd"  # what a decoder shows for bytes that do not make up a character yet
_MAX_UNFINISHED_TOKENS = 4  # a UTF-8 character has at most four bytes, and a token at least one

_MARKS = 0xD800  # the first surrogate; a model has far fewer special tokens than there are of them
_UNWRITTEN = re.compile("[\ud800-\udfff]")


class TextStream:
    """The text of one row, cut before the first stop string.

    A piece is handed out only when it is certain: no character is unfinished in it, and it cannot turn out
    to be the beginning of a stop string. The pieces joined are the row's text. Special tokens are no text,
    but a stop string may name them: each then stands in the held text as a lone surrogate, which no text can
    hold, and is taken out of what is handed out. `before` are tokens that stand in front of the text and are
    none of it.
    """

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str], before: Sequence[int] = ()) -> None:
        self._tokenizer = tokenizer
        self._stop = list(stop)
        self._marks: dict[int, str] = {}
        self._tokens = list(before)
        self._window = 0  # tokens before this one are out of the window
        self._read = len(before)  # tokens before this one have given their text
        self._held = ""
        self.stopped = False

    def push(self, token: int) -> str:
        """Add a token and return the text that has become certain, perhaps none."""
        before = ""
        if mark := self._mark(token):
            before = self._release(self._decode(len(self._tokens), whole=True)) + self._release(mark)
        self._tokens.append(token)
        return before + self._release(self._decode(len(self._tokens)))

    def finish(self) -> str:
        """Return the text still held back; no token follows."""
        piece = self._release(self._decode(len(self._tokens), whole=True))
        rest, self._held = self._held, ""
        return piece + _UNWRITTEN.sub("", rest)

    def _decode(self, end: int, *, whole: bool = False) -> str:
        before, now = self._text(self._read), self._text(end)
        if not whole and now.endswith(_REPLACEMENT):
            if end - self._read <= _MAX_UNFINISHED_TOKENS:
                return ""
            # More tokens than a character has bytes: the first of them are simply not text.
            end -= _MAX_UNFINISHED_TOKENS - 1
            now = self._text(end)
        piece = now[len(before) :]
        if piece:  # a window without text, of special tokens say, would lose the next token's leading space
            self._window = self._read
        self._read = end
        return piece

    def _mark(self, token: int) -> str:
        """What stands for a special token that a stop string names; "" for every other token."""
        if not self._stop:
            return ""
        if token not in self._marks:
            spelled = self._tokenizer.decode([token])
            hidden = spelled and not self._tokenizer.decode([token], skip_special_tokens=True)
            naming = [stop for stop in self._stop if hidden and spelled in stop]
            self._marks[token] = chr(_MARKS + sum(map(bool, self._marks.values()))) if naming else ""
            self._stop += [stop.replace(spelled, self._marks[token]) for stop in naming]
        return self._marks[token]

    def _text(self, end: int) -> str:
        return self._tokenizer.decode(self._tokens[self._window : end], skip_special_tokens=True)

    def _release(self, piece: str) -> str:
        if self.stopped:
            return ""
        text = self._held + piece
        found = [at for at in (text.find(stop) for stop in self._stop) if at >= 0]
        if found:
            self.stopped, self._held = True, ""
            return _UNWRITTEN.sub("", text[: min(found)])
        certain = len(text) - max((overlap(text, stop) for stop in self._stop), default=0)
        self._held = text[certain:]
        return _UNWRITTEN.sub("", text[:certain])


def overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that is a beginning of `stop`."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)
