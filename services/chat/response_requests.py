"""What a request for a response may hold, and the chat that it asks for, as OpenAI's client has them.

Nothing is kept here, `store` or not, so a request brings its whole conversation.
"""

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    WithJsonSchema,
)

from services.bodies import Body
from services.chat.sampled import Label, Sampled, Unused
from services.chat.schemas import (
    MOST_MESSAGES,
    ChatMessage,
    ChatRequest,
    Effort,
    JsonObject,
    JsonSchema,
    NamedSchema,
    PlainText,
    Verbosity,
)
from services.texts import Text

LOGPROBS = "message.output_text.logprobs"


def _kept(value: JsonValue) -> None:
    if value:
        raise ValueError("nothing is kept here to go on from; send the whole conversation in input")


def _called_in_chats(value: JsonValue) -> None:
    if value:
        raise ValueError("tools are called in chats here; ask /v1/chat/completions")


CalledInChats = Annotated[JsonValue, AfterValidator(_called_in_chats), WithJsonSchema({"enum": [[]]})]
Kept = Annotated[JsonValue, AfterValidator(_kept), WithJsonSchema({"enum": ["", [], {}]})]
"""What names something that OpenAI's server would have kept."""


class InputText(Body):
    """A part of a message, or of an answer that is handed back."""

    type: Literal["input_text", "output_text"]
    text: Text
    annotations: Unused = None
    logprobs: Unused = None
    prompt_cache_breakpoint: JsonValue = None


def _joined(content: object) -> object:
    """Parts of text as one text."""
    if isinstance(content, list):
        return "".join(InputText.model_validate(part).text for part in content)
    return content


class InputMessage(Body):
    """One turn; one of the model's may be handed back as it came."""

    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[Text, BeforeValidator(_joined, json_schema_input_type=str | list[InputText])]
    id: Label | None = None
    status: Label | None = None
    phase: Label | None = None


_Turns = Annotated[list[InputMessage], Field(min_length=1, max_length=MOST_MESSAGES - 1)]


def _in_turns(given: object) -> object:
    """A text as the user's turn."""
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


class SchemaFormat(NamedSchema):
    """The answer is JSON of a schema."""

    type: Literal["json_schema"]


TextFormat = Annotated[PlainText | JsonObject | SchemaFormat, Field(discriminator="type")]


class TextAsked(Body):
    """What the text of the answer has to be."""

    format: TextFormat | None = None
    verbosity: Verbosity | None = None


class Reasoning(Body):
    """There is none, and so no summary of it."""

    effort: Effort | None = None
    summary: Label | None = None
    generate_summary: Label | None = None


class ResponseStreamOptions(Body):
    """What a stream tells beside the events."""

    include_obfuscation: Unused = None


class ResponseRequest(Sampled):
    """The body of POST /v1/responses.

    Fields from `previous_response_id` on are taken where they ask for nothing.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "smollm2-135m",
                    "instructions": "Answer in one sentence.",
                    "input": "What does an off-by-one error do?",
                    "max_output_tokens": 32,
                }
            ]
        }
    )

    input: Annotated[_Turns, BeforeValidator(_in_turns, json_schema_input_type=Text | _Turns)]
    instructions: Text | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    text: TextAsked = TextAsked()
    stream_options: ResponseStreamOptions | None = None
    reasoning: Reasoning | None = None
    truncation: Literal["disabled"] = "disabled"
    include: list[Label] = Field(default_factory=list)
    """All but LOGPROBS are of what no answer has here."""
    top_logprobs: Annotated[int, Field(ge=0, le=20)] = 0

    previous_response_id: Kept = None
    conversation: Kept = None
    prompt: Kept = None
    background: Unused = None
    tools: CalledInChats = None
    tool_choice: Literal["none", "auto"] = "auto"
    parallel_tool_calls: bool = True
    max_tool_calls: int | None = None

    @property
    def forms(self) -> int:
        """How many fields say what the answer has to be."""
        return super().forms + isinstance(self.text.format, JsonObject | SchemaFormat)

    @property
    def scored(self) -> bool:
        """Whether the answer comes with the log-probabilities of its tokens."""
        return LOGPROBS in self.include

    def chat(self) -> ChatRequest:
        """The same as a chat, which is what is prepared and answered."""
        turns = [ChatMessage(role=each.role, content=each.content) for each in self.input]
        if self.instructions is not None:
            turns = [ChatMessage(role="system", content=self.instructions), *turns]
        format_: PlainText | JsonObject | JsonSchema | None
        if isinstance(self.text.format, SchemaFormat):
            format_ = JsonSchema(type="json_schema", json_schema=self.text.format)
        else:
            format_ = self.text.format
        return ChatRequest(
            model=self.model,
            messages=turns,
            steering=self.steering,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
            regex=self.regex,
            grammar=self.grammar,
            budget=self.budget,
            max_completion_tokens=self.max_output_tokens,
            logprobs=self.scored,
            top_logprobs=self.top_logprobs if self.scored else 0,
            response_format=format_,
        )
