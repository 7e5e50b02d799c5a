"""code_reading: reads the issue alone and names what it points to; its findings can widen the query."""

from langgraph.runtime import Runtime

from orchestrator.events import NodeStarted
from orchestrator.task.nodes.asking import ask, fitted
from orchestrator.task.prompts import STOPS, node_prompt
from orchestrator.task.state import State, Tools
from vectors.engine.sampling import Sampling


async def code_reading(state: State, runtime: Runtime[Tools]) -> State:
    """Ask which files and symbols the issue points to; the prompt never holds retrieved code."""
    del state
    tools = runtime.context
    runtime.stream_writer(NodeStarted(node="code_reading"))
    sampling = Sampling(tools.config.answer_tokens, seed=tools.config.seed, stop=STOPS["code_reading"])
    question = fitted(
        tools, [sampling], lambda issue, _: node_prompt("code_reading", issue, examples=tools.examples)
    )
    answer = await ask(runtime, "code_reading", question, [sampling])
    findings = (question.prompt.prefix + answer.generations[0].text).strip()
    return {"findings": findings[: tools.config.step_chars], "nodes": [answer.record.model_dump(mode="json")]}
