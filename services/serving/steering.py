"""How a request says what steers its answer, and along what the answer is read."""

from collections.abc import Callable, Sequence
from typing import Annotated, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from services.alternatives import way
from services.bodies import Body
from services.texts import Text
from vectors.errors import SteeringMismatch
from vectors.operations import DIRECTIONAL
from vectors.steering.positions import Positions
from vectors.steering.reading import condition_of, layers_of, positions_of, terms_of
from vectors.steering.terms import Span, Strength, Term

MOST_ASKED = 64
"""Interventions as they are asked for, of which each may be for many layers."""
_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Vector = Annotated[list[_Finite], Field(min_length=1, max_length=65_536)]
_Domain = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
_Layer = Annotated[int, Field(ge=0, lt=10**6)]
_Read = TypeVar("_Read")


def _readable(read: Callable[[str], _Read]) -> Callable[[str], str]:
    """A validator of a text that `read` can read."""

    def checked(text: str) -> str:
        try:
            read(text)
        except SteeringMismatch as error:
            raise ValueError(str(error)) from None
        return text

    return checked


def _known(operation: str) -> str:
    if operation not in DIRECTIONAL:
        raise ValueError(f"expected {' or '.join(DIRECTIONAL)}")
    return operation


_Operation = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": [*DIRECTIONAL]})]
SteeringPositions = Annotated[Text, AfterValidator(_readable(positions_of)), Field(max_length=1_000)]
_Layers = Annotated[Text, AfterValidator(_readable(layers_of)), Field(max_length=1_000)]
_When = Annotated[Text, AfterValidator(_readable(condition_of)), Field(max_length=1_000)]
_Terms = Annotated[
    Text,
    AfterValidator(_readable(terms_of)),
    Field(max_length=10_000, examples=["20%·bug_analysis@16[generated] - 5·code_reading@12..14 even"]),
]


class InterventionRequest(Body):
    """By a domain's vector, or by one that comes with the request, after one block or more.

    Strength is absolute (`alpha`, in units of the residual stream), a share of the residual's spread
    (`relative_alpha`) or a multiple of the vector's own (`dose`). With a `domain`, layer and strength default
    to the vector's; a `vector` [d_model] needs `alpha` and where. `mode` is another name of `operation`;
    `layers`, `positions` and `when` are written as in the text form of a steering.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                way("domain", without=["vector"]),
                way("vector", "layer", "alpha", without=["domain", "layers", "relative_alpha", "dose"]),
                way("vector", "layers", "alpha", without=["domain", "layer", "relative_alpha", "dose"]),
            ]
        },
    )

    domain: _Domain | None = None
    vector: _Vector | None = None
    layer: _Layer | None = None
    layers: _Layers | None = None
    operation: _Operation | None = None
    mode: _Operation | None = None
    alpha: _Finite | None = None
    relative_alpha: _Finite | None = None
    dose: _Finite | None = None
    positions: SteeringPositions = "all"
    when: _When | None = None

    @model_validator(mode="after")
    def _in_one_way(self) -> Self:
        for names in (("layer", "layers"), ("operation", "mode"), ("alpha", "relative_alpha", "dose")):
            if sum(getattr(self, name) is not None for name in names) > 1:
                raise ValueError(f"give only one of {', '.join(names)}")
        if (self.domain is None) == (self.vector is None):
            raise ValueError("name a domain or give a vector, and not both")
        if self.vector is not None and (self.alpha is None or (self.layer is None and self.layers is None)):
            raise ValueError("a vector needs a layer and an alpha")
        return self

    def term(self) -> Term:
        """The same by names; a vector that comes with the request has none."""
        layers = () if self.layers is None else layers_of(self.layers)
        return Term(
            self.domain or "vector",
            self.operation or self.mode or "add",
            self._strength(),
            layers if self.layer is None else (Span(self.layer, self.layer),),
            positions_of(self.positions),
            None if self.when is None else condition_of(self.when),
        )

    def _strength(self) -> Strength:
        if self.alpha is not None:
            return Strength(self.alpha, "alpha")
        if self.relative_alpha is not None:
            return Strength(self.relative_alpha, "share")
        return Strength(1.0 if self.dose is None else self.dose)


def _listed(asked: object) -> object:
    return asked if isinstance(asked, list) or asked is None else [asked]


def positions_in(asked: Sequence[InterventionRequest | str]) -> set[Positions]:
    """The positions that a steering is for."""
    terms = [terms_of(one) if isinstance(one, str) else (one.term(),) for one in asked]
    return {term.positions for each in terms for term in each}


_One = Annotated[
    Annotated[InterventionRequest, Tag("object")] | Annotated[_Terms, Tag("text")],
    Discriminator(lambda asked: "text" if isinstance(asked, str) else "object"),
]
_Several = Annotated[list[_One], Field(max_length=MOST_ASKED)]
SteeringRequest = Annotated[
    Annotated[list[_One], Field(max_length=MOST_ASKED)],
    BeforeValidator(
        _listed, json_schema_input_type=_One | Annotated[list[_One], Field(max_length=MOST_ASKED)]
    ),
]
"""One intervention or several, each as an object or as text; they are done in their order."""


class ProbeRequest(Body):
    """A direction along which the residual is read after a block: a domain's, or one of the request's own."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [way("domain", without=["vector"]), way("vector", without=["domain"])]}
    )

    layer: _Layer
    domain: _Domain | None = None
    vector: _Vector | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.domain is None) == (self.vector is None):
            raise ValueError("name a domain or give a vector, and not both")
        return self
