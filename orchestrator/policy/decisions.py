"""The words that policies decide with: what a prompt holds, and an answer with its reason, as a code too.

They cross every room above: events and traces hold them, views, metrics and reports read the codes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

Domain = Literal["code_reading", "bug_analysis", "patch_writing"]
DOMAINS: tuple[Domain, ...] = get_args(Domain)
Regime = Literal["zero-shot", "few-shot", "rag"]
REGIMES: tuple[Regime, ...] = get_args(Regime)


class Code(StrEnum):
    """Why a prompt was steered or not; what else belongs to the reason stands in its sentence."""

    ZERO_SHOT = "zero_shot"
    """Steered: neither worked examples nor retrieved code."""
    EXAMPLES = "examples_in_prompt"
    CONTEXT = "retrieved_context"
    EXAMPLES_AND_CONTEXT = "examples_and_context"
    BASELINE = "baseline"
    """The variant never steers."""
    ALWAYS = "always"
    """The variant always steers."""
    CERTIFIED = "certified"
    NOT_CERTIFIED = "not_certified"
    OTHER_VECTOR = "other_vector"
    """Certified, but not for the vector that is at hand."""
    REQUEST = "request"
    """Whoever asked has said so."""
    OWN_RULE = "own_rule"
    """A plug-in's reason that is none of the others."""
    UNRECORDED = "unrecorded"
    """Written down before reasons had codes."""


class Record(BaseModel):
    """What is told or written down: frozen, and JSON by `model_dump(mode="json")`."""

    model_config = ConfigDict(frozen=True, defer_build=True, json_schema_serialization_defaults_required=True)


class Facts(Record):
    """What showed that steering helps: an effect of `n` paired observations with its 95 % interval."""

    regime: Regime
    metric: str
    n: int
    effect: float
    interval: tuple[float, float]
    p_adjusted: float | None
    vector_sha256: str


@dataclass(frozen=True)
class PromptContents:
    """What a prompt holds beside the task: worked examples (count) and retrieved code (tokens)."""

    domain: Domain
    model: str
    examples: int
    retrieved_tokens: int

    @property
    def regime(self) -> Regime | None:
        """What certificates call such a prompt; None for one that holds both, in which none are made."""
        if self.examples and self.retrieved_tokens:
            return None
        return "few-shot" if self.examples else "rag" if self.retrieved_tokens else "zero-shot"


@dataclass(frozen=True)
class Evidence:
    """A certified setting: where and how strongly a domain's vector steers in a regime, and what showed it.

    alpha is absolute. The operation and the positions are as docs/steering.md writes them. The facts go into
    the trace.
    """

    layer: int
    alpha: float
    facts: Facts
    operation: str = "add"
    positions: str = "all"


Certificates = Mapping[tuple[str, str], Evidence]
"""What is certified, by domain and regime."""


@dataclass(frozen=True)
class Decision:
    """Which vector steers a prompt, or none, and the reason as a code and in words.

    With evidence it steers at the layer and α certified, else at the vector's own defaults.
    """

    vector: Domain | None
    code: Code
    reason: str
    evidence: Evidence | None = None

    @property
    def applied(self) -> bool:
        """Whether the prompt is steered."""
        return self.vector is not None


class SteeringRecord(Record):
    """What was really done to a node's prompt, as it appears in the trace, the artifacts and on the screen.

    `steering` is all of it as text. What follows on `vector` is left out where a run says itself what steers.
    alpha is absolute, in units of the residual stream; relative_alpha is its share of the residual's spread
    at that layer.
    """

    applied: bool
    reason: str
    code: Code = Code.UNRECORDED
    vector: Domain | None = None
    layer: int | None = None
    alpha: float | None = None
    relative_alpha: float | None = None
    mode: str | None = None
    steering: str | None = None
    vector_sha256: str | None = None
    evidence: Facts | None = None
