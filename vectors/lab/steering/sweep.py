"""Where and how strongly a vector acts: layers × α, and the zones of layers that come of it."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

from vectors.domains.domain_vector import DomainVector
from vectors.domains.heldout import Pair
from vectors.engine.engine import Engine
from vectors.engine.requests import Generation, GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.errors import UnfitAnalysis
from vectors.measuring.asking import asked
from vectors.measuring.journal import Journal
from vectors.measuring.likelihood import text_margins
from vectors.measuring.measures import degenerate, kl_bits
from vectors.models.loading import LanguageModel
from vectors.progress import Progress, silent
from vectors.statistics.estimates import Estimate, mean, paired, rate
from vectors.steering.intervention import Intervention, Steering

SHARES = (0.05, 0.1, 0.2, 0.4, 0.8)
"""The default grid of α, as shares of the residual's spread at the layer."""
DEFAULT_LAYERS = 8
MOVED_FROM = 0.5
BROKEN_FROM = 0.2
LOST_FROM_BITS = 10

Zone = Literal["rigid", "responsive", "degenerate"]
ZONES: tuple[Zone, ...] = get_args(Zone)
ZONE_RULE = (
    f"rigid: fewer than {MOVED_FROM:.0%} of the outputs change; degenerate: more change, and either "
    f"{BROKEN_FROM:.0%} repeat themselves or are empty or the first token moves by {LOST_FROM_BITS} bits; "
    "responsive: the others. "
    "A layer belongs to the zone of most of its α, the earlier of rigid, responsive, degenerate on a tie."
)


@dataclass(frozen=True)
class Cell:
    """One (layer, α): `alpha` absolute, `share` of the residual's spread at the layer.

    change_rate: share of prompts whose greedy output differs from the unsteered one. kl_bits: D(steered ‖
    unsteered) of the first new token. task_nats: mean log-likelihood a token of the domain's held-out texts
    minus that of neutral ones, as the paired change from the unsteered model, None without texts.
    degenerate: share of outputs that repeat themselves or are empty.
    """

    layer: int
    alpha: float
    share: float
    change_rate: Estimate
    kl_bits: Estimate
    task_nats: Estimate | None
    degenerate: Estimate

    @property
    def zone(self) -> Zone:
        """The zone this α puts the layer in, by ZONE_RULE."""
        if self.change_rate.value < MOVED_FROM:
            return "rigid"
        broken = self.degenerate.value >= BROKEN_FROM or self.kl_bits.value >= LOST_FROM_BITS
        return "degenerate" if broken else "responsive"


@dataclass(frozen=True)
class Sweep:
    """The cells, of a model of `n_layers`, and three figures without steering.

    `repeat_change_rate` is the change rate of the very same unsteered requests made a second time: 0 in
    float32, and in bfloat16, whose results depend on the shape of the batch, the noise under every other.
    """

    n_layers: int
    cells: tuple[Cell, ...]
    repeat_change_rate: Estimate
    unsteered_degenerate: Estimate
    unsteered_task_nats: Estimate | None

    def zones(self) -> dict[int, Zone]:
        """The zone of each layer, by ZONE_RULE."""
        votes: dict[int, Counter[Zone]] = {}
        for cell in self.cells:
            votes.setdefault(cell.layer, Counter())[cell.zone] += 1
        return {layer: max(ZONES, key=lambda zone: of[zone]) for layer, of in votes.items()}


def default_layers(n_layers: int) -> list[int]:
    """DEFAULT_LAYERS layers at even distances from the first to the last, or all of fewer."""
    count = min(DEFAULT_LAYERS, n_layers)
    return [round(step * (n_layers - 1) / max(1, count - 1)) for step in range(count)]


def grid(
    vector: DomainVector,
    layers: Sequence[int],
    *,
    shares: Sequence[float] = SHARES,
    alphas: Sequence[float] = (),
) -> list[Intervention]:
    """Every layer with every α: absolute `alphas`, else `shares` of the residual's spread at the layer.

    Raises UnfitAnalysis for a strength that is not positive (α = 0 is what the others are compared with) or
    given twice, SteeringMismatch for a layer that does not exist.
    """
    strengths = alphas or shares
    positive = all(0 < strength < math.inf for strength in strengths)
    if not positive or len({*strengths}) < len(strengths) or len({*layers}) < len(layers):
        raise UnfitAnalysis("a sweep needs layers and α that are each given once, and α of more than 0")
    points = []
    for layer in sorted(layers):
        whole_norm = 1 / vector.relative_alpha(vector.intervention(layer, 1.0))
        unit = 1.0 if alphas else whole_norm
        points += [vector.intervention(layer, strength * unit) for strength in sorted(strengths)]
    return points


def sweep(
    engine: Engine,
    lm: LanguageModel,
    vector: DomainVector,
    points: Sequence[Intervention],
    probes: Sequence[str],
    pairs: Sequence[Pair],
    *,
    tokens: int = 16,
    journal: Journal | None = None,
    progress: Progress = silent,
) -> Sweep:
    """Measure each point of `points` (see `grid`), with `tokens` greedy tokens for each probe.

    A prompt is a unit, with the unsteered reference, its repetition and all points side by side, so that an
    engine can share their prefix; so is a pair of `pairs`, held-out texts (see `text_margins`), perhaps none.
    """
    journal = journal or Journal()
    prompts = [lm.chat_ids([{"role": "user", "content": probe}]) for probe in probes]
    steerings: list[Steering] = [(), (), *((point,) for point in points)]

    def compared(prompt: tuple[int, ...]) -> list[tuple[float, float, float]]:
        reference, *others = asked(
            engine,
            [GenerationRequest(prompt, each, Sampling(tokens), distribution=True) for each in steerings],
        )
        return [_compared(output, reference) for output in (reference, *others)]

    rows = journal.each("sweeping", [partial(compared, prompt) for prompt in prompts], progress)
    by_point = list(zip(*rows, strict=True))
    changed, broken = ([int(sum(each[of] for each in point)) for point in by_point] for of in (0, 1))
    bits = [[each[2] for each in point] for point in by_point]
    n = len(prompts)
    margins = text_margins(engine, lm, pairs, prompts, steerings[1:], journal, progress) if pairs else None
    cells = [
        Cell(
            point.layer,
            point.alpha,
            vector.relative_alpha(point),
            rate(changed[index], n),
            mean(bits[index], at_least=0),
            paired(margins[index - 1], margins[0]) if margins else None,
            rate(broken[index], n),
        )
        for index, point in enumerate(points, start=2)
    ]
    unsteered = mean(margins[0]) if margins else None
    return Sweep(lm.n_layers, tuple(cells), rate(changed[1], n), rate(broken[0], n), unsteered)


def _compared(output: Generation, reference: Generation) -> tuple[float, float, float]:
    """Whether an output differs from the unsteered one and is degenerate, and their divergence in bits."""
    assert output.distribution is not None
    assert reference.distribution is not None
    bits = kl_bits(output.distribution, reference.distribution)
    return float(output.token_ids != reference.token_ids), float(degenerate(output)), bits
