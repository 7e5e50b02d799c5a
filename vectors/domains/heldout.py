"""Held-out texts: what good answers of a domain read like, and ordinary prose to set against them.

None of them is a prompt that a vector is extracted from. They lie beside this module as JSON lists, `neutral`
among them; a user's own is a file of the same form. The split is fixed by the texts themselves, so that a
text on which settings were chosen can never certify them, whatever the seed.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from vectors.errors import TextSetError
from vectors.suggestions import did_you_mean

_FOLDER = Path(__file__).parent / "texts"
_NEUTRAL = "neutral"
_MAX_FILE_BYTES = 4 << 20
_MAX_TEXT_CHARS = 2000
_PROPOSAL_SHARE = 0.25


@dataclass(frozen=True)
class Pair:
    """A text of the domain and a neutral one."""

    text: str
    neutral: str


@dataclass(frozen=True)
class HeldOut:
    """Pairs to choose a setting on, and other pairs to certify it on; `digest` identifies the texts."""

    proposal: tuple[Pair, ...]
    certification: tuple[Pair, ...]
    digest: str


def domains_with_texts() -> list[str]:
    """The domains that come with held-out texts."""
    return sorted(path.stem for path in _FOLDER.glob("*.json") if path.stem != _NEUTRAL)


def load_heldout(domain: str, file: Path | None = None) -> HeldOut:
    """Load a domain's held-out texts, or those of a user's file, paired with neutral ones and split.

    A quarter of the pairs is for proposals. Raises TextSetError, naming what is wrong.
    """
    if file is None and domain not in domains_with_texts():
        raise TextSetError(
            f"there are no held-out texts for {domain}, only for {', '.join(domains_with_texts())}; "
            "give a file of them, a JSON list of texts, with --texts"
            f"{did_you_mean(domain, domains_with_texts())}"
        )
    return split(read_texts(file or _FOLDER / f"{domain}.json"))


def split(texts: list[str]) -> HeldOut:
    """Pair texts with neutral ones; a quarter of the pairs is for proposals."""
    neutral = read_texts(_FOLDER / f"{_NEUTRAL}.json")
    pairs = [Pair(*both) for both in zip(_shuffled(texts), _shuffled(neutral), strict=False)]
    first = round(len(pairs) * _PROPOSAL_SHARE)
    digest = hashlib.sha256(json.dumps([(pair.text, pair.neutral) for pair in pairs]).encode())
    return HeldOut(tuple(pairs[:first]), tuple(pairs[first:]), digest.hexdigest())


def _shuffled(texts: list[str]) -> list[str]:
    """In an order that is random, but the same whoever asks."""
    return sorted(texts, key=lambda text: hashlib.sha256(text.encode()).digest())


def read_texts(path: Path) -> list[str]:
    """The texts of a file, a JSON list. Raises TextSetError."""
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise TextSetError(f"{path.name} is larger than {_MAX_FILE_BYTES:,} bytes; leave texts out")
        texts = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TextSetError(f"{path.name} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise TextSetError(f"{path.name} is not JSON in UTF-8: {error}") from error
    return checked_texts(path.name, texts)


def checked_texts(where: str, texts: object) -> list[str]:
    """The texts themselves. Raises TextSetError."""
    if not isinstance(texts, list) or len(texts) < 8:
        raise TextSetError(f"{where}: expected a list of at least 8 texts")
    for text in texts:
        if not isinstance(text, str) or not text.strip() or len(text) > _MAX_TEXT_CHARS:
            raise TextSetError(
                f"{where} holds {str(text)[:40]!r}, expected text of 1 to {_MAX_TEXT_CHARS} characters"
            )
    if len(set(texts)) < len(texts):
        raise TextSetError(f"{where} holds the same text twice, which would count it twice")
    return texts
