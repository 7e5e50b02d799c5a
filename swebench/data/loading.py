"""From the name of a data set to its instances: bundled, a known name, a data set of the hub, or a file.

The known names are pinned to a revision (`swebench.data.hub` keeps those in the cache).
"""

import difflib
import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from swebench.data.bundles import bundled_files
from swebench.data.hub import Progress, hub_rows, hub_set
from swebench.data.rows import SUFFIXES, Row, read_rows
from swebench.data.tasks import Instance
from swebench.errors import InvalidTask, UnknownDataset, UnknownInstance

_log = logging.getLogger(__name__)

PINNED = {
    "verified": "SWE-bench/SWE-bench_Verified@78f471bf655a3137b2e8a75af1501690ec009ec3:test",
    "lite": "SWE-bench/SWE-bench_Lite@b0dde1093fe417d83b7184254edf8199c1f0dff5:test",
    "full": "SWE-bench/SWE-bench@c6fe717fd7a4c3ac1daa4055a4fd082c6a1d28a2:test",
}
"""Known names and the revisions they mean: with the columns of harness 5 (image, eval_script, …)."""


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
    hub = hub_set(PINNED.get(dataset, dataset))
    if hub is None:
        raise UnknownDataset(
            f"{dataset[:200]!r} is no data set: use bundled, {', '.join(PINNED)}, "
            f"a hub name org/name[@revision][:split], or a file ending in {', '.join(SUFFIXES)}"
            f"{_meant(dataset)}"
        )
    return collect(dataset, hub_rows(hub, cache, progress), hub.source)


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
