"""Retrieval and the ranking of edits measured on a data set: what `bench retrieval` and `bench repair` do."""

import resource
from collections import defaultdict
from typing import TYPE_CHECKING

from orchestrator.bench.reports import RepairReport, RetrievalReport
from orchestrator.errors import NothingMeasured
from orchestrator.plugins import load_instances
from orchestrator.session import Session
from retrieval.bench import Speed, measure
from retrieval.errors import RetrievalError
from swebench.data.tasks import Instance
from swebench.errors import InvalidTask, SwebenchError

if TYPE_CHECKING:
    from orchestrator.bench.localization import Found

_SPEED_COMMITS = 40


def measure_retrieval(
    session: Session, dataset: str, limit: int | None, *, speed: bool, widen: bool
) -> RetrievalReport:
    """Rank the files of a data set's instances (the first `limit`) and look up where the gold patches' stand.

    `speed` also measures beside rank-bm25, and `widen` also searches with what the model says of the issues.
    Instances whose repository or gold patch cannot be had are in `left_out`; raises NothingMeasured if none
    is left.
    """
    loaded = load_instances(dataset, cache=session.settings.cache, progress=session.progress)
    # These take seconds: wrong input has been told by now.
    from orchestrator.bench.localization import Found, locate, report
    from orchestrator.bench.widening import gains
    from retrieval.search import Retriever

    by_repository: dict[str, list[Instance]] = defaultdict(list)
    for instance in list(loaded.instances.values())[:limit]:
        by_repository[instance.repo].append(instance)
    found: list[Found] = []
    located: dict[str, list[Instance]] = defaultdict(list)
    left_out: dict[str, str] = {}
    for name, there in by_repository.items():
        retriever: Retriever | None = None
        for done, instance in enumerate(there):
            session.progress(f"locating in {name}", done, len(there))
            try:
                retriever = retriever or session.retriever(session.store.open(name))
                found.append(locate(retriever, instance))
                located[name].append(instance)
            except (RetrievalError, InvalidTask) as error:
                left_out[instance.instance_id] = str(error)
        session.progress(f"locating in {name}", len(there), len(there))
    if not found:
        raise NothingMeasured("; ".join(sorted(set(left_out.values()))) or "the data set is empty")
    widened = _widened(session, located) if widen else None
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # before the peer takes its share
    return RetrievalReport(
        dataset=dataset,
        **dict(report(found)),
        peak_mb=round(peak_kb / 1024),
        widened=gains(found, widened) if widened else None,
        speed=[_speed(session, name, there) for name, there in located.items()] if speed else [],
        left_out=left_out,
    )


def _widened(session: Session, located: dict[str, list[Instance]]) -> "list[Found]":
    from orchestrator.bench.localization import locate
    from orchestrator.bench.widening import findings

    found = []
    for name, there in located.items():
        retriever = session.retriever(session.store.open(name))
        for instance, said in zip(there, findings(session, there), strict=True):
            found.append(locate(retriever, instance, [said]))
    return found


def _speed(session: Session, name: str, there: list[Instance]) -> Speed:
    commits = [instance.task.base_commit for instance in there[:_SPEED_COMMITS]]
    issues = [instance.task.problem_statement for instance in there]
    return measure(session.store.open(name), commits, issues, session.progress)


def measure_repair(session: Session, dataset: str, limit: int | None, *, one_line: bool) -> RepairReport:
    """Rank the edits of a data set's instances (the first `limit`; with `one_line` of those that change one
    line for one) and look up the gold patches'. No test is run.

    Instances whose repository or gold patch cannot be had are in `left_out`; raises NothingMeasured if none
    is left.
    """
    loaded = load_instances(dataset, cache=session.settings.cache, progress=session.progress)
    # These take seconds: wrong input has been told by now.
    from orchestrator.bench.repair import RankedGold, is_one_line, rank_gold, report
    from retrieval.search import Retriever

    asked = [each for each in loaded.instances.values() if not one_line or is_one_line(each.patch)][:limit]
    found: list[RankedGold] = []
    left_out: dict[str, str] = {}
    retrievers: dict[str, Retriever] = {}
    for done, instance in enumerate(asked):
        session.progress("ranking edits", done, len(asked))
        try:
            if instance.repo not in retrievers:
                retrievers[instance.repo] = session.retriever(session.store.open(instance.repo))
            retriever, kinds = retrievers[instance.repo], session.edit_kinds
            found.append(rank_gold(retriever, instance, session.model, session.engine, kinds))
        except (RetrievalError, SwebenchError) as error:
            left_out[instance.instance_id] = str(error)
    if not found:
        raise NothingMeasured("; ".join(sorted(set(left_out.values()))) or "no instance is asked for")
    return RepairReport(
        dataset=dataset, model=session.settings.model, **dict(report(found)), left_out=left_out
    )
