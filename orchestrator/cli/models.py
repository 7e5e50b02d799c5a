"""`orchestrate models`: which models there are, where they are found, and what one consists of."""

import sys

import click

from orchestrator.cli import completion, options
from orchestrator.cli.help import Group


@click.group(
    "models",
    cls=Group,
    examples=(
        "orchestrate models list",
        "orchestrate models pull qwen3-0.6b",
    ),
)
def command() -> None:
    """List, fetch and look into language models."""


@command.command(
    "list",
    examples=(
        "orchestrate models list",
        "orchestrate models list --json",
    ),
)
@options.as_json
def list_(as_json: bool) -> None:
    """The known aliases and where each model is found; --model takes any other causal model as well."""
    from orchestrator.cli.output import print_json
    from vectors.models.loading import list_models

    rows = [
        {"alias": row.alias, "id": row.model_id, "found": row.found}
        for row in list_models(options.settings().cache)
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(f"{row['alias']:20} {row['id']:45} {row['found'] or '-'}")


@command.command(
    examples=(
        "orchestrate models pull smollm2-135m",
        "orchestrate models pull HuggingFaceTB/SmolLM2-360M-Instruct",
    ),
)
@click.argument("name", shell_complete=completion.models)
def pull(name: str) -> None:
    """Fetch a model into the cache, so that it loads without a network from then on."""
    from orchestrator.cli.view import view_for
    from vectors.models.loading import pull as fetch

    settings = options.settings()
    with view_for(sys.stderr.isatty(), nodes=()) as view:
        path = fetch(name, cache=settings.cache, progress=view.progress)
    click.echo(path)


@command.command(
    examples=(
        "orchestrate models show smollm2-135m",
        "orchestrate models show ./my-model --json",
    ),
)
@click.argument("name", shell_complete=completion.models)
@options.as_json
def show(name: str, as_json: bool) -> None:
    """Load a model and print what identifies it and its shape."""
    from orchestrator.cli.output import print_json
    from orchestrator.session import Session

    settings = options.settings(model=name)
    options.check_model(settings)
    from vectors.engine.intake import end_of_sequence_ids

    with Session(settings, progress=lambda *_: None) as session:
        model = session.model
        _ = session.engine  # which refuses what it cannot run, as it does for all other commands
    ends = sorted(end_of_sequence_ids(model.model, model.tokenizer))
    facts: dict[str, str | int | None] = {
        "name": model.name,
        "id": model.model_id,
        "revision": model.revision,
        "digest": model.digest,
        "dtype": str(model.dtype).removeprefix("torch."),
        "blocks": model.n_layers,
        "d_model": model.d_model,
        "context_tokens": model.context_length,
        "chat_template": "own" if model.tokenizer.chat_template else "none: headed paragraphs",
        "ends_at": " ".join(str(token) for token in model.tokenizer.tokens(ends)),
    }
    if as_json:
        print_json(facts)
        return
    for key, value in facts.items():
        click.echo(f"{key:15} {value}")
