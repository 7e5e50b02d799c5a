"""bug_analysis: reads the issue and the retrieved code, and says where the fault is and what must change."""

from langgraph.runtime import Runtime

from orchestrator.events import NodeStarted
from orchestrator.task.nodes.asking import ask, fitted, shown_context
from orchestrator.task.prompts import STOPS, NodePrompt, node_prompt
from orchestrator.task.state import State, Tools
from vectors.engine.sampling import Sampling


async def bug_analysis(state: State, runtime: Runtime[Tools]) -> State:
    """Ask for fault, cause and change."""
    tools = runtime.context
    runtime.stream_writer(NodeStarted(node="bug_analysis"))
    sampling = Sampling(tools.config.answer_tokens, seed=tools.config.seed, stop=STOPS["bug_analysis"])

    def build(issue: str, context: str) -> NodePrompt:
        findings = state["findings"]
        return node_prompt("bug_analysis", issue, context=context, finding=findings, examples=tools.examples)

    question = fitted(tools, [sampling], build, shown_context(state, tools))
    answer = await ask(runtime, "bug_analysis", question, [sampling])
    analysis = (question.prompt.prefix + answer.generations[0].text).strip()
    return {"analysis": analysis[: tools.config.step_chars], "nodes": [answer.record.model_dump(mode="json")]}
