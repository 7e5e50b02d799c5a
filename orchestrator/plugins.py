"""What other distributions add to retrieval, to the catalogue of edits and to the data sets of tasks.

Found by entry points and handed to the rooms that use it, which know nothing of where it comes from. What is
installed takes part: to be without it, uninstall it. Its faults are told in one line that names it.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, TypeVar

from orchestrator.errors import OrchestratorError
from swebench.data import loading
from swebench.data.loading import PINNED, InstanceSet
from swebench.data.rows import SUFFIXES, Row
from vectors.plugins import find, load, origin
from vectors.progress import Progress

if TYPE_CHECKING:
    from retrieval.bm25 import Floats
    from retrieval.index import Index
    from retrieval.question import Question
    from retrieval.signals import Signal
    from swebench.catalogue import Kind

SIGNALS_GROUP = "orchestrate.retrieval_signals"
KINDS_GROUP = "orchestrate.edit_kinds"
SOURCES_GROUP = "orchestrate.task_sources"
_T = TypeVar("_T")


class PluginFailed(OrchestratorError):
    """A plug-in's function raised an error, or gave what was not asked for."""


def signals() -> "Mapping[str, Signal]":
    """The signals that files are ranked by: ours, and those of plug-ins. Raises PluginError."""
    from retrieval.signals import SIGNALS, Signal

    added = _added(SIGNALS_GROUP, dict.fromkeys(SIGNALS, "retrieval.signals:SIGNALS"))
    loaded = {name: (entry, load(entry, Signal)) for name, entry in added.items()}
    return {
        **SIGNALS,
        **{name: Signal(each.weight, _checked(entry, each)) for name, (entry, each) in loaded.items()},
    }


def edit_kinds() -> "tuple[Kind, ...]":
    """What proposes edits: our catalogue's kinds, and those of plug-ins. Raises PluginError."""
    from swebench.catalogue import KINDS, Code, Edit

    ours = {kind.__name__: f"{kind.__module__}:{kind.__name__}" for kind in KINDS}

    def guarded(entry: EntryPoint) -> "Kind":
        propose = load(entry, FunctionType)

        def kind(node: object, code: Code) -> list[Edit]:
            edits = _told(entry, lambda: list(propose(node, code)))
            if wrong := next((each for each in edits if not isinstance(each, Edit)), None):
                raise PluginFailed(f"{_named(entry)} gave {wrong!r}, expected an Edit")
            return edits

        return kind

    return (*KINDS, *(guarded(entry) for entry in _added(KINDS_GROUP, ours).values()))


def load_instances(
    dataset: str, *, cache: Path | None = None, progress: Progress | None = None
) -> InstanceSet:
    """Load a data set of our own, of the hub or of a file, or one that a plug-in reads by its name or suffix.

    Raises PluginError, PluginFailed, and what `swebench.data.loading.load_instances` raises.
    """
    entry = task_source(dataset)
    if entry is None:
        return loading.load_instances(dataset, cache=cache, progress=progress)
    return loading.collect(dataset, _rows(entry, dataset))


def task_source(dataset: str) -> EntryPoint | None:
    """The plug-in that reads a data set; None for what we read ourselves, which is not looked up."""
    ours = dict.fromkeys(("bundled", *PINNED, *SUFFIXES), "swebench.data.loading:load_instances")
    suffix = Path(dataset).suffix
    if dataset in ours or suffix in ours:
        return None
    added = _added(SOURCES_GROUP, ours)
    return added.get(dataset) or added.get(suffix)


def taking_part(dataset: str) -> dict[str, str]:
    """The plug-ins of these groups in a run on a data set: "group: name" to their distribution."""
    entries = [*find(SIGNALS_GROUP, {}).values(), *find(KINDS_GROUP, {}).values()]
    if source := task_source(dataset):
        entries.append(source)
    return {f"{entry.group}: {entry.name}": origin(entry) for entry in entries}


def _added(group: str, ours: Mapping[str, str]) -> dict[str, EntryPoint]:
    return {name: entry for name, entry in find(group, ours).items() if name not in ours}


def _rows(entry: EntryPoint, dataset: str) -> Iterator[tuple[str, Row]]:
    read = load(entry, FunctionType)
    rows: Iterable[Mapping[str, object]] = _told(entry, lambda: list(read(dataset)))
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise PluginFailed(f"{_named(entry)} gave {row!r:.80} as row {number}, expected a mapping")
        yield f"{dataset}, row {number} as {_named(entry)} reads it", dict(row)


def _checked(entry: EntryPoint, signal: "Signal") -> "Callable[[Index, Question], Floats]":
    import numpy as np

    @functools.wraps(signal.scores)
    def scores(index: "Index", question: "Question") -> "Floats":
        found: Floats = _told(entry, lambda: np.asarray(signal.scores(index, question), dtype=np.float64))
        if found.shape != (len(index.paths),) or not np.isfinite(found).all() or (found < 0).any():
            raise PluginFailed(
                f"{_named(entry)} gave scores of shape {found.shape}, expected {len(index.paths)} numbers "
                "from 0 to infinity"
            )
        return found

    return scores


def _told(entry: EntryPoint, work: Callable[[], _T]) -> _T:
    try:
        return work()
    except Exception as error:  # a plug-in raises what it likes
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise PluginFailed(f"{_named(entry)} failed ({said}); update or uninstall it") from error


def _named(entry: EntryPoint) -> str:
    return f"{entry.name!r} of {entry.group} from {origin(entry)}"
