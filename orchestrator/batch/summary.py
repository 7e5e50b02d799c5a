"""What `evaluate --json` says of a batch: counts, rates with intervals, seconds and tokens, by variant."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.batch.ledger import Ledger
from orchestrator.records import Graded
from vectors.statistics.documents import Percent, percent


@dataclass(frozen=True)
class TokenCounts:
    """Tokens read and written by the model nodes of all finished tasks."""

    prompt: int
    new: int


class Resolved(Percent):
    """How many of the certified instances with a verdict are resolved, of so many that were graded."""

    graded: int


@dataclass(frozen=True)
class VariantSummary:
    """One run of the batch. `seconds` are the tasks' own, added up; a rate is of the finished ones."""

    out: str
    n: int
    patched: int
    applies: int
    parses: int
    failed: int
    validity: Percent | None
    time_bounds_hit: int
    seconds: float
    stages: dict[str, float]
    tokens: TokenCounts
    resolved: Resolved | None


@dataclass(frozen=True)
class Failure:
    """A task that failed, and the folder with what is known of it."""

    variant: str
    instance_id: str
    reason: str
    artifacts: str


@dataclass(frozen=True)
class Summary:
    """The document of a batch of `n` instances; `seconds` is the wall time of this call of the command."""

    dataset: str
    n: int
    out: str
    executor: str
    workers: int
    seconds: float
    variants: dict[str, VariantSummary]
    failures: list[Failure]


def summary(
    ledgers: Sequence[Ledger], names: Sequence[str], *, out: Path, executor: str, workers: int, seconds: float
) -> Summary:
    """The document for the instances in `names`."""
    return Summary(
        dataset=ledgers[0].run.dataset,
        n=len(names),
        out=str(out),
        executor=executor,
        workers=workers,
        seconds=round(seconds, 1),
        variants={ledger.run.name: _variant(ledger, names) for ledger in ledgers},
        failures=[
            Failure(
                variant=ledger.run.name,
                instance_id=name,
                reason=ledger.results[name].reason,
                artifacts=ledger.results[name].artifacts,
            )
            for ledger in ledgers
            for name in names
            if name in ledger.results and name not in ledger.finished
        ],
    )


def _variant(ledger: Ledger, names: Sequence[str]) -> VariantSummary:
    results = [ledger.results[name] for name in names if name in ledger.results]
    finished = [result for result in results if result.finished]
    patched = sum(result.status == "patched" for result in finished)
    stages: dict[str, float] = {}
    for result in finished:
        for stage, seconds in result.stages.items():
            stages[stage] = round(stages.get(stage, 0.0) + seconds, 1)
    nodes = [node for result in finished for node in result.nodes]
    graded = [result.graded for result in finished if result.graded]
    return VariantSummary(
        out=str(ledger.run.folder),
        n=len(results),
        patched=patched,
        applies=sum(result.applies for result in finished),
        parses=sum(result.parses for result in finished),
        failed=len(results) - len(finished),
        validity=percent(patched, len(finished)) if finished else None,
        time_bounds_hit=sum(bool(result.time_bounds) for result in finished),
        seconds=round(sum(stages.values()), 1),
        stages=stages,
        tokens=TokenCounts(
            prompt=sum(node.prompt_tokens for node in nodes), new=sum(node.new_tokens for node in nodes)
        ),
        resolved=_resolved(graded) if graded else None,
    )


def _resolved(graded: Sequence[Graded]) -> Resolved:
    counted = [verdict.resolved for verdict in graded if verdict.counts]
    return {"graded": len(graded), **percent(sum(counted), len(counted))}
