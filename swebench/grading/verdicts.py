"""Verdicts: hidden tests on a patch, the certificate of an instance, and the existing tests for a solver.

How tests are run and where is a test bed's to say (`swebench/grading/suites.py`). As in SWE-bench 5, an
instance is resolved when all of FAIL_TO_PASS pass and all of PASS_TO_PASS pass or are skipped, and where the
evidence does not agree there is no verdict. An instance counts only where, in this very environment, its gold
patch resolves it and an empty patch does not: that is what a certificate says.
"""

from dataclasses import dataclass, replace

from swebench.data.tasks import Instance, Task
from swebench.errors import NotGradeable, PatchDoesNotApply, UnsafePath
from swebench.grading.evidence import Statuses, disagreement
from swebench.grading.infrastructure import TIMED_OUT, label
from swebench.grading.log_parsers import LOG_PARSERS, status_of
from swebench.grading.suites import Nearest, Suite, TestBed
from swebench.patches.lenient import Applied, apply_as_harness
from swebench.patches.plumbing import Git
from swebench.patches.trees import Scratch
from swebench.running.hearing import Status
from swebench.running.runner import TestRun, parse_command, run_tests

TIMEOUT_S = 900.0


@dataclass(frozen=True)
class Verdict:
    """The outcome of grading one patch; `f2p` and `p2p` hold the status of each test.

    Without `evidence` there is none, and `resolved` is false: `reason` says why, and `infrastructure` what in
    the log speaks of the machine instead.
    """

    resolved: bool
    applied: bool
    f2p: Statuses
    p2p: Statuses
    reason: str
    seconds: float
    log: str
    infrastructure: str
    evidence: bool = True


@dataclass(frozen=True)
class Proof:
    """Whether an instance's tests tell its gold patch from an empty one here, with both verdicts."""

    gold: Verdict
    empty: Verdict

    @property
    def gold_resolves(self) -> bool:
        """Whether the gold patch resolves the instance."""
        return self.gold.resolved

    @property
    def empty_fails(self) -> bool:
        """Whether without a patch every FAIL_TO_PASS test fails and every PASS_TO_PASS test is kept."""
        f2p, p2p = self.empty.f2p.values(), self.empty.p2p.values()
        fail = not any(status.passes for status in f2p)
        return self.empty.evidence and fail and all(map(_kept, p2p))

    @property
    def certified(self) -> bool:
        """Whether the instance may be counted."""
        return self.gold_resolves and self.empty_fails


@dataclass(frozen=True)
class ExistingTests:
    """A run of the repository's existing tests on a patch.

    `failed` are the tests that fail, or are gone, and did pass without the patch; `ok` says that there are
    none and that the tests did run. `seconds` counts the run without the patch too, where one was needed.
    `still_failing` are those of one's own project that fail without the patch and with it.
    """

    ok: bool
    passed: int
    failed: tuple[str, ...]
    statuses: Statuses
    run: TestRun
    seconds: float
    still_failing: tuple[str, ...] = ()


def ensure_gradeable(instance: Instance) -> None:
    """Raise NotGradeable unless the instance's row says how its tests are run; nothing is made or run."""
    name = instance.instance_id
    if instance.language not in {"", "python"}:
        raise NotGradeable(f"{name} is a task in {instance.language}: only Python's tests are run here")
    if not instance.fail_to_pass:
        raise NotGradeable(f"{name}: FAIL_TO_PASS is empty, so no patch could be told from none")
    if not instance.task.test_cmd:
        columns = {"version": instance.task.version, "test_patch": instance.test_patch}
        if missing := [column for column, value in columns.items() if not value]:
            image = f" (its own harness runs image {instance.image})" if instance.image else ""
            raise NotGradeable(
                f"{name} has no {' and no '.join(missing)}, so it cannot be graded{image}: use rows with all "
                "columns of SWE-bench, or add a test_cmd and a log_parser"
            )
        return
    if instance.log_parser not in LOG_PARSERS:
        raise NotGradeable(
            f"{name}: log_parser {instance.log_parser!r} is unknown here: use {', '.join(LOG_PARSERS)}"
        )
    parse_command(instance.task.test_cmd)


def suite_of(instance: Instance, git: Git, test_bed: TestBed) -> Suite:
    """How the instance's hidden tests are run; a test bed makes their environment when it is not there yet.

    Raises NotGradeable, and what a test bed raises: EnvironmentUnavailable, CommitMissing, GitFailed.
    """
    ensure_gradeable(instance)
    return test_bed.suite(instance, git)


