"""The conditions of an experiment on answers: unsteered, then each vector at each layer and strength."""

from collections.abc import Sequence
from dataclasses import dataclass

from vectors.domains.domain_vector import DomainVector
from vectors.steering.intervention import Steering, named
from vectors.steering.positions import ALL, Positions
from vectors.steering.text import written

UNSTEERED = "unsteered"


@dataclass(frozen=True)
class Condition:
    """How a prompt is steered. `text` is that in the steering language, with an absolute α; `share` is α's of
    the residual's spread at the layer.
    """

    name: str
    vector: str = ""
    layer: int | None = None
    alpha: float = 0.0
    share: float = 0.0
    text: str = "none"


def conditions(
    vectors: Sequence[DomainVector],
    layers: Sequence[int] = (),
    shares: Sequence[float] = (),
    positions: Positions = ALL,
) -> list[tuple[Condition, Steering]]:
    """Unsteered, then vectors × layers × strengths; without layers or shares a vector's own.

    A vector's own strength may have to be measured first. Raises SteeringMismatch for a layer that does not
    exist.
    """
    found: list[tuple[Condition, Steering]] = [(Condition(UNSTEERED), ())]
    for vector in vectors:
        for layer in layers or (vector.default_layer,):
            vector.intervention(layer, 0.0)  # says what is wrong with a layer
            for share in shares or (None,):
                alpha = None if share is None else vector.at_share(layer, share)
                steering = vector.intervention(layer, alpha, positions=positions)
                relative = vector.relative_alpha(steering)
                condition = Condition(
                    f"{vector.domain}@{layer}, {relative:.0%}",
                    vector.domain,
                    layer,
                    round(steering.alpha, 4),
                    round(relative, 4),
                    written(named((steering,))),
                )
                found.append((condition, (steering,)))
    return found
