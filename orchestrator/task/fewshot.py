"""Worked examples for --few-shot: whole small repairs of our own, told in each node's own output form.

A task is shown those nearest to its issue, by BM25 over the examples' issues: the corpus is so small,
that it is ranked anew each time, by the library.
"""

from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, TypeAdapter, field_validator

from orchestrator.errors import ConfigError
from orchestrator.policy.decisions import Domain
from retrieval.tokens import count_terms


class Example(BaseModel):
    """One repair: its issue, the code that was looked at, the region, and what each node should answer.

    The data file keeps code as a list of lines, so that a person can read and edit it there.
    """

    model_config = ConfigDict(frozen=True)

    issue: str
    place: str
    context: str
    region: str
    answers: dict[Domain, str]

    @field_validator("issue", "context", "region", mode="before")
    @classmethod
    def _text(cls, value: str | list[str]) -> str:
        return value if isinstance(value, str) else "\n".join(value)

    @field_validator("answers", mode="before")
    @classmethod
    def _texts(cls, value: dict[Domain, str | list[str]]) -> dict[Domain, str]:
        return {node: cls._text(answer) for node, answer in value.items()}

    def answer(self, node: Domain) -> str:
        """The answer in the node's own form."""
        return self.answers[node]


@cache
def available() -> tuple[Example, ...]:
    """Every worked example, in the file's order."""
    data = files("orchestrator.task").joinpath("repairs.json").read_bytes()
    return tuple(TypeAdapter(list[Example]).validate_json(data))


def refuse_too_many(count: int) -> None:
    """Raise ConfigError where there are fewer worked examples than are asked for."""
    if count > len(available()):
        raise ConfigError(
            f"--few-shot {count}: there are {len(available())} worked examples; ask for at most that many"
        )


def nearest(issue: str, count: int) -> tuple[Example, ...]:
    """The `count` worked examples nearest to an issue, the nearest first.

    Examples of one score, and those that share nothing with the issue (a score of zero or below), keep the
    file's order, so that the choice is the same each time. Raises ConfigError as `refuse_too_many` does.
    """
    refuse_too_many(count)
    if not count:
        return ()
    from rank_bm25 import BM25Okapi

    there = available()
    scores = BM25Okapi([_terms(each.issue) for each in there]).get_scores(_terms(issue))
    order = sorted(range(len(there)), key=lambda number: -max(float(scores[number]), 0.0))
    return tuple(there[number] for number in order[:count])


def _terms(text: str) -> list[str]:
    return list(count_terms(text).elements())
