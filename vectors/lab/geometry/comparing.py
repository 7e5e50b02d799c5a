"""Tokenizers side by side: what was counted, as figures with intervals."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import median

from vectors.lab.geometry.cutting import Counts
from vectors.lab.geometry.passages import ENGLISH, FIELDS, FRENCH, Corpus, own_pairs
from vectors.statistics.estimates import Estimate, bootstrapped, mean, rate
from vectors.statistics.tests import grouped_mean


@dataclass(frozen=True)
class Cost:
    """What a corpus costs with one tokenizer, as means over its texts.

    `more` is by how much the tokens exceed those of the tokenizer that needs the fewest for the corpus,
    paired by text. Identifiers are None where a corpus has no code, or none: tokens of each, and the share
    that nothing cuts.
    """

    bytes_per_token: Estimate
    tokens_per_word: Estimate
    more: Estimate
    tokens_per_name: Estimate | None
    whole_names: Estimate | None


@dataclass(frozen=True)
class Profile:
    """A tokenizer's figures.

    `torn` is the share of timestamps with a cut inside a field, `by_field` that of each field among those
    that have it. `groupings` is the commonest way to cut a numeral of so many digits, with its share.
    `parity` is French over English tokens of the same sentence.
    """

    tokenizer: str
    sha256: str
    vocabulary: int
    costs: Mapping[str, Cost]
    stamp_tokens: Estimate
    torn: Estimate
    by_field: Mapping[str, Estimate]
    groupings: Mapping[int, tuple[str, Estimate]]
    structure: Estimate
    parity: Estimate
    prompts: Mapping[str, int]
    shown: tuple[str, ...]


@dataclass(frozen=True)
class Divergence:
    """Where two tokenizers first cut a sentence differently: in how many, the median place in characters that
    are not white, and an example in which | is a cut of both, and ‖ the first that only one makes.
    """

    one: str
    other: str
    differ: Estimate
    place: float | None
    example: str


def profiles(counts: Sequence[Counts], corpora: Sequence[Corpus]) -> list[Profile]:
    """The figures of each tokenizer; `corpora` are those that were counted."""
    least = {each.name: min((c.tokens[each.name] for c in counts), key=sum) for each in corpora}
    return [_profile(each, corpora, least) for each in counts]


def divergences(counts: Sequence[Counts]) -> list[Divergence]:
    """Every pair of tokenizers on our own sentences."""
    sentences = [text for pair in own_pairs() for text in pair]
    found = []
    for one, other in combinations(counts, 2):
        differing = [
            min(set(a) ^ set(b)) if a != b else None
            for a, b in zip(one.pair_cuts, other.pair_cuts, strict=True)
        ]
        places = [place for place in differing if place is not None]
        example = next((i for i, place in enumerate(differing) if place is not None), None)
        found.append(
            Divergence(
                one.tokenizer,
                other.tokenizer,
                rate(len(places), len(differing)),
                median(places) if places else None,
                ""
                if example is None
                else _shown(sentences[example], one.pair_cuts[example], other.pair_cuts[example]),
            )
        )
    return found


def _profile(of: Counts, corpora: Sequence[Corpus], least: Mapping[str, Sequence[int]]) -> Profile:
    by_field = {name: [stamp[name] for stamp in of.torn if name in stamp] for name in FIELDS}
    pairs = zip(of.tokens[FRENCH], of.tokens[ENGLISH], strict=True)
    return Profile(
        tokenizer=of.tokenizer,
        sha256=of.sha256,
        vocabulary=of.vocabulary,
        costs={each.name: _cost(of, each, least[each.name]) for each in corpora},
        stamp_tokens=mean(of.stamps),
        torn=rate(sum(any(stamp.values()) for stamp in of.torn), len(of.torn)),
        by_field={name: rate(sum(torn), len(torn)) for name, torn in by_field.items() if torn},
        groupings={digits: _commonest(found) for digits, found in of.groupings.items()},
        structure=mean(of.structure, 0, 1),
        parity=bootstrapped([french / english for french, english in pairs]),
        prompts=of.prompts,
        shown=of.shown,
    )


def _cost(of: Counts, corpus: Corpus, least: Sequence[int]) -> Cost:
    tokens, texts = of.tokens[corpus.name], corpus.texts
    found = of.names.get(corpus.name, ())
    with_names = [
        (each, group) for each, group in zip(found, corpus.groups, strict=bool(found)) if each.names
    ]
    groups = [group for _, group in with_names]

    def over(counts: Sequence[float]) -> Estimate:
        return _clustered(counts, corpus.groups)

    def over_names(counts: Sequence[float]) -> Estimate | None:
        return _clustered(counts, groups) if len(counts) > 1 else None

    return Cost(
        bytes_per_token=over([len(text.encode()) / n for text, n in zip(texts, tokens, strict=True)]),
        tokens_per_word=over([n / len(text.split()) for text, n in zip(texts, tokens, strict=True)]),
        more=over([n / fewest - 1 for n, fewest in zip(tokens, least, strict=True)]),
        tokens_per_name=over_names([each.tokens / each.names for each, _ in with_names]),
        whole_names=over_names([each.whole / each.names for each, _ in with_names]),
    )


def _clustered(values: Sequence[float], groups: Sequence[int]) -> Estimate:
    """Of one group nothing is known but its texts, so these stand for themselves.

    None of these quantities is below 0.
    """
    found = grouped_mean(values, groups) if len(set(groups)) > 1 else mean(values)
    return replace(found, low=max(0.0, found.low)) if min(values) >= 0 else found


def _commonest(groupings: Sequence[str]) -> tuple[str, Estimate]:
    found, times = Counter(groupings).most_common(1)[0]
    return found, rate(times, len(groupings))


def _shown(sentence: str, one: Sequence[int], other: Sequence[int]) -> str:
    """The sentence up to the word in which two ways to cut it part."""
    first, ink, text = min(set(one) ^ set(other)), 0, ""
    for character in sentence:
        if not character.isspace():
            if ink == first:
                text += "‖"
            elif ink in one and ink < first:
                text += "|"
            ink += 1
        elif ink > first:
            break
        text += character
    return text
