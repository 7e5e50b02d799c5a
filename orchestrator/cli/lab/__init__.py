"""`orchestrate lab`: what vectors do to a model. Each command measures and claims nothing."""

from orchestrator.cli.lazy import LazyGroup

_COMMANDS = {
    "Commands": {
        "lens": "Tokens a vector promotes and suppresses at each layer.",
        "sweep": "What a vector does at every layer and α, and its zones.",
        "diversity": "How many different answers a prompt gets, steered and not.",
        "compose": "Several domains at once, against each alone.",
        "demo": "Three tasks in steps: unsteered, one vector, each step its own.",
        "prompts": "Prompts, constraints and steering on requests for a calendar.",
        "tokenizers": "How tokenizers cut times, numbers, code and two languages.",
        "geometry": "Whether models place the domains of MMLU-Pro alike.",
        "transfer": "Whether vectors work in another model by a learned map.",
        "neuronpedia": "Features of Neuronpedia, by keyword and by a vector's cosine.",
        "gsm8k": "Grade-school mathematics, steered and not, with and without examples.",
        "mmlu-pro": "Knowledge of 14 domains by multiple choice, steered and not.",
        "budget": "Answers within a budget of tokens, guided and by plainer ways.",
        "context": "Does steering harm beside retrieved code?",
        "sae": "Sparse autoencoders: train them, look at them, ask them of vectors.",
        "lm-eval": "Any task of lm-evaluation-harness, under several steerings at once.",
        "report": "Experiments side by side, and which of the original's claims hold.",
    }
}

command = LazyGroup(
    "lab",
    package="orchestrator.cli.lab",
    lazy=_COMMANDS,
    examples=(
        "orchestrate lab lens bug_analysis",
        "orchestrate lab sweep code_reading --limit 4",
    ),
    help="Analyse what vectors do to a model: tables, figures and JSON with intervals.",
)
