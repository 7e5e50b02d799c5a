"""validate: takes the first candidate that applies to a clean tree and parses.

Where the user allows running code, it must change what the issue's own code or a failing test shows, if that
runs and shows the fault, and the repository's existing tests must pass. Hidden tests are never seen here: the
task that the graph is given does not hold them.
"""

import asyncio
import time
from typing import Literal

from langgraph.runtime import Runtime

from orchestrator.events import CandidateChecked, NodeFinished, NodeStarted
from orchestrator.records import Candidate, Check, Step, TestsRun
from orchestrator.task.nodes.asking import usable_reproduction
from orchestrator.task.state import State, Tools
from swebench.errors import NoTestsNear
from swebench.patches.validity import check_patch
from swebench.running.fault import Fault

MAX_TESTED = 60
"""Candidates of one attempt whose tests are run, best first."""


async def validate(state: State, runtime: Runtime[Tools]) -> State:
    """Check the attempt's candidates in order and accept the first that holds.

    Where the issue's own code shows the fault, a candidate must change what it prints, and the first one
    that makes it print what the issue expects wins over those that only change it.
    """
    tools, started = runtime.context, time.perf_counter()
    runtime.stream_writer(NodeStarted(node="validate", attempt=state["attempt"] - 1))
    candidates = tools.artifacts.read_records(state["candidates"], Candidate)
    reproduction = await asyncio.to_thread(usable_reproduction, tools)
    accepted: Candidate | None = None
    first_with: dict[str, int] = {}
    tested = 0
    for place, candidate in enumerate(candidates):
        first = first_with.setdefault(candidate.patch, candidate.number)
        found: dict[str, object] = {}
        if candidate.patch and first != candidate.number:
            found = {"verdict": f"same as candidate {first}"}
        elif not candidate.verdict and tools.config.run_tests and tested == MAX_TESTED:
            found = {"verdict": f"not tested: {MAX_TESTED} better ones were"}
        elif not candidate.verdict:
            found = await asyncio.to_thread(_check, tools, candidate.patch, reproduction, accepted is None)
            tested += "tests" in found
        checked = candidates[place] = candidate.model_copy(update=found)
        runtime.stream_writer(
            CandidateChecked(number=checked.number, verdict=checked.verdict, path=checked.region.path)
        )
        if checked.verdict == "valid":
            accepted = checked
            if reproduction is None or checked.reproduction == "expected":
                break
    tools.artifacts.write_records(state["candidates"], candidates)
    attempt, seconds = state["attempt"] - 1, time.perf_counter() - started
    slow = sum(candidate.timed_out for candidate in candidates)
    limit = tools.test_timeout_s
    bound = f"the tests of {slow} candidates did not end within {limit:g} s" if slow else ""
    step = Step(name="validate", attempt=attempt, seconds=round(seconds, 3), time_bound=bound)
    tools.artifacts.write_record(f"trajectory/validate-{attempt}.json", step)
    runtime.stream_writer(NodeFinished(node="validate", seconds=seconds))
    shown_by = (reproduction.named if reproduction else "") if tools.config.run_tests else None
    if accepted is None:
        return {"patch": "", "check": Check().model_dump(mode="json"), "shown_by": shown_by}
    check = Check(
        applies=bool(accepted.applies),
        parses=bool(accepted.parses),
        files=accepted.files,
        still_failing=accepted.tests.still_failing if accepted.tests else (),
    )
    patch = tools.artifacts.write("patch.diff", accepted.patch)
    return {"patch": patch, "check": check.model_dump(mode="json"), "shown_by": shown_by}


def _check(tools: Tools, patch: str, reproduction: Fault | None, first: bool) -> dict[str, object]:
    """The fields of a candidate that are found out; when it is not the first valid one, only what is expected
    is tested on.
    """
    checked = check_patch(tools.repository.git, tools.commit, patch, python=tools.python)
    found: dict[str, object] = {
        "files": checked.files,
        "applies": checked.applies,
        "parses": checked.parses,
        "problems": checked.problems,
    }
    if not checked.valid:
        return found | {"verdict": "; ".join(checked.problems) or "invalid"}
    if not tools.config.run_tests:
        return found | {"verdict": "valid"}
    if reproduction:
        outcome = reproduction.outcome(patch)
        found["reproduction"] = outcome
        if outcome in {"unchanged", "broken"}:
            return found | {"verdict": f"{reproduction.named}: {outcome}"}
        if outcome == "changed" and not first:
            verdict = f"not tested: like a valid one, it only changes {reproduction.named}"
            return found | {"verdict": verdict}
    try:
        tests = tools.existing_tests(patch)
    except NoTestsNear as none:
        # Nothing speaks against the patch; a repository may have no test of what it changes.
        return found | {"tests": TestsRun(passed=0, seconds=0.0), "verdict": "valid", "note": str(none)}
    found["tests"] = TestsRun(
        passed=tests.passed,
        failed=tuple(tests.failed),
        seconds=tests.seconds,
        still_failing=tests.still_failing,
    )
    found["timed_out"] = tests.run.timed_out
    return found | {"verdict": "valid" if tests.ok else "breaks existing tests"}


def after_validate(state: State, runtime: Runtime[Tools]) -> Literal["patch_writing", "__end__"]:
    """The retry edge: back to patch_writing while there is no patch and there are attempts left."""
    if state["patch"] or not state["regions"] or state["attempt"] > runtime.context.config.retries:
        return "__end__"
    return "patch_writing"
