"""One task through the graph: start or go on where a killed run was, and leave its result and prediction."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from orchestrator import events
from orchestrator.artifacts import Artifacts, open_run
from orchestrator.certified import evidence
from orchestrator.errors import OrchestratorError
from orchestrator.fewshot import examples
from orchestrator.graph import build_graph
from orchestrator.jobs import Job
from orchestrator.policy import Certified, policy_for
from orchestrator.reproducing import reproduction_of
from orchestrator.settings import RunConfig
from orchestrator.state import State, Tools
from orchestrator.workbench import Workbench
from swebench.predictions import Prediction, record_prediction


class AlreadyRunning(OrchestratorError):
    """Another process works on this instance in this folder."""


@dataclass(frozen=True)
class Result:
    """The outcome of one task, in the form of `solve --json`; `graded` is filled by the caller."""

    instance_id: str
    status: Literal["patched", "no_patch"]
    patch: str
    applies: bool
    parses: bool
    files: list[str]
    nodes: list[dict[str, Any]]
    artifacts: str
    graded: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


async def solve(
    job: Job, bench: Workbench, config: RunConfig, out: Path, *, fresh: bool, emit: events.Emit
) -> Result:
    """Run the graph on one task.

    Finished nodes of a killed run with the same settings are not run again; `fresh` discards them.
    Raises MixedRunError when `out` holds a run with other settings, AlreadyRunning when another process works
    on the instance there.
    """
    artifacts = Artifacts(out, job.task.instance_id)
    determinants = bench.determinants(config, job.dataset, job.dataset_fingerprint)
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / f".{job.task.instance_id}.lock")
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        raise AlreadyRunning(
            f"{job.task.instance_id} is being solved in {out} by another process: "
            "wait for it or choose another --out"
        ) from None
    with held:
        open_run(out, determinants, bench.facts(), replacing=job.task.instance_id if fresh else None)
        tools = _tools(job, bench, config, artifacts)
        async with AsyncSqliteSaver.from_conn_string(str(out / "checkpoints.sqlite")) as saver:
            await saver.setup()
            if fresh:
                await saver.adelete_thread(job.task.instance_id)
                artifacts.clear()
            state = await _run(build_graph(saver), tools, emit)
        result = _result(state, tools)
        artifacts.write_json("result.json", result.as_dict())
        record_prediction(
            out / "predictions.jsonl",
            Prediction(result.instance_id, f"{tools.model.name}-{config.variant}", result.patch),
        )
    return result


def _tools(job: Job, bench: Workbench, config: RunConfig, artifacts: Artifacts) -> Tools:
    certified = config.policy == "evidence"
    retriever = bench.retriever(job.repository)
    return Tools(
        task=job.task,
        commit=job.commit,
        config=config,
        policy=Certified(evidence(bench.certificates)) if certified else policy_for(config.variant),
        examples=examples(config.few_shot),
        model=bench.model,
        engine=bench.engine,
        vectors=bench.vectors,
        repository=job.repository,
        retriever=retriever,
        artifacts=artifacts,
        reproduction=reproduction_of(job.task, job.commit, job.repository, retriever, bench.lab)
        if config.run_tests
        else None,
        lab=bench.lab,
    )


async def _run(graph: Any, tools: Tools, emit: events.Emit) -> State:
    thread = {"configurable": {"thread_id": tools.task.instance_id}}
    before = await graph.aget_state(thread)
    if before.values:
        emit(events.resumed([record["name"] for record in before.values.get("nodes", [])]))
    if not before.values or before.next:
        inputs = None if before.next else {"instance_id": tools.task.instance_id}
        stream = graph.astream(
            inputs, thread, context=tools, stream_mode=["custom"], durability="sync", version="v2"
        )
        async for part in stream:
            emit(part["data"])
    values: State = (await graph.aget_state(thread)).values
    return values


def _result(state: State, tools: Tools) -> Result:
    patch = tools.artifacts.read(state["patch"]) if state["patch"] else ""
    return Result(
        instance_id=tools.task.instance_id,
        status="patched" if patch else "no_patch",
        patch=patch,
        **state["check"],
        nodes=state["nodes"],
        artifacts=str(tools.artifacts.folder),
    )
