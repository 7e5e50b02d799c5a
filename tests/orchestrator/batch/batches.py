"""A data set of small tasks on one small repository, and commands that evaluate it: for tests of batches."""

import json
from pathlib import Path

from tests.orchestrator.conftest import CALC, TEXT, git

PROBLEMS = (
    "mean() of an empty list fails\n\n>>> mean([])\nZeroDivisionError: division by zero\n\nI expected 0.",
    "shorten() cuts one character too many\n\nA text of exactly width characters should stay.",
    "spread() of an empty list fails with ValueError, it should be 0",
    "mean() should ignore None values in the list",
    "shorten() should end with an ellipsis when it cuts the text",
    "spread() is negative for a list of one number",
)


def make_tasks(folder: Path, problems: tuple[str, ...] = PROBLEMS, *, missing: int | None = None) -> Path:
    """`folder`/tasks.jsonl and its repository in `folder`/repos; that of `missing` lacks its commit."""
    package = folder / "repos" / "local__abacus" / "abacus"
    package.mkdir(parents=True)
    for name, text in {"calc.py": CALC, "text.py": TEXT, "__init__.py": ""}.items():
        (package / name).write_text(text)
    git(folder, "init", "-q", "-b", "main", str(package.parent))
    git(package.parent, "add", "-A")
    git(package.parent, "commit", "-qm", "Averages and words")
    head = git(package.parent, "rev-parse", "HEAD")
    rows = [
        {"instance_id": f"local__abacus-{number}", "repo": "local/abacus", "problem_statement": problem,
         "base_commit": "0" * 40 if number == missing else head}
        for number, problem in enumerate(problems)
    ]  # fmt: skip
    path = folder / "tasks.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def evaluate_arguments(tasks: Path, model: Path, out: Path, *more: object) -> list[str]:
    """The command's arguments for these tasks."""
    named = {"--dataset": tasks, "--repos": tasks.parent / "repos", "--model": model, "--out": out}
    flags = [str(part) for pair in named.items() for part in pair]
    return ["evaluate", *flags, "--samples", "2", "--json", *map(str, more)]


def predictions(out: Path) -> bytes:
    """The predictions of a run, to the byte."""
    return (out / "predictions.jsonl").read_bytes()


def work_done(out: Path) -> dict[Path, tuple[int, bytes]]:
    """Each file that working on an instance writes, with its time in nanoseconds and its bytes."""
    files = (path for path in out.glob("*/**/*") if path.is_file())
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}
