"""How the API's description says that a form is filled in one of several ways, as its validator demands."""

from collections.abc import Sequence

from pydantic import JsonValue


def way(*given: str, without: Sequence[str]) -> dict[str, JsonValue]:
    """One way: the fields that must be given, and those that must not be (null is as good as left out)."""
    said: dict[str, JsonValue] = {name: {"not": {"type": "null"}} for name in given}
    return {"required": [*given], "properties": {**said, **{name: {"type": "null"} for name in without}}}
