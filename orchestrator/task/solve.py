"""One task through the graph: start or go on where a killed run was, and leave its result and prediction."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from filelock import AcquireReturnProxy, FileLock, Timeout
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from orchestrator.errors import OrchestratorError
from orchestrator.events import EmitTask, Resumed
from orchestrator.records import Check, NodeRecord, Result
from orchestrator.run_config import RunConfig
from orchestrator.session import Session, machine_facts
from orchestrator.task.artifacts import Artifacts, open_run
from orchestrator.task.fewshot import nearest
from orchestrator.task.graph import build_graph
from orchestrator.task.jobs import Job
from orchestrator.task.nearest import nearest_tests
from orchestrator.task.obstacles import none_passed
from orchestrator.task.reproduction import fault_of, tests_found
from orchestrator.task.state import State, Tools
from swebench.data.predictions import Prediction, record_prediction
from swebench.grading.verdicts import ExistingTests, run_existing_tests

TEST_TIMEOUT_S = 60.0
"""A candidate may loop for ever; one that the tests do not get through in this time is refused."""


class AlreadyRunning(OrchestratorError):
    """Another process works on this instance in this folder."""


async def solve(
    job: Job, session: Session, config: RunConfig, out: Path, *, fresh: bool, emit: EmitTask
) -> Result:
    """Run the graph on one task.

    Finished nodes of a killed run with the same settings are not run again; `fresh` discards them.
    What `emit` raises stops the run; it can be gone on with.
    Raises MixedRunError when `out` holds a run with other settings, AlreadyRunning when another process works
    on the instance there.
    """
    determinants = session.determinants(config, job.dataset, job.dataset_fingerprint)
    if job.tests:
        determinants["tests"] = job.tests.digest
    out.mkdir(parents=True, exist_ok=True)
    with claimed(out, job.task.instance_id):
        facts = machine_facts() | ({"dataset_source": job.source} if job.source else {})
        open_run(out, determinants, facts, replacing=job.task.instance_id if fresh else None)
        async with checkpoints(out) as saver:
            result = await run_task(job, session, config, out, saver, fresh=fresh, emit=emit)
        commit(out, result, made_by(session, config))
    return result


@asynccontextmanager
async def checkpoints(out: Path) -> AsyncIterator[AsyncSqliteSaver]:
    """Where the tasks of a folder leave what they have done; many of them may share it at once."""
    async with AsyncSqliteSaver.from_conn_string(str(out / "checkpoints.sqlite")) as saver:
        await saver.setup()
        yield saver


async def run_task(
    job: Job,
    session: Session,
    config: RunConfig,
    out: Path,
    saver: AsyncSqliteSaver,
    *,
    fresh: bool,
    emit: EmitTask,
) -> Result:
    """Run the graph on one task and leave everything but the result itself in its folder.

    The caller holds the instance (`claimed`) and commits the result.
    """
    artifacts = Artifacts(out, job.task.instance_id)
    if job.tests:
        emit(tests_found(job.tests))
    tools = await asyncio.to_thread(_tools, job, session, config, artifacts)
    if fresh:
        await saver.adelete_thread(job.task.instance_id)
        artifacts.clear()
    return _result(await run_graph(build_graph(saver), tools, emit), tools)


_LET_GO_S = 1.0
"""A child that a killed process had just forked holds its locks too, until it becomes another program."""


def claimed(folder: Path, name: str) -> AcquireReturnProxy[FileLock]:
    """A context in which no other process works on `name` in a folder; raises AlreadyRunning if one does."""
    try:
        return FileLock(folder / f".{name}.lock").acquire(timeout=_LET_GO_S, poll_interval=0.02)
    except Timeout:
        raise AlreadyRunning(
            f"{name} is being worked on in {folder} by another process: wait for it or choose another --out"
        ) from None


def made_by(session: Session, config: RunConfig) -> str:
    """The name under which predictions are handed in."""
    return f"{session.model.name}-{config.variant}"


def commit(out: Path, result: Result, name: str, order: Sequence[str] = ()) -> None:
    """Write down a finished task: its result, and then its prediction, which makes it finished.

    `name` is what made it; `order` is that of the predictions, by instance id.
    """
    Artifacts(out, result.instance_id).write_record("result.json", result)
    record_prediction(out / "predictions.jsonl", Prediction(result.instance_id, name, result.patch), order)


def _tools(job: Job, session: Session, config: RunConfig, artifacts: Artifacts) -> Tools:
    retriever = session.shared_retriever(job.repository, job.commit)
    near = nearest_tests(job, retriever)

    def existing_tests(patch: str) -> ExistingTests:
        if job.tests:
            return job.tests.check(patch, near)
        git, test_bed = job.repository.git, session.test_bed
        return run_existing_tests(
            job.task, git, patch, test_bed=test_bed, nearest=near, timeout_s=TEST_TIMEOUT_S
        )

    return Tools(
        task=job.task,
        commit=job.commit,
        config=config,
        policy=session.policy(config),
        examples=nearest(job.task.problem_statement, config.few_shot),
        model=session.model,
        engine=session.engine,
        vectors=session.vectors,
        repository=job.repository,
        retriever=retriever,
        artifacts=artifacts,
        reproduction=fault_of(job, retriever, session.test_bed) if config.run_tests else None,
        existing_tests=existing_tests,
        test_timeout_s=job.tests.timeout_s if job.tests else TEST_TIMEOUT_S,
        python=_python(job, session) if config.run_tests else None,
        owner=job.owner,
        edit_kinds=session.edit_kinds,
    )


def _python(job: Job, session: Session) -> Path:
    within = job.tests.within if job.tests else session.test_bed.surroundings(job.task, job.repository.git)
    return within.programs[0] / "python"


async def run_graph(graph: Any, tools: Tools, emit: EmitTask) -> State:
    """Run a task's graph from where its checkpoints end, or from the start; returns its last state."""
    thread = {"configurable": {"thread_id": tools.task.instance_id}}
    before = await graph.aget_state(thread)
    if before.values:
        emit(Resumed(nodes=[record["name"] for record in before.values.get("nodes", [])]))
    # Not `next`: that leaves out a node that was killed between what it wrote and the step's own checkpoint.
    if not before.values or before.tasks:
        inputs = None if before.tasks else {"instance_id": tools.task.instance_id}
        stream = graph.astream(
            inputs, thread, context=tools, stream_mode=["custom"], durability="sync", version="v2"
        )
        async with aclosing(stream):  # when `emit` raises, the node that runs is stopped at once
            async for part in stream:
                emit(part["data"])
    values: State = (await graph.aget_state(thread)).values
    return values


def _result(state: State, tools: Tools) -> Result:
    patch = tools.artifacts.read(state["patch"]) if state["patch"] else ""
    steps = tools.artifacts.trajectory()
    reason = state.get("reason", "") or ("" if patch else none_passed(tools.artifacts.candidates()))
    stages: dict[str, float] = {}
    for step in steps:
        stages[step.name] = round(stages.get(step.name, 0.0) + step.seconds, 3)
    return Result(
        instance_id=tools.task.instance_id,
        status="patched" if patch else "no_patch",
        patch=patch,
        **Check.model_validate(state["check"]).model_dump(),
        nodes=tuple(NodeRecord.model_validate(node) for node in state["nodes"]),
        artifacts=str(tools.artifacts.folder),
        stages=stages,
        time_bounds=tuple(step.time_bound for step in steps if step.time_bound),
        reason=reason,
        shown_by=state.get("shown_by"),
    )
