"""What a chat request may hold: what means nothing here is refused, unless it asks for nothing.

Clients send fields of OpenAI's that they do not use with the value that changes nothing.
"""

from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    WithJsonSchema,
    model_validator,
)

from services.bodies import Body
from services.serving.steering import SteeringRequest
from services.texts import Text

MOST_MESSAGES = 256
MOST_ANSWERS = 16


def _asks_for_nothing(value: JsonValue) -> None:
    if value:
        raise ValueError("it is not done here; leave it out")


_Unused = Annotated[
    JsonValue, AfterValidator(_asks_for_nothing), WithJsonSchema({"enum": [False, 0, "", [], {}]})
]
"""A field of OpenAI's that has no meaning here, and so may only come empty."""


class TextPart(Body):
    """A part of a message; only text is read."""

    type: Literal["text"]
    text: Text


def _joined(content: object) -> object:
    """Parts of text as one text."""
    if isinstance(content, list):
        return "".join(TextPart.model_validate(part).text for part in content)
    return content


class ChatMessage(Body):
    """One turn. One of the model's may be handed back with all that its answer came with."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[Text, BeforeValidator(_joined, json_schema_input_type=str | list[TextPart])]
    name: Text | None = None
    refusal: _Unused = None
    annotations: _Unused = None
    audio: _Unused = None
    function_call: _Unused = None
    tool_calls: _Unused = None


class StreamOptions(Body):
    """What a stream tells beside the text."""

    include_usage: bool = False
    include_obfuscation: _Unused = None


class PlainText(Body):
    """The answer may be anything."""

    type: Literal["text"]


class JsonObject(Body):
    """The answer is a JSON object."""

    type: Literal["json_object"]


class NamedSchema(Body):
    """A JSON schema. It is held to whether it is `strict` or not; name and description are the client's."""

    name: Annotated[Text, Field(max_length=64)]
    description: Text | None = None
    schema_: Annotated[dict[str, JsonValue], Field(alias="schema", default_factory=dict)]
    strict: bool = True


class JsonSchema(Body):
    """The answer is JSON of a schema."""

    type: Literal["json_schema"]
    json_schema: NamedSchema


ResponseFormat = Annotated[PlainText | JsonObject | JsonSchema, Field(discriminator="type")]
_Grammar = Annotated[Text, Field(min_length=1, max_length=65_536)]
_Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
_TokenId = Annotated[str, Field(pattern=r"^[0-9]{1,9}$")]
_Bias = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]


_Stop = Annotated[Text, Field(min_length=1, max_length=256)]
_Stops = Annotated[list[_Stop], Field(max_length=4)]


def _listed(stop: object) -> object:
    return [stop] if isinstance(stop, str) else stop


class ChatRequest(Body):
    """The body of POST /v1/chat/completions: OpenAI's fields that have a meaning here, `steering`, and what
    the answer has to be beyond them: matching a `regex`, or of a `grammar` in llguidance's dialect of Lark.

    Those from `modalities` on are taken where they ask for nothing.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "smollm2-135m",
                    "messages": [{"role": "user", "content": "What does an off-by-one error do?"}],
                    "max_tokens": 32,
                    "steering": {"domain": "bug_analysis", "alpha": 20.0},
                }
            ]
        }
    )

    model: Text
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MOST_MESSAGES)]
    steering: SteeringRequest | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    stop: Annotated[_Stops, BeforeValidator(_listed, json_schema_input_type=_Stop | _Stops)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**53)] | None = None
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] = 0
    frequency_penalty: _Penalty = 0.0
    presence_penalty: _Penalty = 0.0
    logit_bias: Annotated[dict[_TokenId, _Bias], Field(max_length=300, default_factory=dict)]
    response_format: ResponseFormat | None = None
    regex: _Grammar | None = None
    grammar: _Grammar | None = None
    n: Annotated[int, Field(ge=1, le=MOST_ANSWERS)] = 1
    user: Annotated[Text, Field(max_length=256)] | None = None

    modalities: list[Literal["text"]] | None = None
    audio: _Unused = None
    prediction: _Unused = None
    tools: _Unused = None
    tool_choice: Literal["none", "auto"] | None = None
    parallel_tool_calls: bool | None = None
    functions: _Unused = None
    function_call: Literal["none", "auto"] | None = None
    service_tier: Literal["auto", "default"] | None = None
    store: _Unused = None
    metadata: _Unused = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.top_logprobs and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs: true")
        formed = self.response_format is not None and self.response_format.type != "text"
        if formed + (self.regex is not None) + (self.grammar is not None) > 1:
            raise ValueError("of response_format, regex and grammar only one says what the answer has to be")
        return self

    @property
    def answer_tokens(self) -> int | None:
        """The most new tokens that were asked for."""
        return self.max_completion_tokens or self.max_tokens
