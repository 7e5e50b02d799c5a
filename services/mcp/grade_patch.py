"""The tool that runs the hidden tests of an instance on a patch."""

from typing import Annotated

import anyio.to_thread
from pydantic import Field

from orchestrator.records import Graded
from orchestrator.task.verdict import verdict_on
from services.bodies import Body
from services.errors import Forbidden
from services.mcp.calls import Call
from services.mcp.tool import Tool
from services.texts import StoredText
from services.work.inputs import Name


class PatchAsked(Body):
    """A patch, and the instance whose hidden tests are run on it."""

    instance_id: Name
    dataset: Name = "bundled"
    patch: Annotated[StoredText, Field(max_length=1 << 19, description="As `git diff` writes it.")]


async def _grade(call: Call, asked: PatchAsked) -> Graded:
    inputs = call.runtime.inputs
    if not call.runtime.settings.run_tests:
        raise Forbidden(
            "grading runs the patch's code on this machine, which its operator has not allowed: "
            "start the server with --run-tests"
        )
    instance = await anyio.to_thread.run_sync(inputs.instance, asked.dataset, asked.instance_id)
    return await call.in_thread(
        "the hidden tests run", lambda _: verdict_on(inputs.session, instance, asked.patch)
    )


GRADE_PATCH = Tool(
    "grade_patch",
    "Run an instance's hidden tests on a patch, confined, and say whether it resolves the instance. That "
    "counts only where `certified`: where the gold patch resolves it here, and an empty one does not.",
    PatchAsked,
    Graded,
    _grade,
    limit_s=3600,
)
