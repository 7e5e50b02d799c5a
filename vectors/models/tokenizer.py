"""A model's tokenizer, whoever read it: the `tokenizers` library's, its special tokens, its chat template.

Why it exists: transformers' tokenizers wrap the same library, and importing them takes seconds. A folder is
read here as it stands; what transformers has read becomes the same thing, so that nobody needs to know.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, Self

from tokenizers import Tokenizer as Backend

_ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


class TransformersTokenizer(Protocol):
    """What is needed of a fast tokenizer of transformers."""

    backend_tokenizer: Backend
    chat_template: str | dict[str, str] | None
    special_tokens_map: dict[str, str]


@dataclass(eq=False)
class Tokenizer:
    """Text ↔ tokens. `special` are the tokens with a role, such as "eos_token": "<|im_end|>"."""

    backend: Backend
    special: Mapping[str, str]
    chat_template: str | None = None

    def __post_init__(self) -> None:
        if "pad_token" not in self.special and "eos_token" in self.special:
            self.special = {**self.special, "pad_token": self.special["eos_token"]}
        self.backend.no_truncation()
        self.backend.no_padding()

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Read tokenizer.json and what lies beside it; None where more than that decides what is encoded."""
        config = _json(folder / "tokenizer_config.json")
        named = {**config, **_json(folder / "special_tokens_map.json")}
        special = {role: token for role in _ROLES if (token := _text(named.get(role)))}
        backend = Backend.from_file(str(folder / "tokenizer.json"))
        # transformers adds what a config names and tokenizer.json lacks, or what it wants to add itself.
        lacking = [token for token in special.values() if backend.token_to_id(token) is None]
        if lacking or any(config.get(name) is not None for name in ("add_bos_token", "add_eos_token")):
            return None
        return cls(backend, special, _template(folder, config))

    @classmethod
    def by_transformers(cls, folder: Path) -> Self:
        """Let transformers read a folder. Raises OSError and ValueError where it cannot."""
        from transformers import PreTrainedTokenizerFast

        return cls.of(PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True))

    @classmethod
    def of(cls, tokenizer: TransformersTokenizer) -> Self:
        """What transformers has read."""
        template = _chosen(tokenizer.chat_template)
        special = {role: str(token) for role, token in tokenizer.special_tokens_map.items() if role in _ROLES}
        return cls(tokenizer.backend_tokenizer, special, template)

    def __len__(self) -> int:
        return self.backend.get_vocab_size(with_added_tokens=True)

    @property
    def bos_token_id(self) -> int | None:
        """The token that begins a text, where there is one."""
        return self._id("bos_token")

    @property
    def eos_token_id(self) -> int | None:
        """The token that ends a text, where there is one."""
        return self._id("eos_token")

    @property
    def pad_token_id(self) -> int | None:
        """The token that fills a row up; where none is named, the one that ends a text."""
        return self._id("pad_token")

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """The tokens with a role: none of them is text."""
        named = [self.backend.token_to_id(token) for token in self.special.values()]
        return frozenset(id_ for id_ in named if id_ is not None)

    @cached_property
    def before(self) -> tuple[int, ...]:
        """Tokens to decode before those of a text that goes on; none where that makes no difference.

        Tokenizers of Llama 2's kind drop the space at the beginning of whatever they decode.
        """
        for text in ("\n", "|", "x"):
            ids, more = self.encode(text), self.encode(f"{text} a")
            if (
                ids
                and more[: len(ids)] == ids
                and self.decode(ids) == text
                and self.decode(more) == f"{text} a"
            ):
                return tuple(ids) if self.decode(more[len(ids) :]) != " a" else ()
        return ()

    @cached_property
    def unwritten_ids(self) -> frozenset[int]:
        """The tokens that are no text: those with a role, and all that the vocabulary calls special."""
        added = self.backend.get_added_tokens_decoder().items()
        return self.special_ids | {id_ for id_, token in added if token.special}

    def encode(self, text: str) -> list[int]:
        """Return the tokens of `text`: special tokens in it are recognised, and none are added."""
        return self.backend.encode(text, add_special_tokens=False).ids

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool = False) -> str:
        """Return the text of tokens."""
        return self.backend.decode(token_ids, skip_special_tokens=skip_special_tokens)

    def spelled(self, token_id: int) -> str:
        """Return what a token adds to a text that stands before it."""
        return self.decode([*self.before, token_id])[len(self.decode(self.before)) :]

    def named(self, token_id: int) -> str:
        """Return a token's text, or, of one that is no text, what the vocabulary calls it."""
        return self.spelled(token_id) or self.backend.id_to_token(token_id) or ""

    def tokens(self, token_ids: Sequence[int]) -> list[str | None]:
        """Return tokens as the vocabulary spells them; None for an id that it does not have."""
        return [self.backend.id_to_token(id_) for id_ in token_ids]

    def without(self, role: str) -> Self:
        """The same tokenizer in which no token has a certain role."""
        return replace(self, special={name: token for name, token in self.special.items() if name != role})

    def _id(self, role: str) -> int | None:
        token = self.special.get(role)
        return None if token is None else self.backend.token_to_id(token)


def _template(folder: Path, config: Mapping[str, object]) -> str | None:
    """The chat template of a folder: a file of its own, or in the config, or in a table of its own."""
    own = folder / "chat_template.jinja"
    if own.is_file():
        return own.read_text("utf-8")
    return _chosen(config.get("chat_template") or _json(folder / "chat_template.json").get("chat_template"))


def _chosen(template: object) -> str | None:
    """The one called `default` where there are several, by name; else the first."""
    if isinstance(template, list):  # as files have them
        entries = [entry for entry in template if isinstance(entry, dict)]
        template = {entry.get("name"): entry.get("template") for entry in entries}
    if isinstance(template, dict):
        template = template.get("default", next(iter(template.values()), None))
    return template if isinstance(template, str) else None


def _json(path: Path) -> dict[str, object]:
    data = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return data if isinstance(data, dict) else {}


def _text(token: object) -> str | None:
    """A token is named by its text, or by a table that holds it."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else None
