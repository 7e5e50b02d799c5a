"""What every request for an answer may say of how its tokens are chosen, steered and sent."""

from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, WithJsonSchema, model_validator

from services.bodies import Body
from services.serving.steering import SteeringRequest
from services.texts import Text

MOST_ANSWERS = 16


def _asks_for_nothing(value: JsonValue) -> None:
    if value:
        raise ValueError("it is not done here; leave it out")


Unused = Annotated[
    JsonValue, AfterValidator(_asks_for_nothing), WithJsonSchema({"enum": [False, 0, "", [], {}]})
]
"""A field of OpenAI's that has no meaning here, and so may only come empty."""
Label = Annotated[Text, Field(max_length=512)]
"""A client's own name for something, which changes no answer."""


class StreamOptions(Body):
    """What a stream tells beside the text."""

    include_usage: bool = False
    include_obfuscation: Unused = None


_Grammar = Annotated[Text, Field(min_length=1, max_length=65_536)]
_Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
_TokenId = Annotated[str, Field(pattern=r"^[0-9]{1,9}$")]
_Bias = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]
_Stop = Annotated[Text, Field(min_length=1, max_length=256)]
_Stops = Annotated[list[_Stop], Field(max_length=4)]


def _listed(stop: object) -> object:
    return [stop] if isinstance(stop, str) else stop


class Sampled(Body):
    """What every request says: OpenAI's fields, `steering`, and what an answer has to be: matching a `regex`,
    or of a `grammar` in llguidance's dialect of Lark.

    Fields from `user` on change no answer, whatever they say: nothing is stored, and there is one tier.
    """

    model: Text
    steering: SteeringRequest = Field(default_factory=list)
    stream: bool = False
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: Annotated[int, Field(ge=0, lt=2**53)] | None = None
    regex: _Grammar | None = None
    grammar: _Grammar | None = None
    budget: Annotated[int, Field(ge=1)] | None = None

    user: Label | None = None
    safety_identifier: Label | None = None
    service_tier: Label | None = None
    store: bool | None = None
    metadata: Annotated[dict[Label, Label], Field(max_length=16)] | None = None
    prompt_cache_key: Label | None = None
    prompt_cache_retention: Label | None = None
    prompt_cache_options: dict[Label, JsonValue] | None = None

    @property
    def forms(self) -> int:
        """How many fields say what the answer has to be."""
        return (self.regex is not None) + (self.grammar is not None)

    @model_validator(mode="after")
    def _of_one_form(self) -> Self:
        if self.forms > 1:
            raise ValueError("only one field may say what the answer has to be")
        return self


class Completed(Sampled):
    """What a request for completions says as well. Each of `n` answers has the seed after the one before."""

    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    stop: Annotated[_Stops, BeforeValidator(_listed, json_schema_input_type=_Stop | _Stops)] | None = None
    frequency_penalty: _Penalty = 0.0
    presence_penalty: _Penalty = 0.0
    logit_bias: Annotated[dict[_TokenId, _Bias], Field(max_length=300)] = Field(default_factory=dict)
    n: Annotated[int, Field(ge=1, le=MOST_ANSWERS)] = 1

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with its usage."""
        return self.stream_options is not None and self.stream_options.include_usage
