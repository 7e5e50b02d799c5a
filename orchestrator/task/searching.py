"""The ranking of a task's repository alone: what `retrieve` prints, and other agents ask for."""

from orchestrator.policy.decisions import Record
from orchestrator.records import FoundDefinition, Hit, Ranking
from orchestrator.session import Session
from orchestrator.task.jobs import Job
from retrieval.progress import Progress, silent
from retrieval.search import NOTHING_SHARED, SearchResult


class Seconds(Record):
    """What a search took: making the index of the commit, and asking it."""

    index: float
    query: float


class Searched(Ranking):
    """The best files and definitions for a task, best first; `note` says where their order means nothing."""

    instance_id: str
    seconds: Seconds
    note: str = ""


def search(session: Session, job: Job, top: int, progress: Progress = silent) -> Searched:
    """The `top` best files of a job's repository at its commit. Raises CommitMissing, NoPythonFiles."""
    retriever = session.shared_retriever(job.repository, job.commit)
    found = retriever.search(job.commit, job.task.problem_statement, top_k=top, progress=progress)
    ranking = ranking_of(found)
    return Searched(
        instance_id=job.task.instance_id,
        hits=ranking.hits,
        definitions=ranking.definitions,
        seconds=Seconds(index=round(found.seconds_index, 3), query=round(found.seconds_query, 4)),
        note=NOTHING_SHARED if found.nothing_shared else "",
    )


def ranking_of(found: SearchResult) -> Ranking:
    """What was found, as it is written down."""
    return Ranking(
        hits=[Hit(path=hit.path, score=round(hit.score, 4)) for hit in found.hits],
        definitions=[
            FoundDefinition(
                path=each.path,
                name=each.name,
                kind=each.kind,
                lines=(each.start_line, each.end_line),
                score=round(each.score, 4),
            )
            for each in (*found.definitions, *found.modules)
        ],
    )
