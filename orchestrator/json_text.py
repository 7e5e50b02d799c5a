"""Documents as JSON text: one way for what commands print and what folders keep."""

import json
import math


def json_text(document: object) -> bytes:
    """A document as JSON in UTF-8, whatever the locale says.

    JSON has no infinities: the end of an interval that a single observation leaves open is null. What UTF-8
    has no bytes for, half of a surrogate pair, stays an escape.
    """
    text = json.dumps(_finite(document), indent=2, ensure_ascii=False, allow_nan=False)
    return text.encode(errors="backslashreplace") + b"\n"


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
