"""What a benchmark reports: every row's ratio with its spread, both sides' own rates, and the machine."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TypedDict

from vectors.bench.machine import Machine
from vectors.bench.table import RowSpec


@dataclass(frozen=True)
class Agreement:
    """Requests of both sides, compared token by token; the comparison is empty unless steering did something.

    rows and same_tokens count over all repetitions, steered_rows and changed_by_steering over the first.
    """

    rows: int
    same_tokens: int
    steered_rows: int
    changed_by_steering: int


@dataclass(frozen=True)
class RowResult:
    """One row. `ratios` has one value for each repetition, of what was measured in that very repetition.

    The rates are medians: new tokens per second, of prompt tokens for the prefill. A row that could not be
    measured has no ratios and says why in `absent`.
    """

    spec: RowSpec
    ratios: tuple[float, ...] = ()
    ours_tokens_per_s: float | None = None
    peer_tokens_per_s: float | None = None
    agreement: Agreement | None = None
    absent: str | None = None

    @property
    def value(self) -> float | None:
        """The median ratio."""
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def spread(self) -> tuple[float, float] | None:
        """The least and the greatest ratio."""
        return (min(self.ratios), max(self.ratios)) if self.ratios else None

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the target; None without either."""
        if self.value is None or self.spec.target is None:
            return None
        return self.value >= self.spec.target

    def document(self) -> dict[str, object]:
        """The row as JSON has it."""
        return {
            "name": self.spec.name,
            "value": _rounded(self.value),
            "target": self.spec.target,
            "met": self.met,
            "n": len(self.ratios),
            "spread": [_rounded(bound) for bound in self.spread] if self.spread else None,
            "workload": self.spec.workload,
            "ours": asdict(self.spec.ours) | {"tokens_per_s": _rounded(self.ours_tokens_per_s)},
            "peer": asdict(self.spec.peer) | {"tokens_per_s": _rounded(self.peer_tokens_per_s)},
            "agreement": asdict(self.agreement) if self.agreement else None,
            "absent": self.absent,
        }


class ModelFacts(TypedDict):
    """What identifies the model, and how many bytes of weights a token of it reads."""

    name: str
    id: str
    revision: str
    digest: str
    best_dtype: str
    weight_bytes_per_token: int
    dense_weight_bytes_per_token: int


@dataclass(frozen=True)
class Report:
    """A run of the benchmark on one machine and one model."""

    machine: Machine
    model: ModelFacts
    rows: Sequence[RowResult]
    interrupted: bool = False

    def document(self) -> dict[str, object]:
        """The report as JSON has it."""
        return {
            "machine": asdict(self.machine) | {"busy": self.machine.busy},
            "model": dict(self.model),
            "interrupted": self.interrupted,
            "rows": [row.document() for row in self.rows],
        }


def _rounded(value: float | None) -> float | None:
    """Four significant digits: more would only be noise."""
    return None if value is None else float(f"{value:.4g}")
