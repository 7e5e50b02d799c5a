"""The grammar of answers that may call tools, and the calls read out of them in pieces of any size."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chat.calling import Argued, Begun, Calling, Reader
from services.chat.messages import message
from services.chat.tools import Tooled
from tests.vectors import tiny
from vectors.engine.constraint import ConstraintCompiler
from vectors.models.tools import OWN, CallForm

COMPILER = ConstraintCompiler(tiny.byte_tokenizer(), tiny.VOCAB, [tiny.EOS])
PARAMETERS = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
TOOLS = [
    {"type": "function", "function": {"name": "add", "parameters": PARAMETERS}},
    {"type": "function", "function": {"name": "stop"}},
]
ADD, STOP = (("add", '{"n": 12}'), ("stop", "{}"))
BARE = CallForm('{"name": "', '", "parameters": ', "}", None)


def calling(form=OWN, knows_tools=False, **fields):
    asked = Tooled.model_validate({"tools": TOOLS, "parallel_tool_calls": True, **fields})
    found = Calling.of(asked, form, knows_tools=knows_tools)
    assert found is not None
    return found


def accepts(calling, text):
    """Whether the grammar takes all of a text as a whole answer."""
    constrained = COMPILER.compile(calling.constraint())
    for byte in text.encode():
        if not constrained.allowed()[byte]:
            return False
        constrained.accept(byte)
    return bool(constrained.allowed()[tiny.EOS])


NAMED = {"tool_choice": {"type": "function", "function": {"name": "stop"}}}


@pytest.mark.parametrize(
    ("text", "auto", "required", "named"),
    [
        ("", True, False, False),
        ("Any text <tool_cal at all {}\n", True, False, False),
        (OWN.written([ADD]), True, True, False),
        (OWN.written([STOP]), True, True, True),
        (OWN.written([ADD, STOP]), True, True, False),
        (OWN.written([STOP, STOP]), True, True, False),
        ("I will.\n" + OWN.written([ADD]), True, False, False),
        (OWN.written([ADD]) + " and then", False, False, False),
        (OWN.written([ADD])[:-3], False, False, False),
        ("Write <tool_call> so", False, False, False),
        (OWN.written([("other", "{}")]), False, False, False),
        (OWN.written([("add", "{}")]), False, False, False),
        (OWN.written([("add", '{"n": 1, "m": 2}')]), False, False, False),
        (OWN.written([("stop", '{"n": 1}')]), False, False, False),
    ],
)
def test_an_answer_is_text_or_calls_as_the_choice_says(text, auto, required, named):
    assert accepts(calling(), text) == auto
    assert accepts(calling(tool_choice="required"), text) == required
    assert accepts(calling(**NAMED), text) == named


def test_there_is_one_call_where_more_are_not_wanted_or_the_form_has_no_more():
    one, two = OWN.written([ADD]), OWN.written([ADD, STOP])
    for said in (False, None):
        single = calling(parallel_tool_calls=said)
        assert accepts(single, one) and not accepts(single, two)
    knowing = calling(knows_tools=True, parallel_tool_calls=None)
    assert accepts(knowing, two), "it was trained where to stop"
    joined = CallForm("<call>", " ", "</call>", "")
    assert accepts(calling(joined), joined.written([ADD, STOP]))
    bare = calling(BARE)
    assert accepts(bare, BARE.written([ADD])) and not accepts(bare, BARE.written([ADD, STOP]))
    assert accepts(calling(), OWN.written([STOP] * 16)) and not accepts(calling(), OWN.written([STOP] * 17))


texts = st.text(st.sampled_from('<tol_ca>{}"\\name: é\n'), max_size=30).filter(lambda t: OWN.marker not in t)
values = st.recursive(
    st.none() | st.text(max_size=8), lambda e: st.dictionaries(st.text(max_size=4), e), max_leaves=6
)
objects = st.dictionaries(st.text(max_size=4), values, max_size=3)


@given(texts, st.lists(st.tuples(st.sampled_from(["add", "stop"]), objects), max_size=3), st.data())
def test_what_was_written_is_read_back_whatever_the_pieces_are(text, calls, data):
    written = OWN.written([(name, json.dumps(value, ensure_ascii=False)) for name, value in calls])
    answer = text + written
    reader, parts = Reader(calling()), []
    while answer:
        size = data.draw(st.integers(1, len(answer)))
        parts += reader.read(answer[:size])
        answer = answer[size:]
    parts += reader.rest()
    found = message(parts)
    assert (found.content or "") == text
    made = [(each.function.name, json.loads(each.function.arguments)) for each in found.tool_calls or []]
    assert made == calls
    assert reader.complete == len(calls)
    assert len({each.id for each in found.tool_calls or []}) == len(calls)


def test_a_call_that_was_cut_off_is_told_as_far_as_it_came():
    whole = OWN.written([ADD])
    reader = Reader(calling(tool_choice="required"))
    assert reader.read(whole[:18]) == []
    first, more = reader.read(whole[18 : whole.index("2}")])
    assert isinstance(first, Begun) and (first.index, first.name) == (0, "add")
    assert (more, reader.rest(), reader.complete) == (Argued(0, '{"n": 1'), [], 0)


def test_text_is_told_at_once_but_for_what_may_be_a_call():
    reader = Reader(calling())
    assert reader.read("So <tool") == ["So "]
    assert reader.read("box") == ["<toolbox"]
    assert (reader.read(" <tool_call"), reader.rest()) == ([" "], ["<tool_call"])


def test_without_tools_every_text_is_text():
    reader = Reader(None)
    assert (reader.read("<tool_call>"), reader.read(""), reader.rest()) == (["<tool_call>"], [], [])
