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
from services.chat.readings import Watched
from services.chat.sampled import Completed, Unused
from services.chat.tools import MOST_TOOLS, ToolCall, Tooled
from services.texts import Text

MOST_MESSAGES = 4096
"""The model's context ends most conversations before."""


class TextPart(Body):
    """A part of a message; only text is read."""

    type: Literal["text"]
    text: Text
    prompt_cache_breakpoint: JsonValue = None
    """Changes no answer."""


def _joined(content: object) -> object:
    """Parts of text as one text."""
    if isinstance(content, list):
        return "".join(TextPart.model_validate(part).text for part in content)
    return content


class ChatMessage(Body):
    """One turn. One of the model's may be handed back with all that its answer came with, and needs no
    content if it calls tools; what came of a call is a turn of the role "tool".
    """

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[Text, BeforeValidator(_joined, json_schema_input_type=str | list[TextPart])] = ""
    name: Text | None = None
    tool_calls: Annotated[list[ToolCall], Field(max_length=MOST_TOOLS)] = Field(default_factory=list)
    tool_call_id: Text | None = None
    refusal: Unused = None
    annotations: Unused = None
    audio: Unused = None
    function_call: Unused = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if "content" not in self.model_fields_set and not self.tool_calls:
            raise ValueError("content: it is missing; only a turn that has tool_calls may do without")
        if self.tool_calls and self.role != "assistant":
            raise ValueError("tool_calls: only the assistant calls tools")
        if (self.role == "tool") != (self.tool_call_id is not None):
            raise ValueError('tool_call_id: a turn of the role "tool" has it, and no other')
        return self


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
    schema_: Annotated[dict[str, JsonValue], Field(alias="schema")] = Field(default_factory=dict)
    strict: bool = True


class JsonSchema(Body):
    """The answer is JSON of a schema."""

    type: Literal["json_schema"]
    json_schema: NamedSchema


ResponseFormat = Annotated[PlainText | JsonObject | JsonSchema, Field(discriminator="type")]


def _without_thinking(effort: str) -> str:
    if effort not in ("none", "minimal"):
        raise ValueError('models do not think before they answer here; leave it out, or ask for "none"')
    return effort


def _as_it_comes(verbosity: str) -> str:
    if verbosity != "medium":
        raise ValueError("it is not done here; leave it out, and ask for short or long answers in a message")
    return verbosity


Effort = Annotated[Text, AfterValidator(_without_thinking), WithJsonSchema({"enum": ["none", "minimal"]})]
Verbosity = Annotated[Text, AfterValidator(_as_it_comes), WithJsonSchema({"const": "medium"})]


class ChatRequest(Completed, Tooled, Watched):
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
    prediction: JsonValue = None
    reasoning_effort: Effort | None = None
    verbosity: Verbosity | None = None
    functions: Unused = None
    function_call: Literal["none", "auto"] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.top_logprobs and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs: true")
        if self.forms and self.may_call:
            raise ValueError(
                "response_format, regex and grammar say what all of an answer is, which leaves no room for "
                'calls of tools; leave them out, or set tool_choice to "none"'
            )
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
