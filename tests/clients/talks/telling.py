"""What a client's talk with the server came to, a line of JSON for each thing that it tried."""

import json
import sys
import traceback
from collections.abc import Callable

URL, MODEL, *REST = sys.argv[1:] or ["", ""]
"""Where the server listens, what it serves, and what a talk wants beside."""
KEY = "none"


def tried(what: str) -> Callable[[Callable[[], object]], None]:
    """Try something: what the function returns was said; what it raises went wrong."""

    def run(function: Callable[[], object]) -> None:
        try:
            said = str(function())
        except Exception as error:
            traceback.print_exc()
            print(json.dumps({"tried": what, "error": f"{type(error).__name__}: {error}"}), flush=True)
        else:
            print(json.dumps({"tried": what, "said": said}), flush=True)

    return run


STEERING = {"domain": "bug_analysis", "alpha": 20.0}
QUESTION = "What does an off-by-one error do? One sentence."
WEATHER = {
    "type": "object",
    "properties": {"town": {"type": "string", "enum": ["Bergen", "Oslo"]}},
    "required": ["town"],
    "additionalProperties": False,
}
TOOL = {
    "type": "function",
    "function": {"name": "weather", "description": "The weather in a town", "parameters": WEATHER},
}
