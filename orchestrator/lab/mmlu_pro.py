"""MMLU-Pro, steered and not, by letters' likelihoods and by written answers: what `lab mmlu-pro` does."""

from collections.abc import Sequence
from typing import Literal

from matplotlib.figure import Figure

from orchestrator.lab.claims import Finding, finding
from orchestrator.lab.knowledge import Asked, Pool, asked_of, items_of, worked_for
from orchestrator.lab.knowledge_tables import tables
from orchestrator.lab.provenance import Analysis, Provenance, determinants, vector_of
from orchestrator.policy.decisions import Record
from orchestrator.reporting.tables import Section
from orchestrator.session import Session
from vectors.errors import UnfitAnalysis
from vectors.lab.evaluation.choosing import Likelihoods, units_of_choices, weigh, write
from vectors.lab.evaluation.conditions import Condition, conditions
from vectors.lab.evaluation.domains import (
    Accuracy,
    Change,
    Overall,
    Position,
    accuracies,
    changes,
    misleading,
    overall,
    pooled,
    position,
)
from vectors.lab.evaluation.mmlu_pro import LETTERS, Question, in_turns
from vectors.lab.figures.choices import choosing_figure
from vectors.measuring.asking import units_of
from vectors.measuring.journal import Journal
from vectors.statistics.estimates import CLAIM_N, Estimate
from vectors.steering.positions import Generated
from vectors.steering.reading import positions_of
from vectors.steering.text import written_positions

Scoring = Literal["likelihood", "generation", "both"]
Measure = Literal["letter", "rotated", "written"]
MISLEADS = 0.05
"""Samples of 20 mislead where more of them than this show the opposite of what the rest of a domain shows."""


class MmluProSettings(Record):
    """What was asked and how; `items` are the numbers of the rows, from 0, domain after domain."""

    data: str
    scoring: Scoring
    rotations: int
    shots: int
    steerings: tuple[str, ...]
    positions: str
    form: str
    tokens: int
    seed: int
    items: tuple[int, ...]


class Sample(Record):
    """A question's row, domain and right letter, and of each condition the log-likelihoods of its letters.

    `nats` are [conditions][rotations][options as shown]; `written` the letters of the written answers.
    """

    item: int
    domain: str
    right: str
    nats: tuple[tuple[tuple[float, ...], ...], ...] = ()
    written: tuple[str, ...] = ()


class MmluProResult(Analysis):
    """Accuracy and its change by measure, condition and domain, the preference for letters, and each
    question.

    `pooled` is the change under all steered conditions together, `misleading` how often a sample of 20 shows
    the opposite of what the rest of its domain shows.
    """

    settings: MmluProSettings
    conditions: tuple[Condition, ...]
    measures: tuple[Measure, ...]
    accuracies: tuple[Accuracy, ...]
    changes: tuple[Change, ...]
    overall: tuple[Overall, ...]
    positions: tuple[Position, ...]
    pooled: Estimate | None
    misleading: Estimate | None
    samples: tuple[Sample, ...]

    @property
    def measure(self) -> Measure:
        """What figures and claims rest on: rotations where there are any, then the letter, then what is
        written.
        """
        return next(each for each in ("rotated", "letter", "written") if each in self.measures)

    def findings(self) -> tuple[Finding, ...]:
        """All steered conditions together, so that none is chosen after the fact."""
        found = []
        if self.pooled is not None:
            measures = f"accuracy ({self.measure}), all domains: mean of the steered conditions − unsteered"
            found.append(finding("steering_harms_knowledge", self.pooled, measures, beyond=0, above=False))
        if self.misleading is not None:
            measures = "samples of 20 whose change has the opposite sign of their domain's other questions"
            found.append(
                finding("small_samples_mislead", self.misleading, measures, beyond=MISLEADS, above=True)
            )
        return tuple(found)

    def section(self) -> Section:
        """Overall, by domain, and which letters are chosen."""
        settings = self.settings
        notes = [
            f"{settings.data}, {len(self.samples)} questions, prompts as {settings.form}, "
            f"scoring: {settings.scoring}",
            *(each.text for each in self.conditions[1:]),
        ]
        return Section(
            f"MMLU-Pro: {self.heading}", *tables(notes, self.accuracies, self.changes, self.overall,
            self.positions, self.pooled, self.misleading, self.measures, self.measure)
        )  # fmt: skip

    def figure(self) -> Figure:
        """Domains, changes, samples of 20, and how far options lie apart."""
        margins = {
            condition.name: [_margin(each.nats[place][0], each.right) for each in self.samples]
            for place, condition in enumerate(self.conditions)
            if self.samples[0].nats
        }
        own = [each for each in self.accuracies if each.measure == self.measure]
        moved = [each for each in self.changes if each.measure == self.measure]
        return choosing_figure(own, moved, margins, f"MMLU-Pro ({self.measure}): {self.heading}")


