"""One prompt answered in several columns, one of them unsteered: what `orchestrate arena` shows.

All columns are rows of one batch of the engine and draw the same random numbers, so that the steering alone
makes the difference.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from orchestrator.chat import Prepared, Question, layers_in, prepare, refuse_misfit
from orchestrator.column_differences import Answered, Difference, differences
from orchestrator.errors import ConfigError
from orchestrator.settings import Settings
from vectors.progress import Progress

if TYPE_CHECKING:  # what cannot be answered is refused before torch is imported
    from orchestrator.session import Session

BASELINE = "baseline"
MOST_COLUMNS = 6
MOST_NAME_CHARS = 80
DEFAULT = {"1x": "bug_analysis", "2.5x": "2.5x·bug_analysis"}
"""The columns beside the baseline where none are given: a domain's vector, with one dose and with more."""

OnColumn = Callable[[str, str], None]
"""Called on the engine's thread with a column's name and the text that its new token has made certain."""


@dataclass(frozen=True)
class Columns:
    """What is asked, and what steers each column beside the baseline, by its name.

    Raises ConfigError for columns that cannot be told apart, too many, and what no model could answer.
    """

    questions: dict[str, Question]

    @classmethod
    def of(cls, prompt: str, steerings: Sequence[tuple[str, str]], **sampling: object) -> "Columns":
        """The same prompt under each of the named steerings (docs/steering.md)."""
        given = list(steerings) or list(DEFAULT.items())
        names = [name for name, _ in given]
        if len(names) >= MOST_COLUMNS:
            raise ConfigError(f"{len(names)} columns beside the baseline: at most {MOST_COLUMNS - 1}")
        for name in names:
            if names.count(name) > 1 or name == BASELINE:
                raise ConfigError(f"two columns are called {name!r}: give each a name of its own")
            if not name.isprintable() or not name.strip() or len(name) > MOST_NAME_CHARS:
                raise ConfigError(
                    f"a column's name is 1 to {MOST_NAME_CHARS} printable characters, not {name[:100]!r}"
                )
        questions = {}
        for name, steering in given:
            question = Question(prompt, steer=steering, **sampling)  # type: ignore[arg-type]
            _ = question.terms  # which says what is wrong with them
            questions[name] = question
        return cls(questions)

    @property
    def one(self) -> Question:
        """Any of them: prompt and sampling are those of all."""
        return next(iter(self.questions.values()))


@dataclass(frozen=True)
class ColumnShown:
    """A column's answer. `steering` is the text of what steered it, "" for the baseline, whose last two are
    None; `divergence_bits` is the mean of KL(steered‖unsteered) over its tokens.
    """

    name: str
    steering: str
    text: str
    new_tokens: int
    finish_reason: str
    divergence_bits: float | None
    difference: Difference | None


@dataclass(frozen=True)
class Shown:
    """All columns, the baseline first. Seconds count from asking, with the model loaded."""

    columns: tuple[ColumnShown, ...]
    first_token_s: float
    seconds: float

    @property
    def tokens_per_s(self) -> float:
        """New tokens of all columns per second."""
        return sum(column.new_tokens for column in self.columns) / self.seconds


def refuse(settings: Settings, columns: Columns, progress: Progress) -> None:
    """Refuse what the model cannot do, before it is loaded; raises as `chat.refuse_misfit`."""
    highest = max(
        columns.questions.values(),
        key=lambda each: max((layer for term in each.terms for layer in layers_in(term)), default=0),
    )
    for question in {id(each): each for each in (highest, *columns.questions.values())}.values():
        refuse_misfit(settings, question, progress)


def answer(session: "Session", columns: Columns, on_text: OnColumn) -> Shown:
    """Answer all columns in one batch. Raises what preparing and a generation raise."""
    from vectors.engine.requests import GenerationRequest
    from vectors.engine.sampling import Sampling

    one = columns.one
    prepared: dict[str, Prepared | None] = {BASELINE: None}
    prepared |= {name: prepare(session, question) for name, question in columns.questions.items()}
    prompt = next(each for each in prepared.values() if each is not None).prompt_ids
    sampling = Sampling(
        max_new_tokens=one.tokens,
        temperature=one.temperature,
        seed=one.seed,
        stop=session.model.chat.stops,
    )
    first: list[float] = []

    def row(name: str, found: Prepared | None) -> GenerationRequest:
        def on_token(piece: str) -> None:
            if not first:
                first.append(time.perf_counter())
            on_text(name, piece)

        if found is None:
            return GenerationRequest(prompt, (), sampling, on_token)
        return GenerationRequest(
            prompt, found.steering, sampling, on_token, turns=found.turns, divergence=True
        )

    rows = [row(name, found) for name, found in prepared.items()]
    started = time.perf_counter()
    generations = [ticket.result() for ticket in session.engine.submit_all(rows)]
    seconds = time.perf_counter() - started
    compared = differences(
        session.engine,
        session.model.tokenizer,
        rows,
        [Answered(each.text, each.token_ids) for each in generations],
        0,
    )
    shown = [
        ColumnShown(
            name,
            found.said if found else "",
            generation.text,
            generation.new_tokens,
            generation.finish_reason,
            fmean(generation.divergences) if generation.divergences else None,
            difference,
        )
        for (name, found), generation, difference in zip(prepared.items(), generations, compared, strict=True)
    ]
    return Shown(tuple(shown), first[0] - started if first else seconds, seconds)
