"""The strength that a vector steers with where nobody says one: the largest that leaves plain text readable.

Neither an α nor a share of a norm does equal damage in two models, so it is measured, for a vector, a layer
and an operation, and kept beside the vector's file with all that was tried. What was measured on another
vector, model or dtype, on other texts or within another budget, is measured again.
"""

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from filelock import FileLock

from vectors.domains.domain_vector import DomainVector
from vectors.engine.engine import Engine
from vectors.errors import SteeringMismatch
from vectors.files import write_atomic
from vectors.measuring.damage import Damage, PlainReading, texts_sha256
from vectors.models.loading import LanguageModel
from vectors.operations import BOUNDS, SHARES
from vectors.progress import Progress, silent
from vectors.statistics.estimates import Estimate

MOST_RATIO = 1.10
"""Of the perplexity of plain text, steered over unsteered."""
MOST_BITS = 0.1
"""D(steered ‖ unsteered) of the next token."""
FORMAT = 1
_MAX_FILE_BYTES = 4 << 20
_FIRST = (0.05, 0.1, 0.2, 0.4)
"""Tried roughly, as shares; each is half of the next."""
_NEAR = (0.78, 0.88, 1.0, 1.13)
"""Tried carefully, as parts of where the rough figures say that the budget ends."""
_MOST = 1000.0
"""Strength: what holds even there breaks nothing."""
_FARTHEST = math.log(8)
_ROUNDS = 4
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tried:
    """A strength and what it does to plain text; `share` as `DomainVector.at_share` has it."""

    alpha: float
    share: float
    damage: Damage

    @property
    def spent(self) -> float:
        """The part of the budget that is used up: at most 1 where it holds."""
        nats = math.log(self.damage.perplexity_ratio.value) / math.log(MOST_RATIO)
        return max(nats, self.damage.kl_bits.value / MOST_BITS)


@dataclass(frozen=True)
class Dose:
    """The largest α tried at which the budget holds, and there and below which it held for all others.

    `alpha` is None for a model that reads no better than by chance, which nothing could damage. perplexity:
    of the texts, unsteered. The hashes and the budget say what it holds for.
    """

    layer: int
    operation: str
    alpha: float | None
    perplexity: float | None
    tried: tuple[Tried, ...]
    vector_sha256: str
    texts_sha256: str
    model_digest: str
    dtype: str
    budget: tuple[float, float] = (MOST_RATIO, MOST_BITS)

    @property
    def at(self) -> Tried | None:
        """What was measured at the dose."""
        return next((each for each in self.tried if each.alpha == self.alpha), None)


class Dosing:
    """Finds doses on one engine, which `opened` gives when the first is needed, and keeps them.

    Safe under concurrent processes and threads. Called with a vector, a layer and an operation it returns α,
    or None where there is nothing to measure.
    """

    def __init__(self, lm: LanguageModel, opened: Callable[[], Engine], progress: Progress = silent) -> None:
        self._lm, self._opened, self._progress = lm, opened, progress
        self._reading: PlainReading | None = None
        self._known: dict[tuple[str, int, str], Dose] = {}

    def __call__(self, vector: DomainVector, layer: int, operation: str, /) -> float | None:
        """The dose's α. Raises SteeringMismatch where no strength keeps within the budget."""
        return self.dose(vector, layer, operation).alpha

    def dose(self, vector: DomainVector, layer: int, operation: str) -> Dose:
        """A dose with its figures: as it is kept beside the vector's file, else measured now and kept there.

        Raises SteeringMismatch as above.
        """
        key = (vector.sha256, layer, operation)
        if key not in self._known:
            self._known[key] = self._kept_or_measured(vector, layer, operation)
        return self._known[key]

    def known(self, vector: DomainVector, layer: int, operation: str) -> Dose | None:
        """A dose that was found before, here or by another process; nothing is measured."""
        key = (vector.sha256, layer, operation)
        if key not in self._known and vector.file is not None:
            found = self._kept(_beside(vector.file), vector).get((layer, operation))
            if found is not None:
                self._known[key] = found
        return self._known.get(key)

    def _kept_or_measured(self, vector: DomainVector, layer: int, operation: str) -> Dose:
        if vector.file is None:
            return self._measured(vector, layer, operation)
        path = _beside(vector.file)
        # First without a lock, which a read-only folder cannot hold.
        if (found := self._kept(path, vector).get((layer, operation))) is not None:
            return found
        with FileLock(f"{path}.lock"):
            kept = self._kept(path, vector)
            if (layer, operation) not in kept:
                if stale := len(_read(path)) - len(kept):
                    _log.warning("%s doses in %s are stale and measured again", stale, path.name)
                kept[layer, operation] = self._measured(vector, layer, operation)
                rows = [asdict(kept[place]) for place in sorted(kept)]
                write_atomic(path, json.dumps({"format": FORMAT, "doses": rows}, indent=1).encode())
        return kept[layer, operation]

    def _kept(self, path: Path, vector: DomainVector) -> dict[tuple[int, str], Dose]:
        """The doses in a file that hold for this very vector on this model; others are measured again."""
        wanted = self._bound(vector)
        return {
            (each.layer, each.operation): each
            for each in _read(path)
            if {name: getattr(each, name) for name in wanted} == wanted
        }

    def _bound(self, vector: DomainVector) -> dict[str, object]:
        return {
            "vector_sha256": vector.sha256,
            "texts_sha256": texts_sha256(),
            "model_digest": self._lm.digest,
            "dtype": str(self._lm.dtype).removeprefix("torch."),
            "budget": (MOST_RATIO, MOST_BITS),
        }

    def _measured(self, vector: DomainVector, layer: int, operation: str) -> Dose:
        if self._reading is None:
            self._reading = PlainReading(self._opened(), self._lm)
        reading = self._reading
        label = f"measuring the dose of {vector.domain} at layer {layer}"
        if operation != "add":
            label += f", {operation}"
        self._progress(label, 0, _ROUNDS)
        tried: tuple[Tried, ...] = ()
        alpha = None
        if not reading.senseless():
            search = _Search(reading, vector, layer, operation)
            found, largest = search.run(lambda done: self._progress(label, done, _ROUNDS))
            tried, alpha = tuple(found), largest.alpha
        self._progress(label, _ROUNDS, _ROUNDS)
        perplexity = reading.perplexity if tried else None
        return Dose(layer, operation, alpha, perplexity, tried, **self._bound(vector))  # type: ignore[arg-type]


