"""What `evaluate --json` says of a batch: counts, rates with intervals, seconds and tokens, by variant."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.batch.ledger import Ledger
from orchestrator.records import Graded
from vectors.statistics.documents import percent


def summary(
    ledgers: Sequence[Ledger], names: Sequence[str], *, out: Path, executor: str, workers: int, seconds: float
) -> dict[str, Any]:
    """The document for the instances in `names`; `seconds` is the wall time of this call of the command."""
    return {
        "dataset": ledgers[0].run.dataset,
        "n": len(names),
        "out": str(out),
        "executor": executor,
        "workers": workers,
        "seconds": round(seconds, 1),
        "variants": {ledger.run.name: _variant(ledger, names) for ledger in ledgers},
        "failures": [
            {
                "variant": ledger.run.name,
                "instance_id": name,
                "reason": ledger.results[name].reason,
                "artifacts": ledger.results[name].artifacts,
            }
            for ledger in ledgers
            for name in names
            if name in ledger.results and name not in ledger.finished
        ],
    }


def _variant(ledger: Ledger, names: Sequence[str]) -> dict[str, Any]:
    """`seconds` are the tasks' own, added up; a rate is of the finished ones."""
    results = [ledger.results[name] for name in names if name in ledger.results]
    finished = [result for result in results if result.finished]
    patched = sum(result.status == "patched" for result in finished)
    stages: dict[str, float] = {}
    for result in finished:
        for stage, seconds in result.stages.items():
            stages[stage] = round(stages.get(stage, 0.0) + seconds, 1)
    nodes = [node for result in finished for node in result.nodes]
    graded = [result.graded for result in finished if result.graded]
    return {
        "out": str(ledger.run.folder),
        "n": len(results),
        "patched": patched,
        "applies": sum(result.applies for result in finished),
        "parses": sum(result.parses for result in finished),
        "failed": len(results) - len(finished),
        "validity": percent(patched, len(finished)) if finished else None,
        "time_bounds_hit": sum(bool(result.time_bounds) for result in finished),
        "seconds": round(sum(stages.values()), 1),
        "stages": stages,
        "tokens": {
            "prompt": sum(node.prompt_tokens for node in nodes),
            "new": sum(node.new_tokens for node in nodes),
        },
        "resolved": _resolved(graded) if graded else None,
    }


def _resolved(graded: Sequence[Graded]) -> dict[str, Any]:
    counted = [verdict.resolved for verdict in graded if verdict.certified]
    return {"graded": len(graded), **percent(sum(counted), len(counted))}
