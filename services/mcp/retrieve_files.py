"""The tool that ranks the files of a repository for a question."""

from typing import Annotated

import anyio.to_thread
from pydantic import Field

from orchestrator.run_config import RunConfig
from orchestrator.task.searching import Searched, search
from services.mcp.calls import Call
from services.mcp.tool import Tool
from services.work.inputs import NamedTask


class FilesAsked(NamedTask):
    """What is looked for, and in which repository."""

    top: Annotated[int, Field(ge=1, le=100, description="How many files.")] = 10


async def _retrieve(call: Call, asked: FilesAsked) -> Searched:
    inputs = call.runtime.inputs
    await anyio.to_thread.run_sync(inputs.check_named, asked)
    return await call.in_thread(
        "the commit is searched",
        lambda progress: search(inputs.session, inputs.job_of(asked, RunConfig()), asked.top, progress),
    )


RETRIEVE_FILES = Tool(
    "retrieve_files",
    "Rank the Python files, functions and classes of a repository for a problem statement (BM25, names, "
    "history), without a model. Name an instance_id, or a repository with a commit (hex) and a "
    "problem_statement.",
    FilesAsked,
    Searched,
    _retrieve,
    limit_s=900,
)
