"""Steering zero-shot and beside retrieved code, by the gold patch's own lines: what `lab context` does."""

from collections.abc import Sequence
from functools import partial

from matplotlib.figure import Figure

from orchestrator.calibration.situations import Situation, situations
from orchestrator.calibration.trials import gold_observations
from orchestrator.lab.cells import evidence, shown
from orchestrator.lab.claims import Finding, finding
from orchestrator.lab.provenance import Analysis, Provenance, determinants, vector_of
from orchestrator.plugins import load_instances
from orchestrator.policy.decisions import Domain, Record, Regime
from orchestrator.reporting.tables import Section, Table
from orchestrator.run_config import RunConfig
from orchestrator.session import Session
from vectors.errors import UnfitAnalysis
from vectors.lab.figures.charts import conditions_figure
from vectors.measuring.journal import Journal
from vectors.measuring.metrics import likelihood
from vectors.statistics.draws import drawn
from vectors.statistics.estimates import Estimate
from vectors.statistics.tests import grouped_mean
from vectors.steering.intervention import Intervention, Steering, named
from vectors.steering.text import written

REGIMES: tuple[Regime, ...] = ("zero-shot", "rag")
_LEAST = 4
"""Tasks, and two repositories: no interval comes of fewer."""


class ContextSettings(Record):
    """What was measured: the tasks that have a prompt in both regimes, and what steered."""

    dataset: str
    domain: Domain
    steering: tuple[str, ...]
    multiples: tuple[float, ...]
    issue_tokens: int
    tasks: tuple[str, ...]


class Effect(Record):
    """What a steering does to the gold lines' log-likelihood, in nats a token, as the mean over repositories.

    `beside_code` is that with retrieved code minus that without, paired by task.
    """

    steering: str
    multiple: float
    by_regime: dict[str, Estimate]
    beside_code: Estimate


class ContextResult(Analysis):
    """The effect of each strength in either regime, and what retrieved code makes of it."""

    settings: ContextSettings
    unsteered: dict[str, Estimate]
    effects: tuple[Effect, ...]

    def findings(self) -> tuple[Finding, ...]:
        """At the vector's dose, beside retrieved code."""
        own = next((each for each in self.effects if each.multiple == 1), self.effects[0])
        measures = f"gold lines, nats a token, beside retrieved code: {own.steering} − unsteered"
        return (finding("context_interferes", own.by_regime["rag"], measures, beyond=0, above=False),)

    def section(self) -> Section:
        """A row a strength."""
        header = ["steered by", "of its dose", "zero-shot", "beside code", "beside code − zero-shot"]
        rows = [
            [
                each.steering,
                f"{each.multiple:g}",
                *(shown(each.by_regime[regime], "+.3f") for regime in REGIMES),
                shown(each.beside_code, "+.3f"),
            ]
            for each in self.effects
        ]
        bare = ", ".join(f"{regime} {shown(self.unsteered[regime], '.3f')}" for regime in REGIMES)
        notes = [
            "change of the log-likelihood of the lines that the gold patch adds, nats a token; intervals are "
            "over repositories, whose tasks are not independent",
            f"unsteered: {bare}",
            evidence(self.effects[0].beside_code.n),
        ]
        return Section(f"{self.settings.dataset}: {self.heading}", "\n".join(notes), [Table(header, rows)])

    def figure(self) -> Figure:
        """Bars by strength and regime."""
        groups = [f"{each.multiple:g} × dose" for each in self.effects]
        series: dict[str, list[Estimate]] = {
            regime: [each.by_regime[regime] for each in self.effects] for regime in REGIMES
        }
        label = "steered − unsteered, gold lines,\nnats a token"
        return conditions_figure(groups, series, label, self.heading, "tasks")


