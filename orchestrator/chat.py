"""One prompt answered twice by one model, unsteered and steered by a domain's vector: the shortest way to see
what steering does.

Both answers are rows of one batch of the engine and draw the same random numbers, so that the vector alone
makes the difference.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from orchestrator.errors import ConfigError
from orchestrator.settings import Settings
from vectors.domains.own_domains import Domains
from vectors.errors import SteeringMismatch
from vectors.models.outline import outline
from vectors.progress import Progress
from vectors.steering.terms import Span, Strength, Term, Terms, names_in

if TYPE_CHECKING:  # what cannot be answered is refused before torch is imported
    from orchestrator.session import Session
    from vectors.engine.requests import Generation, GenerationRequest
    from vectors.steering.intervention import Steering
    from vectors.steering.positions import Turn

DEFAULT_DOMAIN = "bug_analysis"
FILE = ".safetensors"

Side = Literal["unsteered", "steered"]
OnText = Callable[[Side, str], None]
"""Called on the engine's thread with the text that a side's new token has made certain (perhaps none)."""


@dataclass(frozen=True)
class Question:
    """What is asked, and how it is steered.

    `domain` is one of the project's or of one's own, or a vector file (.safetensors). Without `layer` and
    `alpha`, which is absolute, the vector's own hold. In their place `steer` may say all of it as text (see
    `vectors.steering.reading`). With `budget` both answers are guided to end within so many tokens. Raises
    ConfigError for what no model could answer.
    """

    prompt: str
    domain: str = DEFAULT_DOMAIN
    layer: int | None = None
    alpha: float | None = None
    tokens: int = 96
    temperature: float = 0.0
    seed: int = 0
    system: str = ""
    steer: str = ""
    budget: int | None = None

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise ConfigError("the prompt is empty: ask something")
        try:
            (self.prompt + self.system).encode()
        except UnicodeEncodeError:
            raise ConfigError("the prompt is not valid Unicode: give it as UTF-8") from None
        if self.alpha is not None and not math.isfinite(self.alpha):
            raise ConfigError(f"α is {self.alpha}: expected a finite number")
        if self.steer and (self.layer, self.alpha, self.domain) != (None, None, DEFAULT_DOMAIN):
            raise ConfigError("--steer says vector, layer and strength itself: leave out the others")
        for name in names_in(self.terms):
            if name.endswith(FILE) and not Path(name).is_file():
                raise ConfigError(f"there is no vector file {name}: check the path")

    @cached_property
    def terms(self) -> Terms:
        """What steers. Raises ConfigError for a text that cannot be read."""
        try:
            if self.steer:
                from vectors.steering.reading import terms_of

                return terms_of(self.steer)
            layers = () if self.layer is None else (Span(self.layer, self.layer),)
            strength = Strength() if self.alpha is None else Strength(self.alpha, "alpha")
            return (Term(self.domain, strength=strength, layers=layers),)
        except SteeringMismatch as error:
            raise ConfigError(str(error)) from None


@dataclass(frozen=True, eq=False)
class Prepared:
    """A question with the model opened and the vectors looked up.

    `said` is the steering as text, with absolute strengths, and `shares` are what they are of the residual's
    spread, where that has a meaning.
    """

    question: Question
    prompt_ids: tuple[int, ...]
    turns: "tuple[Turn, ...]"
    steering: "Steering"
    said: str
    shares: tuple[float | None, ...]


@dataclass(frozen=True)
class Answer:
    """One side's text; `finish_reason` is "stop" where the model ended it, "length" where `tokens` did."""

    text: str
    new_tokens: int
    finish_reason: str


@dataclass(frozen=True)
class Comparison:
    """Both answers. Seconds count from asking, with the model loaded; the rate is of both rows together."""

    unsteered: Answer
    steered: Answer
    first_token_s: float
    seconds: float

    @property
    def tokens_per_s(self) -> float:
        """New tokens of both rows per second."""
        return (self.unsteered.new_tokens + self.steered.new_tokens) / self.seconds


