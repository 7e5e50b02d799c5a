"""How late the server's event loop comes to what is due: while it is late, nobody is answered.

It is counted twice: whole, as clients feel it, and without the time in which the machine had no processor for
the loop's thread, so that a busy machine is told from code that holds the loop up.
"""

import asyncio
import threading
from pathlib import Path

from services.observability.metrics import Metrics

_EVERY_S = 0.05


async def watch(metrics: Metrics) -> None:
    """Measure until cancelled."""
    loop = asyncio.get_running_loop()
    told = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
    most = {"whole": 0.0, "own": 0.0}
    while True:
        due, starved = loop.time() + _EVERY_S, _starved_s(told)
        await asyncio.sleep(_EVERY_S)
        late = max(0.0, loop.time() - due)
        for part, seconds in (("whole", late), ("own", max(0.0, late - (_starved_s(told) - starved)))):
            most[part] = max(most[part], seconds)
            metrics.loop_lag_seconds.labels(part).observe(seconds)
            metrics.loop_lag_most.labels(part).set(most[part])


def _starved_s(told: Path) -> float:
    """How long the thread could have run and had no processor; 0 where the system does not say."""
    try:
        return int(told.read_bytes().split()[1]) / 1e9
    except OSError:
        return 0.0
