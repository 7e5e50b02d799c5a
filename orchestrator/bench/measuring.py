"""Retrieval and the ranking of edits measured on a data set: what `bench retrieval` and `bench repair` do."""

import resource
from collections import defaultdict
from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import version
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter

from orchestrator.bench.reports import RepairReport, RetrievalReport
from orchestrator.errors import NothingMeasured
from orchestrator.plugins import load_instances, taking_part
from orchestrator.session import Session
from retrieval.bench import Speed, measure
from retrieval.errors import RetrievalError
from swebench.data.loading import InstanceSet
from swebench.data.tasks import Instance
from swebench.errors import InvalidTask, SwebenchError
from vectors.measuring.journal import Journal

if TYPE_CHECKING:
    from orchestrator.bench.localization import Found
    from orchestrator.bench.repair import RankedGold
    from retrieval.search import Retriever

_SPEED_COMMITS = 40
_Found = TypeVar("_Found")


def measure_retrieval(
    session: Session,
    dataset: str,
    limit: int | None,
    *,
    speed: bool,
    widen: bool,
    journal: Journal | None = None,
) -> RetrievalReport:
    """Rank the files of a data set's instances (the first `limit`) and look up where the gold patches' stand.

    `speed` also measures beside rank-bm25, and `widen` also searches with what the model says of the issues.
    `journal` keeps what is found of each instance, and the speed of each repository.
    Instances whose repository or gold patch cannot be had are in `left_out`; raises NothingMeasured if none
    is left.
    """
    loaded = load_instances(dataset, cache=session.settings.cache, progress=session.progress)
    # These take seconds: wrong input has been told by now.
    from orchestrator.bench.localization import Found, report
    from orchestrator.bench.widening import gains

    by_repository: dict[str, list[Instance]] = defaultdict(list)
    for instance in list(loaded.instances.values())[:limit]:
        by_repository[instance.repo].append(instance)
    journal = journal or Journal()
    asked = [each.instance_id for there in by_repository.values() for each in there]
    facts = ["retrieval", *_determinants(loaded, dataset), asked, speed]
    journal.begin(facts, len(asked) + (len(by_repository) if speed else 0))
    found: list[Found] = []
    located: dict[str, list[Instance]] = defaultdict(list)
    left_out: dict[str, str] = {}
    for name, there in by_repository.items():
        retriever = cache(partial(_retriever, session))
        for done, instance in enumerate(there):
            session.progress(f"locating in {name}", done, len(there))
            try:
                found.append(_kept(journal, Found, partial(_located, retriever, instance)))
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
        speed=[
            _kept(journal, Speed, partial(_speed, session, name, there))
            for name, there in (located.items() if speed else ())
        ],
        left_out=left_out,
    )


def _determinants(loaded: InstanceSet, dataset: str) -> list[object]:
    """What determines the ranks beside the instances that are asked for, as plain data."""
    return [version("steered-orchestrator"), taking_part(dataset), loaded.fingerprint]


def _retriever(session: Session, name: str) -> "Retriever":
    return session.retriever(session.store.open(name))


def _kept(journal: Journal, kind: type[_Found], make: Callable[[], _Found]) -> _Found:
    """What is found of one instance or repository: a unit."""
    adapter = TypeAdapter(kind)
    return adapter.validate_python(journal.once(lambda: adapter.dump_python(make(), mode="json")))


def _located(retriever: Callable[[str], "Retriever"], instance: Instance) -> "Found":
    from orchestrator.bench.localization import locate

    return locate(retriever(instance.repo), instance)


def _ranked(session: Session, retriever: Callable[[str], "Retriever"], instance: Instance) -> "RankedGold":
    from orchestrator.bench.repair import rank_gold

    session.engine.forget()  # so that it comes to the same where instances before it are kept
    return rank_gold(retriever(instance.repo), instance, session.model, session.engine, session.edit_kinds)


def _widened(session: Session, located: dict[str, list[Instance]]) -> "list[Found]":
    from orchestrator.bench.localization import locate
    from orchestrator.bench.widening import findings

    found = []
    for name, there in located.items():
        retriever = _retriever(session, name)
        for instance, said in zip(there, findings(session, there), strict=True):
            found.append(locate(retriever, instance, [said]))
    return found


def _speed(session: Session, name: str, there: list[Instance]) -> Speed:
    commits = [instance.task.base_commit for instance in there[:_SPEED_COMMITS]]
    issues = [instance.task.problem_statement for instance in there]
    return measure(session.store.open(name), commits, issues, session.progress)


def measure_repair(
    session: Session, dataset: str, limit: int | None, *, one_line: bool, journal: Journal | None = None
) -> RepairReport:
    """Rank the edits of a data set's instances (the first `limit`; with `one_line` of those that change one
    line for one) and look up the gold patches'. No test is run. `journal` keeps what is found of each.

    Instances whose repository or gold patch cannot be had are in `left_out`; raises NothingMeasured if none
    is left.
    """
    loaded = load_instances(dataset, cache=session.settings.cache, progress=session.progress)
    # These take seconds: wrong input has been told by now.
    from orchestrator.bench.repair import RankedGold, is_one_line, report
    from vectors.calibration.certificates import of_model

    asked = [each for each in loaded.instances.values() if not one_line or is_one_line(each.patch)][:limit]
    found: list[RankedGold] = []
    left_out: dict[str, str] = {}
    retriever = cache(partial(_retriever, session))
    journal = journal or Journal()
    ids = [each.instance_id for each in asked]
    journal.begin(["repair", *_determinants(loaded, dataset), *of_model(session.model), ids], len(ids))
    for done, instance in enumerate(asked):
        session.progress("ranking edits", done, len(asked))
        try:
            found.append(_kept(journal, RankedGold, partial(_ranked, session, retriever, instance)))
        except (RetrievalError, SwebenchError) as error:
            left_out[instance.instance_id] = str(error)
    if not found:
        raise NothingMeasured("; ".join(sorted(set(left_out.values()))) or "no instance is asked for")
    return RepairReport(
        dataset=dataset, model=session.settings.model, **dict(report(found)), left_out=left_out
    )
