"""`orchestrate vectors`: the laboratory's bench for domain vectors."""

from orchestrator.cli.lazy import LazyGroup

_COMMANDS = {
    "extract": "Extract vectors of domains from a model.",
    "list": "The vectors in the cache, of every model.",
    "show": "Norms, logit lens and cosines of one vector.",
}

command = LazyGroup(
    "vectors",
    package="orchestrator.cli.vectors",
    lazy=_COMMANDS,
    help="Extract, list and look into domain vectors.",
)
