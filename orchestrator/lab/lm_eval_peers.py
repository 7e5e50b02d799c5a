"""Our engine beside lm-eval's own models on its own tasks: what `bench lm-eval` does.

Both sides are called through `lm_eval.simple_evaluate` on the same items, in the same run and dtype. Ours
answers under all steerings at once; lm-eval's `hf` and `steered` hold one model each and take one steering
after the other. Either side has worked on the task's first item before it is timed.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from orchestrator.errors import ConfigError
from orchestrator.lab.harness import UNSTEERED, lm_eval
from orchestrator.policy.decisions import Record
from orchestrator.session import Session
from vectors.domains.names import Names
from vectors.domains.resolving import resolved
from vectors.formats.lm_eval import write
from vectors.measuring.journal import Journal
from vectors.models.loading import pull
from vectors.steering.intervention import Intervention, Steering, named
from vectors.steering.positions import ALL
from vectors.steering.reading import terms_of
from vectors.steering.text import written

if TYPE_CHECKING:
    from orchestrator.lab.lm_eval_model import Sample


class Agreement(Record):
    """Of n items, those of which both sides say the same: the text, or the likeliest option. `apart` are the
    others, by item: after how many characters the texts part, or the gap in nats between the two options.
    """

    task: str
    steering: str
    n: int
    equal: int
    apart: dict[int, float]


class HarnessRow(Record):
    """A task with seconds of both sides under all steerings, and the ratio of their items a second.

    Beside the seconds on the wall those of the processor, which other work on the machine hardly changes.
    """

    task: str
    items: int
    steerings: int
    ours_s: float
    theirs_s: float
    ratio: float
    ours_cpu_s: float
    theirs_cpu_s: float
    cpu_ratio: float


class HarnessBench(Record):
    """What was compared, on which model and dtype, with the peer's batch."""

    model: str
    dtype: str
    batch: int
    rows: tuple[HarnessRow, ...]
    agreement: tuple[Agreement, ...]


def beside_lm_eval(
    session: Session,
    tasks: Sequence[str],
    steers: Sequence[str],
    *,
    limit: int | None = None,
    batch: int = 1,
    include: Path | None = None,
) -> HarnessBench:
    """Time both sides on each task, unsteered and under `steers`, and compare what they say.

    `batch` is lm-eval's batch size. Raises ConfigError for a steering that lm-eval cannot do, which adds a
    vector at all positions, and where lm-eval is missing.
    """
    lm_eval()
    from orchestrator.lab.lm_eval_model import SteeredModel, evaluate, peer

    lm, names = session.model, Names(session.vectors, session.model, session.progress)
    steerings: list[Steering] = [(), *(resolved(terms_of(steer), names) for steer in steers)]
    if not all(_adds_everywhere(each) for steering in steerings for each in steering):
        raise ConfigError("lm-eval's model adds vectors at all positions: compare such a steering")
    labels = [UNSTEERED, *(written(named(steering)) for steering in steerings[1:])]
    dtype = str(lm.dtype).removeprefix("torch.")
    folder = pull(session.settings.model, cache=session.settings.cache, progress=session.progress)
    common = {"pretrained": str(folder), "dtype": dtype, "device": "cpu", "batch_size": batch}
    _ = session.engine
    ours_s, theirs_s = (dict.fromkeys(tasks, _Spent()) for _ in range(2))
    ours: dict[tuple[str, str], list[Sample]] = {}
    for task in tasks:
        warm = SteeredModel.of(session, steerings, _begun())
        evaluate(warm, [task], limit=1, include=include)
        model = SteeredModel.of(session, steerings, _begun())
        started = _Spent.now()
        for number, label in enumerate(labels):
            ours[task, label] = evaluate(model.under(number), [task], limit=limit, include=include)[task]
        ours_s[task] = _Spent.now() - started
    agreement: list[Agreement] = []
    for number, (label, steering) in enumerate(zip(labels, steerings, strict=True)):
        session.progress("lm-eval's own models", number, len(steerings))
        with tempfile.NamedTemporaryFile(suffix=".pt") as file:
            Path(file.name).write_bytes(write(steering, lm))
            steered = {"steer_path": file.name} if steering else {}
            model = peer("steered" if steering else "hf", {**common, **steered})
        for task in tasks:
            evaluate(model, [task], limit=1, include=include)
            started = _Spent.now()
            theirs = evaluate(model, [task], limit=limit, include=include)[task]
            theirs_s[task] += _Spent.now() - started
            agreement.append(_compared(task, label, ours[task, label], theirs))
    rows = [
        HarnessRow(
            task=task,
            items=len(ours[task, UNSTEERED]),
            steerings=len(steerings),
            ours_s=round(ours_s[task].wall_s, 2),
            theirs_s=round(theirs_s[task].wall_s, 2),
            ratio=round(theirs_s[task].wall_s / ours_s[task].wall_s, 2),
            ours_cpu_s=round(ours_s[task].cpu_s, 2),
            theirs_cpu_s=round(theirs_s[task].cpu_s, 2),
            cpu_ratio=round(theirs_s[task].cpu_s / ours_s[task].cpu_s, 2),
        )
        for task in tasks
    ]
    return HarnessBench(
        model=lm.model_id, dtype=dtype, batch=batch, rows=tuple(rows), agreement=tuple(agreement)
    )


@dataclass(frozen=True)
class _Spent:
    """Seconds on the wall and of the processor, all threads together."""

    wall_s: float = 0.0
    cpu_s: float = 0.0

    @classmethod
    def now(cls) -> Self:
        return cls(time.perf_counter(), time.process_time())

    def __add__(self, other: "_Spent") -> "_Spent":
        return _Spent(self.wall_s + other.wall_s, self.cpu_s + other.cpu_s)

    def __sub__(self, other: "_Spent") -> "_Spent":
        return _Spent(self.wall_s - other.wall_s, self.cpu_s - other.cpu_s)


def _adds_everywhere(steering: Intervention) -> bool:
    return steering.operation == "add" and steering.positions == ALL and steering.when is None


def _begun() -> Journal:
    journal = Journal()
    journal.begin({})
    return journal


def _compared(task: str, steering: str, ours: Sequence["Sample"], theirs: Sequence["Sample"]) -> Agreement:
    apart: dict[int, float] = {}
    for one, other in zip(ours, theirs, strict=True):
        if one.scores:
            mine, its = (max(range(len(each.scores)), key=each.scores.__getitem__) for each in (one, other))
            if mine != its:
                apart[one.item] = round(other.scores[its] - other.scores[mine], 6)
        elif one.text != other.text:
            alike = takewhile(lambda pair: pair[0] == pair[1], zip(one.text, other.text, strict=False))
            apart[one.item] = sum(1 for _ in alike)
    return Agreement(task=task, steering=steering, n=len(ours), equal=len(ours) - len(apart), apart=apart)
