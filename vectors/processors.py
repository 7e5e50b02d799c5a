"""What the machine gives this process, and what others use of it: counted, never chosen here."""

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_STAT = Path("/proc/stat")
_GROUPS = Path("/sys/fs/cgroup")


def affinity() -> set[int]:
    """The processors that this process may run on, by number."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def processors(root: Path = _GROUPS, membership: Path = Path("/proc/self/cgroup")) -> int:
    """How many processors this process may use, by its affinity and its groups' quotas; at least 1."""
    count = len(affinity())
    for line in membership.read_text().splitlines() if membership.exists() else []:
        _, controllers, group = line.split(":", 2)
        if controllers == "" or "cpu" in controllers.split(","):
            count = min([count, *_allowed(root / controllers, group)])
    return max(1, count)


def _allowed(root: Path, group: str) -> list[int]:
    """Whole processors that a group and those above it allow: cpu.max of cgroup v2, or v1's two files."""
    found = []
    folder = root / group.strip("/")
    for each in (folder, *folder.parents):
        with suppress(OSError, ValueError):  # no limit here: "max", or no such file
            if (each / "cpu.max").exists():
                quota, period = map(int, (each / "cpu.max").read_text().split())
            else:
                quota, period = (int((each / f"cpu.cfs_{n}_us").read_text()) for n in ("quota", "period"))
            if quota > 0:
                found.append(max(1, quota // period))
        if each == root:
            break
    return found


class Use(NamedTuple):
    """Seconds of processor time so far: of all programs since the machine's start, and of this one."""

    everyone: float
    own: float

    def others_since(self, before: "Use", seconds: float) -> float:
        """How many processors others kept busy, on average, in the `seconds` since `before`."""
        return (self.everyone - before.everyone - (self.own - before.own)) / seconds


def used() -> Use | None:
    """What was used so far of the processors that this process may run on; None where no system tells."""
    try:
        stat = _STAT.read_text()
    except OSError:
        return None
    ours = {f"cpu{number}" for number in affinity()}
    everyone = 0
    for name, *ticks in map(str.split, stat.splitlines()):
        if name in ours:
            user, nice, system, _idle, _waiting, interrupts, soft, stolen = map(int, ticks[:8])
            everyone += user + nice + system + interrupts + soft + stolen
    times = os.times()
    return Use(everyone / _TICKS, times.user + times.system)
