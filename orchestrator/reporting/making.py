"""From the folders of runs to the report on them: what `report` does."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigError
from orchestrator.plugins import load_instances
from orchestrator.reporting.runs import Run, read_runs
from orchestrator.reporting.verdicts import verdicts_of
from orchestrator.session import Session

if TYPE_CHECKING:
    from orchestrator.reporting.document import Report


def report_on(
    session: Session, folders: Iterable[Path], named: Sequence[str], dataset: str | None = None
) -> "Report":
    """The report on the runs in these folders, with the verdicts of the files in `named`.

    `dataset` has the gold patches, by default the one that the runs name. Raises ConfigError for what cannot
    be read, and where the runs name several data sets or none.
    """
    runs = read_runs(folders)
    verdicts = verdicts_of(runs, named)
    found = load_instances(dataset or _dataset(runs), cache=session.settings.cache, progress=session.progress)
    from orchestrator.reporting.report import make_report  # statistics take a second

    return make_report(session, runs, verdicts, found, session.progress)


def _dataset(runs: Sequence[Run]) -> str:
    """The data set that all runs were made with."""
    names = sorted({str(run.determinants.get("dataset", "")) for run in runs})
    if len(names) > 1 or names[0] in ("", "local"):
        raise ConfigError(
            f"the runs name {', '.join(name or 'no data set' for name in names)}: "
            "say with --dataset which has the gold patches"
        )
    return names[0]
