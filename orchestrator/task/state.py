"""The graph's state, and the tools its nodes work with.

The state is what a checkpoint holds, so it stays small: texts live in the artifacts and the state keeps their
names. The tools are everything that cannot or must not be stored: model, engine, repository.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypedDict

from pydantic import JsonValue

from orchestrator.policy.policy import Policy
from orchestrator.run_config import RunConfig
from orchestrator.task.artifacts import Artifacts
from orchestrator.task.fewshot import Example
from retrieval.search import Retriever
from retrieval.store import Repository
from swebench.catalogue import KINDS, Kind
from swebench.data.tasks import Task
from swebench.grading.verdicts import ExistingTests
from swebench.running.fault import Fault
from vectors.domains.library import VectorLibrary
from vectors.engine.engine import Engine
from vectors.models.loading import LanguageModel


class Input(TypedDict):
    """What a run of the graph starts from."""

    instance_id: str


class State(TypedDict, total=False):
    """What the nodes hand on; every name of an artifact is relative to the instance's folder."""

    instance_id: str
    findings: str
    """code_reading's answer, cut to the step limit."""
    analysis: str
    """bug_analysis's answer, cut to the step limit."""
    context: str
    """Name of the artifact with the code that the model is shown; empty without retrieved context."""
    regions: list[dict[str, JsonValue]]
    """Targets that patch_writing may rewrite, best first, as plain data."""
    attempt: int
    """How many times patch_writing has run."""
    candidates: str
    """Name of the artifact with the newest attempt's candidates."""
    patch: str
    """Name of the artifact with the accepted patch; empty while there is none."""
    check: dict[str, JsonValue]
    """What validation found about the accepted patch: a Check as plain data."""
    reason: str
    """Why the task ended early; there is none where it went its whole way."""
    shown_by: str | None
    """What showed the fault when it was run, empty where nothing did; None where no code may be run."""
    nodes: Annotated[list[dict[str, JsonValue]], operator.add]
    """One NodeRecord per finished model node, in order, as plain data."""


@dataclass(frozen=True)
class Tools:
    """LangGraph's runtime context: what the nodes of one task work with."""

    task: Task
    commit: str
    config: RunConfig
    policy: Policy
    examples: Sequence[Example]
    model: LanguageModel
    engine: Engine
    vectors: VectorLibrary
    repository: Repository
    retriever: Retriever
    artifacts: Artifacts
    reproduction: Fault | None
    """What shows the fault when it is run; None where the user does not allow running any code."""
    existing_tests: Callable[[str], ExistingTests]
    """Runs the existing tests on a patch."""
    test_timeout_s: float
    """How long they may take."""
    python: Path | None = None
    """The Python that they run on; None where the user does not allow running any code."""
    owner: str = ""
    """Who alone may reuse what the engine computes for the task; see `GenerationRequest`."""
    edit_kinds: Sequence[Kind] = KINDS
    """What proposes edits: the catalogue, and what plug-ins add to it."""
