"""What of the documentation the program itself knows; `make docs` writes it between cog's markers.

Help texts come from the commands, routes from the API's description, settings from their classes, results
from the files in `docs/results/`. `make check` fails where a page says something else.
"""

import ast
import inspect
import json
import re
import textwrap
import tomllib
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

RESULTS = Path(__file__).parent / "results"
_WIDTH = 100


def put(text: str) -> None:
    """Write a part where the marker stands, with an empty line before and after it."""
    import cog  # type: ignore[import-not-found]  # cogapp makes it while it reads a page

    cog.outl(f"\n{text}\n")


def table(columns: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def commands() -> Iterator[tuple[click.Context, click.Command]]:
    """Every command in the context of its group, whose `command_path` is its full name; groups come first."""
    from orchestrator.cli import cli

    def below(name: str, command: click.Command, parent: click.Context | None) -> Iterator[Any]:
        context = click.Context(
            command, info_name=name, parent=parent, terminal_width=_WIDTH, max_content_width=_WIDTH
        )
        yield context, command
        if isinstance(command, click.Group):
            for each in command.list_commands(context):
                found = command.get_command(context, each)
                if found is None:
                    raise LookupError(f"{context.command_path} lists {each}, and does not have it")
                yield from below(each, found, context)

    return below("orchestrate", cli, None)


def command_line() -> str:
    """The help text of every command, under its name."""
    parts = []
    for context, command in commands():
        context.help_option_names = ["-h", "--help"]
        parts.append(f"## {context.command_path}\n\n```\n{command.get_help(context).strip()}\n```")
    return "\n\n".join(parts)


def routes(below: str = "", *, without: str = "") -> str:
    """The routes of the API below an address, with the first line of what each says of itself."""
    from fastapi import FastAPI

    from services.app import ROUTERS

    app = FastAPI()
    for router in ROUTERS:
        app.include_router(router)
    rows = [
        [f"`{method.upper()} {path}`", operation["description"].partition("\n")[0]]
        for path, operations in app.openapi()["paths"].items()
        if path.startswith(below) and not (without and path.startswith(without))
        for method, operation in operations.items()
    ]
    return table(["route", ""], rows)


def events(*kinds: type[BaseModel]) -> str:
    """Events of a stream: what each is called, its fields, and the first sentence it says of itself."""
    rows = []
    for kind in kinds:
        fields = [name for name in kind.model_fields if name != "kind"]
        says = " ".join((kind.__doc__ or "").split()).partition(". ")[0].removesuffix(".")
        rows.append([f"`{kind.model_fields['kind'].default}`", ", ".join(map("`{}`".format, fields)), says])
    return table(["event", "fields", ""], rows)


def settings(model: type[BaseModel], prefix: str = "") -> str:
    """The fields of a settings class: name, what the environment calls it, default, and what it is for."""
    texts = texts_below_fields(model)
    rows = []
    for name, field in model.model_fields.items():
        default = "" if field.default in (None, PydanticUndefined, ()) else f"`{field.default}`"
        says = field.description or texts.get(name, "")
        rows.append([f"`{name}`", *([f"`{prefix}{name.upper()}`"] if prefix else []), default, says])
    return table(["setting", *(["environment"] if prefix else []), "default", ""], rows)


def texts_below_fields(model: type[BaseModel]) -> dict[str, str]:
    """What the string below each field in the source says of it."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, below in pairwise(definition.body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
        ):
            found[field.target.id] = " ".join(str(ast.literal_eval(below.value)).split())
    return found


def layers() -> str:
    """The layers inside each room, from the import contracts."""
    configuration = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8"))
    rows = []
    for contract in configuration["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers" and contract.get("exhaustive"):
            chain = " → ".join(re.sub(r"(\w+)", r"`\1`", layer) for layer in contract["layers"])
            rows.append([f"`{contract['containers'][0]}/`", chain])
    return table(["room", "layers"], rows)


def families() -> str:
    """How many types of causal models are run rightly, in which way, and what is said of the others."""
    found = result("families")
    counts = Counter((outcome, passes) for _, outcome, passes, _ in found["rows"])
    rows = [[outcome, passes, str(n)] for (outcome, passes), n in counts.most_common()]
    batched, joined = (
        ", ".join(name for name, outcome, passes, _ in found["rows"] if outcome == "right" and passes == way)
        for way in ("batched", "joined")
    )
    others = [[name, outcome, said] for name, outcome, _, said in found["rows"] if outcome != "right"]
    parts = [
        table(["outcome", "passes", "types"], rows),
        f"Batched: {batched}.",
        f"Joined: {joined}.",
        table(["type", "outcome", "what is said"], others),
        provenance(found["about"]),
    ]
    return "\n\n".join(parts)


def aliases() -> str:
    """The models that have a short name."""
    from vectors.models.loading import ALIASES

    return table(["`--model`", "model"], [[f"`{name}`", hub] for name, hub in ALIASES.items()])


def gguf_architectures() -> str:
    """The architectures of GGUF files that are read, with the keys that others do not have."""
    from vectors.models.gguf_keys import ARCHITECTURES

    rows, shared = [], ARCHITECTURES["llama"].keys
    for name, architecture in ARCHITECTURES.items():
        own = {key: use for key, use in architecture.keys.items() if shared.get(key) != use}
        texts = [f"`{key}`: {use.says}" for key, use in own.items()]
        rows.append([f"`{name}`", f"`{architecture.model}`", "; ".join(texts)])
    return table(["architecture", "class", "keys of its own"], rows)


def gguf_keys() -> str:
    """The keys that architectures share, and those of the tokenizer and of the file."""
    from vectors.models.gguf_keys import ARCHITECTURES, GENERAL, TOKENIZER

    rows = [[f"`ARCHITECTURE.{key}`", use.says] for key, use in ARCHITECTURES["llama"].keys.items()]
    rows += [[f"`tokenizer.{key}`", use.says] for key, use in TOKENIZER.items()]
    rows += [[f"`{namespace}.*`", says] for namespace, says in GENERAL.items()]
    return table(["key", "what becomes of it"], rows)


def grammar() -> str:
    """The grammar of a steering's text form."""
    text = (Path(__file__).parent.parent / "vectors/steering/language.lark").read_text(encoding="utf-8")
    return f"```\n{text.strip()}\n```"


def operations() -> str:
    """Every operation with its formula and source: the first sentence of its module."""
    from vectors.operations import OPERATIONS

    rows = []
    for name, module in OPERATIONS.items():
        said = " ".join((getattr(module, "__doc__", None) or "").split("\n\n")[0].split())
        rows.append([f"`{name}`", said])
    return table(["operation", "what becomes of a residual h; u = v/‖v‖"], rows)


def percent(hits: int, n: int) -> str:
    """A rate with Wilson's 95 % interval."""
    from vectors.statistics.estimates import rate

    found = rate(hits, n)
    return f"{100 * found.value:.0f} % ({100 * found.low:.0f}–{100 * found.high:.0f})"


def result(name: str) -> dict[str, Any]:
    """A file of docs/results."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text("utf-8"))
    return found


def results(name: str) -> str:
    """The table of a file of results, and below it what made it, on what, and when."""
    found = result(name)
    if "rates" in found:
        rows = [
            [
                each["what"],
                f"{each['hits']} of {each['n']}",
                percent(each["hits"], each["n"]),
                each.get("note", ""),
            ]
            for each in found["rates"]
        ]
        text = table(["", "n", "rate (95 %)", ""], rows)
    elif "columns" in found:
        text = table(found["columns"], found["rows"])
    else:
        text = benchmark_rows(found["rows"])
    return f"{text}\n\n{provenance(found['about'])}"


def own_projects() -> str:
    """Real projects with a planted fault each: how many are resolved by the first try, where what a message
    asks for is given, and after mending; then each project, and what made it."""
    found = result("own_projects")
    projects = found["projects"]
    rows, hits = [], 0
    for by, what in found["tries"].items():
        hits += sum(project["resolved_by"] == by for project in projects)
        rows.append([what, f"{hits} of {len(projects)}", percent(hits, len(projects))])
    columns = ["project", "is", "issue", "first", "then"]
    parts = [
        table(["resolved", "n", "rate (95 %)"], rows),
        table(
            ["project", "layout, build, tests", "issue", "first try", "then"],
            [[project.get(column, "") for column in columns] for project in projects],
        ),
        provenance(found["about"]),
    ]
    return "\n\n".join(parts)


def benchmark_rows(rows: list[dict[str, Any]]) -> str:
    """The rows of `bench engine --json`."""

    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.3g}"

    cells = []
    for row in rows:
        agreement = row["agreement"]
        cells.append(
            [
                f"`{row['name']}`",
                f"{row['value']:.2f}" if row["value"] is not None else f"absent: {row['absent']}",
                "–".join(f"{bound:.2f}" for bound in row["spread"] or []),
                str(row["n"]),
                f"≥ {row['target']:g}" if row["target"] is not None else "",
                {True: "yes", False: "no", None: ""}[row["met"]],
                number(row["ours"]["tokens_per_s"]),
                number(row["peer"]["tokens_per_s"]),
                f"{agreement['same_tokens']} of {agreement['rows']}" if agreement else "",
            ]
        )
    heads = ["row", "median", "least–greatest", "n", "target", "met", "ours, tokens/s", "peer, tokens/s"]
    return table([*heads, "same tokens"], cells)


def provenance(about: dict[str, Any]) -> str:
    """What made a result, in one sentence."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    model = f"{about['model']}; " if about.get("model") else ""
    return f"(`{about['command']}`, {about['date']}: {model}{about['machine']}; {versions}.)"


def headline() -> str:
    """The figures of the README: the few that say most, with n and interval, from the files of results."""
    bundled, real = result("bundled_tasks")["rates"], result("real_tasks")["rates"]
    files = dict(zip(result("retrieval_files")["columns"], result("retrieval_files")["rows"][0], strict=True))
    engine = {row["name"]: row for row in result("engine")["rows"]}
    shuffled = result("shuffled_labels")["rates"][0]

    def rate(row: dict[str, Any]) -> list[str]:
        return [f"{row['hits']} of {row['n']}: {percent(row['hits'], row['n'])}"]

    def ratio(name: str) -> list[str]:
        row = engine[name]
        return [f"{row['value']:.1f} × ({row['spread'][0]:.1f}–{row['spread'][1]:.1f}, n = {row['n']})"]

    files_at_10 = f"{files['@10']} %, n = {files['n']}"
    rows = [
        ["bundled tasks resolved with `--run-tests`", *rate(bundled[0]), "repair"],
        ["the same, nothing run", *rate(bundled[1]), "repair"],
        ["SWE-bench Verified: a patch, that applies and parses", *rate(real[0]), "repair"],
        ["… that touches a gold file", *rate(real[1]), "repair"],
        ["… that resolves the task", *rate(real[4]), "repair"],
        ["all gold files among the first 10, without a model", files_at_10, "retrieval"],
        [
            "16 requests, 16 steerings, to `generate` in turn",
            *ratio("mixed16_vs_sequential_hf"),
            "benchmarks",
        ],
        ["one request, to `generate`, both bfloat16", *ratio("single_vs_hf_bf16"), "benchmarks"],
        ["one request, to llama.cpp", *ratio("single_vs_llamacpp"), "benchmarks"],
        ["vectors of shuffled labels certified", *rate(shuffled), "calibration"],
    ]
    return table(
        ["", "(95 %; ratios: least–greatest)", ""], [[a, b, f"[{c}](docs/{c}.md)"] for a, b, c in rows]
    )