def refuse_misfit(settings: Settings, question: Question, progress: Progress) -> None:
    """Refuse what the model cannot do, before it is loaded: a layer that it has not, a prompt too long.

    Raises ConfigError, PromptSetError for an unknown domain, ModelUnavailable where there is no such model.
    """
    for name in names_in(question.terms):
        if not name.endswith(FILE):
            Domains(settings.library).check(name)
    found = outline(settings.model, cache=settings.cache, progress=progress)
    layers, context = found.n_layers, found.context_length
    highest = max((layer for term in question.terms for layer in layers_in(term)), default=0)
    if layers is not None and highest >= layers:
        raise ConfigError(f"layer {highest} does not exist: expected 0 to {layers - 1}")
    text = question.prompt + question.system
    # A token is at least a byte, so most prompts need not be counted.
    if context is None or len(text.encode()) + question.tokens <= context:
        return
    if (count := found.count_tokens(text)) + question.tokens > context:
        raise ConfigError(
            f"the prompt's {count} tokens and {question.tokens} new ones exceed the model's context of "
            f"{context}: shorten the prompt or lower --tokens"
        )


def prepare(session: "Session", question: Question) -> Prepared:
    """Load the model and the vector. Raises VectorFileError, SteeringMismatch, ModelUnavailable and
    UnsupportedModel."""
    from vectors.domains.names import Names
    from vectors.domains.resolving import resolved
    from vectors.models.turns import turns_of
    from vectors.operations import DIRECTIONAL
    from vectors.steering.intervention import named
    from vectors.steering.positions import roles_in
    from vectors.steering.text import written

    model = session.model
    names = Names(session.vectors, model, session.progress)
    steering = resolved(question.terms, names)
    directional = {each.name for each in steering if each.operation in DIRECTIONAL}
    vectors = {name: names.vector(name) for name in directional}
    shares = tuple(
        vectors[each.name].relative_alpha(each) if each.operation in DIRECTIONAL else None
        for each in steering
    )
    turns = [{"role": "system", "content": question.system}] if question.system else []
    turns.append({"role": "user", "content": question.prompt})
    asked = {role for each in steering for role in roles_in(each.positions)}
    where = turns_of(model.chat, turns) if asked else ()
    return Prepared(question, model.chat_ids(turns), where, steering, written(named(steering)), shares)


def answer(session: "Session", prepared: Prepared, on_text: OnText) -> Comparison:
    """Answer unsteered and steered in one batch. Raises InvalidRequest, and what a generation fails with."""
    from vectors.engine.budget import Budget
    from vectors.engine.requests import GenerationRequest
    from vectors.engine.sampling import Sampling

    question = prepared.question
    sampling = Sampling(
        max_new_tokens=question.tokens,
        temperature=question.temperature,
        seed=question.seed,
        stop=session.model.chat.stops,
        budget=Budget(question.budget, session.length_head) if question.budget else None,
    )
    first: list[float] = []

    def request(side: Side, steering: "Steering") -> "GenerationRequest":
        def on_token(piece: str) -> None:
            if not first:
                first.append(time.perf_counter())
            on_text(side, piece)

        return GenerationRequest(prepared.prompt_ids, steering, sampling, on_token, turns=prepared.turns)

    engine, started = session.engine, time.perf_counter()
    both = engine.submit_all([request("unsteered", ()), request("steered", prepared.steering)])
    unsteered, steered = (_answer(ticket.result()) for ticket in both)
    ended = time.perf_counter()
    return Comparison(unsteered, steered, first[0] - started if first else ended - started, ended - started)


def layers_in(term: Term) -> list[int]:
    """The highest layers that a term names."""
    return [span.last for span in term.layers] + ([term.when.probe.layer] if term.when else [])


def _answer(generation: "Generation") -> Answer:
    return Answer(generation.text, generation.new_tokens, generation.finish_reason)
