"""The demo scenarios: short tasks solved in steps, each step with its own domain, in three variants.

The scenarios, their steps and the metrics are those of the original's orchestrator demo (Edmond,
steering-research); the reports are our own, eight a scenario instead of one, so that there is something to
compute an interval from.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Literal, get_args

from vectors.domains.domain_vector import DomainVector
from vectors.domains.prompt_sets import load_prompt_set
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.measuring.asking import Answer, answers, units_of
from vectors.measuring.journal import Journal
from vectors.measuring.measures import degenerate, keyword_hits
from vectors.models.loading import LanguageModel
from vectors.progress import Progress, silent
from vectors.statistics.estimates import Estimate, mean, paired
from vectors.steering.intervention import Steering

Variant = Literal["baseline", "static", "dynamic"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
METRICS = {"hits": math.inf, "tokens": math.inf, "coherence": 1.0, "degenerate": 1.0}
"""The metrics and the most each can be; the least is 0."""
ALL = "all scenarios"
_MOST_REPORTS = 8
STATIC_DOMAIN = "code_reading"
_SEEN_CHARS = 600  # how much of the step before a step sees (the original's figure)
_WORD = re.compile(r"[^\W\d_]{5,}")


@dataclass(frozen=True)
class Step:
    """One step of a scenario: its name, the domain whose manner it asks for, and the instruction."""

    name: str
    domain: str
    instruction: str


@dataclass(frozen=True)
class Scenario:
    """Steps to be taken on each of several reports."""

    name: str
    steps: tuple[Step, ...]
    reports: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """A variant's metrics on one scenario, or on all, as means over reports; `gains` pair it with baseline.

    hits: distinct keywords of a step's domain in its answer, summed over the steps. tokens: generated ones,
    all steps. coherence: share of consecutive steps that share a word of more than four letters. degenerate:
    share of the steps whose answer repeats itself or is empty.
    """

    scenario: str
    variant: Variant
    metrics: Mapping[str, Estimate]
    gains: Mapping[str, Estimate]


@dataclass(eq=False)
class _Run:
    """One report in one variant with one seed, on its way through the steps."""

    scenario: Scenario
    report: int
    variant: Variant
    seed: int
    answers: list[Answer] = field(default_factory=list)


def scenarios(reports: int = _MOST_REPORTS) -> tuple[Scenario, ...]:
    """The three scenarios that come with the project, with the first so many reports of each."""
    return tuple(replace(each, reports=each.reports[:reports]) for each in _all())


def bug_fix(reports: Sequence[str]) -> Scenario:
    """The steps of a simple bug fix, for reports of one's own."""
    return replace(_all()[0], reports=tuple(reports))


@cache
def _all() -> tuple[Scenario, ...]:
    data = json.loads(Path(__file__).with_name("scenarios.json").read_text(encoding="utf-8"))
    return tuple(
        Scenario(each["name"], tuple(Step(*step) for step in each["steps"]), tuple(each["reports"]))
        for each in data
    )


def demo_domains() -> list[str]:
    """The domains that the scenarios' steps need."""
    return sorted({step.domain for scenario in _all() for step in scenario.steps})


def demo(
    engine: Engine,
    lm: LanguageModel,
    vectors: Mapping[str, DomainVector],
    told: Sequence[Scenario],
    *,
    seeds: Sequence[int] = (0,),
    tokens: int = 64,
    temperature: float = 0.7,
    journal: Journal | None = None,
    progress: Progress = silent,
) -> list[Row]:
    """Solve every report of the scenarios in every variant, once for each seed.

    `vectors` holds each of `demo_domains`. A report is one observation: its seeds are averaged first, because
    samples of one report do not tell anything about other reports. A run has the same seed in all variants.
    """
    runs = _runs(told, seeds)
    journal = journal or Journal()
    for index in range(_most_steps(told)):
        going = [run for run in runs if index < len(run.scenario.steps)]
        requests = [_request(lm, run, vectors, tokens, temperature) for run in going]
        written = answers(engine, requests, f"step {index + 1}", journal, progress)
        for run, answer in zip(going, written, strict=True):
            run.answers.append(answer)
    rows = []
    for chosen in (None, *(told if len(told) > 1 else ())):
        mine = [run for run in runs if chosen in (None, run.scenario)]
        rows += _rows(chosen.name if chosen else ALL, mine)
    return rows


def units(told: Sequence[Scenario], seeds: Sequence[int]) -> int:
    """In how many units the scenarios are solved."""
    runs = _runs(told, seeds)
    return sum(
        units_of(sum(index < len(run.scenario.steps) for run in runs)) for index in range(_most_steps(told))
    )


def _runs(told: Sequence[Scenario], seeds: Sequence[int]) -> list[_Run]:
    return [
        _Run(scenario, report, variant, seed)
        for scenario in told
        for report in range(len(scenario.reports))
        for variant in VARIANTS
        for seed in seeds
    ]


def _most_steps(told: Sequence[Scenario]) -> int:
    return max(len(scenario.steps) for scenario in told)


def _request(
    lm: LanguageModel, run: _Run, vectors: Mapping[str, DomainVector], tokens: int, temperature: float
) -> GenerationRequest:
    """The next step of a run. What all steps share stands first, so that they have a prefix in common."""
    step = run.scenario.steps[len(run.answers)]
    before = f"\n\nSo far:\n{run.answers[-1].text[-_SEEN_CHARS:]}" if run.answers else ""
    text = f"{run.scenario.reports[run.report]}{before}\n\n{step.instruction}"
    steering: Steering = ()
    if run.variant != "baseline":
        domain = STATIC_DOMAIN if run.variant == "static" else step.domain
        steering = (vectors[domain].intervention(),)
    sampling = Sampling(tokens, temperature, seed=run.seed * 1000 + run.report)
    return GenerationRequest(lm.chat_ids([{"role": "user", "content": text}]), steering, sampling)


def _rows(name: str, runs: Sequence[_Run]) -> list[Row]:
    """The variants' rows over some of the runs."""
    by_report: dict[Variant, dict[tuple[str, int], list[dict[str, float]]]] = {v: {} for v in VARIANTS}
    for run in runs:
        key = run.scenario.name, run.report
        by_report[run.variant].setdefault(key, []).append(_measured(run))
    columns = {
        variant: {
            metric: [fmean(measured[metric] for measured in seeds) for seeds in by_report[variant].values()]
            for metric in METRICS
        }
        for variant in VARIANTS
    }
    return [
        Row(
            name,
            variant,
            {metric: mean(columns[variant][metric], 0, most) for metric, most in METRICS.items()},
            {metric: paired(columns[variant][metric], columns["baseline"][metric]) for metric in METRICS},
        )
        for variant in VARIANTS
    ]


def _measured(run: _Run) -> dict[str, float]:
    steps, written = run.scenario.steps, run.answers
    words = [set(_WORD.findall(answer.text.lower())) for answer in written]
    return {
        "hits": sum(
            keyword_hits(answer.text, load_prompt_set(step.domain).keywords)
            for step, answer in zip(steps, written, strict=True)
        ),
        "tokens": sum(len(answer.token_ids) for answer in written),
        "coherence": fmean(bool(one & other) for one, other in pairwise(words)),
        "degenerate": fmean(degenerate(answer) for answer in written),
    }
