"""What a chat request may hold: what means nothing here is refused, unless it asks for nothing.

Clients send fields of OpenAI's that they do not use with the value that changes nothing.
"""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from services.bodies import Body
from services.chat.sampled import Sampled, Unused
from services.texts import Text

MOST_MESSAGES = 256


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
    refusal: Unused = None
    annotations: Unused = None
    audio: Unused = None
    function_call: Unused = None
    tool_calls: Unused = None


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


class ChatRequest(Sampled):
    """The body of POST /v1/chat/completions.

    Fields from `modalities` on are taken where they ask for nothing.
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

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MOST_MESSAGES)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] = 0
    response_format: ResponseFormat | None = None

    modalities: list[Literal["text"]] | None = None
    audio: Unused = None
    prediction: Unused = None
    tools: Unused = None
    tool_choice: Literal["none", "auto"] | None = None
    parallel_tool_calls: bool | None = None
    functions: Unused = None
    function_call: Literal["none", "auto"] | None = None
    service_tier: Literal["auto", "default"] | None = None
    store: Unused = None
    metadata: Unused = None

    @model_validator(mode="after")
    def _scores_what_it_names(self) -> Self:
        if self.top_logprobs and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs: true")
        return self

    @property
    def forms(self) -> int:
        """How many fields say what the answer has to be."""
        formatted = self.response_format is not None and self.response_format.type != "text"
        return super().forms + formatted

    @property
    def answer_tokens(self) -> int | None:
        """The most new tokens that were asked for."""
        return self.max_completion_tokens or self.max_tokens
