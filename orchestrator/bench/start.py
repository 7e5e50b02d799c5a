"""How long the program takes to start: whole processes, new each time, with what they read in the page cache.

Two builds are measured in turns, so that what else the machine does falls on both alike.
"""

import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from orchestrator.errors import ConfigError, OrchestratorError
from vectors.processors import processors
from vectors.progress import Progress
from vectors.statistics.estimates import mean

LIMIT_S = 600
_MARK = "first token"
_STATUS = "status"
_TELL = f"""
import atexit, os, sys

def tell():  # to the parent the system says no less than what the parent itself holds
    if os.path.exists("/proc/self/status"):
        with open("/proc/self/status") as status, open(os.path.join({{folder!r}}, {_STATUS!r}), "w") as out:
            out.write(status.read())

atexit.register(tell)
"""
_FIRST_TOKEN = f"""
import importlib.util

class Watch:
    # The row that takes a token is the same in every build; its module has moved.
    def find_spec(self, name, path=None, target=None):
        if not (name.startswith("vectors.") and name.endswith(".row")):
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module
        def watched(module):
            run(module)
            accept = module.Row.accept
            def told(*args, **kwargs):
                accept(*args, **kwargs)
                tell()
                print({_MARK!r}, flush=True)
                module.Row.accept = accept
            module.Row.accept = told
        spec.loader.exec_module = watched
        return spec

sys.meta_path.insert(0, Watch())
from orchestrator.cli import main
main(sys.argv[1:])
"""
_WHOLE = "from orchestrator.cli import main; main(sys.argv[1:])"


class StartFailed(OrchestratorError):
    """A process did not do what its time was to be taken of."""


class Taken(NamedTuple):
    """What one process took: wall time, processor time, and memory where it was most, if the system tells."""

    seconds: float
    processor_s: float
    peak_mib: float | None


@dataclass(frozen=True)
class Seconds:
    """Wall time of one thing in one build: the median and the range of `n` processes; of processor time and
    most memory the medians.
    """

    n: int
    median: float
    low: float
    high: float
    processor_s: float
    peak_mib: float | None


