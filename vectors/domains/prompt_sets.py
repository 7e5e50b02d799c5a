"""Prompt sets: what a domain's vector is extracted from, prompts of the domain against neutral ones.

The project's own sets lie beside this module as JSON; a user's set is a file of the same form.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from vectors.errors import VectorsError
from vectors.suggestions import did_you_mean

_FOLDER = Path(__file__).parent / "prompts"
MAX_FILE_BYTES = 1 << 20
_MAX_PROMPT_CHARS = 2000
NAME = re.compile(r"(?!.*\.safetensors$)[A-Za-z0-9][\w.-]{0,63}", re.ASCII)
"""What a domain of one's own may be called."""
Method = Literal["mean_difference", "pca"]
Token = Literal["last", "mean"]
TOKENS: dict[Token, str] = {"last": "last content token", "mean": "mean over content tokens"}
"""What the metadata of a vector calls the residuals it was made from."""


class PromptSetError(VectorsError, ValueError):
    """A prompt set that does not exist or is not of the expected form."""


@dataclass(frozen=True)
class PromptSet:
    """Prompts of a domain and as many neutral ones; the i-th of both form a pair.

    `keywords` are words that text of the domain tends to hold.
    """

    domain: str
    description: str
    keywords: tuple[str, ...]
    positive: tuple[str, ...]
    negative: tuple[str, ...]

    @cached_property
    def digest(self) -> str:
        """sha256 of the content, whatever the file's layout."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def domain_names() -> list[str]:
    """The domains that come with the project."""
    return sorted(path.stem for path in _FOLDER.glob("*.json"))


def load_prompt_set(domain: str | Path) -> PromptSet:
    """Load one of the project's own sets by domain, or a user's by path (.json).

    Raises PromptSetError, naming the first thing that is wrong.
    """
    path = domain if isinstance(domain, Path) else _FOLDER / f"{domain}.json"
    if not isinstance(domain, Path) and domain not in domain_names():
        names = domain_names()
        raise PromptSetError(
            f"no domain {domain!r}: expected one of {', '.join(names)}{did_you_mean(domain, names)}"
        )
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise PromptSetError(f"{path.name} is larger than {MAX_FILE_BYTES:,} bytes; shorten the set")
        return checked(path.name, json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise PromptSetError(f"{path.name} cannot be read: {error.strerror}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise PromptSetError(f"{path.name} is not JSON: {error}") from error


def checked(where: str, data: object, *, own: bool = False) -> PromptSet:
    """The prompt set that `data` is; one of one's own may lack keywords. Raises PromptSetError."""
    if not isinstance(data, dict) or set(data) != set(PromptSet.__dataclass_fields__):
        raise PromptSetError(
            f"{where}: expected an object with exactly {', '.join(PromptSet.__dataclass_fields__)}"
        )
    for name in ("domain", "description"):
        _check_text(where, name, data[name])
    for name in ("keywords", "positive", "negative"):
        if not isinstance(data[name], list) or not (data[name] or (own and name == "keywords")):
            raise PromptSetError(f"{where}: {name} must be a list of texts that is not empty")
        for text in data[name]:
            _check_text(where, name, text)
        if len(set(data[name])) < len(data[name]):
            raise PromptSetError(f"{where}: {name} holds the same text twice")
    if len(data["positive"]) != len(data["negative"]) or len(data["positive"]) < 2:
        raise PromptSetError(
            f"{where}: expected as many negative as positive prompts, at least 2, found "
            f"{len(data['negative'])} and {len(data['positive'])}"
        )
    lists = {name: tuple(data[name]) for name in ("keywords", "positive", "negative")}
    return PromptSet(data["domain"], data["description"], **lists)


def _check_text(where: str, name: str, text: object) -> None:
    if not isinstance(text, str) or text != text.strip() or not 0 < len(text) <= _MAX_PROMPT_CHARS:
        raise PromptSetError(
            f"{where}: {name} holds {str(text)[:40]!r}, expected text of 1 to {_MAX_PROMPT_CHARS} characters "
            "without space around it"
        )
