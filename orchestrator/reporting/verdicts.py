"""Verdicts on the patches of a run: what `grade --json` said, or what the run itself noted.

Only instances with a certificate count, where verdicts come with certificates at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from orchestrator.errors import ConfigError
from orchestrator.policy.decisions import Record
from orchestrator.records import Graded
from orchestrator.reporting.runs import Run
from vectors.suggestions import did_you_mean


@dataclass(frozen=True)
class Verdict:
    """`counts` says that the instance is certified, or that no certificates were asked for."""

    resolved: bool
    counts: bool
    reason: str


class _Printed(Record):
    instances: dict[str, Graded]


def verdicts_of(runs: Sequence[Run], named: Sequence[str]) -> dict[str, dict[str, Verdict]]:
    """The verdicts by run and instance: of files, each `FILE` or `RUN=FILE`, else those in the run's results.

    Raises ConfigError for a file that is none of `grade --json`, or of a run that is not there.
    """
    found: dict[str, dict[str, Verdict]] = {run.name: _noted(run) for run in runs}
    for each in named:
        name, _, path = each.rpartition("=")
        if not name and len(runs) > 1:
            raise ConfigError(
                f"--verdicts {each}: say which run they are of, as RUN={each}; "
                f"the runs are {', '.join(found)}"
            )
        name = name or runs[0].name
        if name not in found:
            raise ConfigError(
                f"--verdicts {each}: there is no run {name!r}; the runs are {', '.join(found)}"
                f"{did_you_mean(name, found)}"
            )
        found[name] = _read(Path(path))
    return found


def _noted(run: Run) -> dict[str, Verdict]:
    results = {name: run.trace(name).result for name in run.instance_ids}
    noted = {name: result.graded for name, result in results.items() if result}
    return {name: _verdict(graded) for name, graded in noted.items() if graded}


def _read(path: Path) -> dict[str, Verdict]:
    wrong = ConfigError(f"{path} does not hold what `orchestrate grade --json` prints: pass its output")
    try:
        rows = TypeAdapter(_Printed).validate_json(path.read_bytes()).instances
        return {name: _verdict(row) for name, row in rows.items()}
    except OSError as error:
        raise ConfigError(f"verdicts {path} cannot be read: {error.strerror}") from None
    except ValidationError:
        raise wrong from None


def _verdict(graded: Graded) -> Verdict:
    return Verdict(graded.resolved, graded.certified is not False, graded.reason)
