"""How every command explains itself: options in named sections, and two examples that work.

Sections are looked up by a flag's name, so that a flag stands in the same section of every command.
"""

from collections.abc import Sequence
from typing import Any

import click

SECTIONS = {
    "Task": (
        "dataset repos domains per-domain limit shots examples instances one-line repo problem commit subdir"
    ),
    "Model and steering": (
        "model vectors vector variant domain layer layers alpha alphas share shares steer positions "
        "column styles operation mode weights method token system tokens budget temperature samples "
        "seed seeds"
    ),
    "Search and repair": (
        "rag widen few-shot edits retries issue-tokens context-tokens step-chars answer-tokens region-lines"
    ),
    "Measuring": (
        "regime metric n texts prompts reports shuffled-labels shots chat include "
        "scoring rotations batch rows repeats against busy speed install-peers backend gold top "
        "text brown depth certify as-original strategies variants budgets learn multiples "
        "export of source keyword count stride search address "
        "architecture k l1 width context epochs learning-rate features contexts"
    ),
    "Running": (
        "run-tests test-command python environment grade executor workers threads timeout fresh http host "
        "port data store"
    ),
    "Key": "name operator",
    "Output": "publish apply branch format out figure verdicts json verbose version help",
}
"""The flags under each heading, in the order of the headings; within one, a command's own order holds."""

OTHER = "Other options"
_VERBOSE = "orchestrate.verbose"


def log_level(context: click.Context | None) -> str | None:
    """The level that -v and -vv ask for, before or after the command; None where neither was given."""
    count = context.find_root().meta.get(_VERBOSE, 0) if context else 0
    return ("info", "debug")[min(count, 2) - 1] if count else None


def _more(context: click.Context, _option: click.Parameter, count: int) -> None:
    meta = context.find_root().meta
    meta[_VERBOSE] = meta.get(_VERBOSE, 0) + count


class Command(click.Command):
    """A command whose help has sections and ends with `examples`; it takes -v."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)
        more = "Log what goes on to stderr; -vv in detail."
        self.params.append(
            click.Option(["-v", "--verbose"], count=True, expose_value=False, callback=_more, help=more)
        )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under their headings."""
        records: dict[str, list[tuple[str, str]]] = {title: [] for title in (*SECTIONS, OTHER)}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx)
            if record and not isinstance(option, click.Argument):
                records[section_of(option)].append(record)
        for title, rows in records.items():
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        del ctx
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{example}\n")


class Group(Command, click.Group):
    """A group whose commands are of that kind, and stand before its own options."""

    command_class = Command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, then the options."""
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)


def section_of(option: click.Parameter) -> str:
    """The heading that an option stands under; OTHER for one that nobody put anywhere."""
    flag = max(option.opts, key=len).removeprefix("--")
    return next((title for title, flags in SECTIONS.items() if flag in flags.split()), OTHER)
