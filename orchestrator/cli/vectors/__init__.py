"""`orchestrate vectors`: the laboratory's bench for domain vectors."""

from orchestrator.cli.lazy import LazyGroup

_COMMANDS = {
    "Make": {
        "extract": "Extract vectors of domains from a model.",
        "list": "The vectors in the cache, of every model.",
        "show": "Norms, logit lens and cosines of one vector.",
        "calibrate": "Where a vector helps, certified on texts held out from the search.",
    },
    "Analyse": {
        "lens": "Tokens a vector promotes and suppresses at each layer.",
        "sweep": "What a vector does at every layer and α, and its zones.",
        "diversity": "How many different answers a prompt gets, steered and not.",
        "compose": "Several domains at once, against each alone.",
        "demo": "Three tasks in steps: unsteered, one vector, each step its own.",
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
    help="Extract, list, analyse and compose domain vectors.",
)
