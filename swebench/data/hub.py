"""Rows of data sets of the hub, by name, revision and split, through the `datasets` library.

What has a pinned revision cannot change, so it is kept in the cache as one Parquet file: later runs need
neither the network nor the library.
"""

import logging
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from swebench.data.rows import Row, read_rows
from swebench.errors import DatasetUnavailable, UnknownDataset

Progress = Callable[[str, int, int], None]

_ONLY_TRAIN = {"SWE-bench/SWE-smith", "SWE-Gym/SWE-Gym", "nebius/SWE-rebench-V2"}
"""Data sets whose one split is another than test, so that nobody has to be asked."""
_NAME = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>\w[\w./-]*))?(:(?P<split>\w[\w.-]*))?"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")


class HubSet(NamedTuple):
    """A split of a data set; `config` is named where the set has several, `revision` None for the newest."""

    name: str
    revision: str | None
    split: str
    config: str | None = None

    @property
    def source(self) -> str:
        """What it is called where its origin is told."""
        config = f"/{self.config}" if self.config else ""
        return f"{self.name}{config}@{self.revision or 'newest'}:{self.split}"


def hub_set(text: str) -> HubSet | None:
    """What `org/name[@revision][:split]` names; None for any other text.

    A split that nobody names is test, or the only one there is. Raises UnknownDataset where there are
    several.
    """
    found = _NAME.fullmatch(text)
    if found is None:
        return None
    name, revision = found["name"], found["revision"]
    return HubSet(name, revision, found["split"] or _split(name, revision))


def hub_rows(
    of: HubSet, cache: Path | None = None, progress: Progress | None = None
) -> Iterable[tuple[str, Row]]:
    """(place, row) for each row, those of a pinned revision from `cache` where they are.

    Raises DatasetUnavailable, and UnknownDataset where a folder hides the name.
    """
    if cache is None or of.revision is None or not _COMMIT.fullmatch(of.revision):
        return _numbered(of.name, _download(of, cache, progress))
    config = f"--{of.config}" if of.config else ""
    kept = cache / "datasets" / f"{of.name.replace('/', '__')}{config}@{of.revision}-{of.split}.parquet"
    if not kept.is_file():
        found = _download(of, cache, progress)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as making:
            made = Path(making, "rows.parquet")
            found.to_parquet(str(made))
            made.replace(kept)
    return read_rows(kept)


def _split(name: str, revision: str | None) -> str:
    """The split of a data set that nobody named: test, or the only one that there is."""
    if name in _ONLY_TRAIN:
        return "train"
    try:
        from datasets import get_dataset_split_names

        found = get_dataset_split_names(name, revision=revision)
    except Exception:  # whatever is wrong is told when the rows are asked for
        return "test"
    if "test" in found or not found:
        return "test"
    if len(found) == 1:
        return str(found[0])
    raise UnknownDataset(f"data set {name} has the splits {', '.join(found)}: name one, as {name}:{found[0]}")


class _Table(Protocol):
    """What is used of a data set of the `datasets` library."""

    def __iter__(self) -> Iterator[Row]: ...

    def to_parquet(self, path_or_buf: str) -> object: ...


def _numbered(name: str, found: "_Table") -> Iterable[tuple[str, Row]]:
    return ((f"{name}, row {number}", dict(row)) for number, row in enumerate(found, 1))


def _download(of: HubSet, cache: Path | None, progress: Progress | None) -> "_Table":
    import datasets
    from huggingface_hub.utils import logging as hub_logging

    if of.revision and Path(of.name).exists():
        raise UnknownDataset(
            f"the folder {of.name} here hides the hub's data set of that name: change directory"
        )
    if progress:
        progress(f"data set {of.name}", 0, 1)
    verbosity, bars = hub_logging.get_verbosity(), datasets.is_progress_bar_enabled()
    # The libraries' own bars and retry notices would run into our progress display.
    hub_logging.set_verbosity(logging.ERROR)
    datasets.disable_progress_bars()
    try:
        found: _Table = datasets.load_dataset(
            of.name,
            of.config,
            revision=of.revision,
            split=of.split,
            cache_dir=str(cache / "datasets") if cache else None,
        )
    except Exception as error:
        # The library raises errors of half a dozen others; all mean that the data set could not be had.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DatasetUnavailable(
            f"data set {of.name} ({of.revision or 'newest'}, split {of.split}) could not be loaded: "
            f"{reason}; check the name and the network, or give a file of its rows (.jsonl, .json, .parquet)"
        ) from error
    finally:
        hub_logging.set_verbosity(verbosity)
        if bars:
            datasets.enable_progress_bars()
    if progress:
        progress(f"data set {of.name}", 1, 1)
    return found
