"""Text and conversations → tokens, the same for every tokenizer.

What a message says is data: a special token spelled out in an issue or a source file is encoded as the
characters it is written with, and cannot end a turn or begin another. Thinking is off where a chat template
knows it, because a small model's thinking takes minutes.
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from functools import cached_property

from tokenizers import Tokenizer as Backend

from vectors.errors import InvalidRequest, UnsupportedModel
from vectors.models.tokenizer import Tokenizer

Message = Mapping[str, str]
"""A turn: {"role": "system" | "user" | "assistant", "content": text}."""


class Chat:
    """Encodes for one tokenizer; safe to use from several threads."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._backend = tokenizer.backend

    @property
    def thinking(self) -> str:
        """ "off" for a template that can switch thinking off, "none" for one without it."""
        return "off" if "enable_thinking" in (self._tokenizer.chat_template or "") else "none"

    def encode(self, text: str) -> list[int]:
        """Return the tokens of `text` and nothing else, special tokens in it spelled out."""
        if self._special is None or not self._special.search(text):
            return self._ids(self._backend, text)
        return self._ids(self._literal, text)

    def encode_chat(self, messages: Sequence[Message], prefix: str) -> list[int]:
        """Return the tokens of a conversation up to and into the answer, which begins with `prefix`."""
        spelled: dict[str, str] = {}

        def hide(match: re.Match[str]) -> str:
            mark = _unguessable()
            spelled[mark] = match[0]
            return mark

        if self._special is not None:
            messages = [
                {**message, "content": self._special.sub(hide, message["content"])} for message in messages
            ]
        rendered = self._render(messages, answer=True)
        ids: list[int] = list(self._leading)
        for piece in re.split(f"({'|'.join(spelled)})", rendered) if spelled else [rendered]:
            ids += self.encode(spelled[piece]) if piece in spelled else self._ids(self._backend, piece)
        return ids + self.encode(prefix)

    def encode_content(self, text: str) -> tuple[list[int], int]:
        """Return the tokens of a user's message up to its last content token, and where the content starts.

        The markers that follow the content are left out: they carry outlier channels, and a causal model's
        residual at the content does not depend on them.
        """
        mark = _unguessable()
        before, found, _ = self._render([{"role": "user", "content": mark}], answer=False).partition(mark)
        if not found or not text:
            raise UnsupportedModel("a message's text cannot be located in what the chat template makes of it")
        encoded = self._backend.encode(before + text, add_special_tokens=False)
        start = next(i for i, (_, end) in enumerate(encoded.offsets) if end > len(before))
        return [*self._leading, *encoded.ids], len(self._leading) + start

    def _render(self, messages: Sequence[Message], *, answer: bool) -> str:
        if not self._tokenizer.chat_template:
            turns = [f"### {message['role'].title()}\n{message['content']}\n\n" for message in messages]
            return "".join(turns) + ("### Assistant\n" if answer else "")
        from jinja2 import TemplateError

        from vectors.models.templates import render

        template, special = self._tokenizer.chat_template, self._tokenizer.special
        try:
            return render(template, messages, answer=answer, variables=special)
        except TemplateError as error:
            raise InvalidRequest(f"the model's chat template refuses these messages: {error}") from error

    @cached_property
    def _leading(self) -> tuple[int, ...]:
        """The beginning-of-sequence token, where the tokenizer puts one and no template writes it."""
        if self._tokenizer.chat_template:
            return ()
        bos = self._tokenizer.bos_token_id
        return (
            (bos,) if bos is not None and bos in self._backend.encode("", add_special_tokens=True).ids else ()
        )

    @cached_property
    def _special(self) -> re.Pattern[str] | None:
        tokens = [
            token.content for token in self._backend.get_added_tokens_decoder().values() if token.special
        ]
        # Longest first, so that a token that begins like another is not cut short.
        ordered = sorted(tokens, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, ordered))) if ordered else None

    @cached_property
    def _literal(self) -> Backend:
        """A copy that spells special tokens out; made only for a text that needs it."""
        copy = Backend.from_str(self._backend.to_str())
        copy.encode_special_tokens = True
        return copy

    @staticmethod
    def _ids(backend: Backend, text: str) -> list[int]:
        return backend.encode(text, add_special_tokens=False).ids


def _unguessable() -> str:
    """A mark that no message can contain."""
    return f"<{secrets.token_hex(12)}>"
