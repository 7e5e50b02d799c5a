"""`kill -9` at random moments of a batch: what is left must be whole, and what comes out must be the same.

As a program, `python -m tests.orchestrator.batch.kill_evaluate --kills 100 --model tiny` does it so many
times and prints what was found as JSON; the suite does it ten times. It must be a program: it forks, and what
has computed with torch cannot be forked.
"""

import argparse
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, TextIO

from orchestrator.cli import main as cli
from tests.orchestrator.batch.batches import PROBLEMS, evaluate_arguments, make_tasks, predictions

FINISHED = ("patched", "no_patch")

WORKERS = 3
MAKE_MODEL = (
    "import sys; from pathlib import Path; from tests.orchestrator.conftest import make_tiny_model; "
    "make_tiny_model(Path(sys.argv[1]))"
)


class Broken(AssertionError):
    """A kill left what must not be."""


def kill_at_random(folder: Path, model: Path, kills: int, seed: int = 0) -> dict[str, Any]:
    """Kill batches until `kills` kills have hit one at work, each gone on with until it is done.

    Raises Broken for a torn or repeated line, a prediction that an undisturbed batch does not make, or a
    finished instance of which any file was written again.
    """
    chance = random.Random(seed)
    tasks = make_tasks(folder / "data", PROBLEMS * 2)
    whole = folder / "whole"
    work_s = _finish(evaluate_arguments(tasks, model, whole, "--workers", 1))
    expected = predictions(whole)
    hit, batches, resumed = 0, 0, 0
    while hit < kills or not resumed:
        batches += 1
        out = folder / f"killed-{batches}"
        arguments = evaluate_arguments(tasks, model, out, "--workers", WORKERS)
        while hit < kills or not resumed:
            done_before = _finished(out)
            killed = _killed(arguments, chance, work_s / WORKERS, finished=hit % 2)
            _check(out, expected)
            _unchanged(done_before, out)
            if not killed:
                break
            hit += 1
            resumed += bool(done_before)
        done_before = _finished(out)
        _finish(arguments)
        _unchanged(done_before, out)
        if predictions(out) != expected:
            raise Broken(f"{out}: the predictions differ from those of the undisturbed batch")
    return {"kills": hit, "batches": batches, "kills_of_a_batch_with_finished_instances": resumed}


def _killed(arguments: list[str], chance: random.Random, most_s: float, finished: int) -> bool:
    """Kill the batch at a random moment, mostly while it works; False where it was done before.

    The moment is no sooner than when so many instances have finished, however slow the machine is just now.
    """
    process, told = _start(arguments)
    with told:
        if chance.random() < 0.9 or finished:
            _until_work_begins(told)
        for line in told if finished else ():
            if " failed: " in line or line.startswith("orchestrate: "):
                raise Broken(f"the batch told of a failure: {line}")
            finished -= " patched in " in line or " no_patch in " in line
            if not finished:
                break
        deadline = time.monotonic() + chance.uniform(0, most_s)
        while time.monotonic() < deadline:
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                return _was_killed(status, told)
            time.sleep(0.01)
        os.killpg(process, signal.SIGKILL)
        return _was_killed(os.waitpid(process, 0)[1], told)


def _was_killed(status: int, told: TextIO) -> bool:
    """Whether a process was killed; raises Broken for one that failed by itself."""
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, -signal.SIGKILL):
        raise Broken(f"the batch ended with {code}: {told.read()[-2000:]}")
    return code != 0


def _finish(arguments: list[str]) -> float:
    """Leave a batch alone; the seconds that it worked."""
    process, told = _start(arguments)
    with told:
        _until_work_begins(told)
        started = time.monotonic()
        for line in told:
            if " failed: " in line:
                raise Broken(f"the batch left alone failed: {line}")
        seconds = time.monotonic() - started
        if _was_killed(os.waitpid(process, 0)[1], told):
            raise Broken("the batch was killed by somebody else")
        return seconds


def _until_work_begins(told: TextIO) -> None:
    for line in told:
        if " done before" in line:
            return


def _start(arguments: list[str]) -> tuple[int, TextIO]:
    """The command in a process of its own, forked, so that it need not import everything anew; its stderr."""
    read, write = os.pipe()
    process = os.fork()
    if process:
        os.close(write)
        return process, os.fdopen(read)
    os.setsid()
    os.dup2(write, sys.stderr.fileno())
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    try:
        cli(arguments)
    except SystemExit as exit_:
        os._exit(int(exit_.code or 0))
    finally:
        os._exit(70)


def _check(out: Path, expected: bytes) -> None:
    """Every line is one of the undisturbed batch, whole, once, and in its order."""
    if not (out / "predictions.jsonl").exists():
        return
    lines = iter(expected.splitlines(keepends=True))
    for line in predictions(out).splitlines(keepends=True):
        if line not in lines:  # goes on after the line found last
            raise Broken(f"{out}: torn, repeated, displaced or different: {line[:200]!r}")


def _finished(out: Path) -> dict[Path, int]:
    """The files of finished instances with the time, in nanoseconds, at which each was written."""
    if not (out / "predictions.jsonl").exists():
        return {}
    names = [json.loads(line)["instance_id"] for line in predictions(out).splitlines()]
    for name in names:
        if json.loads((out / name / "result.json").read_text())["status"] not in FINISHED:
            raise Broken(f"{out / name} has a prediction and no result")
    return {
        path: path.stat().st_mtime_ns
        for name in names
        for path in (out / name).rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def _unchanged(before: dict[Path, int], out: Path) -> None:
    after = _finished(out)
    for path, written in before.items():
        if after.get(path) != written:
            raise Broken(f"{path} of a finished instance was written again")


def main() -> None:
    """Kill so often as is asked for and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, required=True, help="folder of a tiny model, made if missing")
    given = parser.parse_args()
    if not given.model.exists():
        subprocess.run([sys.executable, "-c", MAKE_MODEL, given.model], check=True)
    for name in ("cli.evaluate", "batch.local", "batch.executors", "grading.batch_grading", "batch.summary"):
        importlib.import_module(f"orchestrator.{name}")
    for name in (
        "vectors.engine.engine",
        "vectors.models.loading",
        "transformers.models.llama",
        "swebench.grading.docker",
    ):
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ORCHESTRATE_CACHE"] = str(Path(folder, "cache"))
        print(json.dumps(kill_at_random(Path(folder), given.model, given.kills, given.seed)))


if __name__ == "__main__":
    main()
