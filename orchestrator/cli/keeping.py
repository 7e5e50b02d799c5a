"""Long analyses on the command line: what they keep as they go, and what is said of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli import interruption

if TYPE_CHECKING:
    from orchestrator.lab.folder import ExperimentFolder
    from vectors.measuring.journal import Journal


@contextmanager
def keeping(cache: Path) -> "Iterator[Journal]":
    """A journal that Ctrl-C tells the truth of at every moment.

    It is dropped at the end, so what is done with a result belongs inside as well.
    """
    from vectors.measuring.journal import Journal

    interruption.says("interrupted before anything was measured")
    journal = Journal(cache / "analyses", _told)
    yield journal
    interruption.says("interrupted: it was done")
    journal.drop()


@contextmanager
def running(runs: Path, out: Path | None, *, fresh: bool) -> "Iterator[ExperimentFolder]":
    """The folder of an experiment, which keeps what it has done; Ctrl-C says where."""
    from orchestrator.lab.folder import ExperimentFolder

    interruption.says("interrupted before anything was measured")
    folder = ExperimentFolder(runs, out, fresh=fresh, told=_told)
    yield folder
    interruption.says(f"interrupted: it is done, and in {folder.folder}")


def _told(journal: "Journal") -> None:
    # Looked up when it is said: a unit may be finished at any moment.
    interruption.says(lambda: _line(journal))
    if journal.found and journal.units is not None:
        to_go = journal.units - journal.found
        click.echo(f"{journal.found} of {_units(journal.units)} kept; {to_go} to go", err=True)
    elif journal.found:
        click.echo(f"{_units(journal.found)} kept; going on from there", err=True)


def _line(journal: "Journal") -> str:
    if not journal.kept:
        return "interrupted: nothing is kept of this yet"
    return f"interrupted: {_units(journal.kept)} kept, run the same command again to go on where it was"


def _units(count: int) -> str:
    return f"{count} unit" if count == 1 else f"{count} units"
