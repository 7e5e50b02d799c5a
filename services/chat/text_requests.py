"""What a request to go on with a text may hold, and the requests for its tokens."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from services.bodies import Body
from services.chat.sampled import Completed, Unused
from services.chat.schemas import MOST_MESSAGES, ChatMessage
from services.serving.steering import positions_in
from services.texts import Text
from vectors.steering.positions import ALL

MOST_PROMPTS = 64
TokenId = Annotated[int, Field(ge=0)]
_Ids = Annotated[list[TokenId], Field(min_length=1)]
_Prompts = Annotated[list[Text], Field(min_length=1, max_length=MOST_PROMPTS)]
_IdPrompts = Annotated[list[_Ids], Field(min_length=1, max_length=MOST_PROMPTS)]


class TextRequest(Completed):
    """The body of POST /v1/completions: one or several prompts, of text or of token ids.

    Fields from `suffix` on are taken where they ask for nothing.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"model": "smollm2-135m", "prompt": "def mean(values):\n", "max_tokens": 32}]
        }
    )

    prompt: Text | _Ids | _Prompts | _IdPrompts
    echo: bool = False
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None

    suffix: Unused = None
    best_of: Literal[1] | None = None

    @model_validator(mode="after")
    def _can_be_echoed(self) -> Self:
        if self.echo and (self.forms or self.stop):
            raise ValueError("echo has no meaning with stop, regex or grammar, which are of new tokens alone")
        if self.echo and any(position != ALL for position in positions_in(self.steering)):
            raise ValueError('echo needs steering of positions "all": it cannot say where the prompt ends')
        return self

    @property
    def prompts(self) -> list[str] | list[list[int]]:
        """Each prompt, in order."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        if isinstance(self.prompt[0], int):
            return [self.prompt]
        return self.prompt


class TokenizeRequest(Body):
    """The body of POST /tokenize: a text, or the turns of a chat as its template writes them."""

    model: Text
    prompt: Text | None = None
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MOST_MESSAGES)] | None = None
    add_special_tokens: bool = True

    @model_validator(mode="after")
    def _one_text(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give a prompt or messages, and not both")
        return self


class DetokenizeRequest(Body):
    """The body of POST /detokenize."""

    model: Text
    tokens: list[TokenId]
