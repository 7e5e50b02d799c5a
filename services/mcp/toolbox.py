"""The tools as a server of the Model Context Protocol, whatever carries its messages.

What is wrong with a call, and what goes wrong in it, is said in a sentence that the calling model reads.
"""

import json
import secrets
from collections.abc import Callable
from functools import cached_property
from importlib.metadata import version
from typing import Any

import anyio
import structlog
from mcp import MCPError, types
from mcp.server import Server, ServerRequestContext
from pydantic import BaseModel, ValidationError

from services.api.problems import complaints, said_of
from services.errors import Busy, Failed, Invalid, ServiceError
from services.mcp.calls import Call
from services.mcp.chat_tool import CHAT
from services.mcp.grade_patch import GRADE_PATCH
from services.mcp.retrieve_files import RETRIEVE_FILES
from services.mcp.solve_task import SOLVE_TASK
from services.mcp.tool import Tool
from services.serving.runtime import Runtime
from vectors.suggestions import did_you_mean

TOOLS: tuple[Tool[Any], ...] = (RETRIEVE_FILES, SOLVE_TASK, GRADE_PATCH, CHAT)
MOST_CALLS = 64
_INSTRUCTIONS = (
    "Steered small language models that find and mend faults in Python repositories. A call names instances "
    "of data sets and repositories that the operator listed; it cannot name paths."
)
_log = structlog.get_logger(__name__)
Context = ServerRequestContext[Any, Any]


class Toolbox:
    """The tools of a runtime. `owner_of` says for whom a request is; use in one event loop."""

    def __init__(self, runtime: Runtime, owner_of: Callable[[Context], str]) -> None:
        self._runtime, self._owner_of = runtime, owner_of
        self._tools = {tool.name: tool for tool in TOOLS}
        self._schemas = {tool.name: tool.input_schema() for tool in TOOLS}
        self._threads = anyio.CapacityLimiter(runtime.settings.concurrency)
        self.calls = 0
        """In hand."""

    @cached_property
    def server(self) -> Server[Any]:
        """The protocol's side of it."""
        return Server(
            "orchestrate",
            version=version("steered-orchestrator"),
            title="Steered orchestrator",
            instructions=_INSTRUCTIONS,
            get_tool_input_schema=self._schemas.get,
            on_list_tools=self._list,
            on_call_tool=self._call,
        )

    async def _list(
        self, context: Context, asked: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        del context, asked
        listed = [
            types.Tool(
                name=tool.name,
                description=tool.says,
                input_schema=self._schemas[tool.name],
                output_schema=tool.output_schema(),
                annotations=types.ToolAnnotations(
                    read_only_hint=not tool.changes, destructive_hint=False, open_world_hint=False
                ),
            )
            for tool in TOOLS
        ]
        return types.ListToolsResult(tools=listed)

    async def _call(self, context: Context, asked: types.CallToolRequestParams) -> types.CallToolResult:
        tool = self._tools.get(asked.name)
        if tool is None:
            near = did_you_mean(asked.name[:100], self._tools)
            raise MCPError(types.INVALID_PARAMS, f"there is no tool {asked.name[:100]!r}{near}")
        call = Call(self._runtime, self._owner_of(context), context.session.report_progress, self._threads)
        call_id = f"mcp-{secrets.token_hex(8)}"
        self.calls += 1
        try:
            found = await self._done(tool, call, asked.arguments or {})
        except Exception as error:
            said = said_of(error, call_id)
            if type(said) is ServiceError:
                _log.exception("call failed", request_id=call_id, tool=tool.name)
            return _error(said)
        finally:
            self.calls -= 1
        document = found.model_dump(mode="json")
        text = types.TextContent(type="text", text=json.dumps(document, ensure_ascii=False))
        return types.CallToolResult(content=[text], structured_content=document)

    async def _done(self, tool: Tool[Any], call: Call, arguments: dict[str, Any]) -> BaseModel:
        if self.calls > MOST_CALLS:
            raise Busy(f"{MOST_CALLS} calls are in hand, which is the most; try again", retry_after_s=5)
        known = tool.arguments()
        if unknown := [name for name in arguments if name not in known]:
            near = did_you_mean(unknown[0][:100], known)
            raise Invalid(f"{tool.name} has no argument {unknown[0][:100]!r}{near}")
        try:
            given = tool.given.model_validate(arguments)
        except ValidationError as error:
            raise Invalid("; ".join(_complaint(**each) for each in complaints(error))) from None
        with anyio.move_on_after(tool.limit_s):
            return await tool.do(call, given)
        raise Failed(f"it took longer than {tool.limit_s:g} s, which is the most, and was stopped")


def _complaint(where: str, message: str) -> str:
    return f"{where}: {message}" if where else message


def _error(said: ServiceError) -> types.CallToolResult:
    text = " ".join(str(said.args[0]).split())
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=True)
