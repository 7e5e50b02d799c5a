"""What begins with "Later" waits: a prompt of a batch before it is begun, a run before its end.

So a test can stop or kill what goes on, however fast a machine is.
"""

import asyncio
import time
from collections.abc import Callable

import pytest

from services.arena import batching
from services.arena.live import Live


def hold(passed: Callable[[], bool], patch: pytest.MonkeyPatch) -> None:
    """From now on, in this process, until `passed` says that all may go on."""
    planned, end = batching.planned, Live.end

    def planned_later(served, settings, owner, asked, prompt):
        while prompt.startswith("Later") and not passed():
            time.sleep(0.01)
        return planned(served, settings, owner, asked, prompt)

    async def end_later(live, *told):
        prompt = live.stored.request["asked"].get("prompt")
        while prompt and prompt.startswith("Later") and not passed():
            await asyncio.sleep(0.01)
        await end(live, *told)

    patch.setattr(batching, "planned", planned_later)
    patch.setattr(Live, "end", end_later)
