"""How the API's description says that a form is filled in one of several ways, as its validator demands."""

from collections.abc import Sequence
from typing import Any


def way(*given: str, without: Sequence[str]) -> dict[str, Any]:
    """One way: the fields that must be given, and those that must not be (null is as good as left out)."""
    said: dict[str, Any] = {name: {"not": {"type": "null"}} for name in given}
    return {"required": list(given), "properties": {**said, **{name: {"type": "null"} for name in without}}}
