"""What a task leaves behind, as types: node records, candidates, its result. They are JSON on disk.

A field that an older run did not write has a default, so that its folder can still be reported on.
"""

from typing import Literal

from pydantic import Field, JsonValue, SerializerFunctionWrapHandler, field_validator, model_serializer

from orchestrator.policy.decisions import Record, SteeringRecord
from swebench.patches.edits import Region

Status = Literal["patched", "no_patch", "failed"]
Backend = Literal["local", "docker"]


class Hit(Record):
    """A file that retrieval found; higher scores are better."""

    path: str
    score: float


class FoundDefinition(Record):
    """A definition that retrieval found, with its first and last line, from 1."""

    path: str
    name: str
    kind: str
    lines: tuple[int, int]
    score: float


class Ranking(Record):
    """What retrieval found for a task, best first: retrieval.json."""

    hits: list[Hit] = Field(default_factory=list)
    definitions: list[FoundDefinition] = Field(default_factory=list)


class Step(Record):
    """One attempt of any node; `time_bound` says where a limit on time has decided something."""

    name: str
    attempt: int = 0
    seconds: float
    time_bound: str = ""


class TestsRun(Record):
    """What the repository's existing tests said of a candidate.

    `still_failing` are those of one's own repository that fail without it and with it.
    """

    passed: int
    failed: tuple[str, ...] = ()
    seconds: float
    still_failing: tuple[str, ...] = ()


class Candidate(Record):
    """A rewrite of a region, the patch that it became, and what validation found.

    `verdict` is empty until something speaks for or against it; `score` is a natural log-probability, as
    `preference` is, which the model has for the first token of a catalogue's edit, whose `kind` that is.
    What was not looked at is None.
    """

    number: int = 0
    region: Region
    name: str = ""
    """The function that holds the region, qualified."""
    kind: str = ""
    score: float = 0.0
    preference: float | None = None
    rewrite: str = ""
    patch: str = ""
    verdict: str = ""
    applies: bool | None = None
    parses: bool | None = None
    files: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    reproduction: str = ""
    """What became of what the issue's own code shows."""
    tests: TestsRun | None = None
    timed_out: bool = False
    note: str = ""

    @field_validator("region", mode="before")
    @classmethod
    def _earlier_form(cls, region: object) -> object:
        """Runs of version 0.1 name an edit's single line, and more than the region."""
        if not isinstance(region, dict):
            return region
        start = region.get("start_line", region.get("line"))
        return {"path": region.get("path"), "start_line": start, "end_line": region.get("end_line", start)}


class Check(Record):
    """What validation found about the accepted patch."""

    applies: bool = False
    parses: bool = False
    files: tuple[str, ...] = ()
    still_failing: tuple[str, ...] = ()


class NodeRecord(Record):
    """One attempt of a model node, as `solve --json` prints it: its steering, what it read and wrote."""

    name: str
    attempt: int = 0
    steering: SteeringRecord
    examples: int = 0
    retrieved_tokens: int = 0
    prompt_tokens: int
    new_tokens: int
    seconds: float


class Graded(Record):
    """What the hidden tests said of a patch; `seconds` are of test runs.

    `certified` says whether the instance counts; None where there is no certificate, since nothing could be
    run. `infrastructure` labels what speaks of the machine where there is no verdict.
    """

    resolved: bool
    certified: bool | None = None
    applied: bool | None = None
    reason: str = ""
    seconds: float = 0.0
    backend: Backend | None = None
    infrastructure: str = ""

    @property
    def counts(self) -> bool:
        """Whether the verdict is one: without a certificate nobody knows what its tests are worth."""
        return self.certified is True

    @model_serializer(mode="wrap")
    def _only_known(self, dump: SerializerFunctionWrapHandler) -> dict[str, JsonValue]:
        known = {name: value for name, value in dump(self).items() if value is not None}
        if not self.infrastructure:
            known.pop("infrastructure", None)
        return known


class Result(Record):
    """The outcome of one task, in the form of `solve --json`; `graded` is filled by the caller.

    `stages` are seconds by node, all attempts together; `time_bounds` says where a limit on time has decided
    something, so that another run may come out differently; `reason` is why a task has failed or ended early.
    `shown_by` is what showed the fault when it was run, empty where nothing did, None where no code was run.
    `still_failing` are the tests of one's own repository that the patch leaves failing.
    `uncommitted`, the caller's too, is how many files of one's own working tree differ from its commit.
    """

    instance_id: str
    status: Status
    patch: str = ""
    applies: bool = False
    parses: bool = False
    files: tuple[str, ...] = ()
    nodes: tuple[NodeRecord, ...] = ()
    artifacts: str = ""
    graded: Graded | None = None
    stages: dict[str, float] = Field(default_factory=dict)
    time_bounds: tuple[str, ...] = ()
    reason: str = ""
    shown_by: str | None = None
    still_failing: tuple[str, ...] = ()
    uncommitted: int | None = None

    @property
    def finished(self) -> bool:
        """Whether the task ran to its end, with a patch or without; one that has failed is tried again."""
        return self.status != "failed"
