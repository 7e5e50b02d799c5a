"""What a chat request may hold. Fields that mean nothing here are refused, not passed over."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from services.serving.steering import SteeringRequest
from services.texts import Text

MOST_MESSAGES = 256


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TextPart(_Strict):
    """A part of a message; only text is read."""

    type: Literal["text"]
    text: Text


def _joined(content: object) -> object:
    """Parts of text as one text."""
    if isinstance(content, list):
        return "".join(TextPart.model_validate(part).text for part in content)
    return content


class ChatMessage(_Strict):
    """One turn."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[Text, BeforeValidator(_joined, json_schema_input_type=str | list[TextPart])]
    name: Text | None = None


class StreamOptions(_Strict):
    """What a stream tells beside the text."""

    include_usage: bool = False


_Stop = Annotated[Text, Field(min_length=1, max_length=256)]
_Stops = Annotated[list[_Stop], Field(max_length=4)]


def _listed(stop: object) -> object:
    return [stop] if isinstance(stop, str) else stop


class ChatRequest(_Strict):
    """The body of POST /v1/chat/completions: OpenAI's fields that have a meaning here, and `steering`."""

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
    n: Literal[1] = 1
    user: Annotated[Text, Field(max_length=256)] | None = None

    @property
    def answer_tokens(self) -> int | None:
        """The most new tokens that were asked for."""
        return self.max_completion_tokens or self.max_tokens
