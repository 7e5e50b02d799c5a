"""Tasks in steps: unsteered, with one vector, with each step's own: what `lab demo` does."""

from matplotlib.figure import Figure

from orchestrator.lab.cells import evidence, shown
from orchestrator.lab.claims import Finding, finding
from orchestrator.lab.provenance import Analysis, Provenance, determinants, vector_of
from orchestrator.plugins import load_instances
from orchestrator.policy.decisions import Record
from orchestrator.reporting.tables import Section, Table
from orchestrator.run_config import RunConfig
from orchestrator.session import Session
from orchestrator.task.prompts import trim_issue
from vectors.lab.figures.charts import demo_figure
from vectors.lab.steering.demo import (
    ALL,
    METRICS,
    VARIANTS,
    Row,
    bug_fix,
    demo,
    demo_domains,
    scenarios,
    units,
)
from vectors.measuring.journal import Journal
from vectors.statistics.draws import drawn


class DemoSettings(Record):
    """The reports (how many of each scenario, or the tasks of a data set), with which seeds, and how the
    answers were sampled.
    """

    dataset: str | None
    reports: int | tuple[str, ...]
    seeds: tuple[int, ...]
    tokens: int
    temperature: float


class DemoResult(Analysis):
    """Each variant's metrics on all scenarios and on each, paired with baseline."""

    settings: DemoSettings
    rows: tuple[Row, ...]

    @property
    def heading(self) -> str:
        """The first line of a table or figure; the vectors are those of all steps."""
        return f"Demo scenarios on {self.provenance.model} ({self.provenance.dtype})"

    def findings(self) -> tuple[Finding, ...]:
        """How many more of a step's domain's words come with its own vector, over all scenarios."""
        gains = [row.gains["hits"] for row in self.rows if (row.scenario, row.variant) == (ALL, "dynamic")]
        measures = "distinct keywords of a step's domain: each step its own vector − unsteered"
        return tuple(
            finding("switching_beats_baseline", each, measures, beyond=0, above=True) for each in gains
        )

    def section(self) -> Section:
        """A row a metric, by scenario and variant."""
        by_scenario: dict[str, dict[str, Row]] = {}
        for row in self.rows:
            by_scenario.setdefault(row.scenario, {})[row.variant] = row
        rows = [
            [
                scenario,
                str(of["baseline"].metrics[metric].n),
                metric,
                *(shown(of[variant].metrics[metric]) for variant in VARIANTS),
                *(shown(of[variant].gains[metric], "+.2f") for variant in VARIANTS[1:]),
            ]
            for scenario, of in by_scenario.items()
            for metric in METRICS
        ]
        header = ["scenario", "n", "metric", *VARIANTS, "static − baseline", "dynamic − baseline"]
        text = (
            "hits: distinct keywords of a step's domain. coherence: share of consecutive steps that "
            "share a word of over four letters. degenerate: share of steps that repeat or are empty.\n"
            f"{evidence(*(row.metrics['hits'].n for row in self.rows))}"
        )
        title = f"{self.heading}: means, differences paired by report"
        return Section(title, text, [Table(header, rows)])

    def figure(self) -> Figure:
        """Bars by scenario and variant."""
        return demo_figure(self.rows, self.heading)


def play_scenarios(
    session: Session,
    *,
    reports: int = 4,
    dataset: str | None = None,
    seeds: int = 1,
    tokens: int = 64,
    temperature: float = 0.7,
    seed: int = 0,
    journal: Journal | None = None,
) -> DemoResult:
    """Solve the first `reports` of each scenario in each variant, with `seeds` seeds from `seed` on; of a
    `dataset` the issues of `reports` tasks instead, drawn with `seed`, as simple bug fixes.

    Answers are kept in `journal` as they are made. Raises what keeps a data set or a model from being opened.
    """
    told, ids, fingerprint = scenarios(reports), None, None
    if dataset:
        found = load_instances(dataset, cache=session.settings.cache, progress=session.progress)
        instances = drawn(list(found.instances.values()), reports, seed)
        cut, count = RunConfig.model_fields["issue_tokens"].default, session.model.count_tokens
        told = (bug_fix([trim_issue(each.task.problem_statement, cut, count) for each in instances]),)
        ids, fingerprint = tuple(each.instance_id for each in instances), found.fingerprint
    vectors = {domain: vector_of(session, domain) for domain in demo_domains()}
    settings = DemoSettings(
        dataset=dataset,
        reports=ids or reports,
        seeds=tuple(range(seed, seed + seeds)),
        tokens=tokens,
        temperature=temperature,
    )
    provenance = Provenance.of(session, list(vectors.values()))
    journal = journal or Journal()
    facts = determinants(session, "demo", provenance, settings, dataset_sha256=fingerprint)
    journal.begin(facts, units(told, settings.seeds))
    rows = demo(
        session.engine,
        session.model,
        vectors,
        told,
        seeds=settings.seeds,
        tokens=tokens,
        temperature=temperature,
        journal=journal,
        progress=session.progress,
    )
    return DemoResult(provenance=provenance, settings=settings, rows=tuple(rows))
