"""The state machine: code_reading, retrieve, bug_analysis, patch_writing, validate, and one retry edge."""

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from orchestrator.task.nodes.bug_analysis import bug_analysis
from orchestrator.task.nodes.code_reading import code_reading
from orchestrator.task.nodes.patch_writing import patch_writing
from orchestrator.task.nodes.retrieve import after_retrieve, retrieve
from orchestrator.task.nodes.validate import after_validate, validate
from orchestrator.task.state import Input, State, Tools


def build_graph(checkpointer: BaseCheckpointSaver[str]) -> CompiledStateGraph[State, Tools, Input, State]:
    """Compile the graph of one task; add a node here and in `orchestrator/task/nodes`."""
    builder = StateGraph(State, context_schema=Tools, input_schema=Input)
    for node in (code_reading, retrieve, bug_analysis, patch_writing, validate):
        builder.add_node(node.__name__, node)
    builder.add_edge(START, "code_reading")
    builder.add_edge("code_reading", "retrieve")
    builder.add_conditional_edges("retrieve", after_retrieve)
    builder.add_edge("bug_analysis", "patch_writing")
    builder.add_edge("patch_writing", "validate")
    builder.add_conditional_edges("validate", after_validate)
    return builder.compile(checkpointer=checkpointer)
