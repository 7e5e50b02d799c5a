"""`orchestrate lab sae`: sparse autoencoders of a model's residual stream."""

from orchestrator.cli.lazy import LazyGroup

_COMMANDS = {
    "Commands": {
        "train": "Train autoencoders of a block from texts of your own.",
        "show": "What autoencoders are, and which tokens their features promote.",
        "analyse": "Over how many features vectors are spread, and over which.",
        "features": "Vectors made of features, each with a certificate.",
        "export": "Write one in Neuronpedia's export format.",
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
