"""What a response looks like on the wire, whole and as the events of a stream; the fields are OpenAI's."""

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Literal

from pydantic import BaseModel, JsonValue

from services.chat.answers import Stamp, Steered, TokenLogprob, scores, steered
from services.chat.generate import Token
from services.chat.preparing import Prepared
from services.chat.response_requests import ResponseRequest
from vectors.engine.requests import Generation

Status = Literal["in_progress", "completed", "incomplete"]


class OutputText(BaseModel):
    """The text of the answer, so far as it is there."""

    type: Literal["output_text"] = "output_text"
    text: str
    annotations: list[JsonValue] = []
    logprobs: list[TokenLogprob] = []


class OutputMessage(BaseModel):
    """The model's turn."""

    type: Literal["message"] = "message"
    id: str
    role: Literal["assistant"] = "assistant"
    status: Status
    content: list[OutputText]


class IncompleteDetails(BaseModel):
    """Why an answer is not whole."""

    reason: Literal["max_output_tokens"] = "max_output_tokens"


class ResponseUsage(BaseModel):
    """Tokens of a request and its answer."""

    input_tokens: int
    input_tokens_details: dict[str, int]
    output_tokens: int
    output_tokens_details: dict[str, int]
    total_tokens: int


class ModelResponse(BaseModel):
    """A response with what was asked for. `steering` is an extension: null where nothing was steered."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    status: Status
    model: str
    output: list[OutputMessage]
    usage: ResponseUsage | None
    incomplete_details: IncompleteDetails | None
    error: None = None
    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, str]
    temperature: float
    top_p: float
    text: dict[str, JsonValue]
    tools: list[JsonValue] = []
    tool_choice: Literal["none"] = "none"
    parallel_tool_calls: bool = True
    previous_response_id: None = None
    truncation: Literal["disabled"] = "disabled"
    store: Literal[False] = False
    steering: list[Steered] | None


class Event(BaseModel):
    """One event of a stream."""

    type: str
    sequence_number: int


class OfResponse(Event):
    """The response as it stands."""

    response: ModelResponse


class OfItem(Event):
    """The model's turn begins, or is over."""

    output_index: Literal[0] = 0
    item: OutputMessage


class OfText(Event):
    """What all events of the text say."""

    item_id: str
    output_index: Literal[0] = 0
    content_index: Literal[0] = 0


class OfPart(OfText):
    """Its text begins, or is over."""

    part: OutputText


class TextDelta(OfText):
    """The next piece of the text."""

    delta: str
    logprobs: list[TokenLogprob]


class TextDone(OfText):
    """The whole text."""

    text: str
    logprobs: list[TokenLogprob]


class Responding:
    """One response as it grows: its document, and its events with their numbers."""

    def __init__(self, stamp: Stamp, asked: ResponseRequest, prepared: Prepared) -> None:
        self._stamp, self._asked, self._prepared = stamp, asked, prepared
        self._item = f"msg_{stamp.number}"
        self._numbers = count()

    def begun(self) -> Iterator[Event]:
        """The events before the first piece."""
        response = self._document("in_progress", [], None)
        for kind in ("response.created", "response.in_progress"):
            yield OfResponse(type=kind, sequence_number=next(self._numbers), response=response)
        item = OutputMessage(id=self._item, status="in_progress", content=[])
        yield OfItem(type="response.output_item.added", sequence_number=next(self._numbers), item=item)
        yield OfPart(
            type="response.content_part.added",
            sequence_number=next(self._numbers),
            item_id=self._item,
            part=OutputText(text=""),
        )

    def told(self, tokens: Sequence[Token]) -> Iterator[Event]:
        """The event of the next tokens, if they say anything."""
        text, logprobs = "".join(token.piece for token in tokens), self._scores(tokens)
        if text or logprobs:
            yield TextDelta(
                type="response.output_text.delta",
                sequence_number=next(self._numbers),
                item_id=self._item,
                delta=text,
                logprobs=logprobs,
            )

    def ended(self, generation: Generation, tokens: Sequence[Token]) -> Iterator[Event]:
        """The events after the last piece; `tokens` are all of them."""
        response = self.whole(generation, tokens)
        (item,) = response.output
        (part,) = item.content
        yield TextDone(
            type="response.output_text.done",
            sequence_number=next(self._numbers),
            item_id=self._item,
            text=part.text,
            logprobs=part.logprobs,
        )
        yield OfPart(
            type="response.content_part.done",
            sequence_number=next(self._numbers),
            item_id=self._item,
            part=part,
        )
        yield OfItem(type="response.output_item.done", sequence_number=next(self._numbers), item=item)
        yield OfResponse(
            type=f"response.{response.status}", sequence_number=next(self._numbers), response=response
        )

    def failed(self, error: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """The event of an error: `error` is for clients that read a stream of chunks, and raise it."""
        said = {name: error[name] for name in ("code", "message", "param")}
        return {"type": "error", "sequence_number": next(self._numbers), **said, "error": error}

    def whole(self, generation: Generation, tokens: Sequence[Token]) -> ModelResponse:
        """The response that is over, of these tokens."""
        status: Status = "completed" if generation.finish_reason == "stop" else "incomplete"
        content = [OutputText(text=generation.text, logprobs=self._scores(tokens))]
        return self._document(
            status, [OutputMessage(id=self._item, status=status, content=content)], generation
        )

    def _scores(self, tokens: Sequence[Token]) -> list[TokenLogprob]:
        return scores(self._stamp, tokens) if self._asked.scored else []

    def _document(
        self, status: Status, output: list[OutputMessage], generation: Generation | None
    ) -> ModelResponse:
        asked = self._asked
        return ModelResponse(
            id=f"resp_{self._stamp.number}",
            created_at=self._stamp.created,
            status=status,
            model=self._stamp.model,
            output=output,
            usage=_usage(generation) if generation else None,
            incomplete_details=IncompleteDetails() if status == "incomplete" else None,
            instructions=asked.instructions,
            max_output_tokens=asked.max_output_tokens,
            metadata=asked.metadata or {},
            temperature=asked.temperature,
            top_p=asked.top_p,
            text={"format": {"type": "text"}, **asked.text.model_dump(by_alias=True, exclude_none=True)},
            steering=steered(self._prepared.request),
        )


def _usage(generation: Generation) -> ResponseUsage:
    return ResponseUsage(
        input_tokens=generation.prompt_tokens,
        input_tokens_details={"cached_tokens": generation.reused_tokens, "cache_write_tokens": 0},
        output_tokens=generation.new_tokens,
        output_tokens_details={"reasoning_tokens": 0},
        total_tokens=generation.prompt_tokens + generation.new_tokens,
    )
