"""What a request may say of tools: functions that an answer may call, and calls that were made before."""

import json
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator

from services.bodies import Body
from services.texts import Text

MOST_TOOLS = 128
MOST_CALLS = 16
"""In one answer."""
MOST_SCHEMA_CHARS = 65_536
"""Of the parameters of all functions."""

FunctionName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


class Function(Body):
    """A function. Its arguments are held to `parameters`; unless it is `strict`, what of these no grammar can
    say is passed over.
    """

    name: FunctionName
    description: Text | None = None
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    strict: bool = False

    @model_validator(mode="after")
    def _of_an_object(self) -> Self:
        if self.parameters.get("type", "object") != "object":
            raise ValueError('parameters: arguments are an object, so their type has to be "object"')
        return self


class Tool(Body):
    """A tool; only functions are called."""

    type: Literal["function"]
    function: Function

    def shown(self) -> dict[str, object]:
        """It as the model is told of it."""
        return {
            "type": "function",
            "function": self.function.model_dump(exclude_unset=True, exclude={"strict"}),
        }


class NamedFunction(Body):
    """A function by its name."""

    name: FunctionName


class NamedTool(Body):
    """The one that has to be called."""

    type: Literal["function"]
    function: NamedFunction


class Called(Body):
    """A function that was called, with its arguments as JSON."""

    name: Annotated[Text, Field(max_length=64)]
    arguments: Text = "{}"


class ToolCall(Body):
    """A call of an earlier answer, handed back."""

    id: Annotated[Text, Field(max_length=256)]
    type: Literal["function"] = "function"
    function: Called
    index: int | None = None


class Tooled(Body):
    """The fields of tools. Without a `tool_choice` the model may call what is offered, and need not.

    Where `parallel_tool_calls` is left out, models whose template knows tools may make several calls at once:
    any other does not know where to stop.
    """

    tools: Annotated[list[Tool], Field(max_length=MOST_TOOLS)] = Field(default_factory=list)
    tool_choice: Literal["none", "auto", "required"] | NamedTool = "auto"
    parallel_tool_calls: bool | None = None

    @property
    def offered(self) -> list[Tool]:
        """The tools that the model is told of."""
        return [] if self.tool_choice == "none" else self.tools

    @property
    def may_call(self) -> list[Function]:
        """The functions that the answer may call."""
        named = self.tool_choice.function.name if isinstance(self.tool_choice, NamedTool) else None
        return [each.function for each in self.offered if named in (None, each.function.name)]

    @model_validator(mode="after")
    def _can_be_called(self) -> Self:
        names = [tool.function.name for tool in self.tools]
        if len({*names}) < len(names):
            raise ValueError("tools: two functions have one name; give each its own")
        if self.tool_choice not in ("none", "auto") and not self.may_call:
            raise ValueError("tool_choice: it asks for a call of what is not among the tools")
        if sum(len(json.dumps(tool.function.parameters)) for tool in self.tools) > MOST_SCHEMA_CHARS:
            raise ValueError(
                f"tools: their parameters have more than {MOST_SCHEMA_CHARS} characters together"
            )
        return self
