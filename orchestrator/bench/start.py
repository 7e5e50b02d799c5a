"""How long the program takes to start: whole processes, new each time, with what they read in the page cache.

Two builds are measured in turns, so that what else the machine does falls on both alike.
"""

import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

from orchestrator.errors import ConfigError, OrchestratorError
from vectors.processors import processors
from vectors.progress import Progress
from vectors.statistics.estimates import mean

LIMIT_S = 600
_MARK = "first token"
_FIRST_TOKEN = f"""
import importlib.util, sys

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
                print({_MARK!r}, flush=True)
                module.Row.accept = accept
            module.Row.accept = told
        spec.loader.exec_module = watched
        return spec

sys.meta_path.insert(0, Watch())
from orchestrator.cli import main
main(sys.argv[1:])
"""
_WHOLE = "import sys; from orchestrator.cli import main; main(sys.argv[1:])"


class StartFailed(OrchestratorError):
    """A process did not do what its time was to be taken of."""


@dataclass(frozen=True)
class Seconds:
    """Wall time of one thing in one build: the median and the range of `n` processes."""

    n: int
    median: float
    low: float
    high: float


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

        def solve(build: Path, code: int | None) -> float:
            out = tempfile.mkdtemp(dir=scratch)
            return _run(build, cache, scratch, ["solve", instance_id, "--model", model, "--out", out], code)

        def whole(code: int, *arguments: str) -> Callable[[Path], float]:
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

        def take(name: str, time_it: Callable[[Path], float]) -> list[list[float]]:
            progress("timing starts", len(rows), steps)
            rounds = [[time_it(build) for build in builds] for _ in range(repeats + 1)][1:]
            rows.append(_start(name, rounds))
            return rounds

        for name, time_it in timed.items():
            rounds = take(name, time_it)
        if busy:
            with _spinning(processors()) as beside:
                slow = take(f"whole solve beside {beside} spinning", timed["whole solve"])
            pairs = [(idle[0], loaded[0]) for idle, loaded in zip(rounds, slow, strict=True)]
            rows[-1] = replace(rows[-1], slowdown=_ratio(pairs))
        progress("timing starts", steps, steps)
    return rows


def document(rows: list[Start], model: str, against: Path | None) -> dict[str, object]:
    """The report as JSON; times in seconds."""
    return {"model": model, "against": against and str(against), "rows": [asdict(row) for row in rows]}


def _start(name: str, rounds: list[list[float]]) -> Start:
    ours, *others = (
        Seconds(len(times), median(times), min(times), max(times)) for times in zip(*rounds, strict=True)
    )
    if not others:
        return Start(name, ours)
    return Start(name, ours, others[0], _ratio([(this, other) for this, other in rounds]))


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


def _run(build: Path, cache: Path, folder: str, arguments: list[str], code: int | None) -> float:
    """Seconds until a process ends with `code`, or, without one, until its first token: then it is ended."""
    environment = os.environ | {"PYTHONPATH": str(build), "ORCHESTRATE_CACHE": str(cache)}
    program = _FIRST_TOKEN if code is None else _WHOLE
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
            try:
                whole = code is not None
                said = process.communicate(timeout=LIMIT_S)[0] if whole else process.stdout.readline()
                seconds = time.perf_counter() - started
            finally:
                process.kill()
        if (said.strip() != _MARK) if code is None else (process.returncode != code):
            errors.seek(0)
            last = (errors.read().strip().splitlines() or ["it said nothing"])[-1]
            raise StartFailed(f"{build}: `orchestrate {' '.join(arguments)}` failed: {last}")
    return seconds
