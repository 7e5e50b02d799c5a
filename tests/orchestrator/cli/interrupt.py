"""Ctrl-C at random moments of every kind of command: how each ends, and whether it can be gone on with.

As a program, `python -m tests.orchestrator.cli.interrupt --times 100 --model tiny` does it so many times and
prints what was found as JSON; the suite does it a few times. Moments are counted from when the interpreter
calls the program: what comes before is Python's own start.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.orchestrator.batch.batches import evaluate_arguments, make_tasks, predictions
from tests.orchestrator.batch.kill_evaluate import MAKE_MODEL

_PROGRAM = "import os; from orchestrator.__main__ import main; os.close(int(os.environ['STARTED'])); main()"
_STAGED = re.compile(r"\.[0-9a-f]{16}$")
_SECONDS = 2.0
_ENDING_S = 2.0
DONE = (0, 1)


class Broken(AssertionError):
    """An interruption ended in another way than it must."""


class Place:
    """A folder with what the commands work on."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder = folder
        self.tasks = make_tasks(folder / "data")
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        named = ("--dataset", self.tasks, "--repos", self.tasks.parent / "repos")
        with_model, out = ("--model", model), ("--out", folder / "solved")
        self.evaluate = evaluate_arguments(self.tasks, model, folder / "evaluated", "--workers", 2)
        commands = (
            ("solve", "local__abacus-0", *named, *with_model, *out, "--samples", 2),
            ("tasks", "list", *named[:2]),
            ("retrieve", "local__abacus-1", *named),
            ("chat", "What now?", *with_model, "--tokens", 64),
            ("vectors", "extract", "code_reading", *with_model, "--out", folder / "vectors"),
            ("lab", "sweep", "code_reading", *with_model),
            ("keys", "create", "--name", "ada", "--data", folder / "service"),
            ("serve", "--port", 0, "--data", folder / "service", *with_model),
        )
        self.commands = [self.evaluate, *([str(part) for part in each] for each in commands)]

    def started(self, arguments: list[str]) -> subprocess.Popen[str]:
        """A command whose interpreter is up."""
        read, write = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *arguments],
            cwd=self.folder,
            env=os.environ | {"STARTED": str(write), "TMPDIR": str(self.temporary)},
            pass_fds=[write],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(write)
        os.read(read, 1)  # ends when the other side is closed
        os.close(read)
        return process

    def left_behind(self) -> list[str]:
        """Files that were being written, temporary ones, and documents that cannot be read."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        found = [str(path) for path in files if _STAGED.search(path.name) or self.temporary in path.parents]
        for path in files:
            try:
                if path.suffix == ".json":
                    json.loads(path.read_bytes())
                if path.suffix == ".jsonl":
                    list(map(json.loads, path.read_bytes().splitlines()))
            except ValueError:
                found.append(f"{path} is no JSON")
        return found


def interrupt_at_random(
    folder: Path, model: Path, times: int, seed: int = 0, names: Sequence[str] = ()
) -> dict[str, Any]:
    """Interrupt commands, those that begin so or all, until so many interruptions have met one at work.

    Raises Broken, also where a batch that was interrupted and gone on with makes other predictions.
    """
    chance, place = random.Random(seed), Place(folder, model)
    place.commands = [each for each in place.commands if not names or each[0] in names]
    lasted = {tuple(arguments): _undisturbed(place, arguments) for arguments in place.commands}
    whole = predictions(folder / "evaluated")
    seconds: list[float] = []
    met: dict[str, list[float]] = {}
    while len(seconds) < times:
        arguments = place.commands[len(seconds) % len(place.commands)]
        for out in ("solved", "evaluated"):
            if not chance.randrange(3):
                subprocess.run(["rm", "-rf", folder / out], check=True)
        took = _interrupted(place, arguments, chance.uniform(0, lasted[tuple(arguments)]))
        if took is not None:
            seconds.append(took)
            print(f"{len(seconds)}/{times}: {took:.2f} s, {arguments[0]}", file=sys.stderr, flush=True)
            met.setdefault(" ".join(each for each in arguments[:2] if each.isalpha()), []).append(
                round(took, 2)
            )
    _undisturbed(place, place.evaluate)
    if predictions(folder / "evaluated") != whole:
        raise Broken("what was interrupted and gone on with made other predictions")
    return {
        "interruptions": len(seconds),
        "seconds": met,
        "over_2_s": sum(each > _SECONDS for each in seconds),
    }


def _undisturbed(place: Place, arguments: list[str]) -> float:
    """How long a command takes; a server until it is ready, when it is stopped."""
    process = place.started(arguments)
    began = time.monotonic()
    assert process.stderr
    if arguments[0] == "serve":
        for line in process.stderr:
            if "model ready" in line:
                break
        seconds = time.monotonic() - began
        process.terminate()
        process.communicate()
        return seconds
    told = process.communicate()[1]
    if process.returncode not in DONE or "Traceback" in told:
        raise Broken(f"{arguments}: left alone it ended with {process.returncode}: {told[-2000:]}")
    return time.monotonic() - began


def _interrupted(place: Place, arguments: list[str], after_s: float) -> float | None:
    """How long a command took to end once it was interrupted; None for one that was done before."""
    process = place.started(arguments)
    try:
        told = process.communicate(timeout=after_s)[1]
    except subprocess.TimeoutExpired:
        pass
    else:
        return None
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    told = process.communicate()[1]
    seconds = time.monotonic() - began
    lines = [line for line in told.splitlines() if line]
    said = [line for line in lines if line.startswith("interrupted")]
    what = f"{arguments} interrupted after {after_s:.2f} s"
    if process.returncode in DONE and not said and seconds < _ENDING_S:
        return None  # it had done its work, and the interpreter was ending
    if process.returncode != 130 or len(said) != 1 or lines[-1] != said[0]:
        raise Broken(f"{what} ended with {process.returncode}: {told[-2000:]}")
    if "Traceback" in told or "Exception" in told:
        raise Broken(f"{what} left a traceback: {told[-2000:]}")
    for _ in range(500):  # the temporary files of one that was left in a hurry are being removed
        if not (left := place.left_behind()):
            return seconds
        time.sleep(0.02)
    raise Broken(f"{what} left {left}")


def main() -> None:
    """Interrupt so often as is asked for and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, required=True, help="folder of a tiny model, made if missing")
    given = parser.parse_args()
    if not given.model.exists():
        subprocess.run([sys.executable, "-c", MAKE_MODEL, given.model], check=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ORCHESTRATE_CACHE"] = str(Path(folder, "cache"))
        print(json.dumps(interrupt_at_random(Path(folder), given.model.absolute(), given.times, given.seed)))


if __name__ == "__main__":
    main()
