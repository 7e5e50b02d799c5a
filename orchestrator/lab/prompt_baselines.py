"""What prompts, constraints and steering make of requests for a calendar: what `lab prompts` does."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from orchestrator.lab.cells import evidence, shown
from orchestrator.lab.claims import Finding, finding
from orchestrator.lab.provenance import Analysis, Provenance, determinants, vector_of
from orchestrator.policy.decisions import Record
from orchestrator.reporting.tables import Section, Table
from orchestrator.session import Session
from vectors.errors import UnfitAnalysis
from vectors.lab.evaluation.calendar_cases import FIELDS, TEXTS, Case, variants, written_cases
from vectors.lab.evaluation.calendar_prompts import BASELINE, STRATEGIES, Asking, Strategy
from vectors.lab.evaluation.calendar_scores import marks
from vectors.lab.evaluation.calendar_strategies import (
    Contrast,
    Outcome,
    contrasts,
    numbered,
    outcomes,
    scored,
)
from vectors.lab.figures.strategies import strategies_figure
from vectors.measuring.asking import units_of
from vectors.measuring.journal import Journal, digest_of
from vectors.statistics.estimates import Estimate
from vectors.statistics.tests import grouped_mean
from vectors.suggestions import did_you_mean

DOMAIN = "calendar"
_CONTRASTS: tuple[tuple[Strategy, Strategy], ...] = (
    *((strategy, BASELINE) for strategy in STRATEGIES if strategy != BASELINE),
    ("few-shot-3", "steering"),
    ("steering+few-shot-3", "few-shot-3"),
)


class PromptSettings(Record):
    """What was asked: how many requests, how, and how long answers may be."""

    limit: int
    variants: int
    strategies: tuple[str, ...]
    tokens: int
    seed: int


class PromptsResult(Analysis):
    """Strategies on the same requests; `nothing` is the partial score of an event with nothing in it."""

    settings: PromptSettings
    groups: int
    nothing: Estimate
    outcomes: tuple[Outcome, ...]
    contrasts: tuple[Contrast, ...]
    kinds: dict[str, tuple[Outcome, ...]]

    def findings(self) -> tuple[Finding, ...]:
        """Whether three examples do more for the partial score than the vector."""
        measures = "partial score, few-shot-3 − steering, paired by request, over groups of templates"
        return tuple(
            finding("prompts_beat_steering", each.partial_difference, measures, beyond=0, above=True)
            for each in self.contrasts
            if (each.strategy, each.against) == ("few-shot-3", "steering")
        )

    def section(self) -> Section:
        """Scores, fields, paired differences, and scores by kind of request."""
        tables = [
            Table(
                ["strategy", "exact", "partial", "title F1", "no event in it", "limit of tokens"],
                [
                    [
                        each.strategy,
                        shown(each.exact, ".1%"),
                        shown(each.partial, ".3f"),
                        shown(each.title_f1),
                        shown(each.unparsed, ".1%"),
                        shown(each.unfinished, ".1%"),
                    ]
                    for each in self.outcomes
                ],
            ),
            Table(
                ["right", *(name.replace("_", " ") for name in FIELDS)],
                [[o.strategy, *(shown(o.right[name], ".0%") for name in FIELDS)] for o in self.outcomes],
                caption="right answers by field",
            ),
            Table(
                ["strategy − other", "exact", "only one / other", "p, Holm", "partial", "p, Holm"],
                [
                    [
                        f"{each.strategy} − {each.against}",
                        shown(each.exact_difference, "+.1%"),
                        f"{each.exact.only_first} / {each.exact.only_second}",
                        f"{each.exact_p:.2g}",
                        shown(each.partial_difference, "+.3f"),
                        f"{each.partial_p:.2g}",
                    ]
                    for each in self.contrasts
                ],
                caption="paired by request",
            ),
            Table(
                ["partial", *(f"{kind} ({found[0].partial.n})" for kind, found in self.kinds.items())],
                [
                    [each.strategy, *(shown(found[row].partial) for found in self.kinds.values())]
                    for row, each in enumerate(self.outcomes)
                ],
                caption="partial score by kind of request",
            ),
        ]
        n = self.outcomes[0].exact.n
        text = (
            f"{evidence(n)}. Requests from one template are not independent: figures are means over "
            f"{self.groups} groups, and McNemar's test alone takes requests for independent. partial: "
            "the original's weights (.30 date, .25 start, .20 title, .15 attendees, .10 location), the title "
            f"by its F1; an event with nothing in it has {self.nothing.value:.3f}."
        )
        return Section(f"{self.heading}: {n} requests for a calendar", text, [t for t in tables if t.rows])

    def figure(self) -> Figure:
        """Scores, differences, fields, failures."""
        return strategies_figure(self.outcomes, self.contrasts, self.heading)


def check_strategies(names: Sequence[str]) -> tuple[Strategy, ...]:
    """The strategies that are named, in their own order, all where none is. Raises UnfitAnalysis."""
    for name in names:
        if name not in STRATEGIES:
            raise UnfitAnalysis(
                f"no strategy {name!r}: expected some of {', '.join(STRATEGIES)}"
                f"{did_you_mean(name, STRATEGIES)}"
            )
    return tuple(each for each in STRATEGIES if not names or each in names)


def measure_prompts(
    session: Session,
    vector_name: str = DOMAIN,
    *,
    limit: int | None = None,
    n_variants: int = 200,
    strategies: Sequence[str] = (),
    tokens: int = 128,
    seed: int = 0,
    journal: Journal | None = None,
) -> PromptsResult:
    """Ask the same requests under each strategy: the first `limit` written by hand, and `n_variants` made.

    The vector steers with its default. Raises UnfitAnalysis, VectorFileError, PromptSetError, and what keeps
    a model from being opened.
    """
    chosen = check_strategies(strategies)
    cases = [*written_cases()[:limit], *variants(n_variants, seed)]
    if len({case.group for case in cases}) < 2:
        raise UnfitAnalysis("one request gives no interval: ask for two at least")
    vector = vector_of(session, vector_name)
    settings = PromptSettings(
        limit=len(cases) - n_variants, variants=n_variants, strategies=chosen, tokens=tokens, seed=seed
    )
    provenance = Provenance.of(session, [vector])
    asking = Asking(session.model, vector.intervention(), tokens)
    journal = journal or Journal()
    facts = determinants(session, "prompts", provenance, settings, prompts=_digest(asking, cases, chosen))
    journal.begin(facts, units_of(len(cases) * len(chosen)))
    found = scored(session.engine, asking, cases, chosen, journal=journal, progress=session.progress)
    of_kind = {kind: [i for i, case in enumerate(cases) if case.kind == kind] for kind in _kinds(cases)}
    return PromptsResult(
        provenance=provenance,
        settings=settings,
        groups=len(set(numbered(cases))),
        nothing=grouped_mean([marks('{"title": null}', c.expected).partial for c in cases], numbered(cases)),
        outcomes=tuple(outcomes(found)),
        contrasts=tuple(contrasts(found, [pair for pair in _CONTRASTS if set(pair) <= set(chosen)])),
        kinds={kind: tuple(outcomes(found.part(rows))) for kind, rows in of_kind.items()},
    )


def _kinds(cases: Sequence[Case]) -> list[str]:
    """Those with two groups at least: one gives no interval."""
    kinds = dict.fromkeys(case.kind for case in cases)
    return [kind for kind in kinds if len({case.group for case in cases if case.kind == kind}) > 1]


def _digest(asking: Asking, cases: Sequence[Case], strategies: Sequence[Strategy]) -> str:
    """Of every request and what is right, and of each strategy's prompt."""
    prompts = [asking.request(cases[0], strategy).prompt_ids for strategy in strategies]
    rows = [[case.id, case.text, *(str(getattr(case.expected, name)) for name in TEXTS)] for case in cases]
    people = [[sorted(each) for each in case.expected.attendees] for case in cases]
    return digest_of([prompts, rows, people])
