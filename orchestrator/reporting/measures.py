"""One prediction against the truth: does it apply, does it touch what the gold patch touches, how far it got.

The base commit and the gold patch of an instance are read once and serve all runs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from orchestrator.records import Graded
from orchestrator.reporting.funnel import first_missing
from orchestrator.reporting.original import Loose, loose
from orchestrator.reporting.runs import Run, Trace
from retrieval.definitions import Definition, find_definitions
from retrieval.errors import RetrievalError
from retrieval.store import Repository
from swebench.data.tasks import Instance
from swebench.errors import InvalidTask
from swebench.patches.edits import Region
from swebench.patches.gold import Gold, last_rank
from swebench.patches.validity import check_patch

Place = tuple[str, str]
"""A path and the qualified name of a function in it; empty for what is in none."""


class Base:
    """The base commit of an instance with what its gold patch changes; raises RetrievalError."""

    def __init__(self, instance: Instance, repository: Repository) -> None:
        self.instance = instance
        self.repository = repository
        self.commit = repository.resolve(instance.task.base_commit)
        self.paths = frozenset(file.path for file in repository.files(self.commit))
        self._definitions: dict[str, list[Definition]] = {}

    @cached_property
    def gold(self) -> Mapping[str, frozenset[int]]:
        """Path to changed lines of the gold patch; empty where the row has none that changes a file."""
        return _lines(self.instance.patch)

    @cached_property
    def gold_places(self) -> frozenset[Place]:
        """Where the gold patch changes something."""
        return self.places(self.gold)

    def places(self, lines: Mapping[str, Iterable[int]]) -> frozenset[Place]:
        """The functions that hold these lines of the base commit."""
        return frozenset((path, name) for path, own in lines.items() for name in self._names(path, set(own)))

    def _names(self, path: str, lines: set[int]) -> set[str]:
        functions = [each for each in self._read(path) if each.kind != "class"]
        within = {f.name: {line for line in lines if line in f} for f in functions}
        outside = lines.difference(*within.values())
        return {name for name, own in within.items() if own} | ({""} if outside else set())

    def _read(self, path: str) -> list[Definition]:
        if path not in self._definitions:
            try:
                text = self.repository.text(self.commit, path) if path.endswith((".py", ".pyi")) else ""
            except RetrievalError:
                text = ""
            self._definitions[path] = find_definitions(text)
        return self._definitions[path]


@dataclass(frozen=True)
class Measured:
    """What is known of one instance of a run; None where it cannot be known.

    `applies` is `git apply --check`; `file`, `function` and `line` say whether the patch touches one that the
    gold patch touches; `file_rank` is where the last gold file stands in the retrieved ranking (0: nowhere).
    `lost_at` is the first stage of the funnel that was not passed (empty: resolved).
    """

    instance_id: str
    repository: str
    failure: str
    problem: str
    applies: bool
    parses: bool
    file: bool | None
    function: bool | None
    line: bool | None
    file_rank: int | None
    loose: Loose
    resolved: bool | None
    lost_at: str
    seconds: float
    prompt_tokens: int
    new_tokens: int


def measure(base: Base, run: Run, verdict: Graded | None) -> Measured:
    """Measure one instance of a run against its base commit and gold patch."""
    instance_id = base.instance.instance_id
    patch, trace = run.patch(instance_id), run.trace(instance_id)
    check = check_patch(base.repository.git, base.commit, patch)
    touched = _lines(patch) if check.applies else {}
    touched_places = base.places({path: lines for path, lines in touched.items() if path in base.gold})
    functions = {place for place in base.gold_places if place[1]}
    hits = trace.hits
    resolved = verdict.resolved if verdict and verdict.counts else None
    return Measured(
        instance_id=instance_id,
        repository=base.instance.repo,
        failure=trace.failure if trace.folder.is_dir() else "",
        problem="; ".join(check.problems),
        applies=check.applies,
        parses=check.parses,
        file=bool(touched.keys() & base.gold.keys()) if base.gold else None,
        function=bool(touched_places & functions) if functions else None,
        line=any(set(own) & base.gold.get(path, frozenset()) for path, own in touched.items())
        if base.gold
        else None,
        file_rank=(last_rank(hits, base.gold) or 0) if base.gold and hits else None,
        loose=loose(patch, base.paths),
        resolved=resolved,
        lost_at=_lost_at(base, trace, touched_places, resolved),
        seconds=round(sum(trace.seconds().values()), 3),
        prompt_tokens=sum(node.prompt_tokens for node in trace.nodes),
        new_tokens=sum(node.new_tokens for node in trace.nodes),
    )


def _lost_at(base: Base, trace: Trace, handed_in: frozenset[Place], resolved: bool | None) -> str:
    there = [
        each for each in trace.candidates if base.places(_lines_of(each.region, base)) & base.gold_places
    ]
    return first_missing(
        {
            "retrieved": bool(base.gold.keys() & set(trace.hits)),
            "region": bool(there),
            "candidate": any(each.patch for each in there),
            "applies": any(each.applies for each in there),
            "tests": bool(handed_in & base.gold_places),
            "resolved": resolved,
        }
    )


def _lines_of(region: Region, base: Base) -> dict[str, Iterable[int]]:
    """The lines of a candidate's region, where it is in a file of the gold patch at all."""
    if region.path not in base.gold:
        return {}
    return {region.path: range(region.start_line, region.end_line + 1)}


def _lines(patch: str) -> Mapping[str, frozenset[int]]:
    try:
        return Gold.of(patch).lines
    except InvalidTask:
        return {}
