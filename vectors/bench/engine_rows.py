"""Measures the rows: both sides of every ratio in one run, one pass of each in turn, after warming up.

A pass is one side's work on one workload. Passes that several rows need are made once in a repetition, and
a row's ratio is always that of two passes of the same repetition, so that a machine that slows down slows
both sides down.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path

from vectors.bench import machine
from vectors.bench.report import Report, RowResult
from vectors.bench.sides import Pass, Sides
from vectors.bench.table import ROWS, RowSpec, Side, WorkloadName
from vectors.errors import InvalidRequest, PeerUnavailable, UnsupportedModel
from vectors.progress import Progress, silent


def run(
    name: str,
    *,
    cache: Path,
    rows: Sequence[str] = (),
    repeats: int = 5,
    progress: Progress = silent,
) -> Report:
    """Measure the named rows, all without names, on a model; see `load_model` for what raises.

    Rows whose peer is missing, whose precision is none for the model or the processor, or whose prompts
    exceed the model's context, are reported as absent; so are those that an interruption (Ctrl-C) has left
    unmeasured.
    """
    specs = [spec for spec in ROWS if not rows or spec.name in rows]
    with Sides(name, cache, progress) as session:
        described = machine.describe(session.device)  # before anything else makes the machine busy
        results = {spec.name: RowResult(spec, absent="interrupted") for spec in specs}
        interrupted = False
        try:
            for workload in dict.fromkeys(spec.workload for spec in specs):
                chosen = [session.resolved(spec) for spec in specs if spec.workload == workload]
                for result in _measure(session, workload, chosen, repeats, progress):
                    results[result.spec.name] = result
        except KeyboardInterrupt:  # an hour's work is not thrown away
            interrupted = True
        return Report(described, session.model_facts(), list(results.values()), interrupted)


def _measure(
    session: Sides, workload: WorkloadName, specs: Sequence[RowSpec], repeats: int, progress: Progress
) -> list[RowResult]:
    """Measure the rows of one workload together."""
    absent: dict[Side, str] = {}
    sides = list(dict.fromkeys(side for spec in specs for side in (spec.ours, spec.peer)))
    for side in sides:
        try:
            session.warm_up(side, workload)
        except (InvalidRequest, PeerUnavailable, UnsupportedModel) as error:
            absent[side] = str(error)
    present = [side for side in sides if side not in absent]
    passes: dict[Side, list[Pass]] = {side: [] for side in present}
    for repetition in range(repeats):
        turn = repetition % len(present) if present else 0
        for number, side in enumerate(present[turn:] + present[:turn]):
            progress(workload, repetition * len(present) + number, repeats * len(present))
            passes[side].append(session.measure(side, workload, repetition))
    progress(workload, 1, 1)
    results = []
    for spec in specs:
        if reason := absent.get(spec.ours) or absent.get(spec.peer):
            results.append(RowResult(spec, absent=reason))
            continue
        ours, peer = passes[spec.ours], passes[spec.peer]
        results.append(
            RowResult(
                spec,
                tuple(a.tokens_per_s / b.tokens_per_s for a, b in zip(ours, peer, strict=True)),
                statistics.median(each.tokens_per_s for each in ours),
                statistics.median(each.tokens_per_s for each in peer),
                session.agreement(spec, ours, peer) if spec.same_tokens else None,
            )
        )
    return results
