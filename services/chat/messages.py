"""The model's turn on the wire, whole and in parts: text, and calls of tools; the fields are OpenAI's."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, SerializerFunctionWrapHandler, model_serializer

from services.chat.calling import Argued, Begun, Part


class CalledFunction(BaseModel):
    """A function, and the JSON object that it is called with."""

    name: str
    arguments: str


class MadeCall(BaseModel):
    """A call of a tool."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class AnswerMessage(BaseModel):
    """The model's turn; of one that only calls tools the content is null."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    tool_calls: list[MadeCall] | None


class _OnlyGiven(BaseModel):
    """What a chunk does not add is left out."""

    @model_serializer(mode="wrap")
    def _only_given(self, dump: SerializerFunctionWrapHandler) -> dict[str, object]:
        return {name: value for name, value in dump(self).items() if value is not None}


class FunctionPart(_OnlyGiven):
    """The name of the function, or more of its arguments."""

    name: str | None = None
    arguments: str = ""


class CallPart(_OnlyGiven):
    """The next part of a call; the first one says of which."""

    index: int
    id: str | None = None
    type: Literal["function"] | None = None
    function: FunctionPart


class Delta(_OnlyGiven):
    """What a chunk adds to the answer."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    tool_calls: list[CallPart] | None = None

    @classmethod
    def of(cls, part: Part) -> "Delta":
        """The part as a chunk tells it."""
        match part:
            case Begun(index=index, name=name, id=id_):
                return cls(
                    tool_calls=[
                        CallPart(index=index, id=id_, type="function", function=FunctionPart(name=name))
                    ]
                )
            case Argued(index=index, text=text):
                return cls(tool_calls=[CallPart(index=index, function=FunctionPart(arguments=text))])
            case text:
                return cls(content=text)


def message(parts: Sequence[Part]) -> AnswerMessage:
    """The whole turn."""
    text = "".join(part for part in parts if isinstance(part, str))
    calls = [
        MadeCall(id=part.id, function=CalledFunction(name=part.name, arguments=_arguments(parts, part.index)))
        for part in parts
        if isinstance(part, Begun)
    ]
    return AnswerMessage(content=text if text or not calls else None, tool_calls=calls or None)


def _arguments(parts: Sequence[Part], index: int) -> str:
    return "".join(part.text for part in parts if isinstance(part, Argued) and part.index == index)
