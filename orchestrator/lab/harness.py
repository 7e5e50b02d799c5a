"""Tasks of lm-evaluation-harness under several steerings at once: what `lab lm-eval` does."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from orchestrator.errors import ConfigError
from orchestrator.lab.cells import evidence, shown
from orchestrator.lab.provenance import Analysis, Provenance, determinants
from orchestrator.policy.decisions import Record
from orchestrator.reporting.tables import Section, Table
from orchestrator.session import Session
from vectors.domains.names import Names
from vectors.domains.resolving import resolved
from vectors.lab.figures.charts import conditions_figure
from vectors.measuring.journal import Journal
from vectors.statistics.estimates import Estimate, mean, paired, rate
from vectors.statistics.tests import holm, mcnemar
from vectors.steering.intervention import named
from vectors.steering.reading import terms_of
from vectors.steering.terms import names_in
from vectors.steering.text import written

if TYPE_CHECKING:
    from orchestrator.lab.lm_eval_model import Sample, SteeredModel

UNSTEERED = "unsteered"


class HarnessSettings(Record):
    """What lm-eval was asked, and what steered it, with absolute strengths."""

    tasks: tuple[str, ...]
    steerings: tuple[str, ...]
    limit: int | None
    shots: int | None
    chat: bool
    include: str
    lm_eval: str


class MetricRow(Record):
    """A metric of a task under one steering, as the mean over items.

    `difference` is from the unsteered model, paired by item; `p` is McNemar's, exact, where all values are 0
    or 1, and `p_holm` adjusted for all that were made.
    """

    task: str
    metric: str
    steering: str
    value: Estimate
    difference: Estimate | None = None
    p: float | None = None
    p_holm: float | None = None


class HarnessResult(Analysis):
    """Every metric of every task, unsteered and under each steering."""

    settings: HarnessSettings
    rows: tuple[MetricRow, ...]

    @property
    def heading(self) -> str:
        """Tasks, model and dtype."""
        tasks = ", ".join(self.settings.tasks)
        return f"lm-eval's {tasks} on {self.provenance.model} ({self.provenance.dtype})"

    def section(self) -> Section:
        """A row a metric and steering."""
        header = ["task", "metric", "steered by", "value", "− unsteered", "p", "p, Holm"]
        rows = [
            [
                each.task,
                each.metric,
                each.steering,
                shown(each.value, ".3f"),
                shown(each.difference, "+.3f") if each.difference else "—",
                *(f"{p:.2g}" if p is not None else "—" for p in (each.p, each.p_holm)),
            ]
            for each in self.rows
        ]
        return Section(self.heading, evidence(*(each.value.n for each in self.rows)), [Table(header, rows)])

    def figure(self) -> Figure:
        """Bars by metric and steering."""
        groups = list(dict.fromkeys((each.task, each.metric) for each in self.rows))
        series = {
            steering: [
                next(each.value for each in self.rows if (*group, steering) == _place(each))
                for group in groups
            ]
            for steering in dict.fromkeys(each.steering for each in self.rows)
        }
        labels = [f"{task}\n{metric}" for task, metric in groups]
        return conditions_figure(labels, series, "mean over items", self.heading, "items")


def run_tasks(
    session: Session,
    tasks: Sequence[str],
    steers: Sequence[str],
    *,
    limit: int | None = None,
    shots: int | None = None,
    chat: bool = False,
    include: Path | None = None,
    journal: Journal | None = None,
) -> HarnessResult:
    """Run lm-eval's tasks unsteered and under each of `steers`, texts of the steering language, in one go.

    `include` is a folder of task files of one's own. Raises ConfigError where lm-eval is missing or cannot
    run a task, SteeringMismatch, and what keeps a model from being opened.
    """
    steered_model, evaluate = lm_eval()
    names = Names(session.vectors, session.model, session.progress)
    steerings = [(), *(resolved(terms_of(steer), names) for steer in steers)]
    labels = [UNSTEERED, *(written(named(steering)) for steering in steerings[1:])]
    if len(set(labels)) < len(labels):
        raise ConfigError(f"two steerings are the same: {', '.join(labels[1:])}")
    settings = HarnessSettings(
        tasks=tuple(tasks),
        steerings=tuple(labels[1:]),
        limit=limit,
        shots=shots,
        chat=chat,
        include=_digest(include) if include else "",
        lm_eval=version("lm-eval"),
    )
    domains = dict.fromkeys(name for steer in steers for name in names_in(terms_of(steer)))
    provenance = Provenance.of(session, [names.vector(name) for name in domains])
    journal = journal or Journal()
    journal.begin(determinants(session, "lm-eval", provenance, settings))
    model = steered_model.of(session, steerings, journal)
    found = [
        evaluate(model.under(number), tasks, limit=limit, shots=shots, chat=chat, include=include)
        for number in range(len(steerings))
    ]
    rows = _rows(dict(zip(labels, found, strict=True)))
    return HarnessResult(provenance=provenance, settings=settings, rows=tuple(rows))


def _place(row: MetricRow) -> tuple[str, str, str]:
    return row.task, row.metric, row.steering


def _rows(found: Mapping[str, Mapping[str, Sequence["Sample"]]]) -> list[MetricRow]:
    """A row for each metric and steering; the tests of all of them are one family."""
    rows: list[MetricRow] = []
    for task, bare in found[UNSTEERED].items():
        for metric in bare[0].metrics:
            unsteered = [each.metrics[metric] for each in bare]
            for steering, samples in found.items():
                values = [each.metrics[metric] for each in samples[task]]
                row = MetricRow(task=task, metric=metric, steering=steering, value=_estimate(values))
                if steering != UNSTEERED:
                    row = row.model_copy(update=_against(values, unsteered))
                rows.append(row)
    tested = [number for number, row in enumerate(rows) if row.p is not None]
    for number, p in zip(tested, holm([rows[n].p or 0.0 for n in tested], len(tested)), strict=True):
        rows[number] = rows[number].model_copy(update={"p_holm": p})
    return rows


def _against(values: Sequence[float], unsteered: Sequence[float]) -> dict[str, object]:
    flags = set(values) | set(unsteered) <= {0.0, 1.0}
    pairs = [(bool(one), bool(other)) for one, other in zip(values, unsteered, strict=True)]
    return {"difference": paired(values, unsteered), "p": mcnemar(pairs).p if flags else None}


def _estimate(values: Sequence[float]) -> Estimate:
    return rate(int(sum(values)), len(values)) if set(values) <= {0.0, 1.0} else mean(values)


def _digest(folder: Path) -> str:
    """Of the task files in a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.yaml")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def lm_eval() -> "tuple[type[SteeredModel], Callable[..., dict[str, list[Sample]]]]":
    """Our model for it, and what runs its tasks. Raises ConfigError where it is not installed."""
    try:
        from orchestrator.lab.lm_eval_model import SteeredModel, evaluate
    except ImportError as error:
        if not (error.name or "").startswith("lm_eval"):
            raise
        raise ConfigError(
            "lm-eval is not installed: pip install 'steered-orchestrator[lab]', or lm-eval beside it"
        ) from None
    return SteeredModel, evaluate
