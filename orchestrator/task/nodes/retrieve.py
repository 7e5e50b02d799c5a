"""retrieve: ranks files and definitions at the base commit, and fits the best of them to the budget.

Without retrieved context (`--no-rag`) the ranking still tells the system where a patch may go, but no line of
the repository is shown to the model.
"""

import asyncio
import time
from typing import Literal

import structlog
from langgraph.runtime import Runtime

from orchestrator.events import NodeFinished, NodeStarted, Retrieved
from orchestrator.records import Check, Step
from orchestrator.task.nodes.asking import progress_of, usable_reproduction
from orchestrator.task.obstacles import obstacle
from orchestrator.task.regions import TARGETS, targets
from orchestrator.task.searching import ranking_of
from orchestrator.task.state import State, Tools
from retrieval.context import build_context
from retrieval.errors import NotHere, NotText
from retrieval.search import NOTHING_SHARED, SearchResult

SHOWN_HITS = 10

log = structlog.get_logger(__name__)


async def retrieve(state: State, runtime: Runtime[Tools]) -> State:
    """Search with the issue, or with the findings too; choose the regions that a patch may rewrite."""
    tools, started = runtime.context, time.perf_counter()
    runtime.stream_writer(NodeStarted(node="retrieve"))
    found = await asyncio.to_thread(
        tools.retriever.search,
        tools.commit,
        tools.task.problem_statement,
        extra=[state["findings"]] if tools.config.widen else (),
        top_k=SHOWN_HITS,
        progress=progress_of(runtime),
    )
    sources = await asyncio.to_thread(_sources, tools, found)
    ranking = ranking_of(found)
    tools.artifacts.write_record("retrieval.json", ranking)
    context = ""
    if tools.config.rag:
        built = build_context(
            found.hits, found.definitions, sources, tools.config.context_tokens, tools.model.count_tokens
        )
        context = tools.artifacts.write("context.md", built.text)
    chosen = targets(found.definitions, sources, tools.task.problem_statement, tools.config.region_lines)
    if not tools.config.rag:
        # A line is reached through those before it, which would be shown code.
        chosen = [target for target in chosen if not target.is_line]
    runtime.stream_writer(Retrieved(hits=ranking.hits, definitions=ranking.definitions))
    seconds = time.perf_counter() - started
    step = Step(name="retrieve", seconds=round(seconds, 3))
    tools.artifacts.write_record("trajectory/retrieve-0.json", step)
    runtime.stream_writer(NodeFinished(node="retrieve", seconds=seconds))
    told: State = {"context": context, "regions": TARGETS.dump_python(chosen, mode="json"), "attempt": 0}
    reason = NOTHING_SHARED if found.nothing_shared else await asyncio.to_thread(_obstacle, tools, found)
    # Where code shows the fault, what it runs says where to look.
    if reason and not await asyncio.to_thread(usable_reproduction, tools):
        return told | {"reason": reason, "patch": "", "check": Check().model_dump(mode="json")}
    return told


def after_retrieve(state: State) -> Literal["bug_analysis", "__end__"]:
    """To the end where nothing was found: a patch of whatever file comes first would be worse than none."""
    return "__end__" if state.get("reason") else "bug_analysis"


def _obstacle(tools: Tools, found: SearchResult) -> str:
    index, hits = tools.retriever.index(tools.commit), [hit.path for hit in found.hits]
    return obstacle(tools.repository, tools.commit, tools.task.problem_statement, index, hits)


def _sources(tools: Tools, found: SearchResult) -> dict[str, str]:
    """The texts of the files that were found, but for those that are not text, or not in this clone."""
    sources = {}
    for hit in found.hits:
        try:
            sources[hit.path] = tools.repository.text(tools.commit, hit.path)
        except (NotText, NotHere) as error:
            log.warning("file passed over", path=hit.path, reason=str(error))
    return sources
