"""From steering by names to interventions: vectors are looked up, strengths and layers become numbers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from torch import Tensor

from vectors.domains.domain_vector import DomainVector
from vectors.errors import SteeringMismatch
from vectors.operations import DIRECTIONAL, OPERATIONS
from vectors.steering.intervention import Condition, Intervention, Probe, Steering
from vectors.steering.terms import MOST_INTERVENTIONS, NamedCondition, NamedProbe, Span, Strength, Term


class Lookup(Protocol):
    """Where names lead. Each raises what its caller's users are told of a name that leads nowhere."""

    def vector(self, name: str, /) -> DomainVector:
        """A domain's vector, or one from a file."""

    def edit(self, name: str, /) -> tuple[Tensor, int | None]:
        """A learned edit of low rank (see `vectors.operations.low_rank`), and its layer if that is known."""


def resolved(terms: Sequence[Term], lookup: Lookup) -> Steering:
    """What terms say, for one model. Raises SteeringMismatch, and what `lookup` raises."""
    found = tuple(each for term in terms for each in _interventions(term, lookup))
    if len(found) > MOST_INTERVENTIONS:
        raise SteeringMismatch(f"{len(found)} interventions: a steering has at most {MOST_INTERVENTIONS}")
    return found


def probe_of(named: NamedProbe, lookup: Lookup) -> Probe:
    """A probe by its vector's name. Raises SteeringMismatch for a layer that the vector lacks."""
    directions = lookup.vector(named.vector).directions
    if named.layer >= len(directions):
        raise SteeringMismatch(f"layer {named.layer} does not exist: expected 0 to {len(directions) - 1}")
    return Probe(directions[named.layer], named.layer, named.vector)


def spread(
    layers: Sequence[Span], own: int, strength: Strength, alpha: Callable[[int, float], float]
) -> Iterator[tuple[int, float]]:
    """Each layer with its α, which `alpha` makes of a layer and its share of the strength."""
    for span in layers or (Span(own, own),):
        for layer, weight in span.weights():
            yield layer, alpha(layer, strength.value * weight)


def _interventions(term: Term, lookup: Lookup) -> Iterator[Intervention]:
    when = condition_for(term.when, lookup) if term.when else None
    if term.operation == "low_rank":
        edit, own = lookup.edit(term.vector)
        if term.strength.unit == "share":
            raise SteeringMismatch("an edit of low rank is no share of a norm: say 1 for all of it")
        if own is None and not term.layers:
            raise SteeringMismatch(f"{term.vector} does not say its layer: add it, such as @15")
        for layer, alpha in spread(term.layers, own or 0, term.strength, lambda _layer, size: size):
            yield Intervention(edit, layer, alpha, term.operation, term.positions, when, term.vector)
        return
    if term.operation not in DIRECTIONAL:
        raise SteeringMismatch(
            f"{term.operation} needs a sparse autoencoder's feature, and {term.vector!r} is a direction: "
            f"expected {' or '.join(name for name in OPERATIONS if name != term.operation)}"
        )
    vector = lookup.vector(term.vector)

    def alpha_at(layer: int, size: float) -> float:
        if term.strength.unit == "alpha":
            return size
        usual = vector.intervention(layer, None, term.operation)  # says what is wrong with a layer
        return size * (
            usual.alpha if term.strength.unit == "dose" else vector.at_share(layer, 1.0, term.operation)
        )

    for layer, alpha in spread(term.layers, vector.default_layer, term.strength, alpha_at):
        found = vector.intervention(layer, alpha, term.operation, term.positions, when)
        yield replace(found, name=term.vector)


def condition_for(named: NamedCondition, lookup: Lookup) -> Condition:
    """A condition by its vector's name. Raises SteeringMismatch for a layer that the vector lacks."""
    probe = probe_of(named.probe, lookup)
    return Condition(probe, named.above, named.threshold, "cosine" if named.cosine else "projection")
