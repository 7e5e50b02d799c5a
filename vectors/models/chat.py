"""Text and conversations → tokens, the same for every tokenizer.

What a message says is data: a special token spelled out in an issue or a source file is encoded as the
characters it is written with, and cannot end a turn or begin another. Thinking is off where a chat template
knows it, and closed where one opens it regardless, because a small model's thinking takes minutes. What a
system turn says goes before the user's where a template has no such turn.
"""

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import Flag, auto
from functools import cached_property, partial
from itertools import groupby

from tokenizers import Tokenizer as Backend

from vectors.errors import InvalidRequest, UnsupportedModel
from vectors.models.tokenizer import Tokenizer
from vectors.models.tools import OWN, CallForm, Message, Tool, described, for_template, form_of

_PROBE: tuple[Message, ...] = (
    {"role": "system", "content": "5b9d1c"},
    {"role": "user", "content": "c4e7a2"},
)
_THINKS = re.compile(r"(?s)([<\[])((?:\w+:)?(?:think|thinking|thought|reasoning)[>\]])\s*\Z", re.IGNORECASE)
"""What an answer begins with where its template makes the model think."""


_HEADINGS = ("\n### ",)
"""Any heading of a paragraph: a base model invents turns of a server or an administrator as well."""


class Chat:
    """Encodes for one tokenizer; safe to use from several threads."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._backend = tokenizer.backend

    @cached_property
    def thinking(self) -> str:
        """ "off" for a template that knows thinking, "none" for one without it."""
        if not (template := self._tokenizer.chat_template):
            return "none"
        from vectors.models.templates import THINKING, names_in

        if names_in(template) & {*THINKING}:
            return "off"
        with suppress(InvalidRequest):
            if _THINKS.search(self._render(_PROBE, answer=True, closed=False)):
                return "off"
        return "none"

    @cached_property
    def date(self) -> str | None:
        """The day that the template writes into a prompt; None where it writes none."""
        if not (template := self._tokenizer.chat_template):
            return None
        from vectors.models.templates import DAY, names_in

        return DAY.date().isoformat() if "strftime_now" in names_in(template) else None

    @property
    def stops(self) -> tuple[str, ...]:
        """What ends an answer beside tokens: headings of turns that a base model would go on to invent."""
        return () if self._tokenizer.chat_template else _HEADINGS

    @cached_property
    def end_of_turn_id(self) -> int | None:
        """The token that the template ends an answer with; None where it ends with none."""
        mark = _unguessable()
        turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": mark}]
        try:
            after = self._render(turns, answer=False).rpartition(mark)[2].lstrip()
        except InvalidRequest:
            return None
        added = self._backend.get_added_tokens_decoder().items()
        ending = [(len(token.content), id_) for id_, token in added if after.startswith(token.content)]
        return max(ending)[1] if ending else None

    @property
    def knows_tools(self) -> bool:
        """Whether the template tells the model of tools."""
        return self._template_form is not None

    @property
    def call_form(self) -> CallForm:
        """How the model writes that it calls a tool."""
        return self._template_form or OWN

    @cached_property
    def _template_form(self) -> CallForm | None:
        """The form that the template knows, if all of it is text that an answer can hold."""
        if not self._tokenizer.chat_template:
            return None
        form = form_of(lambda turns, tools: self._render(turns, answer=False, tools=tools), _unguessable)
        written = form.written([("f", "{}"), ("f", "{}")]) if form else ""
        return None if self._special is not None and self._special.search(written) else form

    def encode(self, text: str, *, begins: bool) -> list[int]:
        """Return the tokens of `text`, special tokens in it spelled out.

        If `begins`, they come after the token that begins a sequence, where the tokenizer wants one.
        """
        plain = self._special is None or not self._special.search(text)
        ids = self._ids(self._backend if plain else self._literal, text)
        return [*self._beginning, *ids] if begins else ids

    def encode_chat(self, messages: Sequence[Message], prefix: str, tools: Sequence[Tool] = ()) -> list[int]:
        """Return the tokens of a conversation up to and into the answer, which begins with `prefix`."""
        if tools or any("tool_calls" in turn or turn["role"] == "tool" for turn in messages):
            if self._template_form:
                messages = for_template(messages)
            else:
                messages, tools = described(messages, tools), ()
        spelled: dict[str, str] = {}

        def hide(match: re.Match[str]) -> str:
            mark = _unguessable()
            spelled[mark] = match[0]
            return mark

        if self._special is not None:
            hidden = partial(self._special.sub, hide)
            messages = [{key: _changed(each, hidden) for key, each in turn.items()} for turn in messages]
            tools = [{key: _changed(each, hidden) for key, each in tool.items()} for tool in tools]
        rendered = self._render(messages, answer=True, tools=tools)
        ids: list[int] = list(self._leading)
        for piece in re.split(f"({'|'.join(spelled)})", rendered) if spelled else [rendered]:
            text = spelled.get(piece)
            ids += self._ids(self._backend, piece) if text is None else self.encode(text, begins=False)
        return ids + self.encode(prefix, begins=False)

    def encode_content(self, text: str) -> tuple[list[int], int]:
        """Return the tokens of a user's message up to its last content token, and where the content starts.

        The markers that follow the content are left out: they carry outlier channels, and a causal model's
        residual at the content does not depend on them.
        """
        ids, ends = self.locate_content(text)
        return ids, next(position for position, end in enumerate(ends) if end > 0)

    def locate_content(self, text: str) -> tuple[list[int], list[int]]:
        """The same tokens, and how many of the text's characters each and all before it hold; 0 before it.

        So texts can be read at the same place by models whose tokenizers cut them differently.
        """
        mark = _unguessable()
        before, found, _ = self._render([{"role": "user", "content": mark}], answer=False).partition(mark)
        if not found or not text:
            raise UnsupportedModel("a message's text cannot be located in what the chat template makes of it")
        encoded = self._backend.encode(before + text, add_special_tokens=False)
        ends = [max(0, end - len(before)) for _, end in encoded.offsets]
        return [*self._leading, *encoded.ids], [0] * len(self._leading) + ends

    def _render(
        self, messages: Sequence[Message], *, answer: bool, closed: bool = True, tools: Sequence[Tool] = ()
    ) -> str:
        if not self._tokenizer.chat_template:
            turns = [f"### {str(turn['role']).title()}\n{turn['content']}\n\n" for turn in messages]
            return "".join(turns) + ("### Assistant\n" if answer else "")
        try:
            text = self._in_form(self._form, messages, answer=answer, tools=tools)
        except InvalidRequest:
            # A template may take a system turn in front, and refuse one that comes later.
            folded = _Form.FOLDED | self._form
            if folded == self._form or all(message["role"] != "system" for message in messages):
                raise
            text = self._in_form(folded, messages, answer=answer, tools=tools)
        opened = _THINKS.search(text) if answer and closed else None
        return f"{text.rstrip()}\n\n{opened[1]}/{opened[2]}\n\n" if opened else text

    @cached_property
    def _form(self) -> "_Form":
        """The plainest form of messages of which the template loses nothing; else as they are."""
        for form in (_Form(0), _Form.FOLDED, _Form.PARTS, _Form.FOLDED | _Form.PARTS):
            with suppress(InvalidRequest):
                text = self._in_form(form, _PROBE, answer=True)
                if all(str(message["content"]) in text for message in _PROBE):
                    return form
        return _Form(0)

    def _in_form(
        self, form: "_Form", messages: Sequence[Message], *, answer: bool, tools: Sequence[Tool] = ()
    ) -> str:
        from vectors.models.templates import render

        given: Sequence[Mapping[str, object]] = _folded(messages) if _Form.FOLDED in form else messages
        if _Form.PARTS in form:
            given = [{**each, "content": [{"type": "text", "text": each["content"]}]} for each in given]
        template, special = self._tokenizer.chat_template or "", self._tokenizer.special
        try:
            return render(template, given, answer=answer, variables=special, tools=tools)
        except Exception as error:  # a template is code of strangers, and raises what it likes
            raise InvalidRequest(f"the model's chat template refuses these messages: {error}") from error

    @cached_property
    def _leading(self) -> tuple[int, ...]:
        """What comes before a conversation: a template writes itself how one begins."""
        return () if self._tokenizer.chat_template else self._beginning

    @cached_property
    def _beginning(self) -> tuple[int, ...]:
        """The beginning-of-sequence token, where the tokenizer puts one."""
        bos = self._tokenizer.bos_token_id
        put = bos is not None and bos in self._backend.encode("", add_special_tokens=True).ids
        return (bos,) if bos is not None and put else ()

    @cached_property
    def _special(self) -> re.Pattern[str] | None:
        tokens = [
            token.content for token in self._backend.get_added_tokens_decoder().values() if token.special
        ]
        # Longest first, so that a token that begins like another is not cut short.
        ordered = sorted(tokens, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, ordered))) if ordered else None

    @cached_property
    def _literal(self) -> Backend:
        """The same, but it spells special tokens out; made only for a text that needs it.

        It shares the vocabulary, of which a large one takes hundreds of megabytes.
        """
        whole = self._backend
        literal = Backend(whole.model)
        for part in ("normalizer", "pre_tokenizer"):
            if (made := getattr(whole, part)) is not None:
                setattr(literal, part, made)
        added = sorted(whole.get_added_tokens_decoder().items())
        for special, tokens in groupby((token for _, token in added), key=lambda token: token.special):
            (literal.add_special_tokens if special else literal.add_tokens)(list(tokens))
        if sorted(literal.get_added_tokens_decoder()) != [id_ for id_, _ in added]:
            literal = Backend.from_str(whole.to_str())  # its ids leave gaps
        literal.encode_special_tokens = True
        return literal

    @staticmethod
    def _ids(backend: Backend, text: str) -> list[int]:
        return backend.encode(text, add_special_tokens=False).ids


class _Form(Flag):
    """How messages are given to a template that does not take them as they are."""

    FOLDED = auto()
    """System turns as the beginning of the user's."""
    PARTS = auto()
    """Contents as lists of parts, of which text is one kind."""


def _folded(messages: Sequence[Message]) -> list[Message]:
    """What system turns say, at the beginning of the user's turn that comes next."""
    turns: list[Message] = []
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "system":
            waiting.append(str(message["content"]))
        elif message["role"] == "user":
            turns.append({**message, "content": "\n\n".join([*waiting, str(message["content"])])})
            waiting = []
        else:
            turns.append(message)
    return [*turns, {"role": "user", "content": "\n\n".join(waiting)}] if waiting else turns


def _unguessable() -> str:
    """A mark that no message can contain."""
    return f"<{secrets.token_hex(12)}>"


def _changed(value: object, change: Callable[[str], str]) -> object:
    """The same data with every text of it changed."""
    match value:
        case str():
            return change(value)
        case Mapping():
            return {change(key): _changed(each, change) for key, each in value.items()}
        case list() | tuple():
            return [_changed(each, change) for each in value]
    return value
