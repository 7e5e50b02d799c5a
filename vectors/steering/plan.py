"""How the tokens of one forward pass are steered.

No hook comes or goes with a request: a pass carries a plan, and after each block the plan changes exactly the
tokens that are to be changed there. Others are never touched. What rows do alike after a block is done at
once, whatever vectors they have. It is computed in float32 and cast once to the model's dtype.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vectors.errors import SteeringNotApplied
from vectors.operations import OPERATIONS
from vectors.operations.directions import projection
from vectors.steering.intervention import Condition
from vectors.steering.row_steering import RowIntervention, RowSteering


@dataclass(frozen=True)
class Span:
    """A row's share of a pass: its tokens, of which the first is number `first` of the pass and at place
    `start` of the row."""

    steering: RowSteering
    first: int
    start: int
    token_ids: Sequence[int]


@dataclass(eq=False)
class _Gate:
    """A condition for the tokens of a span: `held` [tokens] once the block that it reads has run."""

    when: Condition
    span: Span
    held: Tensor | None = None

    def read(self, hidden: Tensor) -> None:
        first = self.span.first
        its = hidden[first : first + len(self.span.token_ids)].float()
        reading = projection(its, self.when.probe.vector).squeeze(1)
        if self.when.measure == "cosine":
            reading = reading / torch.linalg.vector_norm(its, dim=-1).clamp_min(torch.finfo(its.dtype).tiny)
        self.held = reading > self.when.threshold if self.when.above else reading < self.when.threshold


@dataclass
class _Part:
    """An intervention of a span in an action: the tokens that it is for, by their number in the span."""

    intervention: RowIntervention
    span: Span
    numbers: Sequence[int]
    gate: _Gate | None

    @property
    def run(self) -> slice | None:
        """Where in the pass its tokens lie, if they lie side by side."""
        first, last = self.numbers[0], self.numbers[-1]
        if last - first + 1 != len(self.numbers):
            return None
        return slice(self.span.first + first, self.span.first + last + 1)

    def held(self) -> Tensor:
        """Whether each token is to be changed, [tokens, 1]; notes what its condition said."""
        if self.gate is None:
            return torch.ones(len(self.numbers), 1, dtype=torch.bool)
        assert self.gate.held is not None
        held = self.gate.held[list(self.numbers)]
        places = [self.span.start + number for number in self.numbers]
        self.intervention.held.update(zip(places, held.tolist(), strict=True))
        return held.unsqueeze(1)


@dataclass
class _Action:
    """What is done at once after a block: one operation, with each token's own parameters."""

    parts: list[_Part] = field(default_factory=list)

    def apply(self, operation: str, hidden: Tensor) -> None:
        change = OPERATIONS[operation].change
        if len(self.parts) == 1 and (run := self.parts[0].run):
            its = hidden[run]
            its.add_(self._gated(change(its, *self.parts[0].intervention.parameters)).to(hidden.dtype))
            return
        tokens = [part.span.first + number for part in self.parts for number in part.numbers]
        where = torch.tensor(tokens, device=hidden.device)
        counts = [len(part.numbers) for part in self.parts]
        each = zip(*(part.intervention.parameters for part in self.parts), strict=True)
        made = [
            torch.cat([one.expand(count, *one.shape[1:]) for one, count in zip(ones, counts, strict=True)])
            for ones in each
        ]
        # Each token stands once in an action, so the order of the additions cannot matter.
        changed = self._gated(change(hidden[where], *made))
        hidden.index_add_(0, where, changed.to(hidden.dtype))  # some keep their residual in float32

    def _gated(self, change: Tensor) -> Tensor:
        if not any(part.gate for part in self.parts):
            return change
        return change.where(torch.cat([part.held() for part in self.parts]).to(change.device), 0.0)


class SteeringPlan:
    """Which tokens of one pass are steered after which block, and by what."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._actions: dict[int, dict[tuple[int, str], _Action]] = {}
        self._gates: dict[int, list[_Gate]] = {}
        for span in spans:
            if span.steering:
                self._add(span)
        self._missing = {*self._actions, *self._gates}

    def _add(self, span: Span) -> None:
        gates: dict[int, _Gate] = {}
        interventions = span.steering.interventions
        for each, chosen in zip(interventions, span.steering.chosen(span.token_ids, span.start), strict=True):
            numbers = range(len(span.token_ids)) if chosen is None else chosen.nonzero()[0].tolist()
            if not len(numbers):
                continue
            gate = None
            if (when := each.when) and not (gate := gates.get(id(when))):
                gate = gates[id(when)] = _Gate(when, span)
                self._gates.setdefault(when.probe.layer, []).append(gate)
            actions = self._actions.setdefault(each.layer, {})
            action = actions.setdefault((each.step, each.operation), _Action())
            action.parts.append(_Part(each, span, numbers, gate))

    def touches(self, layer: int) -> bool:
        """Whether a token is steered after a block, or read to decide whether it is."""
        return layer in self._actions or layer in self._gates

    def apply(self, layer: int, hidden: Tensor) -> Tensor:
        """Steer the output [tokens, d_model] of a block in place, and return it."""
        for gate in self._gates.get(layer, ()):
            gate.read(hidden)
        for (_, operation), action in sorted(self._actions.get(layer, {}).items()):
            if (width := action.parts[0].intervention.width) != hidden.shape[-1]:
                raise SteeringNotApplied(
                    f"block {layer} returned width {hidden.shape[-1]}, the steering has {width}"
                )
            action.apply(operation, hidden)
        self._missing.discard(layer)
        return hidden

    def check(self) -> None:
        """Raise SteeringNotApplied unless every block that had to be steered was."""
        if self._missing:
            raise SteeringNotApplied(
                f"the forward pass did not steer layers {sorted(self._missing)}; discard its output"
            )
