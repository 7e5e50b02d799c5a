"""`orchestrate vectors`: domain vectors, from extraction to other tools' files."""

from orchestrator.cli.lazy import LazyGroup

_COMMANDS = {
    "Make": {
        "extract": "Extract vectors of domains from a model.",
        "list": "The vectors in the cache, of every model.",
        "show": "Norms, logit lens and cosines of one vector.",
        "dose": "How strongly one may steer before plain text becomes unreadable.",
        "transfer": "Make a vector of one model one of another.",
        "calibrate": "Where a vector helps, certified on texts held out from the search.",
    },
    "Exchange": {
        "export": "Write a vector for llama.cpp, lm-eval, repeng or steering-vectors.",
        "import": "Read a vector that another tool wrote.",
    },
}

command = LazyGroup(
    "vectors",
    package="orchestrator.cli.vectors",
    lazy=_COMMANDS,
    examples=(
        "orchestrate vectors show bug_analysis",
        "orchestrate vectors export bug_analysis --format gguf --layer all --out bug_analysis.gguf",
    ),
    moved={name: f"lab {name}" for name in ("sweep", "diversity", "lens", "compose", "demo")},
    help="Extract, list, calibrate, export and import domain vectors.",
)