def measure_mmlu_pro(
    session: Session,
    asked: Asked,
    *,
    vectors: Sequence[str] = ("math_reasoning",),
    layers: Sequence[int] = (),
    shares: Sequence[float] = (),
    positions: str = "all",
    scoring: Scoring = "likelihood",
    rotations: int = 1,
    tokens: int = 256,
    journal: Journal | None = None,
) -> MmluProResult:
    """Ask questions of each domain, unsteered and steered by each vector at each of `layers` and `shares`.

    Without those it is a vector's own layer and strength. What the engine gives is kept in `journal`. Raises
    UnfitAnalysis, what `data_set` raises, PromptSetError, VectorFileError, SteeringMismatch, and what keeps a
    model from being opened.
    """
    check_positions(positions, scoring)
    pool = asked_of(session, asked)
    worked = worked_for(session, asked, pool) if scoring != "likelihood" else []
    known = [vector_of(session, name) for name in vectors]
    steered = conditions(known, layers, shares, positions_of(positions))
    settings = MmluProSettings(
        data=pool.source,
        scoring=scoring,
        rotations=rotations,
        shots=asked.shots if scoring != "likelihood" else 0,
        steerings=tuple(condition.text for condition, _ in steered),
        positions=written_positions(positions_of(positions)),
        form="turns of the chat template" if in_turns(session.model) else "plain text",
        tokens=tokens if scoring != "likelihood" else 0,
        seed=asked.seed,
        items=pool.items,
    )
    provenance = Provenance.of(session, known)
    journal = journal or Journal()
    n = len(pool.questions)
    units = (units_of_choices(n) if scoring != "generation" else 0) + (
        units_of(n * len(steered)) if scoring != "likelihood" else 0
    )
    facts = determinants(session, "mmlu-pro", provenance, settings, **pool.digests)
    journal.begin(facts, units)
    engine, model, progress = session.engine, session.model, session.progress
    weighed: list[Likelihoods] = []
    said: list[list[str]] = []
    if scoring != "generation":
        weighed = weigh(
            engine, model, pool.questions, steered, rotations=rotations, journal=journal, progress=progress
        )
    if scoring != "likelihood":
        said = write(
            engine, model, pool.questions, steered, worked, tokens=tokens, journal=journal, progress=progress
        )
    return _result(provenance, settings, [condition for condition, _ in steered], pool, weighed, said)


def check_positions(positions: str, scoring: Scoring) -> None:
    """Raise UnfitAnalysis for steering that cannot reach what is measured, SteeringMismatch for bad
    positions.
    """
    if scoring != "generation" and isinstance(positions_of(positions), Generated):
        raise UnfitAnalysis(
            f"steering [{positions}] cannot change a choice of one token, before which nothing is generated: "
            "use --positions all, prompt or last, or --scoring generation"
        )


def _result(
    provenance: Provenance,
    settings: MmluProSettings,
    of: Sequence[Condition],
    pool: Pool,
    weighed: Sequence[Likelihoods],
    said: Sequence[Sequence[str]],
) -> MmluProResult:
    right: dict[Measure, list[list[bool]]] = {}
    picked = [each.by_letter() for each in weighed]
    if weighed:
        right["letter"] = [_hits(each, pool.questions) for each in picked]
    if weighed and settings.rotations > 1:
        right["rotated"] = [_hits(each.by_rotations(), pool.questions) for each in weighed]
    if said:
        right["written"] = [
            [letter == LETTERS[each.answer] for letter, each in zip(own, pool.questions, strict=True)]
            for own in said
        ]
    domains = [each.domain for each in pool.questions]
    moved = {measure: list(zip(of[1:], flags[1:], strict=True)) for measure, flags in right.items()}
    measures: tuple[Measure, ...] = tuple(right)
    last = "rotated" if "rotated" in right else measures[0]
    return MmluProResult(
        provenance=provenance,
        settings=settings,
        conditions=tuple(of),
        measures=measures,
        accuracies=tuple(
            row
            for measure in right
            for condition, flags in zip(of, right[measure], strict=True)
            for row in accuracies(measure, condition, flags, domains)
        ),
        changes=tuple(
            row for measure in right for row in changes(measure, moved[measure], right[measure][0], domains)
        ),
        overall=tuple(
            row for measure in right for row in overall(measure, moved[measure], right[measure][0], domains)
        ),
        positions=tuple(
            position(condition, own, [each.answer for each in pool.questions])
            for condition, own in zip(of, picked, strict=False)
        ),
        pooled=pooled([flags for _, flags in moved[last]], right[last][0], domains) if moved[last] else None,
        misleading=misleading([flags for _, flags in moved[last]], right[last][0], domains, CLAIM_N),
        samples=tuple(
            Sample(
                item=pool.items[place],
                domain=each.domain,
                right=LETTERS[each.answer],
                nats=tuple(one.nats[place] for one in weighed),
                written=tuple(own[place] for own in said),
            )
            for place, each in enumerate(pool.questions)
        ),
        items=tuple(items_of(pool, of, weighed, said)),
    )


def _hits(chosen: Sequence[int], questions: Sequence[Question]) -> list[bool]:
    return [choice == each.answer for choice, each in zip(chosen, questions, strict=True)]


def _margin(nats: Sequence[float], right: str) -> float:
    place = LETTERS.index(right)
    others = [each for at, each in enumerate(nats) if at != place]
    return nats[place] - max(others) if others else 0.0
