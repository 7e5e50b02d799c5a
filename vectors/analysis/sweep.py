"""Where and how strongly a vector acts: layers × α, and the zones of layers that come of it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from vectors.analysis.collecting import collect
from vectors.analysis.estimates import Estimate, mean, rate
from vectors.analysis.measures import degenerate, kl_bits
from vectors.domain_vector import DomainVector
from vectors.engine import Engine, GenerationRequest
from vectors.errors import UnfitAnalysis
from vectors.models import LanguageModel
from vectors.progress import Progress, silent
from vectors.sampling import Sampling
from vectors.steering import Steering

SHARES = (0.05, 0.1, 0.2, 0.4, 0.8)
"""The default grid of α, as shares of the mean residual norm at the layer."""
DEFAULT_LAYERS = 8
MOVED_FROM = 0.5
BROKEN_FROM = 0.2

Zone = Literal["rigid", "responsive", "degenerate"]
ZONES: tuple[Zone, ...] = get_args(Zone)
ZONE_RULE = (
    f"rigid: fewer than {MOVED_FROM:.0%} of the outputs change; degenerate: at least {MOVED_FROM:.0%} change "
    f"and at least {BROKEN_FROM:.0%} repeat themselves or are empty; responsive: the others. "
    "A layer belongs to the zone of most of its α, the earlier of rigid, responsive, degenerate on a tie."
)


@dataclass(frozen=True)
class Cell:
    """One (layer, α): `alpha` absolute, `share` of the mean residual norm at the layer.

    change_rate: share of prompts whose greedy output differs from the unsteered one. kl_bits: D(steered ‖
    unsteered) of the first new token. degenerate: share of outputs that repeat themselves or are empty.
    """

    layer: int
    alpha: float
    share: float
    change_rate: Estimate
    kl_bits: Estimate
    degenerate: Estimate

    @property
    def zone(self) -> Zone:
        """The zone this α puts the layer in, by ZONE_RULE."""
        if self.change_rate.value < MOVED_FROM:
            return "rigid"
        return "degenerate" if self.degenerate.value >= BROKEN_FROM else "responsive"


@dataclass(frozen=True)
class Sweep:
    """The cells, and two controls without steering.

    `repeat_change_rate` is the change rate of the very same unsteered requests made a second time: 0 in
    float32, and in bfloat16, whose results depend on the shape of the batch, the noise under every other.
    """

    cells: tuple[Cell, ...]
    repeat_change_rate: Estimate
    unsteered_degenerate: Estimate

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
    alphas: Sequence[float] | None = None,
) -> list[Steering]:
    """Every layer with every α: absolute `alphas`, or `shares` of the mean residual norm at the layer.

    Raises UnfitAnalysis for a strength that is not positive (α = 0 is what the others are compared with) or
    given twice, SteeringMismatch for a layer that does not exist.
    """
    strengths = shares if alphas is None else alphas
    if min(strengths) <= 0 or len({*strengths}) < len(strengths) or len({*layers}) < len(layers):
        raise UnfitAnalysis("layers and α of a sweep must each be given once, and α be more than 0")
    return [
        vector.steering(layer, strength * (float(vector.residual_norms[layer]) if alphas is None else 1))
        for layer in sorted(layers)
        for strength in sorted(strengths)
    ]


def sweep(
    engine: Engine,
    lm: LanguageModel,
    vector: DomainVector,
    points: Sequence[Steering],
    probes: Sequence[str],
    *,
    tokens: int = 16,
    progress: Progress = silent,
) -> Sweep:
    """Measure each point of `points` (see `grid`) on every probe, with `tokens` greedy tokens an output.

    Everything is submitted at once: the points of one prompt, the unsteered reference and its repetition lie
    side by side, so that an engine can share their prefix.
    """
    prompts = [lm.chat_ids([{"role": "user", "content": probe}]) for probe in probes]
    steerings: list[Steering | None] = [None, None, *points]
    requests = (
        GenerationRequest(prompt, steering, Sampling(tokens), distribution=True)
        for prompt in prompts
        for steering in steerings
    )
    outputs = collect((engine.submit(request) for request in requests), "sweeping", progress)
    changed, broken = [0] * len(steerings), [0] * len(steerings)
    bits: list[list[float]] = [[] for _ in steerings]
    for _ in prompts:
        reference = next(outputs)
        broken[0] += degenerate(reference.token_ids, reference.text)
        for point in range(1, len(steerings)):
            output = next(outputs)
            assert output.distribution is not None
            assert reference.distribution is not None
            changed[point] += output.token_ids != reference.token_ids
            broken[point] += degenerate(output.token_ids, output.text)
            bits[point].append(kl_bits(output.distribution, reference.distribution))
    n = len(prompts)
    cells = [
        Cell(
            point.layer,
            point.alpha,
            vector.relative_alpha(point),
            rate(changed[index], n),
            mean(bits[index]),
            rate(broken[index], n),
        )
        for index, point in enumerate(points, start=2)
    ]
    return Sweep(tuple(cells), rate(changed[1], n), rate(broken[0], n))
