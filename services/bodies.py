"""What bodies of requests have in common: nothing unknown, nothing converted, and null is like left out.

Many clients send the fields that they do not use as null.
"""

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

_NULL: JsonSchemaValue = {"type": "null"}
_SAID = ("title", "description", "default", "examples")
"""What a schema says of a field, whichever of its forms it comes in."""


class Body(BaseModel):
    """A body, or an object within one."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: object) -> object:
        if isinstance(given, dict):
            return {name: value for name, value in given.items() if value is not None}
        return given

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        found = handler(core_schema)
        form = handler.resolve_ref_schema(found)
        for name, field in form["properties"].items():
            if name not in form.get("required", ()) and _NULL not in field.get("anyOf", ()):
                said = {key: field.pop(key) for key in _SAID if key in field}
                form["properties"][name] = {"anyOf": [field, _NULL], **said}
        form["additionalProperties"] = _NULL
        return found
