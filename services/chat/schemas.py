"""What a chat request may hold. Fields that mean nothing here are refused, not passed over."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from services.alternatives import way
from services.texts import Text

MOST_MESSAGES = 256
_Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TextPart(_Strict):
    """A part of a message; only text is read."""

    type: Literal["text"]
    text: Text


def _joined(content: Any) -> Any:
    """Parts of text as one text."""
    if isinstance(content, list):
        return "".join(TextPart.model_validate(part).text for part in content)
    return content


class ChatMessage(_Strict):
    """One turn."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[Text, BeforeValidator(_joined, json_schema_input_type=str | list[TextPart])]
    name: Text | None = None


class SteeringRequest(_Strict):
    """How the answer is steered: by a domain's vector, or by one that comes with the request.

    α is absolute, in units of the residual stream. With a `domain`, layer and α default to the vector's own;
    a `vector` [d_model] needs both. α·v/‖v‖ is added to the output of the block `layer`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [way("domain", without=["vector"]), way("vector", "layer", "alpha", without=["domain"])]
        }
    )

    domain: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")] | None = None
    vector: Annotated[list[_Finite], Field(min_length=1, max_length=65_536)] | None = None
    layer: Annotated[int, Field(ge=0)] | None = None
    alpha: _Finite | None = None
    mode: Literal["add", "multiply"] = "add"
    positions: Literal["all", "generated"] = "all"

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.domain is None) == (self.vector is None):
            raise ValueError("name a domain or give a vector, and not both")
        if self.vector is not None and (self.layer is None or self.alpha is None):
            raise ValueError("a vector needs a layer and an alpha")
        return self


class StreamOptions(_Strict):
    """What a stream tells beside the text."""

    include_usage: bool = False


_Stop = Annotated[Text, Field(min_length=1, max_length=256)]
_Stops = Annotated[list[_Stop], Field(max_length=4)]


def _listed(stop: Any) -> Any:
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
