"""Answers within a budget of tokens, by four ways to keep it: what each costs in tokens and in right answers.

guided: the next token is weighed by the chance that the answer then ends in time (`vectors.engine.budget`).
cut: the answer stops where the budget is spent. named: the prompt says the budget. ramp: the original's bias
on the token that ends an answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from vectors.engine.budget import Budget, LengthHead, Ramp
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.lab.evaluation.gsm8k import Problem, correct, flexible, prompt_ids, stops
from vectors.measuring.asking import Answer, answers
from vectors.measuring.journal import Journal
from vectors.measuring.lengths import Trace
from vectors.measuring.measures import degenerate
from vectors.models.loading import LanguageModel
from vectors.progress import Progress, silent
from vectors.statistics.estimates import Estimate, mean, paired, rate
from vectors.statistics.tests import McNemar, holm, mcnemar

Way = Literal["free", "guided", "cut", "named", "ramp"]
WAYS: tuple[Way, ...] = get_args(Way)
STYLE = "cot"
_NEAR = 0.1


@dataclass(frozen=True)
class Kept:
    """How answers to n problems keep a budget; `free` has none.

    tokens: of an answer. near: the share within ±10 % of the budget; within: that of at most the budget.
    ended: the share that came to its own end. solved: by the last number; `against_cut` compares it with the
    answers that are cut, and `p_holm` is of all such tests. shorter: tokens − those of the free answer.
    """

    way: Way
    budget: int | None
    tokens: Estimate
    near: Estimate | None
    within: Estimate | None
    ended: Estimate
    degenerate: Estimate
    solved: Estimate
    shorter: Estimate | None = None
    against_cut: McNemar | None = None
    p_holm: float | None = None


def traces(
    engine: Engine,
    lm: LanguageModel,
    problems: Sequence[Problem],
    *,
    tokens: int,
    seed: int,
    journal: Journal,
    progress: Progress = silent,
) -> list[Trace]:
    """The model's own sampled answers, of those that ended by themselves."""
    requests = [
        GenerationRequest(
            _prompt(lm, problem),
            (),
            Sampling(tokens, temperature=0.7, top_p=0.95, seed=seed + number, stop=stops(STYLE)),
        )
        for number, problem in enumerate(problems)
    ]
    found = answers(engine, requests, "answering to learn lengths", journal, progress)
    return [
        Trace(request.prompt_ids, answer.token_ids)
        for request, answer in zip(requests, found, strict=True)
        if answer.ended and len(answer.token_ids) > 1
    ]


def keep_budgets(
    engine: Engine,
    lm: LanguageModel,
    problems: Sequence[Problem],
    head: LengthHead,
    budgets: Sequence[int],
    *,
    tokens: int,
    journal: Journal,
    progress: Progress = silent,
) -> list[Kept]:
    """Answer each problem greedily, free and within each budget in each way, all in the same batches.

    No answer has more than `tokens`. The cut ones are the beginnings of the free ones.
    """
    asked = [("free", None), *((way, budget) for budget in budgets for way in ("guided", "named", "ramp"))]
    requests = [
        _request(lm, problem, way, budget, head, tokens) for problem in problems for way, budget in asked
    ]
    written = answers(engine, requests, "answering within budgets", journal, progress)
    by_way: dict[tuple[str, int | None], list[Answer]] = {
        place: written[number :: len(asked)] for number, place in enumerate(asked)
    }
    free = by_way["free", None]
    for budget in budgets:
        by_way["cut", budget] = [_cut(lm, answer, budget) for answer in free]
    places = [("free", None), *((way, budget) for budget in budgets for way in WAYS[1:])]
    rows = [_kept(place, by_way[place], problems, free) for place in places]
    solved = {place: _solved(own, problems) for place, own in by_way.items()}
    return _tested(rows, solved)


def _prompt(lm: LanguageModel, problem: Problem, more: str = "") -> tuple[int, ...]:
    return prompt_ids(lm, STYLE, f"{problem.question}{more}", ())


def _request(
    lm: LanguageModel, problem: Problem, way: str, budget: int | None, head: LengthHead, tokens: int
) -> GenerationRequest:
    sampling, more = Sampling(tokens, stop=stops(STYLE)), ""
    if budget is not None and way == "guided":
        sampling = replace(sampling, budget=Budget(budget, head))
    elif budget is not None and way == "ramp":
        sampling = replace(sampling, budget=Ramp(budget))
    elif way == "named":
        more = f" Answer in at most {budget} tokens."
    return GenerationRequest(_prompt(lm, problem, more), (), sampling)


def _cut(lm: LanguageModel, answer: Answer, budget: int) -> Answer:
    if len(answer.token_ids) <= budget:
        return answer
    ids = answer.token_ids[:budget]
    return Answer(lm.tokenizer.backend.decode(list(ids)), ids, ended=False)


def _kept(
    place: tuple[str, int | None], own: Sequence[Answer], problems: Sequence[Problem], free: Sequence[Answer]
) -> Kept:
    way, budget = place
    n, lengths = len(own), [len(answer.token_ids) for answer in own]
    near = within = shorter = None
    if budget is not None:
        near = rate(sum(abs(length - budget) <= _NEAR * budget for length in lengths), n)
        within = rate(sum(length <= budget for length in lengths), n)
        shorter = paired(lengths, [len(answer.token_ids) for answer in free])
    return Kept(
        next(each for each in WAYS if each == way),
        budget,
        tokens=mean(lengths, at_least=0),
        near=near,
        within=within,
        ended=rate(sum(answer.ended for answer in own), n),
        degenerate=rate(sum(map(degenerate, own)), n),
        solved=rate(sum(_solved(own, problems)), n),
        shorter=shorter,
    )


def _solved(own: Sequence[Answer], problems: Sequence[Problem]) -> list[bool]:
    return [correct(flexible(a.text), p.answer) for a, p in zip(own, problems, strict=True)]


def _tested(rows: Sequence[Kept], solved: Mapping[tuple[str, int | None], Sequence[bool]]) -> list[Kept]:
    """Each way against the answers that are cut at the same budget."""
    tests = {
        number: mcnemar(zip(solved[row.way, row.budget], solved["cut", row.budget], strict=True))
        for number, row in enumerate(rows)
        if row.way not in ("free", "cut")
    }
    adjusted = dict(zip(tests, holm([test.p for test in tests.values()], len(tests)), strict=True))
    return [
        replace(row, against_cut=tests[number], p_holm=adjusted[number]) if number in tests else row
        for number, row in enumerate(rows)
    ]
