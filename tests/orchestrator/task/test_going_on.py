"""A run that stops between what a node wrote and its step's checkpoint goes on after that node."""

import subprocess
import sys

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from orchestrator.task.graph import build_graph
from orchestrator.task.solve import run_graph
from tests.orchestrator.task.test_graph import ANALYSIS, GOOD, READING, Run

CHECKPOINTS = 7
"""Of a run of one attempt: of its input, of its start, and of each of its five nodes."""


class Stopped(Exception):
    """The process would be gone here."""


class Stopping(InMemorySaver):
    """Keeps what nodes write, and stops in place of one checkpoint, counted from 1; 0 for none."""

    stop_at = 0

    async def aput(self, *arguments):
        self.stop_at -= 1
        if self.stop_at == 0:
            raise Stopped
        return await super().aput(*arguments)


@pytest.mark.parametrize("place", range(1, CHECKPOINTS + 1))
async def test_a_run_stopped_before_any_checkpoint_goes_on_and_asks_nothing_twice(project, tmp_path, place):
    run = Run(project, tmp_path / "out", [READING, ANALYSIS, GOOD])
    saver = Stopping()
    saver.stop_at = place
    with pytest.raises(Stopped):
        await run_graph(build_graph(saver), run.tools, lambda _: None)
    saver.stop_at = 0  # where its serializer is strict, the graph has stopped a copy of it
    state = await run_graph(build_graph(saver), run.tools, lambda _: None)
    assert state["check"]["applies"]
    assert run.engine.answers == []
    assert [record["name"] for record in state["nodes"]] == ["code_reading", "bug_analysis", "patch_writing"]


@pytest.mark.parametrize(
    "first", ["orchestrator.task.solve", "orchestrator.batch.work", "orchestrator.task.graph"]
)
def test_only_plain_data_comes_out_of_a_checkpoint_whichever_module_is_imported_first(first):
    asked = f"import {first}, langgraph.checkpoint.serde._msgpack as read\nprint(read.STRICT_MSGPACK_ENABLED)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
