"""`orchestrate bench`: how good and how fast it is, measured beside what else there is."""

from orchestrator.cli.lazy import LazyGroup

_COMMANDS = {
    "Commands": {
        "retrieval": "How often what must change is found, and how fast, beside rank-bm25.",
        "repair": "How far up the edit that a gold patch makes stands among those proposed.",
        "evaluate": "Tasks per hour, many at once beside one by one.",
        "engine": "The steered engine beside transformers and llama.cpp: a table of ratios.",
        "lm-eval": "Tasks of lm-evaluation-harness beside its own models, several steerings at once.",
        "sae": "Training of sparse autoencoders beside SAELens, collection included.",
        "start": "How long the program takes to start, beside another build of it.",
        "serve": "Chats of different steering through a server, at once beside one by one.",
    }
}

command = LazyGroup(
    "bench",
    package="orchestrator.cli.bench",
    lazy=_COMMANDS,
    elsewhere={"serve": "services.cli.bench"},
    examples=("orchestrate bench retrieval", "orchestrate bench engine --repeats 3"),
    help="Measure the retrieval and the ranking of edits, and speed as ratios to peers on this machine.",
)
