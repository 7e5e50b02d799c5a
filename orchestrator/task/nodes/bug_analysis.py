"""bug_analysis: reads the issue and the retrieved code, and says where the fault is and what must change."""

from langgraph.runtime import Runtime

from orchestrator.events import NodeStarted
from orchestrator.task.nodes.asking import ask, shown_context
from orchestrator.task.prompts import STOPS, node_prompt, trim_issue
from orchestrator.task.state import State, Tools
from vectors.engine.sampling import Sampling


async def bug_analysis(state: State, runtime: Runtime[Tools]) -> State:
    """Ask for fault, cause and change."""
    tools = runtime.context
    runtime.stream_writer(NodeStarted(node="bug_analysis"))
    context, retrieved_tokens = shown_context(state, tools)
    prompt = node_prompt(
        "bug_analysis",
        trim_issue(tools.task.problem_statement, tools.config.issue_tokens, tools.model.count_tokens),
        context=context,
        finding=state["findings"],
        examples=tools.examples,
    )
    sampling = Sampling(tools.config.answer_tokens, seed=tools.config.seed, stop=STOPS["bug_analysis"])
    answer = await ask(runtime, "bug_analysis", prompt, [sampling], retrieved_tokens=retrieved_tokens)
    analysis = (prompt.prefix + answer.generations[0].text).strip()
    return {"analysis": analysis[: tools.config.step_chars], "nodes": [answer.record.model_dump(mode="json")]}
