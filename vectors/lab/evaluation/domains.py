"""Accuracy on questions of several domains, steered and not: by domain, overall, and in samples of 20.

Questions of one domain are not independent, so what is said of all of them has the domains' means as its
sample.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from vectors.lab.evaluation.conditions import Condition
from vectors.lab.evaluation.mmlu_pro import LETTERS
from vectors.statistics.contrasts import Contrast, Flags, contrasts, paired_rates
from vectors.statistics.estimates import Estimate, rate
from vectors.statistics.tests import grouped_mean, holm, mcnemar

FEW = 20
"""Questions of a domain that the original looked at first."""


@dataclass(frozen=True)
class Accuracy:
    """The share of right answers by one measure: of a domain, or of all where `domain` is empty."""

    measure: str
    domain: str
    condition: Condition
    right: Estimate


@dataclass(frozen=True)
class Change:
    """Steered against unsteered in one domain; `few` is the difference in its first FEW questions alone."""

    measure: str
    domain: str
    condition: Condition
    contrast: Contrast
    few: Estimate


@dataclass(frozen=True)
class Overall:
    """Steered against unsteered in all domains: the interval is over domains, p is McNemar's."""

    measure: str
    condition: Condition
    difference: Estimate
    p: float
    p_holm: float


@dataclass(frozen=True)
class Position:
    """How often each letter was chosen, and how far that is from how often it was right.

    `distance` is half the sum of the differences (total variation): the share of choices that would have to
    fall on other letters.
    """

    condition: Condition
    chosen: dict[str, float]
    right: dict[str, float]
    distance: float


def accuracies(measure: str, condition: Condition, right: Flags, domains: Sequence[str]) -> list[Accuracy]:
    """All first, then each domain."""
    found = [Accuracy(measure, "", condition, over_domains([float(flag) for flag in right], domains))]
    for domain in dict.fromkeys(domains):
        own = _of(domain, right, domains)
        found.append(Accuracy(measure, domain, condition, rate(sum(own), len(own))))
    return found


def changes(
    measure: str,
    steered: Sequence[tuple[Condition, Flags]],
    unsteered: Flags,
    domains: Sequence[str],
) -> list[Change]:
    """Each condition in each domain against the unsteered one, as one family of McNemar's tests."""
    places = [(domain, *each) for each in steered for domain in dict.fromkeys(domains)]
    pairs = [(_of(domain, right, domains), _of(domain, unsteered, domains)) for domain, _, right in places]
    return [
        Change(measure, domain, condition, contrast, paired_rates(one[:FEW], other[:FEW]))
        for (domain, condition, _), contrast, (one, other) in zip(
            places, contrasts(pairs), pairs, strict=True
        )
    ]


def overall(
    measure: str, steered: Sequence[tuple[Condition, Flags]], unsteered: Flags, domains: Sequence[str]
) -> list[Overall]:
    """The difference over all domains, of each condition; Holm over the conditions."""
    tested = [mcnemar(zip(right, unsteered, strict=True)).p for _, right in steered]
    return [
        Overall(measure, condition, pooled([right], unsteered, domains), p, adjusted)
        for (condition, right), p, adjusted in zip(steered, tested, holm(tested, len(tested)), strict=True)
    ]


def pooled(steered: Sequence[Flags], unsteered: Flags, domains: Sequence[str]) -> Estimate:
    """The mean accuracy under several conditions − the unsteered one, over all domains.

    One figure for all that was tried, so that nobody has to choose among strengths after the fact.
    """
    values = [fmean(flags) - bare for *flags, bare in zip(*steered, unsteered, strict=True)]
    return over_domains(values, domains)


def misleading(
    steered: Sequence[Flags], unsteered: Flags, domains: Sequence[str], least: int
) -> Estimate | None:
    """How often a sample of FEW shows the opposite of what the other questions of its domain show.

    Each domain is cut into samples of FEW, and the sign of each sample's change is held against that of all
    other questions of the domain: opposite or not. None where no domain has `least` questions.
    """
    values, groups = [], []
    for flags in steered:
        for number, domain in enumerate(dict.fromkeys(domains)):
            own = _of(domain, flags, domains), _of(domain, unsteered, domains)
            change = [int(a) - int(b) for a, b in zip(*own, strict=True)]
            if len(change) < least:
                continue
            for first in range(0, len(change) - FEW + 1, FEW):
                sample = sum(change[first : first + FEW])
                values.append(float(sample * (sum(change) - sample) < 0))
                groups.append(number)
    if len(set(groups)) < 2:
        return None
    found = grouped_mean(values, groups)
    return Estimate(found.value, max(0.0, found.low), min(1.0, found.high), found.n)


def position(condition: Condition, chosen: Sequence[int], right: Sequence[int]) -> Position:
    """By the numbers of the options that were chosen, and of those that are right."""
    picked, held = Counter(chosen), Counter(right)
    ours, theirs = (
        {letter: round(of[n] / len(right), 4) for n, letter in enumerate(LETTERS)} for of in (picked, held)
    )
    distance = sum(abs(ours[letter] - theirs[letter]) for letter in LETTERS) / 2
    return Position(condition, ours, theirs, round(distance, 4))


def over_domains(values: Sequence[float], domains: Sequence[str]) -> Estimate:
    """The mean with an interval over the domains' means; of one domain that over its questions."""
    places = {domain: place for place, domain in enumerate(dict.fromkeys(domains))}
    groups = [places[domain] for domain in domains] if len(places) > 1 else [*range(len(values))]
    return grouped_mean(values, groups)


def _of(domain: str, flags: Flags, domains: Sequence[str]) -> list[bool]:
    return [flag for flag, own in zip(flags, domains, strict=True) if own == domain]
