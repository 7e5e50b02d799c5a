"""Where in a prompt's tokens its turns are, whatever the chat template makes of them."""

from collections.abc import Sequence
from itertools import takewhile
from typing import cast, get_args

from vectors.models.chat import Chat
from vectors.models.tools import Message, Tool
from vectors.steering.positions import Role, Turn


def turns_of(chat: Chat, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> tuple[Turn, ...]:
    """The tokens of each message's text; of one that is nowhere there is no turn.

    They are found by what changes where another text stands in its place. Raises InvalidRequest for messages
    that the template refuses.
    """
    whole, found = chat.encode_chat(messages, "", tools), []
    for number, message in enumerate(messages):
        if message["role"] not in get_args(Role) or not message["content"]:
            continue
        alike = []
        for other in ("0", "x"):  # text may begin or end like one of them
            changed = [*messages]
            changed[number] = {**message, "content": other}
            ids = chat.encode_chat(changed, "", tools)
            alike.append((_common(whole, ids), _common(whole[::-1], ids[::-1])))
        start, end = min(first for first, _ in alike), len(whole) - min(last for _, last in alike)
        if start < end:
            found.append(Turn(cast("Role", message["role"]), start, end))
    return tuple(found)


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(1 for _ in pairs)