def measure_context(
    session: Session,
    domain: Domain = "patch_writing",
    *,
    dataset: str = "bundled",
    limit: int = 200,
    multiples: Sequence[float] = (0.5, 1.0, 2.0),
    issue_tokens: int = RunConfig.model_fields["issue_tokens"].default,
    seed: int = 0,
    journal: Journal | None = None,
) -> ContextResult:
    """Score the gold lines of `limit` tasks, drawn with `seed`, after a node's prompt, with code and without.

    The domain's vector steers at its own layer with each of `multiples` of its dose. Raises UnfitAnalysis for
    too few tasks, and whatever keeps a data set, a repository or a model from being opened.
    """
    found = load_instances(dataset, cache=session.settings.cache, progress=session.progress)
    instances = drawn(list(found.instances.values()), limit, seed)
    vector = vector_of(session, domain)
    whole = vector.intervention()
    steerings: list[Intervention] = [
        vector.intervention(whole.layer, whole.alpha * multiple) for multiple in multiples
    ]
    said = tuple(written(named((each,))) for each in steerings)
    settings = ContextSettings(
        dataset=found.name,
        domain=domain,
        steering=said,
        multiples=tuple(multiples),
        issue_tokens=issue_tokens,
        tasks=tuple(each.instance_id for each in instances),
    )
    provenance, journal = Provenance.of(session, [vector]), journal or Journal()
    facts = determinants(session, "context", provenance, settings, dataset_sha256=found.fingerprint)
    journal.begin(facts)
    there = {
        regime: situations(session, domain, regime, instances, issue_tokens, journal) for regime in REGIMES
    }
    values = {regime: _scored(session, there[regime], steerings, regime, journal) for regime in REGIMES}
    both = [task for task in values["zero-shot"] if task in values["rag"]]
    repositories = {each.instance_id: each.repo for each in instances}
    groups = [repositories[task] for task in both]
    if len(both) < _LEAST or len({*groups}) < 2:
        raise UnfitAnalysis(
            f"{len(both)} tasks of {len({*groups})} repositories have gold lines and a prompt in both "
            f"regimes: {_LEAST} tasks of two repositories are needed; choose another --dataset or --limit"
        )
    numbers = [sorted({*groups}).index(each) for each in groups]

    def mean_of(column: Sequence[float]) -> Estimate:
        return grouped_mean(column, numbers)

    effects = []
    for place, (multiple, text) in enumerate(zip(multiples, said, strict=True), 1):
        changes = {
            regime: [values[regime][task][place] - values[regime][task][0] for task in both]
            for regime in REGIMES
        }
        effects.append(
            Effect(
                steering=text,
                multiple=multiple,
                by_regime={regime: mean_of(changes[regime]) for regime in REGIMES},
                beside_code=mean_of(
                    [rag - bare for rag, bare in zip(changes["rag"], changes["zero-shot"], strict=True)]
                ),
            )
        )
    unsteered: dict[str, Estimate] = {
        regime: mean_of([values[regime][task][0] for task in both]) for regime in REGIMES
    }
    return ContextResult(
        provenance=provenance, settings=settings, unsteered=unsteered, effects=tuple(effects)
    )


def _scored(
    session: Session,
    there: Sequence[Situation],
    steerings: Sequence[Intervention],
    regime: Regime,
    journal: Journal,
) -> dict[str, list[float]]:
    """By task the gold lines' log-likelihood a token, unsteered and under each steering."""
    observations = gold_observations(session.model, there)
    asked: list[Steering] = [(), *((each,) for each in steerings)]
    prompts = [(each.prompt_ids, each.text) for each in observations]
    journal.begin([regime, prompts, [written(named(each)) for each in asked]], len(observations))
    makes = [partial(likelihood, session.engine, [each], asked) for each in observations]
    units = journal.each(f"scoring gold lines, {regime}", makes, session.progress)
    tasks = [there[each.situation].instance for each in observations]
    return {
        task.instance_id: [row[0] for row in unit]
        for task, unit in zip(tasks, units, strict=True)
        if task is not None
    }
