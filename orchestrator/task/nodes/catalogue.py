"""patch_writing's first attempt: the best edits of the catalogue, over all suspicious functions at once.

The model writes nothing here; it is asked how much it prefers each edit to what stands there. For that it
reads the repository's code, so without retrieved context there is no such attempt.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

from langgraph.runtime import Runtime

from orchestrator.events import Decided, NodeFinished
from orchestrator.policy.decisions import PromptContents, SteeringRecord
from orchestrator.records import Candidate, NodeRecord, Ranking
from orchestrator.repair.ranking import RankedEdit, Suspect, best
from orchestrator.repair.suspects import suspects
from orchestrator.task.nodes.asking import generated, steering_for, usable_reproduction
from orchestrator.task.state import State, Tools
from retrieval.definition_hits import DefinitionHit
from retrieval.errors import NotHere, NotText
from retrieval.paths import is_test
from swebench.patches.diffs import unified_diff
from swebench.patches.edits import Region
from swebench.patches.gate import refusal
from swebench.patches.source import encoding_of
from swebench.running.driving import Form

MOST_UNTESTED = 10
"""Candidates where no code is run: the first that applies is handed in, the others show what came next.
Looking at one takes a tenth of a second and more, in which the engine stands still for all other tasks."""
MOST_REPRODUCED = 4000
"""Edits on which the issue's own code is run, best first."""
REPRODUCING_S = 180.0
MOST_TRACED_FILES = 60


async def catalogue_edits(runtime: Runtime[Tools]) -> State:
    """Rank every edit, and make candidates of the best that pass the gate: `edits` where tests can tell them
    apart."""
    tools, started = runtime.context, time.perf_counter()
    sources, found = await asyncio.to_thread(_suspects, tools)
    read_tokens, ranked, steered = await _asked(runtime, found)
    seconds_ranking = time.perf_counter() - started
    promising, not_run = await asyncio.to_thread(_promising, tools, ranked, sources)
    most = tools.config.edits if tools.config.run_tests else min(tools.config.edits, MOST_UNTESTED)
    candidates = await asyncio.to_thread(lambda: list(_candidates(promising, sources, most)))
    seconds = time.perf_counter() - started
    record = NodeRecord(
        name="patch_writing",
        steering=steered,
        retrieved_tokens=read_tokens,
        prompt_tokens=read_tokens,
        new_tokens=0,
        seconds=round(seconds, 3),
    ).model_dump(mode="json")
    runtime.stream_writer(NodeFinished(node="patch_writing", seconds=seconds, prompt_tokens=read_tokens))
    name = tools.artifacts.write_records("candidates/0.json", candidates)
    trajectory = {**record, "seconds_ranking": round(seconds_ranking, 3), "asked": [s.place for s in found]}
    if not_run:
        trajectory["time_bound"] = f"the issue's code ran on {not_run} edits too few in {REPRODUCING_S:g} s"
    tools.artifacts.write_json("trajectory/patch_writing-0.json", trajectory)
    return {"candidates": name, "attempt": 1, "nodes": [record]}


def _suspects(tools: Tools) -> tuple[dict[str, str], list[Suspect]]:
    listed = tools.artifacts.read_record("retrieval.json", Ranking).definitions
    hits = [DefinitionHit(each.name, each.kind, *each.lines, each.path, each.score) for each in listed]
    reproduction = usable_reproduction(tools)
    executed = reproduction.executed if reproduction else None
    known = {file.path for file in tools.repository.files(tools.commit)}
    own = (path for path in executed or () if path in known and not is_test(path))
    traced = list(itertools.islice(own, MOST_TRACED_FILES))
    wanted = dict.fromkeys([*(hit.path for hit in hits), *traced])
    sources: dict[str, str] = {}
    for path in wanted:
        with contextlib.suppress(NotText, NotHere):  # retrieve has said so
            sources[path] = tools.repository.text(tools.commit, path)
    return sources, suspects(hits, sources, tools.task.problem_statement, executed, tools.edit_kinds)


async def _asked(
    runtime: Runtime[Tools], found: list[Suspect]
) -> tuple[int, list[RankedEdit], SteeringRecord]:
    tools = runtime.context
    bare = await asyncio.to_thread(lambda: [suspect.requests(tools.model.encode) for suspect in found])
    tokens = sum(len(each.prompt_ids) + len(each.sampling.forced_ids) for own in bare for each in own)
    contents = PromptContents("patch_writing", tools.model.name, 0, tokens)
    steering, steered = await steering_for(runtime, contents)
    runtime.stream_writer(Decided(node="patch_writing", steering=steered))
    requests = [[replace(request, steering=steering) for request in own] for own in bare]
    answers = iter(await generated(tools, [request for own in requests for request in own]))
    ranked = best(
        [
            suspect.ranked(own, [next(answers) for _ in own])
            for suspect, own in zip(found, requests, strict=True)
        ]
    )
    return tokens, ranked, steered


def _promising(
    tools: Tools, ranked: list[RankedEdit], sources: Mapping[str, str]
) -> tuple[list[RankedEdit], int]:
    """The edits worth a candidate, best first, and how many there was no time to try.

    Where the issue's own code shows the fault, those are the ones that change what it shows, and first those
    that make it show what the issue expects. What became of the others is written down beside them.
    """
    reproduction = usable_reproduction(tools)
    if reproduction is None:
        return ranked, 0
    tried = ranked[:MOST_REPRODUCED]
    encodings = {path: encoding_of(sources[path]) for path in {each.path for each in tried}}
    forms = [Form(each.path, each.edit.changes, encodings[each.path]) for each in tried]
    outcomes = reproduction.outcomes(forms, REPRODUCING_S)
    tools.artifacts.write_json(
        "candidates/0-reproduced.json",
        [
            {"path": each.path, "line": each.line, "kind": each.edit.kind, "score": round(each.score, 4),
             "rewrite": each.edit.text, "reproduction": outcome or "not run"}
            for each, outcome in zip(tried, outcomes, strict=True)
        ],
    )  # fmt: skip
    by_outcome = list(zip(tried, outcomes, strict=True))
    kept = [each for wanted in ("expected", "changed") for each, outcome in by_outcome if outcome == wanted]
    return kept, outcomes.count(None)


def _candidates(ranked: list[RankedEdit], sources: dict[str, str], most: int) -> Iterator[Candidate]:
    """The best edits with their patches; those that the gate refuses come with the reason, uncounted."""
    accepted = 0
    for number, each in enumerate(ranked):
        if accepted == most:
            return
        before = sources[each.path]
        after = each.edit.apply(before)
        verdict = refusal(before, after)
        accepted += not verdict
        yield Candidate(
            number=number,
            region=Region(each.path, each.line, each.line),
            name=each.function,
            kind=each.edit.kind,
            score=round(each.score, 4),
            preference=each.preference,
            rewrite=each.edit.text,
            patch="" if verdict else unified_diff(each.path, before, after),
            verdict=verdict,
        )