@dataclass(frozen=True)
class Ratio:
    """How many times longer the slower takes: geometric mean of the pairs' ratios, and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Start:
    """One thing that was started, in this build and, where there is one, in the other."""

    name: str
    this: Seconds
    other: Seconds | None = None
    ratio: Ratio | None = None
    slowdown: Ratio | None = None
    """How many times longer this build took than in the row before, with nothing spinning beside it."""


def measure(
    model: str,
    instance_id: str,
    cache: Path,
    against: Path | None,
    repeats: int,
    progress: Progress,
    *,
    busy: bool = False,
) -> list[Start]:
    """Time help, a wrong instance id, the model's load and solve's first token; a first run is not counted.

    `against` is a checkout of another build, which runs with this interpreter and its libraries. `busy`
    times a whole solve as well, alone and beside as many spinning processes as there are processors. Raises
    ConfigError for a folder that is none, StartFailed for a process that failed.
    """
    this = Path(__file__).resolve().parents[2]
    if against is not None and not (against / "orchestrator" / "cli").is_dir():
        raise ConfigError(f"--against {against}: expected a checkout, with the folder orchestrator in it")
    builds = [this] if against is None else [this, against.resolve()]
    rows: list[Start] = []
    with tempfile.TemporaryDirectory(prefix="start-") as scratch:

        def solve(build: Path, code: int | None) -> Taken:
            out = tempfile.mkdtemp(dir=scratch)
            return _run(build, cache, scratch, ["solve", instance_id, "--model", model, "--out", out], code)

        def whole(code: int, *arguments: str) -> Callable[[Path], Taken]:
            return lambda build: _run(build, cache, scratch, list(arguments), code)

        timed = {
            "help": whole(0, "--help"),
            "wrong instance id": whole(2, "solve", "no-such-instance"),
            "model loaded": whole(0, "models", "show", model),
            "first token of solve": lambda build: solve(build, None),
        }
        if busy:
            timed |= {"whole solve": lambda build: solve(build, 0)}
        steps = len(timed) + busy

        def take(name: str, time_it: Callable[[Path], Taken]) -> list[list[Taken]]:
            progress("timing starts", len(rows), steps)
            rounds = [[time_it(build) for build in builds] for _ in range(repeats + 1)][1:]
            rows.append(_start(name, rounds))
            return rounds

        for name, time_it in timed.items():
            rounds = take(name, time_it)
        if busy:
            with _spinning(processors()) as beside:
                slow = take(f"whole solve beside {beside} spinning", timed["whole solve"])
            pairs = [(idle[0].seconds, loaded[0].seconds) for idle, loaded in zip(rounds, slow, strict=True)]
            rows[-1] = replace(rows[-1], slowdown=_ratio(pairs))
        progress("timing starts", steps, steps)
    return rows


def document(rows: list[Start], model: str, against: Path | None) -> dict[str, object]:
    """The report as JSON; times in seconds, memory in MiB."""
    return {"model": model, "against": against and str(against), "rows": [asdict(row) for row in rows]}


def _start(name: str, rounds: list[list[Taken]]) -> Start:
    ours, *others = (_summed(processes) for processes in zip(*rounds, strict=True))
    if not others:
        return Start(name, ours)
    return Start(name, ours, others[0], _ratio([(this.seconds, other.seconds) for this, other in rounds]))


def _summed(processes: Sequence[Taken]) -> Seconds:
    seconds = [each.seconds for each in processes]
    peaks = [each.peak_mib for each in processes if each.peak_mib is not None]
    return Seconds(
        n=len(seconds),
        median=median(seconds),
        low=min(seconds),
        high=max(seconds),
        processor_s=median(each.processor_s for each in processes),
        peak_mib=median(peaks) if peaks else None,
    )


def _ratio(pairs: list[tuple[float, float]]) -> Ratio:
    logs = mean([math.log(slow / fast) for fast, slow in pairs])
    return Ratio(*(math.exp(x) for x in (logs.value, logs.low, logs.high)))


@contextmanager
def _spinning(processes: int) -> Iterator[int]:
    """So many processes that do nothing and stop for nobody."""
    spin = [sys.executable, "-c", "while True: pass"]
    with ExitStack() as stack:
        for _ in range(processes):
            process = stack.enter_context(subprocess.Popen(spin, stdin=subprocess.DEVNULL))
            stack.callback(process.kill)
        yield processes


def _run(build: Path, cache: Path, folder: str, arguments: list[str], code: int | None) -> Taken:
    """What a process takes until it ends with `code`, or, without one, until its first token: then it is
    ended.
    """
    environment = os.environ | {"PYTHONPATH": str(build), "ORCHESTRATE_CACHE": str(cache)}
    program = _TELL.format(folder=folder) + (_FIRST_TOKEN if code is None else _WHOLE)
    with tempfile.TemporaryFile("w+", dir=folder) as errors:
        started = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            cwd=folder,
            text=True,
        ) as process:
            assert process.stdout is not None
            # Popen's own `kill` first looks whether the process has ended, and takes away what it used.
            end = partial(os.kill, process.pid, signal.SIGKILL)
            limit = threading.Timer(LIMIT_S, end)
            limit.start()
            try:
                said = process.stdout.readline() if code is None else process.stdout.read()
                if code is None:
                    seconds = time.perf_counter() - started
                    end()
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                if code is not None:
                    seconds = time.perf_counter() - started
            finally:
                limit.cancel()
                process.kill()
        if (said.strip() != _MARK) if code is None else (process.returncode != code):
            errors.seek(0)
            last = (errors.read().strip().splitlines() or ["it said nothing"])[-1]
            raise StartFailed(f"{build}: `orchestrate {' '.join(arguments)}` failed: {last}")
    return Taken(seconds, used.ru_utime + used.ru_stime, _peak_mib(Path(folder) / _STATUS))


def _peak_mib(status: Path) -> float | None:
    if not status.exists():
        return None
    told = dict(line.split(":", 1) for line in status.read_text().splitlines())
    status.unlink()
    return int(told["VmHWM"].split()[0]) / 1024