class _Search:
    """Narrows down where the budget ends: first a few texts at doubling strengths, then all texts nearby.

    A strength is a share, or one over it for an operation that bounds: the larger, the more it does.
    """

    def __init__(self, reading: PlainReading, vector: DomainVector, layer: int, operation: str) -> None:
        self._reading, self._vector, self._layer, self._operation = reading, vector, layer, operation
        self._most = 1.0 if operation in SHARES else _MOST

    def run(self, told: Callable[[int], None]) -> tuple[list[Tried], Tried]:
        """All that was tried on every text, weakest first, and the strongest up to which the budget held.

        Raises SteeringMismatch where it holds at none.
        """
        end = _end(self._try(_FIRST, rough=True))
        tried: dict[float, Tried] = {}
        for done in range(1, _ROUNDS):
            told(done)
            within = {each.spent <= 1 for each in tried.values()} == {True, False}
            near = [min(self._most, float(f"{end * part:.3g}")) for part in ((1.0,) if within else _NEAR)]
            tried |= self._try([each for each in dict.fromkeys(near) if each not in tried])
            tried = dict(sorted(tried.items()))
            end = _end(tried)
            if within:
                break
        held = list(takewhile(lambda each: each.spent <= 1, tried.values()))
        if not held:
            raise SteeringMismatch(
                f"{self._operation} of {self._vector.domain} at layer {self._layer} has no strength that "
                "leaves plain text readable: say one"
            )
        return list(tried.values()), held[-1]

    def _try(self, strengths: Sequence[float], *, rough: bool = False) -> dict[float, Tried]:
        shares = [1 / each if self._operation in BOUNDS else each for each in strengths]
        steerings = [
            self._vector.intervention(
                self._layer, self._vector.at_share(self._layer, share, self._operation), self._operation
            )
            for share in shares
        ]
        damages = self._reading.damages([(each,) for each in steerings], rough=rough)
        made = zip(strengths, steerings, shares, damages, strict=True)
        return {strength: Tried(each.alpha, share, damage) for strength, each, share, damage in made}


def _end(tried: Mapping[float, Tried]) -> float:
    """Where the budget ends, by what was tried, weakest first: between two of them, or out beyond them.

    What is spent goes about as a power of the strength: of a pair's own, or of 1.5 beyond them.
    """
    points = [(math.log(strength), math.log(max(each.spent, 1e-3))) for strength, each in tried.items()]
    over = next((number for number, (_, spent) in enumerate(points) if spent > 0), None)
    if over is None or over == 0:
        strength, spent = points[0 if over == 0 else -1]
        return math.exp(strength - max(-_FARTHEST, min(_FARTHEST, spent / 1.5)))
    (below, held), (above, broken) = points[over - 1], points[over]
    return math.exp(below + (above - below) * held / (held - broken))


def _beside(file: Path) -> Path:
    """Where the doses of a vector's file are kept."""
    return file.with_name(f"{file.name}.doses.json")


def _read(path: Path) -> list[Dose]:
    """The doses of a file, of whatever they are; none where there is no file, or a damaged one."""
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise ValueError(f"larger than {_MAX_FILE_BYTES:,} bytes")
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            raise ValueError(f"format {found['format']}, expected {FORMAT}")
        return [_dose(row) for row in found["doses"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        _log.warning("%s cannot be used, its doses are measured again: %s", path.name, error)
        return []


def _dose(row: dict[str, Any]) -> Dose:
    tried = tuple(
        Tried(each["alpha"], each["share"], Damage(*(Estimate(**of) for of in each["damage"].values())))
        for each in row["tried"]
    )
    return Dose(**{**row, "tried": tried, "budget": tuple(row["budget"])})
