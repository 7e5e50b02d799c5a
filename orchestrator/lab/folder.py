"""The folder of one experiment: what determined it, its units as they are finished, its result and figures.

manifest.json   what decides the figures, and on what machine they were computed
units.jsonl     a line a finished unit: a kill at any moment loses the one that was on its way
units-….jsonl   the same of later parts, which hang on what has come of earlier ones
residuals/      what models were read to be, where an experiment is about that
result.json     the result as `--json` prints it, when it is whole
items.jsonl     what was asked and answered, an item a line, of experiments that have items
shown.json      its tables, and what it says to the original's claims: what a report is made of
figure.svg      and figure.png
saes/           autoencoders that were trained, each in a folder of SAELens' format
"""

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, cast

from orchestrator.errors import MixedRunError
from orchestrator.json_text import json_text
from orchestrator.lab.items import ITEMS, write_items
from orchestrator.task.artifacts import open_run
from orchestrator.task.run_names import slug
from vectors.files import write_atomic
from vectors.measuring.journal import Journal, digest_of

if TYPE_CHECKING:  # wrong input is told before anything large is imported
    from orchestrator.lab.provenance import Facts, Result

MANIFEST, RESULT, SHOWN = "manifest.json", "result.json", "shown.json"
SAES = "saes"
_UNITS = "units.jsonl"
RESIDUALS = "residuals"
"""The folder of what is too large for a line (`Journal.once_in_file`)."""
_PARTS = ("units-*.jsonl", f"{RESIDUALS}/*.safetensors")
FIGURES = ("figure.svg", "figure.png")


class ExperimentFolder(Journal):
    """A journal that is kept in the experiment's own folder.

    That is `out`, or else one below `runs` that is named by what determines the experiment, so that the same
    command finds its own again and no other does. A `fresh` one starts over.
    """

    def __init__(
        self,
        runs: Path,
        out: Path | None = None,
        *,
        fresh: bool = False,
        told: Callable[[Journal], None] = lambda _: None,
    ) -> None:
        super().__init__(runs, told)
        self._runs, self._out, self._fresh = runs, out, fresh
        self.folder: Path | None = None
        """Known once the experiment has begun."""

    def finish(self, result: "Result") -> None:
        """Write the result and its figures; equal results give equal files."""
        assert self.folder is not None
        for name in FIGURES:
            result.draw(self.folder / name)
        write_atomic(self.folder / RESULT, json_text(result.model_dump()))
        shown = {
            "section": asdict(result.section()),
            "findings": [each.model_dump() for each in result.findings() if each.estimate.n > 1],
        }
        write_items(self.folder, result.items)
        write_atomic(self.folder / SHOWN, json_text(shown))

    def _file(self, facts: object) -> Path:
        """Raises MixedRunError for a folder of another experiment, or of other settings."""
        from orchestrator.session import machine_facts

        if self.folder is not None:  # a later part, of what has come of the ones before
            return self.folder / f"units-{digest_of(facts)[:8]}.jsonl"
        said = cast("Facts", facts)
        self.folder = self._out or self._runs / "lab" / _name(said)
        if self._fresh:
            folder = self.folder
            parts = [str(path.relative_to(folder)) for glob in _PARTS for path in folder.glob(glob)]
            for name in (SHOWN, RESULT, ITEMS, _UNITS, *parts, *FIGURES, MANIFEST):
                (self.folder / name).unlink(missing_ok=True)
            shutil.rmtree(self.folder / SAES, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            open_run(self.folder, said, machine_facts())
        except MixedRunError as error:
            raise MixedRunError(f"{error}, or start this one over with --fresh") from None
        return self.folder / _UNITS


def _name(facts: "Facts") -> str:
    model = str(facts.get("model", "")).rstrip("/").rsplit("/", 1)[-1]
    return slug("-".join(part for part in (str(facts["experiment"]), model, digest_of(facts)[:8]) if part))
