"""What experiments and exports of the server's folder say that an autoencoder's features are of.

Whatever cannot be read says nothing here; the laboratory's own routes tell what is wrong with it.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias, TypeVar

from pydantic import ValidationError

from orchestrator.lab.excerpts import Excerpt
from orchestrator.lab.folder import RESULT
from orchestrator.lab.neuronpedia_rows import read_explanations
from orchestrator.lab.several_models import short
from orchestrator.policy.decisions import Record
from services.arena.lab_findings import file_bytes, finished
from services.arena.lab_saes import SaeAtHand
from vectors.errors import SaeError
from vectors.models.loading import LanguageModel

_LEVELS = ("*", "*/*", "*/*/*")
_PROMOTES = "promotes "
_MOST_CHARS = 500
_State: TypeAlias = tuple[tuple[str, int, int], ...]


class Told(Record):
    """A text on a feature, and the folder of the laboratory that it was found in."""

    text: str
    found_in: str


_Kind = TypeVar("_Kind", bound=Record)


class _Match(Record):
    feature: str
    said: str


class _Neuronpedia(Record):
    matches: tuple[_Match, ...]
    searched: tuple[_Match, ...]


class _Feature(Record):
    contexts: tuple[Excerpt, ...]


class _Shown(Record):
    name: str
    layer: int
    d_sae: int
    features: dict[int, _Feature]


class _Show(Record):
    model_digest: str
    shown: tuple[_Shown, ...]


def explanations(root: Path, lm: LanguageModel, sae: SaeAtHand) -> dict[int, Told]:
    """What somebody wrote of features: in an export of Neuronpedia's, or as `lab neuronpedia` found it.

    An autoencoder is called there as `lab sae export` calls it.
    """
    model, source = short(lm.model_id).lower(), f"{sae.layer}-{sae.name.lower()}"
    found = {}
    for folder, result in _results(root, _Neuronpedia):
        for each in (*result.matches, *result.searched):
            where, _, number = each.feature.rpartition("/")
            if where == f"{model}/{source}" and number.isdecimal() and not each.said.startswith(_PROMOTES):
                found[int(number)] = Told(text=each.said[:_MOST_CHARS], found_in=folder)
    whole = root.resolve()
    for path in (path for level in _LEVELS for path in sorted(whole.glob(f"{level}/explanations"))):
        if path.resolve().is_relative_to(whole):
            folder = str(path.parent.relative_to(whole))
            for feature, text in _exported(path.parent, _state(path), model, source).items():
                found[feature] = Told(text=text[:_MOST_CHARS], found_in=folder)
    return found


def examples(root: Path, lm: LanguageModel, sae: SaeAtHand) -> dict[int, Told]:
    """The text in which features are most active, as `lab sae show` found it."""
    found = {}
    for folder, result in _results(root, _Show):
        for shown in result.shown if result.model_digest == lm.digest else ():
            if (shown.name, shown.layer, shown.d_sae) == (sae.name, sae.layer, sae.features):
                for number, feature in shown.features.items():
                    for context in feature.contexts[:1]:
                        found[number] = Told(text=context.line[:_MOST_CHARS], found_in=folder)
    return found


def _results(root: Path, kind: type[_Kind]) -> Iterator[tuple[str, _Kind]]:
    whole = root.resolve()
    for folder in finished(root):
        path = folder / RESULT
        found = _result(path, _state(path), kind)
        if isinstance(found, kind):
            yield str(folder.relative_to(whole)), found


@lru_cache(maxsize=64)
def _result(path: Path, state: _State, kind: type[Record]) -> Record | None:
    del state
    try:
        return kind.model_validate_json(file_bytes(path))
    except (OSError, ValidationError):
        return None  # another experiment's, or none


@lru_cache(maxsize=16)
def _exported(folder: Path, state: _State, model: str, source: str) -> Mapping[int, str]:
    del state
    try:
        return read_explanations(folder, model, source)
    except SaeError:
        return {}


def _state(path: Path) -> _State:
    """When a file, or the files of a folder, were written, and how large they are."""
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        return tuple((each.name, (of := each.stat()).st_mtime_ns, of.st_size) for each in files)
    except OSError:
        return ()
