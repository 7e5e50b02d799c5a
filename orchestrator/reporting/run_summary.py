"""One run in figures: the harness's own fields first, then ours, every rate with n and interval."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import cast

from orchestrator.records import Graded
from orchestrator.reporting.document import DecisionCount, InstanceRow, RunReport, StageMeans
from orchestrator.reporting.funnel import funnel
from orchestrator.reporting.measures import Measured
from orchestrator.reporting.original import published
from orchestrator.reporting.runs import Run
from vectors.statistics.documents import average, share

CUTOFFS = (1, 3, 5, 10)


def official(run: Run, verdicts: Mapping[str, Graded], asked: Iterable[str]) -> dict[str, object]:
    """The report of the official harness (schema 2) on a run; `asked` are the instances the report is about.

    A patch whose verdict does not count is an error there, as one whose tests could not be run is. One
    without any verdict is in none of the lists of outcomes; `ungraded_ids` below has it. Labels of faults
    that are not the patch's leave it where it is.
    """
    empty = {name for name in run.predictions if not run.patch(name).strip()}
    judged = {name: verdicts[name] for name in run.predictions.keys() - empty if name in verdicts}
    counted = {name: verdict.resolved for name, verdict in judged.items() if verdict.counts}
    lists: dict[str, Collection[str]] = {
        "completed": counted,
        "incomplete": set(asked) - run.predictions.keys(),
        "empty_patch": empty,
        "submitted": run.predictions,
        "resolved": [name for name, resolved in counted.items() if resolved],
        "unresolved": [name for name, resolved in counted.items() if not resolved],
        "error": judged.keys() - counted.keys(),
    }
    labels = {name: verdict.infrastructure for name, verdict in judged.items() if verdict.infrastructure}
    for kind, ending in (("infra_failure", "(environment)"), ("ambiguous_failure", "(ambiguous)")):
        lists[kind] = [name for name, label in labels.items() if label.endswith(ending)]
    counts = (
        *("submitted", "completed", "resolved", "unresolved", "empty_patch", "error"),
        *("infra_failure", "ambiguous_failure"),
    )
    return {
        "total_instances": len(set(asked)),
        **{f"{name}_instances": len(lists[name]) for name in counts},
        **{f"{name}_ids": sorted(names) for name, names in lists.items()},
        "failure_reasons": dict(sorted(labels.items())),
        "schema_version": 2,
        "ungraded_ids": sorted(run.predictions.keys() - empty - verdicts.keys()),
        "uncertified_ids": uncertified(verdicts),
    }


def uncertified(verdicts: Mapping[str, Graded]) -> list[str]:
    """The instances whose verdict does not count, sorted."""
    return sorted(name for name, verdict in verdicts.items() if not verdict.counts)


def summarise(run: Run, measured: Sequence[Measured], uncertified: list[str]) -> RunReport:
    """Our own fields on a run, over the instances that could be measured."""
    variant, rag = run.variant, run.rag
    patched = [each for each in measured if each.loose.valid]
    by_repository: dict[str, list[Measured]] = defaultdict(list)
    for each in measured:
        by_repository[each.repository].append(each)
    return {
        "variant": variant,
        "rag": rag,
        "model": str(run.determinants.get("model", "")),
        "rates": {
            "applies": share(each.applies for each in measured),
            "applies_of_patches": share(each.applies for each in patched),
            "parses": share(each.parses for each in measured),
            "gold_file": share(each.file for each in measured),
            "gold_function": share(each.function for each in measured),
            "gold_line": share(each.line for each in measured),
            "resolved": share(each.resolved for each in measured),
        },
        "retrieval": {str(k): share(_within(each, k) for each in measured) for k in CUTOFFS},
        "repositories": {
            name: {
                "applies": share(each.applies for each in own),
                "gold_file": share(each.file for each in own),
                "resolved": share(each.resolved for each in own),
            }
            for name, own in sorted(by_repository.items())
        },
        "funnel": funnel([each.lost_at for each in measured], [each.resolved for each in measured]),
        "stages": _stages(run, [each.instance_id for each in measured]),
        "policy": _decisions(run),
        "original": {
            "published": published(variant, rag),
            "valid": share(each.loose.valid for each in measured),
            "paths": average(each.loose.paths for each in measured),
            "quality": average(each.loose.quality for each in measured),
        },
        "failures": {each.instance_id: each.failure for each in measured if each.failure},
        "instances": {each.instance_id: cast(InstanceRow, asdict(each)) for each in measured},
        "uncertified_ids": uncertified,
    }


def _within(measured: Measured, k: int) -> bool | None:
    return None if measured.file_rank is None else 0 < measured.file_rank <= k


def _stages(run: Run, names: Sequence[str]) -> list[StageMeans]:
    """By stage: mean seconds, prompt tokens and new tokens of an instance, over those that came to it."""
    seconds, tokens = defaultdict(list), defaultdict(list)
    for name in names:
        trace = run.trace(name)
        for stage, spent in trace.seconds().items():
            seconds[stage].append(spent)
        for stage in {node.name for node in trace.nodes}:
            own = [node for node in trace.nodes if node.name == stage]
            read = sum(node.prompt_tokens for node in own)
            tokens[stage].append((read, sum(node.new_tokens for node in own)))
    order = ("code_reading", "retrieve", "bug_analysis", "patch_writing", "validate")
    return [
        {
            "stage": stage,
            "seconds": average(seconds[stage]),
            "prompt_tokens": average(prompt for prompt, _ in tokens[stage]),
            "new_tokens": average(new for _, new in tokens[stage]),
        }
        for stage in sorted(seconds, key=lambda name: (order.index(name) if name in order else 9, name))
    ]


def _decisions(run: Run) -> list[DecisionCount]:
    """What the policy decided, by node and by the code of the reason."""
    counted = Counter(
        (node.name, node.steering.applied, node.steering.code)
        for name in run.instance_ids
        for node in run.trace(name).nodes
    )
    return [
        {"node": node, "steered": steered, "code": code, "prompts": count}
        for (node, steered, code), count in sorted(counted.items())
    ]
