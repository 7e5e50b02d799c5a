"""How often what must change is found: files and functions of gold patches in the first k of the ranking.

Only this benchmark reads gold patches; the search itself is given the issue and the commit.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.bench.reports import AnyRates, FileRates, Localized, Ranks
from retrieval.definition_hits import DefinitionHit
from retrieval.index import Index
from retrieval.paths import is_test_module
from retrieval.question import Question
from retrieval.search import Retriever, ranking
from retrieval.signals import ask
from swebench.data.tasks import Instance
from swebench.patches.changed import changed_lines
from swebench.patches.gold import Gold, last_rank
from vectors.statistics.documents import percent

CUTOFFS = (1, 3, 5, 10, 50)
DEFINITION_CUTOFFS = (1, 5, 10)
TEST_CUTOFFS = (1, 3, 5)


@dataclass(frozen=True)
class Found:
    """Ranks of one instance, from 1: of the last gold file, of the first gold function and, of the test files
    nearest to the gold patch, of the first that the test patch changes; None if not there.

    `without` has the file rank with each signal left out. `has_function` says whether a gold line lies in any
    function of the checkout, `has_tests` whether the test patch changes a test file of it.
    """

    instance_id: str
    repository: str
    file_rank: int | None
    definition_rank: int | None
    has_function: bool
    test_rank: int | None
    has_tests: bool
    without: Mapping[str, int | None]
    seconds_index: float
    seconds_query: float


def locate(retriever: Retriever, instance: Instance, extra: Sequence[str] = ()) -> Found:
    """Rank the files of an instance's base commit, and look up where the gold patch's stand.

    `extra` is searched for beside the issue.
    """
    task, gold = instance.task, Gold.of(instance.patch)
    result = retriever.search(task.base_commit, task.problem_statement, extra=extra, top_k=max(CUTOFFS))
    index = retriever.index(task.base_commit)
    question = Question.of(task.problem_statement, extra, index.paths, index.modules)
    scaled, weights = ask(retriever.signals, index, question), retriever.weights
    functions = [hit for hit in result.definitions if hit.kind != "class"]
    there = {file.path for file in retriever.repository.files(task.base_commit)}
    changed = changed_lines(instance.test_patch).keys() & there
    tests = {path for path in changed if is_test_module(path)}
    nearest = (
        retriever.nearest_tests.rank(task.base_commit, task.problem_statement, gold.lines) if tests else []
    )
    return Found(
        instance_id=instance.instance_id,
        repository=task.repo,
        file_rank=last_rank([hit.path for hit in result.hits], gold.lines),
        definition_rank=next((rank for rank, hit in enumerate(functions, 1) if _touches(hit, gold)), None),
        has_function=_in_functions(index, gold),
        test_rank=next((rank for rank, path in enumerate(nearest, 1) if path in tests), None),
        has_tests=bool(tests),
        without={
            left_out: last_rank(
                [index.paths[i] for i in ranking(index, scaled, weights | {left_out: 0.0})][: max(CUTOFFS)],
                gold.lines,
            )
            for left_out in weights
        },
        seconds_index=result.seconds_index,
        seconds_query=result.seconds_query,
    )


def report(found: Sequence[Found]) -> Localized:
    """All rates: of all, by repository, without each signal, of functions."""
    by_repository: dict[str, list[Found]] = defaultdict(list)
    for each in found:
        by_repository[each.repository].append(each)
    changed = [each.definition_rank for each in found if each.has_function]
    tests = [each.test_rank for each in found if each.has_tests]
    return Localized(
        **dict(_file_rates([each.file_rank for each in found])),
        index_s=round(float(np.median([each.seconds_index for each in found])), 3),
        query_ms=round(1000 * float(np.median([each.seconds_query for each in found])), 2),
        functions=_any_rates(changed, DEFINITION_CUTOFFS),
        tests=_any_rates(tests, TEST_CUTOFFS),
        repositories={
            name: _file_rates([each.file_rank for each in there])
            for name, there in sorted(by_repository.items())
        },
        without={
            name: _file_rates([each.without[name] for each in found])
            for name in dict.fromkeys(name for each in found for name in each.without)
        },
        ranks={
            each.instance_id: Ranks(
                file=each.file_rank, function=each.definition_rank, test_file=each.test_rank
            )
            for each in found
        },
    )


def _file_rates(ranks: Sequence[int | None]) -> FileRates:
    rates, intervals = _within(ranks, CUTOFFS)
    return FileRates(n=len(ranks), all_gold_at=rates, ci95=intervals)


def _any_rates(ranks: Sequence[int | None], cutoffs: Iterable[int]) -> AnyRates:
    rates, intervals = _within(ranks, cutoffs)
    return AnyRates(n=len(ranks), any_gold_at=rates, ci95=intervals)


def _within(
    ranks: Sequence[int | None], cutoffs: Iterable[int]
) -> tuple[dict[str, float | None], dict[str, list[float]]]:
    """Percentages within each cutoff and their intervals."""
    rates, intervals = {}, {}
    for k in cutoffs:
        found = percent(sum(rank is not None and rank <= k for rank in ranks), len(ranks))
        rates[str(k)], intervals[str(k)] = found["percent"], found["ci95"] or [0.0, 100.0]
    return rates, intervals


def _in_functions(index: Index, gold: Gold) -> bool:
    """Whether the patch changes a line of any function that there is."""
    return any(
        definition.kind != "class" and line in definition
        for path, definitions in zip(index.paths, index.definitions, strict=True)
        for line in gold.lines.get(path, ())
        for definition in definitions
    )


def _touches(hit: DefinitionHit, gold: Gold) -> bool:
    return any(line in hit for line in gold.lines.get(hit.path, ()))
