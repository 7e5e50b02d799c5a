"""Calls of tools in an answer: the grammar that it is held to, and the calls read out of it as it comes.

With `tool_choice` "auto" an answer is any text up to the first word of a call; from there on it is calls. So
the model decides at every token, text in front of calls is kept, and what begins as a call is one.
"""

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from services.chat.tools import MOST_CALLS, Function, Tooled
from vectors.engine.constraint import Constraint
from vectors.engine.textstream import overlap
from vectors.models.tools import OWN, CallForm

_SPACES = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
ON_ONE_LINE = {"x-guidance": _SPACES}
"""What a schema says of white space, so that JSON is written as `json.dumps` does: where there may be more, a
small model goes on with it for ever.
"""


@dataclass(frozen=True)
class Calling:
    """What may be called, in which form: at least one call where it `must`, and `most` at the most."""

    form: CallForm
    functions: Sequence[Function]
    must: bool
    most: int

    @classmethod
    def of(cls, asked: Tooled, form: CallForm, *, knows_tools: bool) -> "Calling | None":
        """What a request asks of a model that knows tools, or is only told of them; None: not to call."""
        if not asked.may_call:
            return None
        parallel = knows_tools if asked.parallel_tool_calls is None else asked.parallel_tool_calls
        several = parallel and form.between is not None and isinstance(asked.tool_choice, str)
        return cls(form, asked.may_call, asked.tool_choice != "auto", MOST_CALLS if several else 1)

    def constraint(self) -> Constraint:
        """What the answer has to be."""
        form, marker = self.form, self.form.marker
        call = " | ".join(f"call_{number}" for number in range(len(self.functions)))
        more = (
            f" ({_quoted((form.between or '') + form.begin)} call){{0,{self.most - 1}}}"
            if self.most > 1
            else ""
        )
        if self.must:
            rules = [f"start: {_quoted(form.begin)} call{more}"]
        else:
            rest = _quoted(form.begin[len(marker) :])
            rules = [
                f"start: TEXT | marked {rest} call{more}",
                f"marked[lazy]: TEXT {_quoted(marker)}",
                "TEXT: /(?s:.*)/",
            ]
        rules.append(f"call: {call}")
        for number, function in enumerate(self.functions):
            schema = json.dumps(_schema(function))
            begin, end = _quoted(function.name + form.middle), _quoted(form.end)
            rules += [
                f"call_{number}: {begin} arguments_{number} {end}",
                f"arguments_{number}: %json {schema}",
            ]
        return Constraint("lark", "\n".join(rules))


@dataclass(frozen=True)
class Begun:
    """A call of a function begins."""

    index: int
    name: str
    id: str = field(default_factory=lambda: f"call_{secrets.token_hex(12)}")


@dataclass(frozen=True)
class Argued:
    """The next part of a call's arguments."""

    index: int
    text: str


Part = str | Begun | Argued
"""What comes next in an answer: text, or of a call."""


_Place = Callable[[list[Part]], None]


class Reader:
    """Reads one answer as it comes, and tells at once what is certain; of a cut-off call, what there is."""

    def __init__(self, calling: Calling | None) -> None:
        self._form = calling.form if calling else OWN
        begins = self._name if calling and calling.must else self._text
        self._place: _Place = begins if calling else self._plain
        self._held = ""
        self._json = _Object()
        self._index = -1
        self.complete = 0
        """Calls that came whole."""

    def read(self, piece: str) -> list[Part]:
        """Take the next piece of the answer."""
        self._held += piece
        parts: list[Part] = []
        before: _Place | None = None
        while self._place != before:
            before = self._place
            before(parts)
        return parts

    def rest(self) -> list[Part]:
        """What was held back, once the answer is over."""
        text, self._held = self._held if self._place == self._text else "", ""
        return [text] if text else []

    def _plain(self, parts: list[Part]) -> None:
        parts += [self._held] if self._held else []
        self._held = ""

    def _text(self, parts: list[Part]) -> None:
        marker = self._form.marker
        at = self._held.find(marker)
        upto = at if at >= 0 else len(self._held) - overlap(self._held, marker)
        parts += [self._held[:upto]] if upto else []
        self._on(upto, self._name if at >= 0 else self._text)

    def _name(self, parts: list[Part]) -> None:
        begin, middle = len(self._form.begin), self._form.middle
        at = self._held.find(middle, begin)
        if at >= 0:
            self._index, self._json = self._index + 1, _Object()
            parts.append(Begun(self._index, self._held[begin:at]))
            self._on(at + len(middle), self._arguments)

    def _arguments(self, parts: list[Part]) -> None:
        size = self._json.take(self._held)
        parts += [Argued(self._index, self._held[:size])] if size else []
        self._on(size, self._end if self._json.over else self._arguments)

    def _end(self, _: list[Part]) -> None:
        if len(self._held) >= len(self._form.end):
            self.complete += 1
            self._on(len(self._form.end), self._between)

    def _between(self, _: list[Part]) -> None:
        between = len(self._form.between or "")
        if len(self._held) > between:
            self._on(between, self._name)

    def _on(self, size: int, place: _Place) -> None:
        """Go on after so many characters."""
        self._held, self._place = self._held[size:], place


class _Object:
    """Finds the end of a JSON object that comes in pieces."""

    def __init__(self) -> None:
        self._depth, self._quoted, self._escaped = 0, False, False
        self.over = False

    def take(self, text: str) -> int:
        """How many of the next characters are the object's."""
        for number, character in enumerate(text):
            if self._escaped:
                self._escaped = False
            elif self._quoted and character == "\\":
                self._escaped = True
            elif character == '"':
                self._quoted = not self._quoted
            elif not self._quoted and character in "{}":
                self._depth += 1 if character == "{" else -1
                if self._depth == 0:
                    self.over = True
                    return number + 1
        return len(text)


def _schema(function: Function) -> dict[str, object]:
    """What the arguments have to be. Where the parameters are simply listed there are no others."""
    listed = not {"allOf", "anyOf", "oneOf", "$ref", "patternProperties"} & function.parameters.keys()
    closed = listed and (not function.parameters or "properties" in function.parameters)
    return {
        "type": "object",
        **({"additionalProperties": False} if closed else {}),
        **function.parameters,
        "x-guidance": {**_SPACES, "lenient": not function.strict},
    }


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
