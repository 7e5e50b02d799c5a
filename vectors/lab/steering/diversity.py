"""Sampling diversity: how many different answers a prompt gets, steered and unsteered."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.measuring.asking import answers
from vectors.measuring.journal import Journal
from vectors.measuring.measures import degenerate
from vectors.models.loading import LanguageModel
from vectors.progress import Progress, silent
from vectors.statistics.estimates import Estimate, mean, paired
from vectors.steering.intervention import Intervention

TEMPERATURES = (0.3, 0.7, 1.0)


@dataclass(frozen=True)
class Diversity:
    """Unique answers / samples at a temperature, as means over prompts; `difference` is paired by prompt.

    `degenerate` is the change in the share of answers that repeat themselves or are empty, paired likewise:
    noise is diverse too.
    """

    temperature: float
    unsteered: Estimate
    steered: Estimate
    difference: Estimate
    degenerate: Estimate


def diversity(
    engine: Engine,
    lm: LanguageModel,
    steering: Intervention,
    probes: Sequence[str],
    *,
    samples: int = 5,
    tokens: int = 8,
    seed: int = 0,
    temperatures: Sequence[float] = TEMPERATURES,
    journal: Journal | None = None,
    progress: Progress = silent,
) -> list[Diversity]:
    """Sample each probe `samples` times at every temperature, steered and unsteered.

    (Five samples at 0.3, 0.7 and 1.0: Edmond, steering-research.) A sample has the same seed in every
    condition, so that the two draw the same random numbers.
    """
    prompts = [lm.chat_ids([{"role": "user", "content": probe}]) for probe in probes]
    conditions = list(product(temperatures, ((), (steering,))))
    rows = list(product(range(len(prompts)), conditions, range(samples)))
    requests = [
        GenerationRequest(
            prompts[prompt],
            condition,
            Sampling(tokens, temperature, seed=seed + prompt * samples + sample),
        )
        for prompt, (temperature, condition), sample in rows
    ]
    written = answers(engine, requests, "sampling", journal or Journal(), progress)
    texts: dict[tuple[float, bool], list[set[str]]] = {}
    broken: dict[tuple[float, bool], list[int]] = {}
    for (prompt, (temperature, condition), _), answer in zip(rows, written, strict=True):
        key = temperature, bool(condition)
        texts.setdefault(key, [set() for _ in prompts])[prompt].add(answer.text)
        broken.setdefault(key, [0 for _ in prompts])[prompt] += degenerate(answer)
    found = []
    for temperature in temperatures:
        plain, steered = (
            [len(unique) / samples for unique in texts[temperature, on]] for on in (False, True)
        )
        was, is_ = ([count / samples for count in broken[temperature, on]] for on in (False, True))
        found.append(
            Diversity(
                temperature, mean(plain, 0, 1), mean(steered, 0, 1), paired(steered, plain), paired(is_, was)
            )
        )
    return found
