"""patch_writing: the model rewrites one bounded region; the system turns each rewrite into a diff.

Models of this size fail at writing diffs and hold rewrites, so the model never sees or writes a line number:
a candidate that becomes a patch applies and parses by construction.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from langgraph.runtime import Runtime

from orchestrator.events import NodeStarted
from orchestrator.records import Candidate
from orchestrator.task.nodes.asking import Question, ask, fitted, shown_context
from orchestrator.task.nodes.catalogue import catalogue_edits
from orchestrator.task.prompts import STOPS, NodePrompt, Rewrite, node_prompt
from orchestrator.task.regions import TARGETS, Target
from orchestrator.task.state import State, Tools
from swebench.patches.diffs import unified_diff
from swebench.patches.edits import EditRejected, apply_replacement
from swebench.patches.gate import refusal
from vectors.engine.requests import Generation
from vectors.engine.sampling import Sampling

LOWEST, HIGHEST = 0.3, 1.0
"""Temperatures of a body's samples after the first, which is greedy."""
MAX_NEW_TOKENS = 512
MAX_DEVIATIONS = 32
LINE_TOKENS = 48
"""New tokens of a line beyond those of the original."""


async def patch_writing(state: State, runtime: Runtime[Tools]) -> State:
    """Write this attempt's candidates: several samplings of one region, another at each attempt.

    What was written more often comes first, and then what the model finds likelier.
    """
    tools, attempt = runtime.context, state["attempt"]
    runtime.stream_writer(NodeStarted(node="patch_writing", attempt=attempt))
    with_catalogue = tools.config.rag and tools.config.edits > 0
    if with_catalogue and attempt == 0:
        return await catalogue_edits(runtime)
    if not state["regions"]:
        name = tools.artifacts.write_records(f"candidates/{attempt}.json", [])
        return {"candidates": name, "attempt": attempt + 1}
    turn = attempt - with_catalogue
    regions = TARGETS.validate_python(state["regions"])
    target = regions[turn % len(regions)]
    source = tools.repository.text(tools.commit, target.path)
    samplings = (
        _deviations(tools, target, source) if target.is_line else _samples(tools, attempt, target, source)
    )
    question = _question(state, tools, target, source, samplings)
    answer = await ask(runtime, "patch_writing", question, samplings, attempt=attempt)
    scores = _deviation_scores if target.is_line else _mean_logprobs
    scored = list(zip(answer.generations, scores(samplings, answer.generations), strict=True))
    candidates = await asyncio.to_thread(
        lambda: [_candidate(generation, score, target, source) for generation, score in scored]
    )
    votes = Counter(candidate.patch for candidate in candidates if candidate.patch)
    candidates.sort(key=lambda each: (-votes[each.patch], -each.score))
    numbered = [each.model_copy(update={"number": number}) for number, each in enumerate(candidates)]
    name = tools.artifacts.write_records(f"candidates/{attempt}.json", numbered)
    return {"candidates": name, "attempt": attempt + 1, "nodes": [answer.record.model_dump(mode="json")]}


def _question(
    state: State, tools: Tools, target: Target, source: str, samplings: Sequence[Sampling]
) -> Question:
    """What the model is asked.

    Without retrieved context the model sees no code, only the signature its answer is made to begin with.
    """
    shown = "\n".join(target.shown(source)) if tools.config.rag else ""
    rewrite = Rewrite(target.place, shown, target.opening(source))

    def build(issue: str, context: str) -> NodePrompt:
        analysis, examples = state["analysis"], tools.examples
        return node_prompt(
            "patch_writing", issue, context=context, finding=analysis, rewrite=rewrite, examples=examples
        )

    question = fitted(tools, samplings, build, shown_context(state, tools))
    own = tools.model.count_tokens(shown) if shown else 0
    return replace(question, retrieved_tokens=question.retrieved_tokens + own)


def _samples(tools: Tools, attempt: int, target: Target, source: str) -> list[Sampling]:
    """Whole rewrites of a body, from greedy to temperature HIGHEST."""
    region_tokens = tools.model.count_tokens("\n".join(target.shown(source)))
    samples = tools.config.samples
    return [
        Sampling(
            min(MAX_NEW_TOKENS, region_tokens * 5 // 4 + 48),
            temperature=LOWEST + (HIGHEST - LOWEST) * number / (samples - 1) if number else 0.0,
            top_p=0.95,
            seed=tools.config.seed + 1000 * attempt + number,
            stop=STOPS["patch_writing"],
            logprobs=True,
        )
        for number in range(samples)
    ]


def _deviations(tools: Tools, target: Target, source: str) -> list[Sampling]:
    """What else the model would have written in the place of each token of a line.

    A model that has just read a line repeats it, at any sensible temperature. So each candidate is made to
    repeat the line up to one of its tokens and to leave it there, with the likeliest other token.
    """
    line = "\n".join(target.shown(source)) + "\n"
    line = line[len(target.opening(source)) :].split("\n", 1)[0] + "\n"
    original = tools.model.encode(line, begins=False)
    step = -(-len(original) // MAX_DEVIATIONS)
    return [
        Sampling(
            len(original) + LINE_TOKENS,
            stop=("\n",),
            forced_ids=tuple(original[:place]),
            banned_id=original[place],
            logprobs=True,
        )
        for place in reversed(range(len(original) - 1, -1, -step))
    ]


def _mean_logprobs(_: Sequence[Sampling], generations: Sequence[Generation]) -> list[float]:
    """How likely the model finds what it wrote, in nats per token."""
    return [sum(each.logprobs) / max(len(each.logprobs), 1) for each in generations]


def _deviation_scores(samplings: Sequence[Sampling], generations: Sequence[Generation]) -> list[float]:
    """The log-probability of each deviation's first own token over that of the original one.

    The deviations further on have repeated the original token; the last place has no such neighbour and is
    compared with certainty.
    """
    furthest = samplings[-1].forced_ids
    scores = []
    for sampling, generation in zip(samplings, generations, strict=True):
        place = len(sampling.forced_ids)
        repeated = generations[-1].logprobs[place] if place < len(furthest) else 0.0
        scores.append(generation.logprobs[place] - repeated)
    return scores


def _candidate(generation: Generation, score: float, target: Target, source: str) -> Candidate:
    """What was written, and its patch or why it has none."""
    opening = target.opening(source)
    written = opening[opening.rfind("\n") + 1 :] + generation.text
    patch, verdict = "", ""
    if generation.finish_reason == "length":
        verdict = "truncated"
    else:
        try:
            after = apply_replacement(source, target.region, written)
            verdict = refusal(source, after)
            patch = "" if verdict else unified_diff(target.path, source, after)
        except EditRejected as rejected:
            verdict = rejected.reason
    return Candidate(
        region=target.region,
        name=target.name,
        score=round(score, 4),
        rewrite=written,
        patch=patch,
        verdict=verdict,
    )
