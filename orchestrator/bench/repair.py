"""How far up the edit that a gold patch makes stands among all edits of the catalogue, and what stands first.

Only this benchmark reads gold patches; the ranking itself is given the issue and the commit.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import unidiff

from orchestrator.bench.reports import OneLine, RankedInstance, Rate, Repaired
from orchestrator.repair.ranking import RankedEdit, Suspect, best
from orchestrator.repair.suspects import suspects
from retrieval.errors import NotText
from retrieval.search import Retriever
from swebench.catalogue import KINDS, Kind
from swebench.data.tasks import Instance
from swebench.patches.gate import refusal
from swebench.patches.gold import Gold
from swebench.patches.source import same_code
from swebench.patches.trees import Scratch
from vectors.engine.engine import Engine
from vectors.models.loading import LanguageModel
from vectors.statistics.documents import percent

CUTOFFS = (1, 10, 100)
FILES = 10
_NEAR = 12  # lines between an edit and a line of the gold patch


@dataclass(frozen=True)
class RankedGold:
    """One instance: whether its files were retrieved, and the ranks, from 1, of the gold patch's place among
    the suspects and of the edit that equals it; None if not there.

    `first` says of the first edit that passes the gate whether it is in a gold file, a gold place and on a
    gold line. `one_line` says that the patch changes one line for one.
    """

    instance_id: str
    repository: str
    one_line: bool
    file_found: bool
    place_rank: int | None
    edit_rank: int | None
    kind: str | None
    n_edits: int
    first: tuple[bool, bool, bool]
    seconds: float


def rank_gold(
    retriever: Retriever,
    instance: Instance,
    model: LanguageModel,
    engine: Engine,
    kinds: Sequence[Kind] = KINDS,
) -> RankedGold:
    """Rank the edits (of these kinds) of an instance's base commit, and look up the one its gold patch makes.

    Raises InvalidTask for a gold patch that cannot be read, CommitMissing, NoPythonFiles.
    """
    started = time.perf_counter()
    task, gold = instance.task, Gold.of(instance.patch)
    found = retriever.search(task.base_commit, task.problem_statement, top_k=FILES)
    sources = {}
    for hit in found.hits:
        try:
            sources[hit.path] = retriever.repository.text(task.base_commit, hit.path)
        except NotText:
            continue
    places = suspects([*found.definitions, *found.modules], sources, task.problem_statement, kinds=kinds)
    ranked = best([_ranked(place, model, engine) for place in places])
    seconds = time.perf_counter() - started
    rank = _edit_rank(ranked, sources, _after(retriever, instance), gold)
    first = next((e for e in ranked if not refusal(sources[e.path], e.edit.apply(sources[e.path]))), None)
    return RankedGold(
        instance_id=instance.instance_id,
        repository=task.repo,
        one_line=is_one_line(instance.patch),
        file_found=gold.lines.keys() <= sources.keys(),
        place_rank=next((n for n, place in enumerate(places, start=1) if _holds(place, gold)), None),
        edit_rank=rank,
        kind=ranked[rank - 1].edit.kind if rank else None,
        n_edits=len(ranked),
        first=_where(first, places, gold) if first else (False, False, False),
        seconds=seconds,
    )


def _ranked(place: Suspect, model: LanguageModel, engine: Engine) -> list[RankedEdit]:
    requests = place.requests(model.encode)
    return place.ranked(requests, [ticket.result() for ticket in engine.submit_all(requests)])


def _after(retriever: Retriever, instance: Instance) -> dict[str, str]:
    """The texts of the files that the gold patch changes, as it leaves them."""
    with Scratch(retriever.repository.git, instance.task.base_commit) as scratch:
        changed = scratch.changes(scratch.base, scratch.apply(instance.patch, scratch.base))
        texts = list(scratch.blobs([change.new_blob for change in changed]))
    return {c.path: text.decode("utf-8", "replace") for c, text in zip(changed, texts, strict=True)}


def _edit_rank(
    ranked: Sequence[RankedEdit], sources: dict[str, str], after: dict[str, str], gold: Gold
) -> int | None:
    if len(after) != 1:
        return None  # no edit changes two files
    ((path, wanted),) = after.items()
    for rank, each in enumerate(ranked, start=1):
        if each.path == path and any(abs(each.line - line) <= _NEAR for line in gold.lines[path]):
            made = each.edit.apply(sources[path])
            if "".join(made.split()) == "".join(wanted.split()) and same_code(made, wanted):
                return rank
    return None


def _holds(place: Suspect, gold: Gold) -> bool:
    return any(
        first <= line <= last for line in gold.lines.get(place.hit.path, ()) for first, last in place.ranges
    )


def _where(edit: RankedEdit, places: Sequence[Suspect], gold: Gold) -> tuple[bool, bool, bool]:
    its = [place for place in places if (place.hit.path, place.hit.name) == (edit.path, edit.function)]
    lines = gold.lines.get(edit.path, frozenset())
    return bool(lines), any(_holds(place, gold) for place in its), edit.line in lines


def is_one_line(patch: str) -> bool:
    """Whether a patch changes one line for one."""
    files = unidiff.PatchSet(patch)
    counts = [(file.added, file.removed) for file in files]
    return counts == [(1, 1)]


def report(found: Sequence[RankedGold]) -> Repaired:
    """The rates of all instances, and of one-line patches."""
    one_line = [each for each in found if each.one_line]
    names = ("file", "function", "line")
    return Repaired(
        n=len(found),
        file_found=_rate([each.file_found for each in found]),
        place_found=_rate([each.place_rank is not None for each in found]),
        first_edit={name: _rate([each.first[place] for each in found]) for place, name in enumerate(names)},
        one_line=OneLine(
            n=len(one_line),
            place_found=_rate([each.place_rank is not None for each in one_line]),
            gold_edit_proposed=_rate([each.edit_rank is not None for each in one_line]),
            gold_edit_at={
                str(k): _rate([each.edit_rank is not None and each.edit_rank <= k for each in one_line])
                for k in CUTOFFS
            },
        ),
        seconds=round(float(np.median([each.seconds for each in found])), 2),
        instances=[
            RankedInstance(
                instance_id=each.instance_id,
                one_line=each.one_line,
                place_rank=each.place_rank,
                edit_rank=each.edit_rank,
                kind=each.kind,
            )
            for each in found
        ],
    )


def _rate(hits: Sequence[bool]) -> Rate:
    return Rate(**percent(sum(hits), len(hits)))
