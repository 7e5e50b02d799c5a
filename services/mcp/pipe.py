"""The tools over the standard streams, for the one program that started this process."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

from mcp.server.stdio import stdio_server

from services.api.access import LOCAL
from services.errors import BadSetup, TooLarge
from services.mcp.toolbox import Toolbox
from services.serving.runtime import Runtime
from services.settings import BODY_BYTES


async def answer_until_closed(runtime: Runtime) -> None:
    """Answer what comes on stdin until that is closed; calls that run then are cancelled.

    Raises BadSetup where nobody can be at the other end, TooLarge for a message over the limit.
    """
    server = Toolbox(runtime, lambda _: LOCAL).server
    lines = await _Lines.of_stdin()
    # It reads nothing but lines from what is given as stdin.
    async with stdio_server(stdin=lines) as (reading, writing):  # type: ignore[arg-type]
        await server.run(reading, writing, server.create_initialization_options())
    if lines.too_large:
        raise TooLarge(f"a message is larger than {BODY_BYTES} bytes, which is the limit")


class _Lines:
    """Lines of a bounded length, read by the loop itself: a thread that waits for one cannot be ended."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self.too_large = False

    @classmethod
    async def of_stdin(cls) -> "_Lines":
        """The lines of stdin, of which programs that are started from here find none."""
        own = os.fdopen(os.dup(0), "rb", buffering=0)
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        reader = asyncio.StreamReader(limit=BODY_BYTES)
        try:
            await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), own
            )
        except (OSError, ValueError):
            raise BadSetup(
                "stdin is no pipe: have an agent start this program, or serve its tools with --http"
            ) from None
        return cls(reader)

    async def __aiter__(self) -> AsyncIterator[str]:
        try:
            while line := await self._reader.readline():
                yield line.decode("utf-8", "replace")
        except ValueError:
            self.too_large = True
