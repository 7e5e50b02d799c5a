"""Experiments side by side, and what they say to the original's claims: what `lab report` does."""

import base64
from collections.abc import Sequence
from pathlib import Path

from pydantic import JsonValue, TypeAdapter, ValidationError

from orchestrator.errors import ConfigError
from orchestrator.json_text import json_text
from orchestrator.lab.cells import shown
from orchestrator.lab.claims import CLAIMS, Finding
from orchestrator.lab.folder import FIGURES, MANIFEST, SHOWN
from orchestrator.policy.decisions import Record
from orchestrator.reporting.markdown import markdown
from orchestrator.reporting.page import page
from orchestrator.reporting.runs import Manifest
from orchestrator.reporting.tables import Section, Table
from vectors.files import write_atomic
from vectors.statistics.estimates import CLAIM_N

_MOST_BYTES = 64 << 20


class Shown(Record):
    """What a finished experiment's folder shows."""

    section: Section
    findings: tuple[Finding, ...]


class Experiment(Record):
    """A finished experiment: what determined it, what it shows, its picture as SVG."""

    folder: str
    determinants: dict[str, JsonValue]
    shown: Shown
    picture: str

    @property
    def name(self) -> str:
        """The experiment's, such as `gsm8k`."""
        return str(self.determinants.get("experiment", ""))

    @property
    def models(self) -> tuple[str, ...]:
        """Those that took part, none where none did."""
        several = self.determinants.get("models")
        named = several if isinstance(several, list) else [self.determinants]
        return tuple(str(each["model"]) for each in named if isinstance(each, dict) and each.get("model"))


class ClaimRow(Record):
    """A claim's answer on a model; without a finding it is open."""

    claim: str
    says: str
    original: str
    model: str
    experiment: str
    finding: Finding | None


class LabReport(Record):
    """All experiments, those that are not finished, and a row for each claim and model."""

    experiments: tuple[Experiment, ...]
    unfinished: tuple[str, ...]
    claims: tuple[ClaimRow, ...]


def report_on(folders: Sequence[Path]) -> LabReport:
    """Read experiments: each folder is one's own, or holds some one or two levels below.

    Raises ConfigError for a folder without any, and for a file in one that cannot be read.
    """
    found: dict[Path, None] = {}
    for folder in folders:
        own = [folder] if (folder / MANIFEST).is_file() else experiments_below(folder)
        if not own:
            raise ConfigError(f"{folder} holds no experiment: expected a {MANIFEST} in it, or one below")
        found |= dict.fromkeys(own)
    finished = [folder for folder in found if (folder / SHOWN).is_file()]
    experiments = tuple(map(read_experiment, finished))
    return LabReport(
        experiments=experiments,
        unfinished=tuple(str(folder) for folder in found if folder not in finished),
        claims=tuple(answered(experiments)),
    )


def experiments_below(folder: Path) -> list[Path]:
    """The experiments one or two levels below a folder."""
    return sorted(path.parent for level in ("*", "*/*") for path in folder.glob(f"{level}/{MANIFEST}"))


def answered(experiments: Sequence[Experiment]) -> list[ClaimRow]:
    """A row for each claim and model, and more where several experiments answer it."""
    models = list(dict.fromkeys(model for each in experiments for model in each.models)) or [""]
    return [row for claim in CLAIMS for model in models for row in _rows(claim, model, experiments)]


def write_report(report: LabReport, out: Path) -> list[Path]:
    """Write report.json, report.md and report.html into a folder; their paths."""
    sections = [_claims(report), *map(_section, report.experiments)]
    if report.unfinished:
        rows = [[folder] for folder in report.unfinished]
        sections.append(Section("Not finished", "", [Table(["folder"], rows, figures=False)]))
    pictures = {each.folder: _inline(each.picture) for each in report.experiments}
    title = f"{len(report.experiments)} experiment{'s' * (len(report.experiments) != 1)}"
    written = {
        "report.json": json_text(report.model_dump(exclude={"experiments": {"__all__": {"picture"}}})),
        "report.md": markdown(title, sections).encode(),
        "report.html": page(title, sections, pictures).encode(),
    }
    for name, content in written.items():
        write_atomic(out / name, content)
    return [out / name for name in written]


def _rows(claim: str, model: str, experiments: Sequence[Experiment]) -> list[ClaimRow]:
    """What each experiment on the model, or on none, says to the claim; one open row where none does."""
    known = CLAIMS[claim]
    # The one with most observations first: what it says counts for more.
    said = [
        ClaimRow(
            claim=claim,
            says=known.says,
            original=known.original,
            model=model,
            experiment=each.folder,
            finding=finding,
        )
        for each in experiments
        if model in each.models or not each.models
        for finding in each.shown.findings
        if finding.claim == claim
    ]
    said.sort(key=lambda row: -row.finding.estimate.n if row.finding else 0)
    open_ = ClaimRow(
        claim=claim, says=known.says, original=known.original, model=model, experiment="", finding=None
    )
    return said or [open_]


def _claims(report: LabReport) -> Section:
    header = ["claim", "the original", "model", "verdict", "n", "here", "what was measured"]
    rows = [
        [
            row.says,
            row.original,
            row.model,
            *(
                [row.finding.verdict, str(row.finding.estimate.n), shown(row.finding.estimate, ".3g")]
                if row.finding
                else ["open", "—", "—"]
            ),
            row.finding.measures if row.finding else f"not measured: orchestrate {CLAIMS[row.claim].command}",
        ]
        for row in report.claims
    ]
    text = (
        f"Confirmed or refuted where the whole 95 % interval lies on one side and n is at least {CLAIM_N}; "
        "undecided otherwise; open where nothing was measured."
    )
    return Section("What holds of the original's claims", text, [Table(header, rows, figures=False)])


def _section(of: Experiment) -> Section:
    section = of.shown.section
    return Section(f"{of.name}: {section.title}", section.text, section.tables, [of.folder])


def read_experiment(folder: Path) -> Experiment:
    """A finished experiment. Raises ConfigError for what cannot be read as one."""

    def text(name: str) -> str:
        path = folder / name
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"{path} is larger than {_MOST_BYTES >> 20} MiB: it is no experiment's")
        return path.read_text("utf-8")

    try:
        return Experiment(
            folder=str(folder),
            determinants=TypeAdapter(Manifest).validate_json(text(MANIFEST)).determinants,
            shown=Shown.model_validate_json(text(SHOWN)),
            picture=text(FIGURES[0]),
        )
    except (ValidationError, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{folder} cannot be read as an experiment ({reason}): run it again") from error


def _inline(svg: str) -> str:
    """The picture as an image, in which nothing runs whatever the file holds."""
    return f'<img alt="" src="data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}">'
