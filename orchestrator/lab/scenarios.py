"""Tasks in steps: unsteered, with one vector, with each step's own: what `lab demo` does."""

from matplotlib.figure import Figure

from orchestrator.lab.provenance import Analysis, Provenance, determinants, vector_of
from orchestrator.policy.decisions import Record
from orchestrator.session import Session
from vectors.lab.figures.charts import demo_figure
from vectors.lab.steering.demo import Row, demo, demo_domains, units
from vectors.measuring.journal import Journal


class DemoSettings(Record):
    """How many reports of each scenario, with which seeds, and how the answers were sampled."""

    reports: int
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

    def figure(self) -> Figure:
        """Bars by scenario and variant."""
        return demo_figure(self.rows, self.heading)


def play_scenarios(
    session: Session,
    *,
    reports: int = 4,
    seeds: int = 1,
    tokens: int = 64,
    temperature: float = 0.7,
    seed: int = 0,
    journal: Journal | None = None,
) -> DemoResult:
    """Solve the first `reports` of each scenario in each variant, with `seeds` seeds from `seed` on.

    Answers are kept in `journal` as they are made. Raises what keeps a model from being opened.
    """
    vectors = {domain: vector_of(session, domain) for domain in demo_domains()}
    settings = DemoSettings(
        reports=reports, seeds=tuple(range(seed, seed + seeds)), tokens=tokens, temperature=temperature
    )
    provenance = Provenance.of(session, list(vectors.values()))
    journal = journal or Journal()
    journal.begin(determinants(session, provenance, settings, "demo"), units(reports, settings.seeds))
    rows = demo(
        session.engine,
        session.model,
        vectors,
        reports=reports,
        seeds=settings.seeds,
        tokens=tokens,
        temperature=temperature,
        journal=journal,
        progress=session.progress,
    )
    return DemoResult(provenance=provenance, settings=settings, rows=tuple(rows))
