"""Strategies side by side: what each makes of the same requests, and how it differs from a plain prompt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vectors.engine.engine import Engine
from vectors.lab.evaluation.calendar_cases import FIELDS, Case
from vectors.lab.evaluation.calendar_prompts import Asking, Strategy
from vectors.lab.evaluation.calendar_scores import Marks, marks
from vectors.measuring.asking import answers
from vectors.measuring.journal import Journal
from vectors.progress import Progress, silent
from vectors.statistics.estimates import Estimate
from vectors.statistics.tests import McNemar, grouped_mean, holm, improvement_p, mcnemar


@dataclass(frozen=True)
class Outcome:
    """A strategy's figures, as means over groups of cases; `unfinished` answers met the limit of tokens."""

    strategy: Strategy
    exact: Estimate
    partial: Estimate
    title_f1: Estimate
    right: Mapping[str, Estimate]
    unparsed: Estimate
    unfinished: Estimate


@dataclass(frozen=True)
class Contrast:
    """A strategy against another on the same cases; p are two-sided, adjusted for the whole family (Holm).

    `exact` is McNemar's exact test, which takes cases for independent; `partial` and its p are over groups.
    """

    strategy: Strategy
    against: Strategy
    exact: McNemar
    exact_difference: Estimate
    partial_difference: Estimate
    exact_p: float
    partial_p: float


@dataclass(frozen=True)
class Scored:
    """All marks, by strategy in the order of the cases, and which answers came to no end."""

    cases: Sequence[Case]
    marks: Mapping[Strategy, Sequence[Marks]]
    unfinished: Mapping[Strategy, Sequence[bool]]

    def part(self, rows: Sequence[int]) -> "Scored":
        """The same of some cases, by their numbers."""
        return Scored(
            [self.cases[row] for row in rows],
            {strategy: [found[row] for row in rows] for strategy, found in self.marks.items()},
            {strategy: [found[row] for row in rows] for strategy, found in self.unfinished.items()},
        )


def scored(
    engine: Engine,
    asking: Asking,
    cases: Sequence[Case],
    strategies: Sequence[Strategy],
    *,
    journal: Journal | None = None,
    progress: Progress = silent,
) -> Scored:
    """Ask every case under every strategy, all strategies of a case beside one another in a batch."""
    rows = [(case, strategy) for case in cases for strategy in strategies]
    requests = [asking.request(case, strategy) for case, strategy in rows]
    written = answers(engine, requests, "asking", journal or Journal(), progress)
    found: dict[Strategy, list[Marks]] = {strategy: [] for strategy in strategies}
    unfinished: dict[Strategy, list[bool]] = {strategy: [] for strategy in strategies}
    for (case, strategy), answer in zip(rows, written, strict=True):
        found[strategy].append(marks(answer.text, case.expected, last=strategy == "chain-of-thought"))
        unfinished[strategy].append(not answer.ended)
    return Scored(cases, found, unfinished)


def outcomes(of: Scored) -> list[Outcome]:
    """Each strategy's figures."""
    groups = numbered(of.cases)

    def over(values: Sequence[float]) -> Estimate:
        found = grouped_mean(values, groups)
        return replace(found, low=max(0.0, found.low), high=min(1.0, found.high))

    return [
        Outcome(
            strategy=strategy,
            exact=over([each.exact for each in found]),
            partial=over([each.partial for each in found]),
            title_f1=over([each.title_f1 for each in found]),
            right={name: over([each.right[name] for each in found]) for name in FIELDS},
            unparsed=over([not each.parsed for each in found]),
            unfinished=over(of.unfinished[strategy]),
        )
        for strategy, found in of.marks.items()
    ]


def contrasts(of: Scored, pairs: Sequence[tuple[Strategy, Strategy]]) -> list[Contrast]:
    """Pairs of strategies compared case by case, as one family of tests for each of the two measures."""
    groups, tests, differences = numbered(of.cases), [], []
    for one, other in pairs:
        both = list(zip(of.marks[one], of.marks[other], strict=True))
        tests.append(mcnemar((a.exact, b.exact) for a, b in both))
        differences.append([a.partial - b.partial for a, b in both])
    exact_ps = holm([test.p for test in tests], len(tests))
    partial_ps = holm([_two_sided(each, groups) for each in differences], len(differences))
    return [
        Contrast(
            strategy=one,
            against=other,
            exact=test,
            exact_difference=grouped_mean(
                [a.exact - b.exact for a, b in zip(of.marks[one], of.marks[other], strict=True)], groups
            ),
            partial_difference=grouped_mean(difference, groups),
            exact_p=exact_p,
            partial_p=partial_p,
        )
        for (one, other), test, difference, exact_p, partial_p in zip(
            pairs, tests, differences, exact_ps, partial_ps, strict=True
        )
    ]


def numbered(cases: Sequence[Case]) -> list[int]:
    """The group of each case, as a number."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(case.group for case in cases))}
    return [numbers[case.group] for case in cases]


def _two_sided(differences: Sequence[float], groups: Sequence[int]) -> float:
    above = improvement_p(differences, groups)
    return 1.0 if not any(differences) else min(1.0, 2 * min(above, 1 - above))
