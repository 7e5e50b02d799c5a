"""Tools in a conversation: what a model is told of them, and how it writes that it calls one.

A chat template that knows tools says both, and the form of a call is read off it: where the name stands,
where the arguments. Every other model is told in its system turn, with a form that many open models were
trained on. Calls that were made and what came of them are turns of the conversation in the same form.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from vectors.errors import InvalidRequest

Message = Mapping[str, object]
"""A turn: {"role": "system" | "user" | "assistant", "content": text}.

An assistant's may have `tool_calls` as OpenAI's API has them; what came of one is a turn of the role "tool"
with the call's id as `tool_call_id`.
"""
Tool = Mapping[str, object]
"""A function as OpenAI's API has it: {"type": "function", "function": {"name": …, "parameters": …}}."""


@dataclass(frozen=True)
class CallForm:
    """A call is `begin`, the function's name, `middle`, a JSON object and `end`; the next comes after
    `between`, which is None where one answer has one call at most.
    """

    begin: str
    middle: str
    end: str
    between: str | None

    @property
    def marker(self) -> str:
        """The first word of a call: what tells it from text."""
        return self.begin.split(maxsplit=1)[0]

    def written(self, calls: Sequence[tuple[str, str]]) -> str:
        """Calls as the model writes them, each of a name and its arguments as JSON."""
        return ("\n" if self.between is None else self.between).join(
            f"{self.begin}{name}{self.middle}{arguments}{self.end}" for name, arguments in calls
        )


OWN = CallForm('<tool_call>\n{"name": "', '", "arguments": ', "}\n</tool_call>", "\n")
"""The form for models whose template has none."""

_PROBED = {
    "description": "?",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "string", "description": "?"}},
        "required": ["a"],
    },
}
"""A function of which templates find all that they may look for."""

_TOLD = """These functions can be called:
{functions}

A call is written like this, with arguments that fit the function's parameters:
{call}"""


def described(messages: Sequence[Message], tools: Sequence[Tool]) -> list[Message]:
    """The conversation in plain turns of text, for a template that knows no tools."""
    turns: list[Message] = []
    answering = False
    for message in messages:
        text = str(message["content"])
        if message["role"] == "tool":
            text = f"<tool_response>\n{text}\n</tool_response>"
            if answering:  # one turn for all that was called at once
                text = f"{turns.pop()['content']}\n{text}"
            turns.append({"role": "user", "content": text})
        elif calls := _calls(message):
            written = OWN.written([(call["name"], call["arguments"]) for call in calls])
            turns.append({"role": "assistant", "content": f"{text}\n{written}" if text else written})
        else:
            turns.append(message)
        answering = message["role"] == "tool"
    if not tools:
        return turns
    functions = "\n".join(json.dumps(tool["function"], ensure_ascii=False) for tool in tools)
    told = _TOLD.format(functions=functions, call=OWN.written([("NAME", '{"PARAMETER": "VALUE"}')]))
    if turns and turns[0]["role"] == "system":
        return [{"role": "system", "content": f"{turns[0]['content']}\n\n{told}"}, *turns[1:]]
    return [{"role": "system", "content": told}, *turns]


def for_template(messages: Sequence[Message]) -> list[Message]:
    """The conversation as templates that know tools want it: arguments as data, and results with names."""
    turns: list[Message] = []
    names: dict[object, str] = {}
    for message in messages:
        turn = dict(message)
        if calls := _calls(message):
            ids = [call["id"] for call in cast("list[dict[str, str]]", message["tool_calls"])]
            names |= dict(zip(ids, (call["name"] for call in calls), strict=True))
            turn["tool_calls"] = [
                {"id": id_, "type": "function", "function": {**call, "arguments": _data(call["arguments"])}}
                for id_, call in zip(ids, calls, strict=True)
            ]
        if message["role"] == "tool" and message.get("tool_call_id") in names:
            turn["name"] = names[message["tool_call_id"]]
        turns.append(turn)
    return turns


def form_of(
    render: Callable[[Sequence[Message], Sequence[Tool]], str], mark: Callable[[], str]
) -> CallForm | None:
    """The form that a template writes calls in, by having it write some; None where it does not know tools.

    `render` raises InvalidRequest for what the template refuses; `mark` makes texts that nothing else holds.
    """
    said, name, other, id_, value = (mark() for _ in range(5))
    user: Message = {"role": "user", "content": "?"}
    arguments = json.dumps({"a": value})

    def called(*names: str) -> list[Message]:
        calls = [_call(id_, each, {"a": value}) for each in names]
        return [user, {"role": "assistant", "content": "", "tool_calls": calls}]

    try:
        plain = render([user, {"role": "assistant", "content": said}], ())
        listed = render([user], [{"type": "function", "function": {"name": name, **_PROBED}}])
        result: Message = {"role": "tool", "name": name, "tool_call_id": id_, "content": said}
        answered = render([*called(name), result], ())
        one = render(called(name), ())
    except InvalidRequest:
        return None
    before, _, after = plain.partition(said)
    one = _between(before, one, after)
    begin, _, rest = one.partition(name)
    middle, found, end = rest.partition(arguments)
    form = CallForm(begin.lstrip(), middle, end, None)
    known = name in listed and said in answered and found and id_ not in one
    if not (known and form.begin and middle) or middle[0].isalnum() or middle[0] in "_-":
        return None
    first, second = (form.written([(each, arguments)]) for each in (name, other))
    with suppress(InvalidRequest):
        two = _between(before, render(called(name, other), ()), after).lstrip()
        if two.startswith(first) and two.endswith(second):
            return CallForm(form.begin, middle, end, two[len(first) : -len(second)])
    return form


def _between(before: str, text: str, after: str) -> str:
    """What stands between two texts; nothing where it does not."""
    if not (text.startswith(before) and text.endswith(after)):
        return ""
    return text[len(before) : len(text) - len(after)]


def _call(id_: str, name: str, arguments: object) -> Mapping[str, object]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def _calls(message: Message) -> list[dict[str, str]]:
    """The functions that a turn calls: their names, and arguments as JSON."""
    calls = cast("Sequence[Mapping[str, dict[str, str]]]", message.get("tool_calls") or ())
    return [call["function"] for call in calls]


def _data(arguments: str) -> object:
    """What JSON says that is an object; anything else, a call that was cut off say, stays text."""
    try:
        data = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    return data if isinstance(data, dict) else arguments
