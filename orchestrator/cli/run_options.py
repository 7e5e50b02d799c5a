"""The flags of a run, made from the fields of RunConfig, where name, bounds, default and help are said."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import click
from annotated_types import Ge, Le, Lt
from pydantic.fields import FieldInfo

from orchestrator.policy.variants import VARIANTS, known
from orchestrator.run_config import NO_POLICY, RunConfig, readable

Decorated = Callable[..., Any]


class OursOrPlugin(click.Choice[str]):
    """One of our names, or a plug-in's; those are looked for only when the name is none of ours.

    `known` gives the name back, or raises ValueError that lists all names.
    """

    def __init__(self, ours: Sequence[str], known: Callable[[str], str]) -> None:
        super().__init__(ours)
        self._known = known

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name itself; else wrong use, with all names that there are."""
        try:
            return self._known(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Steering(click.ParamType[str]):
    """A steering as text, which is read where it is given."""

    name = "steering"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text itself; else wrong use, with the place where it cannot be read."""
        try:
            return readable(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def run_options(*, several: Collection[str] = ()) -> Callable[[Decorated], Decorated]:
    """A flag for each field of RunConfig; those in `several` may be given more than once.

    A command gets each value under the field's name, and those in `several` as tuples.
    """

    def decorate(command: Decorated) -> Decorated:
        command = click.option("--policy", hidden=True, callback=_no_policy, expose_value=False)(command)
        for name, field in reversed(RunConfig.model_fields.items()):
            command = _option(name, field, name in several)(command)
        return command

    return decorate


def run_config(flags: Mapping[str, object]) -> RunConfig:
    """The configuration that a command's flags say; other flags are left alone."""
    return RunConfig.model_validate({name: flags[name] for name in RunConfig.model_fields})


def run_configs(flags: Mapping[str, object], several: Iterable[str]) -> list[RunConfig]:
    """Every combination of the values of the flags in `several`, each once, the first of them slowest."""
    found = [{name: flags[name] for name in RunConfig.model_fields}]
    for name in several:
        values = flags[name]
        assert isinstance(values, tuple)
        found = [each | {name: value} for each in found for value in dict.fromkeys(values)]
    return [RunConfig.model_validate(each) for each in found]


def _option(name: str, field: FieldInfo, several: bool) -> Callable[[Decorated], Decorated]:
    flag = name.replace("_", "-")
    help_text = field.description
    default = (field.default,) if several else field.default
    if field.annotation is bool:
        return click.option(
            f"--{flag}/--no-{flag}",
            name,
            default=default,
            multiple=several,
            show_default=True,
            help=help_text,
        )
    kind: click.IntRange | OursOrPlugin | Steering = _bounded(field)
    metavar: str | None = "N"
    if name == "variant":
        kind, metavar = OursOrPlugin(VARIANTS, known), None
    elif name == "steer":
        kind, metavar = Steering(), "STEERING"
    return click.option(
        f"--{flag}",
        name,
        type=kind,
        default=default,
        multiple=several,
        show_default=True,
        metavar=metavar,
        help=help_text,
    )


def _bounded(field: FieldInfo) -> click.IntRange:
    lowest = next((bound.ge for bound in field.metadata if isinstance(bound, Ge)), None)
    highest = next((bound.le for bound in field.metadata if isinstance(bound, Le)), None)
    below = next((bound.lt for bound in field.metadata if isinstance(bound, Lt)), None)
    if below is not None:
        return click.IntRange(lowest, below, max_open=True)  # type: ignore[arg-type]
    return click.IntRange(lowest, highest)  # type: ignore[arg-type]


def _no_policy(_: click.Context, __: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise click.UsageError(NO_POLICY)
