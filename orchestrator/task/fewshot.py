"""Worked examples for --few-shot: whole small repairs of our own, told in each node's own output form."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from orchestrator.errors import ConfigError
from orchestrator.policy.decisions import Domain


@dataclass(frozen=True)
class Example:
    """One repair: the report, the code that was looked at, the region, and what each node should answer."""

    issue: str
    place: str
    context: str
    region: str
    answers: Mapping[Domain, str]

    def answer(self, node: Domain) -> str:
        """The answer in the node's own form."""
        return self.answers[node]


@cache
def _all() -> tuple[Example, ...]:
    rows: list[dict[str, Any]] = json.loads(
        files("orchestrator.task").joinpath("repairs.json").read_text("utf-8")
    )
    return tuple(Example(**{key: _text(value) for key, value in row.items()}) for row in rows)


def _text(value: Any) -> Any:
    """Code is kept as a list of lines in the data file, so that a person can read and edit it there."""
    if isinstance(value, list):
        return "\n".join(value)
    if isinstance(value, dict):
        return {key: _text(inner) for key, inner in value.items()}
    return value


def examples(count: int) -> tuple[Example, ...]:
    """The first `count` worked examples; ConfigError when there are not so many."""
    available = _all()
    if count > len(available):
        raise ConfigError(
            f"--few-shot {count}: there are {len(available)} worked examples; ask for at most that many"
        )
    return available[:count]
