"""How many different answers a prompt gets, steered and not: what `lab diversity` does."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from orchestrator.lab.cells import evidence, shown
from orchestrator.lab.claims import Finding, finding
from orchestrator.lab.provenance import Analysis, Provenance, determinants, vector_of
from orchestrator.policy.decisions import Record
from orchestrator.reporting.tables import Section, Table
from orchestrator.session import Session
from vectors.lab.figures.charts import diversity_figure
from vectors.lab.steering.diversity import TEMPERATURES, Diversity, diversity
from vectors.measuring.asking import units_of
from vectors.measuring.journal import Journal


class DiversitySettings(Record):
    """How the answers were sampled: `samples` a prompt and temperature, of so many tokens."""

    temperatures: tuple[float, ...]
    samples: int
    tokens: int
    seed: int
    prompts: tuple[str, ...]


class DiversityResult(Analysis):
    """Unique answers over samples at each temperature, steered and unsteered, paired by prompt."""

    settings: DiversitySettings
    temperatures: tuple[Diversity, ...]

    def findings(self) -> tuple[Finding, ...]:
        """How many more different answers a prompt gets at the middle temperature."""
        middle = self.temperatures[len(self.temperatures) // 2]
        measures = f"unique answers / samples at T {middle.temperature:g}: steered − unsteered"
        return (finding("steering_diversifies", middle.difference, measures, beyond=0, above=True),)

    def section(self) -> Section:
        """A row a temperature."""
        header = ["T", "unsteered", "steered", "difference, paired", "degenerate, difference"]
        rows = [
            [
                f"{row.temperature:g}",
                *(shown(each) for each in (row.unsteered, row.steered)),
                *(shown(each, "+.2f") for each in (row.difference, row.degenerate)),
            ]
            for row in self.temperatures
        ]
        n = evidence(self.temperatures[0].difference.n)
        return Section(f"{self.heading}: unique answers / samples", n, [Table(header, rows)])

    def figure(self) -> Figure:
        """Bars by temperature, and the paired differences."""
        return diversity_figure(self.temperatures, self.heading)


def measure_diversity(
    session: Session,
    vector_name: str,
    prompts: Sequence[str],
    *,
    samples: int = 5,
    tokens: int = 8,
    seed: int = 0,
    journal: Journal | None = None,
) -> DiversityResult:
    """Sample at least two prompts, steered by a vector's default and unsteered.

    The vector is a domain's or in a file. Answers are kept in `journal` as they are made. Raises
    UnfitAnalysis, VectorFileError, PromptSetError, and what keeps a model from being opened.
    """
    vector = vector_of(session, vector_name)
    settings = DiversitySettings(
        temperatures=TEMPERATURES, samples=samples, tokens=tokens, seed=seed, prompts=tuple(prompts)
    )
    provenance = Provenance.of(session, [vector])
    journal = journal or Journal()
    units = units_of(2 * len(TEMPERATURES) * samples * len(prompts))
    journal.begin(determinants(session, "diversity", provenance, settings), units)
    rows = diversity(
        session.engine,
        session.model,
        vector.intervention(),
        prompts,
        samples=samples,
        tokens=tokens,
        seed=seed,
        journal=journal,
        progress=session.progress,
    )
    return DiversityResult(provenance=provenance, settings=settings, temperatures=tuple(rows))