def grade(
    instance: Instance,
    git: Git,
    patch: str,
    *,
    test_bed: TestBed,
    timeout_s: float = TIMEOUT_S,
) -> Verdict:
    """Run the hidden tests of an instance on a patch (empty: on none) in a repository, which stays as it is.

    The patch is applied as the official harness does it; the reason says where that is more lenient than git.
    The files of the test patch replace whatever the patch made of them. Raises UnsafePath, GitFailed and what
    `suite_of` raises; a patch that does not apply, or makes a tree that cannot be written out, is a verdict.
    """
    suite = suite_of(instance, git, test_bed)
    with Scratch(git, instance.task.base_commit) as scratch:
        try:
            tests = scratch.apply(instance.test_patch, scratch.base) if instance.test_patch else scratch.base
        except PatchDoesNotApply as failed:
            raise NotGradeable(f"{instance.instance_id}: its test_patch does not apply: {failed}") from None
        try:
            empty = Applied(scratch.base)
            applied = apply_as_harness(scratch, patch, scratch.base) if patch.strip() else empty
        except PatchDoesNotApply as failed:
            return _verdict(instance, {}, applied=False, reason=f"the patch does not apply: {failed}")
        try:
            tree = scratch.overlay(applied.tree, tests)
            run = run_tests(scratch, tree, suite.command, timeout_s, suite.within)
        except UnsafePath as unsafe:
            if applied.tree == scratch.base:
                raise
            return _verdict(instance, {}, applied=False, reason=f"the patch cannot be used: {unsafe}")
    readings = suite.read(run)
    fault = disagreement(run, readings, (*instance.fail_to_pass, *instance.pass_to_pass), timeout_s)
    verdict = _verdict(instance, readings.heard, run, fault=fault)
    if not applied.refusal:
        return verdict
    # As the official harness counts it; whoever reads the verdict must know that git alone refuses it.
    leniently = f"applied by `{applied.command}`, since git apply says: {applied.refusal}"
    return replace(verdict, reason=f"{verdict.reason}; {leniently}")


def certify(instance: Instance, git: Git, *, test_bed: TestBed, timeout_s: float = TIMEOUT_S) -> Proof:
    """Grade the gold patch and an empty one; raises as `grade` does."""
    return Proof(
        gold=grade(instance, git, instance.patch, timeout_s=timeout_s, test_bed=test_bed),
        empty=grade(instance, git, "", timeout_s=timeout_s, test_bed=test_bed),
    )


def run_existing_tests(
    task: Task,
    git: Git,
    patch: str,
    *,
    test_bed: TestBed,
    nearest: Nearest = lambda _: (),
    timeout_s: float = TIMEOUT_S,
) -> ExistingTests:
    """Run tests that the repository has at the base commit on a patch; hidden tests are not known here.

    These are all that the row's own command runs, or those of the files that `nearest` ranks first. When a
    test fails they are run without the patch too, so that only what the patch broke is held against it.
    Raises PatchDoesNotApply, UnsafePath and what `suite_of` raises.
    """
    with Scratch(git, task.base_commit) as scratch:
        patched = scratch.apply(patch, scratch.base)
        suite = test_bed.existing(task, git, () if task.test_cmd else nearest(patch))
        run = run_tests(scratch, patched, suite.command, timeout_s, suite.within)
        readings = suite.read(run)
        statuses = readings.heard or readings.said
        passed = sum(status.passes for status in statuses.values())
        clean = not disagreement(run, readings, (), timeout_s)
        if run.timed_out or (clean and run.exit_code == 0):
            return ExistingTests(not run.timed_out, passed, (), statuses, run, run.seconds)
        before = run_tests(scratch, scratch.base, suite.command, timeout_s, suite.within)
    earlier = suite.read(before)
    failed = tuple(
        test
        for test, status in (earlier.heard or earlier.said).items()
        if status.passes and not _kept(statuses.get(test, Status.MISSING))
    )
    ran = clean or (run.exit_code == before.exit_code and run.heard.fault == before.heard.fault)
    ok = ran and not failed and not before.timed_out
    return ExistingTests(ok, passed, failed, statuses, run, run.seconds + before.seconds)


def _kept(status: Status) -> bool:
    """Whether a test that passed before is no worse off."""
    return status.passes or status is Status.SKIPPED


def _verdict(
    instance: Instance,
    statuses: Statuses,
    run: TestRun | None = None,
    *,
    applied: bool = True,
    reason: str = "",
    fault: str = "",
) -> Verdict:
    f2p, p2p = (
        {test: status_of(test, statuses) for test in tests}
        for tests in (instance.fail_to_pass, instance.pass_to_pass)
    )
    bad = [sum(not status.passes for status in f2p.values()), sum(not _kept(each) for each in p2p.values())]
    resolved = not reason and not fault and not any(bad)
    if fault:
        reason = f"no verdict: {fault}"
    elif not reason:
        of_f2p, of_p2p = f"{bad[0]} of {len(f2p)} FAIL_TO_PASS", f"{bad[1]} of {len(p2p)} PASS_TO_PASS"
        reason = "all tests pass" if resolved else f"{of_f2p} and {of_p2p} tests do not pass"
    return Verdict(
        resolved,
        applied,
        f2p,
        p2p,
        reason,
        run.seconds if run else 0.0,
        run.log if run else "",
        evidence=not fault,
        infrastructure=_infrastructure(run) if run and fault else "",
    )


def _infrastructure(run: TestRun) -> str:
    return label(run.log) or (TIMED_OUT if run.timed_out else "")
