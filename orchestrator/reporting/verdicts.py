"""Verdicts on the patches of a run: what `grade --json` said, or what the run itself noted.

Only those of instances with a certificate count.
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from orchestrator.errors import ConfigError
from orchestrator.policy.decisions import Record
from orchestrator.records import Graded
from orchestrator.reporting.runs import Run
from vectors.suggestions import did_you_mean


class _Printed(Record):
    instances: dict[str, Graded]


def verdicts_of(runs: Sequence[Run], named: Sequence[str]) -> dict[str, dict[str, Graded]]:
    """The verdicts by run and instance: of files, each `FILE` or `RUN=FILE`, else those in the run's results.

    Raises ConfigError for a file that is none of `grade --json`, or of a run that is not there.
    """
    found: dict[str, dict[str, Graded]] = {run.name: _noted(run) for run in runs}
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


def _noted(run: Run) -> dict[str, Graded]:
    results = {name: run.trace(name).result for name in run.instance_ids}
    return {name: result.graded for name, result in results.items() if result and result.graded}


def _read(path: Path) -> dict[str, Graded]:
    wrong = ConfigError(f"{path} does not hold what `orchestrate grade --json` prints: pass its output")
    try:
        return TypeAdapter(_Printed).validate_json(path.read_bytes()).instances
    except OSError as error:
        raise ConfigError(f"verdicts {path} cannot be read: {error.strerror}") from None
    except ValidationError:
        raise wrong from None
