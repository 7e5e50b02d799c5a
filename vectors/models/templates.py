"""Chat templates: a conversation → the text that a model was trained on, as transformers renders it.

The template comes with the model and is code of strangers: it runs in Jinja's sandbox, sees nothing but plain
data, and may not touch what is Python's own. The names and filters are those that templates are written for.
What a template writes depends on the messages alone: one that writes today's date writes DAY.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Template, TemplateError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

DAY = datetime(2026, 1, 1, 12)
"""The moment that every template takes for now, so that a prompt is the same whatever the day."""
THINKING = ("enable_thinking", "thinking")
"""The variables by which templates are told whether to have the model think."""


def render(
    template: str,
    messages: Sequence[Mapping[str, object]],
    *,
    answer: bool,
    variables: Mapping[str, str],
    tools: Sequence[Mapping[str, object]] = (),
) -> str:
    """Render a conversation, up to the beginning of the next answer if `answer`, with thinking off.

    `tools` are what the model may call, for a template that knows them, and `variables` the special tokens by
    role. Raises jinja2's TemplateError for what the template refuses.
    """
    return _compiled(template).render(
        messages=[dict(message) for message in messages],
        tools=[dict(tool) for tool in tools] or None,
        documents=None,
        add_generation_prompt=answer,
        **dict.fromkeys(THINKING, False),
        **variables,
    )


@cache
def names_in(template: str) -> frozenset[str]:
    """The variables and functions that a template asks for; none where it is no template."""
    environment = _environment()
    environment.globals.clear()  # else what they hold would not be told
    try:
        return frozenset(meta.find_undeclared_variables(environment.parse(template)))
    except TemplateError:
        return frozenset()


@cache
def _compiled(template: str) -> Template:
    return _environment().from_string(template)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals |= {
        "raise_exception": _raise_exception,
        "strftime_now": DAY.strftime,
        "dict": _Dict(),
        "namespace": _Namespace,
    }
    return environment


class _Generation(Extension):
    """`{% generation %}…{% endgeneration %}` marks answers for training; here it is what stands inside."""

    tags = {"generation"}  # noqa: RUF012 - as in Jinja

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


class _Dict:
    """`dict(…)` without the attributes of Python's type."""

    def __call__(self, *args: Iterable[tuple[str, object]], **kwargs: object) -> dict[str, object]:
        return dict(*args, **kwargs)

    def fromkeys(self, keys: Iterable[str], value: object = None) -> dict[str, object]:
        return dict.fromkeys(keys, value)


class _Namespace(Namespace):
    """`namespace(…)` whose names cannot begin with an underscore, which would reach Python's own."""

    def __init__(*args: Any, **kwargs: Any) -> None:  # so that `namespace(self=…)` works, as Jinja's does
        self, positional = args[0], args[1:]
        values = dict(*positional, **kwargs)
        for name in values:
            _refuse_private(name)
        Namespace.__init__(self, values)

    def __setitem__(self, name: str, value: object) -> None:
        _refuse_private(name)
        super().__setitem__(name, value)


def _refuse_private(name: object) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a chat template may not set {name!r}")


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _tojson(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's own would write `<` as \\u003c."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )
