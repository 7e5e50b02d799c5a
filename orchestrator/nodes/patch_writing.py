"""patch_writing: the model rewrites one bounded region; the system turns each rewrite into a diff.

Models of this size fail at writing diffs and hold rewrites, so the model never sees or writes a line number:
a candidate that becomes a patch applies and parses by construction.
"""

from typing import Any

from langgraph.runtime import Runtime

from orchestrator import events
from orchestrator.nodes.common import ask, shown_context
from orchestrator.prompts import STOPS, NodePrompt, Rewrite, node_prompt, trim_issue
from orchestrator.regions import Target
from orchestrator.state import State, Tools
from swebench.diffs import unified_diff
from swebench.edits import EditRejected, Region, apply_replacement
from vectors.engine import Generation
from vectors.sampling import Sampling

TEMPERATURES = {"statement": (0.5, 1.5), "body": (0.3, 1.0)}
"""Of an attempt's samples after the first, which is greedy. A single statement is mostly repeated below 1."""
MAX_NEW_TOKENS = 768
STATEMENT_TOKENS = 64


async def patch_writing(state: State, runtime: Runtime[Tools]) -> State:
    """Write this attempt's candidates: several samplings of one region, another at each attempt."""
    tools, attempt = runtime.context, state["attempt"]
    runtime.stream_writer(events.node_started("patch_writing", attempt))
    if not state["regions"]:
        name = tools.artifacts.write_json(f"candidates/{attempt}.json", [])
        return {"candidates": name, "attempt": attempt + 1}
    target = Target(**state["regions"][attempt % len(state["regions"])])
    source = tools.repository.text(tools.commit, target.path)
    prompt, retrieved_tokens = _prompt(state, tools, target, source)
    answer = await ask(
        runtime,
        "patch_writing",
        prompt,
        _samplings(tools, attempt, target, source),
        retrieved_tokens=retrieved_tokens,
        attempt=attempt,
    )
    candidates = [
        {"number": number, "region": target.as_dict(), **_candidate(generation, target, source)}
        for number, generation in enumerate(answer.generations)
    ]
    name = tools.artifacts.write_json(f"candidates/{attempt}.json", candidates)
    return {"candidates": name, "attempt": attempt + 1, "nodes": [answer.record]}


def _prompt(state: State, tools: Tools, target: Target, source: str) -> tuple[NodePrompt, int]:
    """The prompt, and how many of its tokens are code of the repository.

    Without retrieved context the model sees no code, only the signature its answer is made to begin with.
    """
    context, retrieved_tokens = shown_context(state, tools)
    shown = "\n".join(target.shown(source)) if tools.config.rag else ""
    prompt = node_prompt(
        "patch_writing",
        trim_issue(tools.task.problem_statement, tools.config.issue_tokens, tools.model.count_tokens),
        context=context,
        finding=state["analysis"],
        rewrite=Rewrite(target.place, shown, target.opening(source)),
        examples=tools.examples,
    )
    return prompt, retrieved_tokens + (tools.model.count_tokens(shown) if shown else 0)


def _samplings(tools: Tools, attempt: int, target: Target, source: str) -> list[Sampling]:
    region_tokens = tools.model.count_tokens("\n".join(target.shown(source)))
    limit = STATEMENT_TOKENS if target.statement else min(MAX_NEW_TOKENS, region_tokens * 3 // 2 + 64)
    low, high = TEMPERATURES["statement" if target.statement else "body"]
    samples = tools.config.samples
    return [
        Sampling(
            limit,
            temperature=low + (high - low) * number / (samples - 1) if number else 0.0,
            top_p=0.95,
            seed=tools.config.seed + 1000 * attempt + number,
            stop=("\n",) if target.statement else STOPS["patch_writing"],
        )
        for number in range(samples)
    ]


def _candidate(generation: Generation, target: Target, source: str) -> dict[str, Any]:
    """What was written, and its patch or why it has none."""
    opening = target.opening(source)
    written = opening[opening.rfind("\n") + 1 :] + generation.text
    candidate = {"rewrite": written, "patch": "", "verdict": ""}
    if generation.finish_reason == "length":
        return candidate | {"verdict": "truncated"}
    try:
        after = apply_replacement(source, Region(target.path, target.start_line, target.end_line), written)
    except EditRejected as rejected:
        return candidate | {"verdict": rejected.reason}
    return candidate | {"patch": unified_diff(target.path, source, after)}
