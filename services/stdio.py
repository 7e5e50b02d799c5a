"""The process that another agent starts for itself: the tools over its standard streams, until they close."""

import asyncio
import signal
from contextlib import suppress

import anyio.to_thread

from orchestrator.cli.interruption import leave
from orchestrator.settings import Settings
from services.mcp.pipe import answer_until_closed
from services.server import opened
from services.serving.runtime import Runtime
from services.settings import ServeSettings


def serve_streams(machine: Settings, settings: ServeSettings) -> None:
    """Answer until stdin is closed or SIGTERM comes, and end the process.

    Raises BadSetup, StoreError, TooLarge, and what loading the model raises.
    """
    with opened(machine, settings) as runtime:
        asyncio.run(_serve(runtime))
        if runtime.models.failed is not None:
            raise runtime.models.failed
    leave(0)  # nobody is left to wait for a thread that still loads or searches


async def _serve(runtime: Runtime) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)

    def end() -> None:
        loop.call_soon_threadsafe(ended.set)

    runtime.start(on_failure=end)
    answering = asyncio.create_task(answer_until_closed(runtime))
    answering.add_done_callback(lambda _: ended.set())
    await ended.wait()
    runtime.begin_stop()
    await anyio.to_thread.run_sync(runtime.stop)
    answering.cancel()
    with suppress(asyncio.CancelledError):
        await answering
