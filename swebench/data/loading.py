"""From the name of a data set to its instances: bundled, a known name, a data set of the hub, or a file.

The known names are pinned to a revision. What has a pinned revision cannot change, so it is kept in the cache
as one Parquet file: later runs need neither the network nor the `datasets` library.
"""

import difflib
import hashlib
import json
import logging
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from swebench.data.bundles import bundled_files
from swebench.data.rows import SUFFIXES, Row, read_rows
from swebench.data.tasks import Instance
from swebench.errors import DatasetUnavailable, InvalidTask, UnknownDataset, UnknownInstance

Progress = Callable[[str, int, int], None]
_log = logging.getLogger(__name__)

PINNED = {
    "verified": "SWE-bench/SWE-bench_Verified@78f471bf655a3137b2e8a75af1501690ec009ec3:test",
    "lite": "SWE-bench/SWE-bench_Lite@b0dde1093fe417d83b7184254edf8199c1f0dff5:test",
    "full": "SWE-bench/SWE-bench@c6fe717fd7a4c3ac1daa4055a4fd082c6a1d28a2:test",
}
"""Known names and the revisions they mean: with the columns of harness 5 (image, eval_script, …)."""

_ONLY_TRAIN = {"SWE-bench/SWE-smith", "SWE-Gym/SWE-Gym", "nebius/SWE-rebench-V2"}
"""Data sets whose one split is another than test, so that nobody has to be asked."""
_HUB = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>\w[\w./-]*))?(:(?P<split>\w[\w.-]*))?"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class InstanceSet:
    """The instances of one data set, by id; `fingerprint` is the sha256 over all their columns.

    `source` is where they came from: of a data set of the hub its name, revision and split. `faults` are the
    rows that cannot be used, by their id: each fails alone, when it is asked for.
    """

    name: str
    fingerprint: str
    instances: dict[str, Instance]
    source: str = ""
    faults: Mapping[str, InvalidTask] = field(default_factory=dict)

    def get(self, instance_id: str) -> Instance:
        """The instance of this id; raises UnknownInstance, which names the nearest ids, and InvalidTask."""
        if instance_id in self.faults:
            raise self.faults[instance_id]
        try:
            return self.instances[instance_id]
        except KeyError:
            near = difflib.get_close_matches(instance_id, self.instances, n=3, cutoff=0)
            raise UnknownInstance(
                f"data set {self.name} has no instance {instance_id[:200]!r} among its "
                f"{len(self.instances)}; the nearest are {', '.join(near) or 'none'}"
            ) from None


def load_instances(
    dataset: str, *, cache: Path | None = None, progress: Progress | None = None
) -> InstanceSet:
    """Load `bundled`, `verified`, `lite`, `full`, a hub data set `org/name[@revision][:split]`, or a file
    (.jsonl, .json, .parquet) of rows in SWE-bench's layout.

    `cache` is the folder that pinned data sets are kept in. Raises UnknownDataset, DatasetUnavailable,
    InvalidRow, InvalidTask.
    """
    if dataset == "bundled":
        return collect(dataset, (pair for path in bundled_files() for pair in read_rows(path)))
    if Path(dataset).suffix in SUFFIXES:
        if not Path(dataset).is_file():
            raise UnknownDataset(f"there is no file {dataset}: check the path")
        return collect(dataset, read_rows(Path(dataset)))
    hub = _HUB.fullmatch(PINNED.get(dataset, dataset))
    if hub is None:
        raise UnknownDataset(
            f"{dataset[:200]!r} is no data set: use bundled, {', '.join(PINNED)}, "
            f"a hub name org/name[@revision][:split], or a file ending in {', '.join(SUFFIXES)}"
            f"{_meant(dataset)}"
        )
    split = hub["split"] or _split(hub["name"], hub["revision"])
    source = f"{hub['name']}@{hub['revision'] or 'newest'}:{split}"
    return collect(dataset, _hub_rows(hub["name"], hub["revision"], split, cache, progress), source)


def _meant(dataset: str) -> str:
    near = difflib.get_close_matches(dataset.lower(), ["bundled", *PINNED], n=1)
    return f"; did you mean {near[0]}?" if near else ""


def collect(name: str, rows: Iterable[tuple[str, Row]], source: str = "") -> InstanceSet:
    """The instances of rows, each with the place it came from, which complaints name.

    A row that is no task is among the faults. Raises InvalidTask where there is no other, and for an id that
    occurs twice.
    """
    instances: dict[str, Instance] = {}
    faults: dict[str, InvalidTask] = {}
    for place, row in rows:
        try:
            instance = Instance.from_row(row)
        except InvalidTask as error:
            faults[str(row.get("instance_id") or place)] = InvalidTask(f"{place}: {error}")
            continue
        if instance.instance_id in instances:
            raise InvalidTask(f"{place}: instance {instance.instance_id} occurs twice")
        instances[instance.instance_id] = instance
    if not instances:
        raise next(iter(faults.values()), InvalidTask(f"data set {name} has no rows"))
    for name_of in faults.keys() & instances.keys():
        raise InvalidTask(f"{faults[name_of]}, and its id is another row's")
    if faults:
        first = next(iter(faults.values()))
        _log.warning("%d rows of %s are no tasks, the first: %s", len(faults), name, first)
    digest = hashlib.sha256()
    for instance_id in sorted(instances):
        digest.update(json.dumps(_columns(instances[instance_id]), sort_keys=True).encode() + b"\n")
    return InstanceSet(name, digest.hexdigest(), instances, source or name, faults)


def _columns(instance: Instance) -> dict[str, object]:
    """What is hashed: columns that other data sets brought count where a row has them."""
    found = asdict(instance)
    for columns, added in ((found, ("planted", "language")), (found["task"], ("recipe",))):
        for name in added:
            if not columns[name]:
                del columns[name]
    return found


def _hub_rows(
    name: str, revision: str | None, split: str, cache: Path | None, progress: Progress | None
) -> Iterable[tuple[str, Row]]:
    if cache is None or revision is None or not _COMMIT.fullmatch(revision):
        return _numbered(name, _download(name, revision, split, cache, progress))
    kept = cache / "datasets" / f"{name.replace('/', '__')}@{revision}-{split}.parquet"
    if not kept.is_file():
        found = _download(name, revision, split, cache, progress)
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


def _download(
    name: str, revision: str | None, split: str, cache: Path | None, progress: Progress | None
) -> "_Table":
    import datasets
    from huggingface_hub.utils import logging as hub_logging

    if revision and Path(name).exists():
        raise UnknownDataset(
            f"the folder {name} here hides the hub's data set of that name: change directory"
        )
    if progress:
        progress(f"data set {name}", 0, 1)
    verbosity, bars = hub_logging.get_verbosity(), datasets.is_progress_bar_enabled()
    # The libraries' own bars and retry notices would run into our progress display.
    hub_logging.set_verbosity(logging.ERROR)
    datasets.disable_progress_bars()
    try:
        found: _Table = datasets.load_dataset(
            name, revision=revision, split=split, cache_dir=str(cache / "datasets") if cache else None
        )
    except Exception as error:
        # The library raises errors of half a dozen others; all mean that the data set could not be had.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DatasetUnavailable(
            f"data set {name} ({revision or 'newest'}, split {split}) could not be loaded: {reason}; "
            "check the name and the network, or give a file of its rows (.jsonl, .json, .parquet)"
        ) from error
    finally:
        hub_logging.set_verbosity(verbosity)
        if bars:
            datasets.enable_progress_bars()
    if progress:
        progress(f"data set {name}", 1, 1)
    return found
