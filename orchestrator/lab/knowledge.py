"""Which questions of MMLU-Pro an experiment asks, so many of each domain, drawn with a seed; and these again,
each with what was answered.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.lab.data import DataSet, data_set
from orchestrator.lab.items import Item, Said, cut
from orchestrator.session import Session
from swebench.data.rows import Row
from swebench.errors import InvalidRow
from vectors.errors import UnfitAnalysis
from vectors.lab.evaluation.choosing import Likelihoods
from vectors.lab.evaluation.conditions import Condition
from vectors.lab.evaluation.mmlu_pro import LETTERS, Question, Worked
from vectors.suggestions import did_you_mean

_COLUMNS = {"question": str, "options": list, "answer_index": int, "category": str}
_WORKED = {**_COLUMNS, "cot_content": str}
_PREAMBLE = "A: Let's think step by step."


@dataclass(frozen=True)
class Asked:
    """So many questions of each of `domains` (none: all there are), drawn with `seed`.

    `shots` worked examples of the domain stand before a written answer, from the rows that `examples` names.
    """

    dataset: str = "mmlu-pro"
    domains: tuple[str, ...] = ()
    per_domain: int = 20
    seed: int = 0
    shots: int = 0
    examples: str = "mmlu-pro:validation"


@dataclass(frozen=True)
class Pool:
    """The questions, the numbers of their rows, where they come from, and what identifies them."""

    questions: tuple[Question, ...]
    items: tuple[int, ...]
    source: str
    digests: Mapping[str, str]


def asked_of(session: Session, asked: Asked) -> Pool:
    """The questions, domain after domain, in an order drawn with the seed. Raises as `data_set` does, and
    UnfitAnalysis for a domain that there is not.
    """
    found = data_set(asked.dataset, _COLUMNS, cache=session.settings.cache, progress=session.progress)
    questions = [_question(f"{found.source}, row {n}", row) for n, row in enumerate(found.rows, 1)]
    there = sorted({each.domain for each in questions})
    for domain in asked.domains:
        if domain not in there:
            raise UnfitAnalysis(
                f"no domain {domain!r} in {found.source}: expected {', '.join(there)}"
                f"{did_you_mean(domain, there)}"
            )
    items: list[int] = []
    for domain in there:
        if not asked.domains or domain in asked.domains:
            own = [number for number, each in enumerate(questions) if each.domain == domain]
            items += random.Random(f"{asked.seed} {domain}").sample(own, min(asked.per_domain, len(own)))
    digests = {"data_sha256": found.sha256}
    if asked.shots:
        digests["examples_sha256"] = _examples(session, asked).sha256
    return Pool(tuple(questions[item] for item in items), tuple(items), found.source, digests)


def worked_for(session: Session, asked: Asked, pool: Pool) -> list[Sequence[Worked]]:
    """The worked examples that stand before each question; raises UnfitAnalysis where there are too few."""
    if not asked.shots:
        return [()] * len(pool.questions)
    by_domain: dict[str, list[Worked]] = {}
    found = _examples(session, asked)
    for number, row in enumerate(found.rows, 1):
        question = _question(f"{found.source}, row {number}", row)
        answer = str(row["cot_content"]).removeprefix(_PREAMBLE).strip()
        by_domain.setdefault(question.domain, []).append(Worked(question, answer))
    for domain in dict.fromkeys(each.domain for each in pool.questions):
        if len(by_domain.get(domain, ())) < asked.shots:
            raise UnfitAnalysis(
                f"{found.source} has {len(by_domain.get(domain, ()))} worked examples of {domain}, "
                f"--shots wants {asked.shots}"
            )
    return [by_domain[each.domain][: asked.shots] for each in pool.questions]


def items_of(
    pool: Pool, of: Sequence[Condition], weighed: Sequence[Likelihoods], written: Sequence[Sequence[str]]
) -> Iterator[Item]:
    """The questions, with the letters' log-likelihoods as options stand and the letters that were written."""
    picked = [each.by_letter() for each in weighed]
    for place, each in enumerate(pool.questions):
        right = LETTERS[each.answer]
        said = [
            Said(
                condition=condition.name,
                nats=dict(zip(LETTERS, one.nats[place][0], strict=False)),
                right=letters[place] == each.answer,
            )
            for condition, one, letters in zip(of, weighed, picked, strict=False)
        ]
        said += [
            Said(condition=f"{condition.name}, written", text=own[place], right=own[place] == right)
            for condition, own in zip(of, written, strict=False)
        ]
        options = [f"{letter}. {option}" for letter, option in zip(LETTERS, each.options, strict=False)]
        yield Item(
            name=str(pool.items[place]),
            group=each.domain,
            question=cut("\n".join([each.question, *options])),
            expected=right,
            said=tuple(said),
        )


def _examples(session: Session, asked: Asked) -> DataSet:
    return data_set(asked.examples, _WORKED, cache=session.settings.cache, progress=session.progress)


def _question(place: str, row: Row) -> Question:
    options, answer = row["options"], row["answer_index"]
    assert isinstance(options, list)
    assert isinstance(answer, int)
    if not 1 <= len(options) <= len(LETTERS):
        raise InvalidRow(f"{place}: {len(options)} options, expected 1 to {len(LETTERS)}")
    if not 0 <= answer < len(options):
        raise InvalidRow(f"{place}: answer_index {answer} of {len(options)} options")
    return Question(str(row["category"]), str(row["question"]), tuple(options), answer)
