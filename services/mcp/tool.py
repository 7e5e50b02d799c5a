"""What a tool is: a name, what it is given and gives, and the function that does it."""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, JsonValue

from services.bodies import Body
from services.mcp.calls import Call

A = TypeVar("A", bound=Body)
_REFERENCE = re.compile(r'"#/\$defs/([^"]+)"')


@dataclass(frozen=True)
class Tool(Generic[A]):
    """A tool. `limit_s` is the longest that a call may take; `taken` are the fields that callers may give of
    a form that has more, all where it is empty; `changes` says whether it leaves anything behind.
    """

    name: str
    says: str
    given: type[A]
    gives: type[BaseModel]
    do: Callable[[Call, A], Awaitable[BaseModel]]
    limit_s: float
    taken: tuple[str, ...] = ()
    changes: bool = False

    def arguments(self) -> list[str]:
        """The names of what a caller may give."""
        return [name for name in self.given.model_fields if not self.taken or name in self.taken]

    def input_schema(self) -> dict[str, JsonValue]:
        """What is given, as JSON schema; without alternatives at its top, which models' interfaces refuse."""
        found = self.given.model_json_schema()
        fields = {name: field for name, field in found["properties"].items() if name in self.arguments()}
        forms = _reached_from(fields, found.get("$defs", {}))
        return {
            "type": "object",
            "properties": fields,
            "required": [name for name in found.get("required", ()) if name in fields],
            "additionalProperties": False,
            **({"$defs": forms} if forms else {}),
        }

    def output_schema(self) -> dict[str, JsonValue]:
        """What it gives, as JSON schema."""
        return self.gives.model_json_schema(mode="validation")


def _reached_from(fields: object, forms: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Those of the forms that the fields refer to, directly or over others."""
    found: dict[str, JsonValue] = {}
    waiting = [json.dumps(fields)]
    while waiting:
        for name in _REFERENCE.findall(waiting.pop()):
            if name not in found:
                found[name] = forms[name]
                waiting.append(json.dumps(forms[name]))
    return found
