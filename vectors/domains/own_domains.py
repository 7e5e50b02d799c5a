"""The domains there are: the project's, and those of one's own, each a file beside the vectors of a library.

A domain of one's own is all that the project's are: prompts and their neutral twins, how a vector is made of
them, and texts to measure it on. So every model gets its vector on first use, and everything that takes a
domain takes it by its name. In a library of one's own it may have the name of one of the project's, whose
place it takes there. Imports no torch: names are checked before anything large is loaded.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

from vectors.domains.heldout import HeldOut, checked_texts, load_heldout, read_texts, split
from vectors.domains.prompt_sets import (
    MAX_FILE_BYTES,
    NAME,
    Method,
    PromptSet,
    PromptSetError,
    Token,
    checked,
    domain_names,
    load_prompt_set,
)
from vectors.files import write_atomic
from vectors.suggestions import did_you_mean

_MAX_FILE_BYTES = 8 << 20


@dataclass(frozen=True)
class Domain:
    """What a domain's vector is made from, and how. `texts` are held out to measure it, perhaps none."""

    prompts: PromptSet
    method: Method = "mean_difference"
    token: Token = "last"  # noqa: S105 - a position in the text, no secret
    texts: tuple[str, ...] = ()


class Domains:
    """The project's domains and those kept in the folder of a vector library."""

    def __init__(self, library: Path) -> None:
        self._library = library

    def names(self) -> list[str]:
        """All of them."""
        return sorted({*domain_names(), *(path.stem for path in self._library.glob("domains/*.json"))})

    def is_own(self, name: str) -> bool:
        """Whether a domain is one of one's own, perhaps in the place of one of the project's."""
        return self._path(name).is_file()

    def load(self, name: str) -> Domain:
        """A domain by its name, of one's own before the project's. Raises PromptSetError."""
        path = self._path(name)
        if not NAME.fullmatch(name) or not path.is_file():
            if name not in domain_names():
                names = self.names()
                raise PromptSetError(
                    f"no domain {name!r}: expected one of {', '.join(names)}, or pairs of your own with "
                    f"`vectors extract --prompts FILE`{did_you_mean(name, names)}"
                )
            return Domain(load_prompt_set(name))
        data = _json(path, _MAX_FILE_BYTES)
        if not isinstance(data, dict):
            raise PromptSetError(f"{path.name}: expected an object; extract the domain again")
        method, token = data.pop("method", "mean_difference"), data.pop("token", "last")
        texts = data.pop("texts", [])
        if method not in get_args(Method) or token not in get_args(Token):
            raise PromptSetError(f"{path.name}: no method {method!r} with token {token!r}; extract it again")
        if texts:
            checked_texts(path.name, texts)
        return Domain(checked(path.name, data, own=True), method, token, tuple(texts))

    def check(self, name: str) -> None:
        """Raise PromptSetError for a name that is neither a domain's nor that of an imported vector."""
        if not self.kept(name):
            self.load(name)

    def kept(self, name: str) -> list[Path]:
        """The files of vectors of that name, of every model, where it is no domain's."""
        if name in self.names() or not NAME.fullmatch(name):
            return []
        return sorted(self._library.glob(f"*/{name}-{'[0-9a-f]' * 16}.safetensors"))

    def heldout(self, name: str, file: Path | None = None) -> HeldOut:
        """A domain's held-out texts, or those of a file. Raises TextSetError and PromptSetError."""
        if file is None and name in self.names() and (texts := self.load(name).texts):
            return split(list(texts))
        return load_heldout(name, file)

    def keep(self, domain: Domain) -> Path:
        """Keep a domain of one's own, in place of an earlier one of its name; returns its file."""
        data = asdict(domain.prompts) | {"method": domain.method, "token": domain.token}
        text = json.dumps({**data, "texts": domain.texts}, indent=1, ensure_ascii=False)
        path = self._path(domain.prompts.domain)
        write_atomic(path, text.encode())
        return path

    def _path(self, name: str) -> Path:
        return self._library / "domains" / f"{name}.json"


def read_pairs(path: Path, name: str | None = None) -> PromptSet:
    """Read pairs of one's own as a domain called `name`, or else as the file says, or else as it is called.

    The file holds JSON: {"positive": […], "negative": […]}, and perhaps domain, description and keywords,
    or a list of pairs, each [positive, negative] or an object of both. Any other file has a pair a line,
    parted by a tab or as JSON; empty lines and those that begin with # are passed over. Raises
    PromptSetError.
    """
    whole = path.suffix == ".json"
    data = _json(path, MAX_FILE_BYTES) if whole else [*_lines(path)]
    given: dict[str, object] = {"description": f"pairs of {path.name}", "keywords": []}
    if isinstance(data, list):
        pairs = [_pair(path, number, each) for number, each in enumerate(data, start=1)]
        given |= {"positive": [pair[0] for pair in pairs], "negative": [pair[1] for pair in pairs]}
    elif isinstance(data, dict):
        given |= data
    name = name or str(given.get("domain", path.stem))
    if not NAME.fullmatch(name):
        raise PromptSetError(
            f"{path.name}: {name[:80]!r} is no name of a domain; give one of up to 64 letters, digits and "
            ". _ - with --domain"
        )
    return checked(path.name, {**given, "domain": name}, own=True)


def check_pairs(pairs: Path, name: str | None, texts: Path | None, *, own_library: bool) -> PromptSet:
    """Read pairs, and look at held-out texts, before anything large is loaded.

    A name of the project's own domains can be had in a library of one's own alone. Raises PromptSetError and
    TextSetError.
    """
    prompts = read_pairs(pairs, name)
    if prompts.domain in domain_names() and not own_library:
        raise PromptSetError(
            f"{prompts.domain} is one of the project's own domains: choose another name with --domain, or a "
            "folder of your own with --out, in which yours takes its place"
        )
    if texts:
        read_texts(texts)
    return prompts


def _json(path: Path, limit: int) -> object:
    try:
        return json.loads(_text(path, limit))
    except (ValueError, RecursionError) as error:
        raise PromptSetError(f"{path.name} is not JSON: {error}") from error


def _text(path: Path, limit: int) -> str:
    try:
        if path.stat().st_size > limit:
            raise PromptSetError(f"{path.name} is larger than {limit:,} bytes; shorten the set")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise PromptSetError(f"{path.name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PromptSetError(f"{path.name} is not UTF-8: {error}") from error


def _lines(path: Path) -> list[object]:
    found: list[object] = []
    for number, line in enumerate(_text(path, MAX_FILE_BYTES).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.lstrip()[0] in "[{":
            try:
                found.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise PromptSetError(f"{path.name}, line {number} is not JSON: {error}") from error
        elif line.count("\t") == 1:
            found.append(line.split("\t"))
        else:
            raise PromptSetError(
                f"{path.name}, line {number} holds {line[:40]!r}: expected a positive and a negative text "
                "with one tab between them"
            )
    return found


def _pair(path: Path, number: int, each: object) -> tuple[object, object]:
    if isinstance(each, Mapping) and {"positive", "negative"} <= each.keys():
        each = [each["positive"], each["negative"]]
    if isinstance(each, list) and len(each) == 2:
        one, other = (text.strip() if isinstance(text, str) else text for text in each)
        return one, other
    raise PromptSetError(
        f"{path.name}: pair {number} is {str(each)[:40]!r}, expected [positive, negative] or an object"
    )
