"""Whether a patch is valid: it applies to a clean tree of the base commit, what Python compiled it still
compiles, it changes something, every name is bound as before, and it stays within what a source patch may do.

SWE-bench's harness applies a patch with git; a patch is checked here with git too, but against an index, so
that no checkout is needed and nothing is written outside a temporary folder.
"""

from dataclasses import dataclass
from pathlib import Path

from swebench.errors import PatchDoesNotApply
from swebench.patches.gate import newly_unbound
from swebench.patches.lenient import apply_as_harness
from swebench.patches.paths import path_problem
from swebench.patches.plumbing import Git
from swebench.patches.source import fault_by, file_fault, is_python, same_code
from swebench.patches.trees import ABSENT, EXECUTABLE, REGULAR, Change, Scratch

MAX_PATCH_BYTES = 1 << 20


@dataclass(frozen=True)
class PatchCheck:
    """What was found about a patch; `problems` holds one line for each thing that makes it invalid.

    `applies` is by `git apply`; `lenient` names the command by which the official harness takes a patch that
    this refuses, "" where there is none. `files` are the changed paths; `parses` says that every Python file
    that compiled before still does.
    """

    applies: bool
    parses: bool
    no_op: bool
    files: tuple[str, ...]
    problems: tuple[str, ...]
    lenient: str = ""

    @property
    def valid(self) -> bool:
        """Whether the patch may be handed in."""
        return not self.problems


def check_patch(git: Git, base_commit: str, patch: str, *, python: Path | None = None) -> PatchCheck:
    """Check a unified diff against the tree of `base_commit` in a repository, bare or not, which stays as it
    is. `python` is the one that the repository runs on, where that is known: it must compile the files too.

    Raises CommitMissing, GitFailed where the repository or the machine is at fault, EnvironmentUnavailable
    where that Python does not run; whatever is wrong with the patch is in the answer.
    """
    size = len(patch.encode("utf-8", "surrogatepass"))
    if not patch.strip():
        return _refused("the patch is empty", no_op=True)
    if size > MAX_PATCH_BYTES:
        return _refused(f"the patch has {size} bytes, at most {MAX_PATCH_BYTES} are allowed")
    with Scratch(git, base_commit) as scratch:
        try:
            applied = apply_as_harness(scratch, patch, scratch.base)
        except PatchDoesNotApply as failed:
            return _refused(f"it does not apply: {failed}")
        if applied.refusal:
            taken = f"the official harness takes it by `{applied.command}`"
            return _refused(f"it does not apply: {applied.refusal}; {taken}", lenient=applied.command)
        changes = scratch.changes(scratch.base, applied.tree)
        problems = [problem for change in changes for problem in _forbidden(change)]
        files = tuple(change.path for change in changes)
        if problems:
            return PatchCheck(True, False, False, files, tuple(problems))
        return _contents(scratch, changes, files, python)


def _refused(problem: str, *, no_op: bool = False, lenient: str = "") -> PatchCheck:
    return PatchCheck(
        applies=False, parses=False, no_op=no_op, files=(), problems=(problem,), lenient=lenient
    )


def _forbidden(change: Change) -> list[str]:
    found = [problem] if (problem := path_problem(change.path)) else []
    modes = {change.old_mode, change.new_mode} - {ABSENT}
    if not modes <= {REGULAR, EXECUTABLE}:
        found.append(f"{change.path}: only regular files may change, not symbolic links or submodules")
    elif len(modes) > 1:
        found.append(f"{change.path}: its mode changes from {change.old_mode} to {change.new_mode}")
    return found


def _contents(
    scratch: Scratch, changes: tuple[Change, ...], files: tuple[str, ...], python: Path | None
) -> PatchCheck:
    problems: list[str] = []
    unbound: list[str] = []
    same = True
    for change in changes:
        before = b"" if change.old_mode == ABSENT else next(scratch.blobs([change.old_blob]))
        after = b"" if change.new_mode == ABSENT else next(scratch.blobs([change.new_blob]))
        if b"\0" in after:
            problems.append(f"{change.path}: it becomes a binary file")
        elif is_python(change.path) and file_fault(before) is None:
            if fault := file_fault(after):
                problems.append(f"{change.path}, line {fault.lineno}: it no longer parses: {fault.msg}")
            elif python and (said := fault_by(python, after)) and not fault_by(python, before):
                problems.append(f"{change.path}: the repository's own Python does not compile it: {said}")
            elif names := newly_unbound(before, after):
                unbound.append(f"{change.path}: nothing binds {', '.join(names)[:200]}")
        kept = change.old_mode == change.new_mode
        same = same and kept and is_python(change.path) and same_code(before, after)
    parses = not problems
    problems += unbound
    if same:
        problems.append("it changes nothing but layout or comments" if changes else "it changes nothing")
    return PatchCheck(True, parses, same, files, tuple(problems))
