"""`orchestrate bench`: how fast it is, measured beside what else there is."""

from orchestrator.cli.lazy import LazyGroup

_COMMANDS = {
    "engine": "The steered engine beside transformers and llama.cpp: a table of ratios.",
}

command = LazyGroup(
    "bench",
    package="orchestrator.cli.bench",
    lazy=_COMMANDS,
    help="Measure speed as ratios to peers on this machine.",
)
