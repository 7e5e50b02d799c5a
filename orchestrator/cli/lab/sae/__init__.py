"""`orchestrate lab sae`: sparse autoencoders of a model's residual stream."""

from orchestrator.cli.lazy import LazyGroup

_COMMANDS = {
    "Commands": {
        "train": "Train autoencoders of a block from texts of your own.",
        "analyse": "Over how many features vectors are spread, and over which.",
    }
}

command = LazyGroup(
    "sae",
    package="orchestrator.cli.lab.sae",
    lazy=_COMMANDS,
    examples=(
        "orchestrate lab sae train repositories --tokens 500000",
        "orchestrate lab sae train brown repositories --k 16,32,64",
    ),
    help="Train sparse autoencoders, look at them, and ask what they say of vectors.",
)
