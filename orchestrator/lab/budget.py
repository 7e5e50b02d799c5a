"""Answers within a budget of tokens: what `lab budget` does."""

import random
from collections.abc import Sequence

from matplotlib.figure import Figure

from orchestrator.lab.cells import evidence, shown
from orchestrator.lab.claims import Finding, finding
from orchestrator.lab.data import data_set
from orchestrator.lab.provenance import Analysis, Provenance, determinants
from orchestrator.policy.decisions import Record
from orchestrator.reporting.tables import Section, Table
from orchestrator.session import Session
from vectors.errors import UnfitAnalysis
from vectors.lab.evaluation.budgets import Kept, keep_budgets, traces
from vectors.lab.evaluation.gsm8k import Problem
from vectors.lab.figures.spending import budgets_figure
from vectors.measuring.asking import units_of
from vectors.measuring.journal import Journal
from vectors.measuring.lengths import fit, head_path, keep

BUDGETS = (32, 64, 128)
_LEAST_TRACES = 20
_SHORTER = 0.05
"""Answers that are less than a twentieth shorter are not shorter."""


class BudgetSettings(Record):
    """What was asked; `items` are the numbers of the rows that were answered, `learned` of those before."""

    data: str
    budgets: tuple[int, ...]
    tokens: int
    seed: int
    learned: int
    items: tuple[int, ...]


class HeadFacts(Record):
    """The head that foresees lengths: where it reads, and what it says of places that it has not seen.

    nats: mean negative log-likelihood of log(L + 1); `constant` is that of one Gamma for all places.
    """

    layer: int
    traces: int
    places: int
    nats: float
    constant: float


class BudgetResult(Analysis):
    """How each way keeps each budget, and how well lengths are foreseen."""

    settings: BudgetSettings
    head: HeadFacts
    quantiles: tuple[float, ...]
    rows: tuple[Kept, ...]

    @property
    def heading(self) -> str:
        """The data, model and dtype."""
        return f"Budgets of tokens on {self.provenance.model} ({self.provenance.dtype})"

    def findings(self) -> tuple[Finding, ...]:
        """Whether answers that are guided to the middle budget are as long as free ones."""
        budget = self.settings.budgets[len(self.settings.budgets) // 2]
        free = next(row for row in self.rows if row.way == "free")
        row = next(row for row in self.rows if (row.way, row.budget) == ("guided", budget))
        assert row.shorter is not None
        measures = f"tokens of an answer: guided to {budget} − free ({free.tokens.value:.0f})"
        least = -_SHORTER * free.tokens.value
        return (finding("budgets_change_nothing", row.shorter, measures, beyond=least, above=True),)

    def section(self) -> Section:
        """A row a budget and way."""
        header = ["budget", "way", "tokens", "within ±10 %", "at most", "ended", "degenerate", "solved"]
        rows = [
            [
                str(row.budget or "—"),
                row.way,
                shown(row.tokens, ".1f"),
                *(shown(each, ".0%") if each else "—" for each in (row.near, row.within)),
                *(shown(each, ".0%") for each in (row.ended, row.degenerate)),
                shown(row.solved, ".1%"),
                f"{row.against_cut.only_first} : {row.against_cut.only_second}" if row.against_cut else "—",
                f"{row.p_holm:.2g}" if row.p_holm is not None else "—",
            ]
            for row in self.rows
        ]
        head = self.head
        notes = [
            f"{self.settings.data}, chain of thought, greedy, at most {self.settings.tokens} tokens",
            f"lengths are foreseen after block {head.layer}, from {head.traces} answers: {head.nats:.3f} "
            f"nats a place, {head.constant:.3f} without the residual (n = {head.places} places)",
            "only this : only cut, p: solved problems against the answers that are cut, McNemar, Holm",
            evidence(self.rows[0].solved.n),
        ]
        table = Table([*header, "only this : only cut", "p, Holm"], rows)
        return Section(self.heading, "\n".join(notes), [table])

    def figure(self) -> Figure:
        """Tokens, shares and calibration."""
        return budgets_figure(self.rows, self.quantiles, self.heading)


def measure_budgets(
    session: Session,
    *,
    dataset: str = "gsm8k",
    budgets: Sequence[int] = BUDGETS,
    limit: int = 200,
    learn: int = 200,
    tokens: int = 256,
    seed: int = 0,
    journal: Journal | None = None,
) -> BudgetResult:
    """Fit a head on answers to `learn` problems, keep it for the model, and answer `limit` others.

    Problems are drawn with `seed`. Raises UnfitAnalysis, what `data_set` raises, and what keeps a model from
    being opened.
    """
    if not budgets or min(budgets) < 1 or max(budgets) >= tokens or len({*budgets}) < len(budgets):
        raise UnfitAnalysis(f"budgets {budgets}: expected different ones from 1 to {tokens - 1}")
    data = data_set(
        dataset,
        {"question": str, "answer": str},
        cache=session.settings.cache,
        progress=session.progress,
    )
    if len(data.rows) < learn + limit:
        raise UnfitAnalysis(f"{data.source} has {len(data.rows)} rows: {learn} + {limit} are asked for")
    order = random.Random(seed).sample(range(len(data.rows)), learn + limit)
    problems = [Problem(str(data.rows[n]["question"]), str(data.rows[n]["answer"])) for n in order]
    settings = BudgetSettings(
        data=data.source,
        budgets=tuple(sorted(budgets)),
        tokens=tokens,
        seed=seed,
        learned=learn,
        items=tuple(order[learn:]),
    )
    provenance, journal = Provenance.of(session, []), journal or Journal()
    units = units_of(learn) + units_of(limit * (1 + 3 * len(budgets)))
    facts = determinants(session, "budget", provenance, settings, data_sha256=data.sha256)
    journal.begin(facts, units)
    engine, lm, progress = session.engine, session.model, session.progress
    seen = traces(engine, lm, problems[:learn], tokens=tokens, seed=seed, journal=journal, progress=progress)
    if len(seen) < _LEAST_TRACES:
        raise UnfitAnalysis(
            f"{len(seen)} of {learn} answers came to an end within {tokens} tokens: {_LEAST_TRACES} are "
            "needed to foresee lengths; allow more tokens"
        )
    fitted = fit(engine, lm, seen, progress)
    keep(fitted.head, head_path(session.settings.cache, lm), lm)
    rows = keep_budgets(
        engine,
        lm,
        problems[learn:],
        fitted.head,
        settings.budgets,
        tokens=tokens,
        journal=journal,
        progress=progress,
    )
    head = HeadFacts(
        layer=fitted.head.layer,
        traces=len(seen),
        places=fitted.n,
        nats=fitted.nats,
        constant=fitted.constant,
    )
    return BudgetResult(
        provenance=provenance,
        settings=settings,
        head=head,
        quantiles=tuple(round(each, 4) for each in fitted.quantiles),
        rows=tuple(rows),
    )
