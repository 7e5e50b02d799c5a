"""The ways to have a model turn a request into an event: as prompts, as a constraint, as steering."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from vectors.engine.constraint import Constraint
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.lab.evaluation.calendar_cases import FIELDS, Case, shots, today
from vectors.models.loading import LanguageModel
from vectors.models.tools import Message, Tool
from vectors.steering.intervention import Intervention

Strategy = Literal[
    "zero-shot",
    "few-shot-3",
    "few-shot-5",
    "chain-of-thought",
    "tool-call",
    "constrained-json",
    "steering",
    "steering+few-shot-3",
]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
BASELINE: Strategy = "zero-shot"
_SHOTS: Mapping[Strategy, int] = {"few-shot-3": 3, "few-shot-5": 5, "steering+few-shot-3": 3}
_STEERED = {"steering", "steering+few-shot-3"}

_SYSTEM = "You turn requests into calendar events. Today is {today}."
_EVENT = (
    "Write the event of this request as one JSON object with the keys title, date (YYYY-MM-DD), "
    "start_time (HH:MM), end_time (HH:MM), location and attendees (a list of names). What the request "
    "does not say is null."
)
_ASKED = f"Request: {{text}}\n\n{_EVENT}"
_STEPS = (
    "Request: {text}\n\nThink in six numbered steps, one short line each: 1. what the event is 2. its date "
    "3. when it starts 4. when it ends 5. where it is 6. who else comes. Then "
    f"{_EVENT[0].lower()}{_EVENT[1:]}"
)
_CALLING = "You keep a calendar. Today is {today}. Put what the user wants into it by calling add_event once."
_TIME: Mapping[str, object] = {
    "anyOf": [{"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}, {"type": "null"}]
}
_DESCRIBED = {
    "title": "what it is, in the words of the request",
    "date": "YYYY-MM-DD",
    "start_time": "HH:MM, 24 hours",
    "end_time": "HH:MM, 24 hours, if it is said",
    "location": "where, if it is said",
    "attendees": "the others' names",
}


@dataclass(frozen=True)
class Asking:
    """How requests are asked: of which model, with which steering, how long an answer may be, in tokens."""

    lm: LanguageModel
    steering: Intervention
    tokens: int

    def request(self, case: Case, strategy: Strategy) -> GenerationRequest:
        """A case under a strategy, greedy."""
        constraint = _constraint() if strategy == "constrained-json" else None
        tools = (_tool(),) if strategy == "tool-call" else ()
        prompt = self.lm.chat_ids(_messages(case, strategy), tools=tools)
        steering = (self.steering,) if strategy in _STEERED else ()
        sampling = Sampling(self.tokens, stop=self.lm.chat.stops, constraint=constraint)
        return GenerationRequest(prompt, steering, sampling)


def _messages(case: Case, strategy: Strategy) -> Sequence[Message]:
    system, asked = (_CALLING, "{text}") if strategy == "tool-call" else (_SYSTEM, _ASKED)
    asked = _STEPS if strategy == "chain-of-thought" else asked
    turns: list[Message] = [{"role": "system", "content": system.format(today=_today())}]
    for shot in shots()[: _SHOTS.get(strategy, 0)]:
        answer = json.dumps({name: shot.answer[name] for name in FIELDS}, ensure_ascii=False)
        turns.append({"role": "user", "content": asked.format(text=shot.text)})
        turns.append({"role": "assistant", "content": answer})
    return [*turns, {"role": "user", "content": asked.format(text=case.text)}]


def _today() -> str:
    return f"{today():%A} {today().day} {today():%B} {today().year} ({today().isoformat()})"


def _tool() -> Tool:
    properties = {name: {"type": "string", "description": told} for name, told in _DESCRIBED.items()}
    people = {"type": "array", "items": {"type": "string"}, "description": _DESCRIBED["attendees"]}
    parameters = {
        "type": "object",
        "properties": properties | {"attendees": people},
        "required": ["title", "date", "start_time"],
    }
    function = {
        "name": "add_event",
        "description": "Put an event into the calendar.",
        "parameters": parameters,
    }
    return {"type": "function", "function": function}


def _constraint() -> Constraint:
    """The event's schema, on one line; texts are bounded, so that every answer comes to its end."""
    text = {"type": "string", "maxLength": 60}
    some = {"anyOf": [text, {"type": "null"}]}
    day = {"type": "string", "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"}
    properties = {
        "title": text,
        "date": {"anyOf": [day, {"type": "null"}]},
        "start_time": _TIME,
        "end_time": _TIME,
        "location": some,
        "attendees": {"type": "array", "items": {"type": "string", "maxLength": 40}, "maxItems": 4},
    }
    schema = {
        "x-guidance": {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "},
        "type": "object",
        "properties": properties,
        "required": list(FIELDS),
        "additionalProperties": False,
    }
    return Constraint("json_schema", json.dumps(schema))
