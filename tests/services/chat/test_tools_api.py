"""Tools over HTTP with OpenAI's own client, on the engine with a tiny model."""

import json

import openai
import pytest

from tests.services.chat.test_chat_api import MODEL, TURNS

COLOUR = {
    "type": "object",
    "properties": {
        "colour": {"enum": ["red", "green"]},
        "n": {"type": "integer", "minimum": 1, "maximum": 9},
    },
    "required": ["colour", "n"],
}
TOOLS = [
    {"type": "function", "function": {"name": "paint", "description": "Paint it", "parameters": COLOUR}},
    {"type": "function", "function": {"name": "leave"}},
]
NAMED = {"type": "function", "function": {"name": "paint"}}


def asked(**fields):
    return {"model": MODEL, "messages": TURNS, "temperature": 0, "max_tokens": 300, "tools": TOOLS, **fields}


def text_of(client, **fields):
    return client.chat.completions.create(**asked(**fields)).choices[0].message.content


def told(chunks):
    """Text, calls and end of a stream."""
    text, calls, end = "", {}, None
    for chunk in chunks:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            end = choice.finish_reason or end
            for part in choice.delta.tool_calls or []:
                call = calls.setdefault(
                    part.index, {"id": part.id, "name": part.function.name, "arguments": ""}
                )
                call["arguments"] += part.function.arguments or ""
    return text, [calls[index] for index in sorted(calls)], end


@pytest.mark.parametrize("choice", ["required", NAMED])
def test_a_call_that_is_required_comes_with_arguments_of_its_schema(client, choice):
    answer = client.chat.completions.create(**asked(tool_choice=choice, parallel_tool_calls=False)).choices[0]
    assert answer.finish_reason == "tool_calls"
    assert answer.message.content is None
    (call,) = answer.message.tool_calls
    assert call.type == "function" and call.id
    if choice is NAMED:
        assert call.function.name == "paint"
    made = json.loads(call.function.arguments)
    assert made == {} if call.function.name == "leave" else set(made) == {"colour", "n"}


def test_a_stream_of_calls_joined_is_the_whole_answer(client):
    fields = asked(tool_choice=NAMED, logprobs=True)
    whole = client.chat.completions.create(**fields).choices[0]
    chunks = list(client.chat.completions.create(**fields, stream=True))
    text, calls, end = told(chunks)
    (call,) = whole.message.tool_calls
    assert (text, end) == ("", "tool_calls")
    assert [(each["name"], each["arguments"]) for each in calls] == [("paint", call.function.arguments)]
    scores = [
        each for chunk in chunks if chunk.choices[0].logprobs for each in chunk.choices[0].logprobs.content
    ]
    assert [each.token for each in scores] == [each.token for each in whole.logprobs.content]
    ids = [part.id for chunk in chunks for part in chunk.choices[0].delta.tool_calls or []]
    assert ids[0] and set(ids[1:]) == {None}


def test_a_call_that_is_cut_off_by_length_is_told_so(client):
    for stream in (False, True):
        answer = client.chat.completions.create(**asked(tool_choice=NAMED, max_tokens=50, stream=stream))
        if stream:
            _, calls, end = told(answer)
            assert (end, calls[0]["name"]) == ("length", "paint")
        else:
            assert answer.choices[0].finish_reason == "length"
            assert answer.choices[0].message.tool_calls[0].function.name == "paint"


def test_tools_that_may_not_be_called_change_nothing(client):
    plain = text_of(client, tools=[], max_tokens=20)
    assert text_of(client, tool_choice="none", max_tokens=20) == plain
    assert text_of(client, tools=None, tool_choice="auto", max_tokens=20) == plain


def test_an_answer_that_need_not_call_is_text_in_the_same_way_whole_and_streamed(client):
    whole = client.chat.completions.create(**asked(max_tokens=40)).choices[0]
    text, calls, end = told(client.chat.completions.create(**asked(max_tokens=40, stream=True)))
    assert (text, end) == (whole.message.content, whole.finish_reason)
    assert bool(calls) == bool(whole.message.tool_calls)


def test_calls_and_what_came_of_them_are_handed_back_as_they_came(client):
    answer = client.chat.completions.create(**asked(tool_choice="required")).choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": [{"type": "text", "text": "done"}]}
        for call in answer.tool_calls
    ]
    for given in (answer, answer.model_dump(), answer.model_dump(exclude_none=True)):
        more = client.chat.completions.create(**asked(messages=[*TURNS, given, *results], max_tokens=5))
        assert more.usage.completion_tokens == 5
    without = client.chat.completions.create(
        **asked(messages=[*TURNS, answer, *results], tools=[], max_tokens=5)
    )
    assert without.usage.prompt_tokens < more.usage.prompt_tokens


def test_several_answers_call_each_for_itself(client):
    choices = client.chat.completions.create(**asked(tool_choice=NAMED, n=3, temperature=1.5, seed=1)).choices
    assert {each.message.tool_calls[0].function.name for each in choices} == {"paint"}
    assert len({each.message.tool_calls[0].id for each in choices}) == 3


def function(**fields):
    return [{"type": "function", "function": {"name": "f", **fields}}]


def deep(levels):
    schema = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    return schema


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"tools": [], "tool_choice": "required"}, "tool_choice: it asks for a call of what is not among"),
        ({"tool_choice": {"type": "function", "function": {"name": "other"}}}, "tool_choice"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
            "tool_choice",
        ),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"tools": [*function(), *function()]}, "one name"),
        ({"tools": function(name="a b")}, "name"),
        ({"tools": function(name="")}, "name"),
        ({"tools": function(parameters={"type": "string"})}, "object"),
        ({"tools": function(parameters={"type": ["object", "null"]})}, "object"),
        ({"tools": function(parameters=[])}, "parameters"),
        ({"tools": [{"type": "function", "function": {"name": f"f{i}"}} for i in range(129)]}, "tools"),
        ({"tools": function(parameters={"description": "x" * 70_000})}, "characters"),
        ({"tools": function(description="x" * 600_000)}, "longer"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"extra_body": {"regex": "a"}}, "regex"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"messages": [*TURNS, {"role": "tool", "content": "x"}]}, "tool_call_id"),
        ({"messages": [*TURNS, {"role": "tool", "tool_call_id": "1"}]}, "content"),
        ({"messages": [{"role": "user", "content": "x", "tool_call_id": "1"}]}, "tool_call_id"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}]}, "function"),
        ({"messages": [{"role": "assistant", "tool_calls": []}]}, "content"),
    ],
)
def test_what_cannot_be_done_with_tools_is_refused_in_a_sentence(client, fields, why):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**asked(**fields))
    assert why in caught.value.body["message"]


HOSTILE = [
    {"type": "object", "properties": {"a": {"type": 7}}},
    {"type": "object", "properties": {"a": {"pattern": "(?=x)y", "type": "string"}}},
    {"type": "object", "properties": {"a": {"pattern": "((a{1,999}){1,999}){1,999}", "type": "string"}}},
    {"type": "object", "properties": {"a": {"pattern": "(", "type": "string"}}},
    {"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}},
    {"type": "object", "properties": {"a": {"$ref": "http://example.com/schema.json"}}},
    {"type": "object", "properties": {"a": {"enum": []}}, "required": ["a"]},
    {"type": "object", "properties": 5},
    {"type": "object", "required": ["b"], "properties": {"a": {}}},
    {"type": "object", "minProperties": 10**9},
    {
        "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 5, "maximum": 1}},
        "required": ["a"],
    },
    {"type": "object", "properties": {"a": {"minLength": 10**12, "type": "string"}}},
    {"type": "object", "x-guidance": {"whitespace_pattern": "("}},
    {"type": "object", "x-guidance": 5, "properties": {'\u0000"\n%json {': {"const": "\u2028</tool_call>"}}},
    {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    deep(60),
]


@pytest.mark.parametrize("parameters", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("strict", [True, False])
def test_a_schema_of_any_kind_is_held_to_or_refused(live, parameters, strict):
    tools = function(parameters=parameters, strict=strict)
    body = asked(tools=tools, tool_choice="required", max_tokens=30)
    answer = live.http.post("/v1/chat/completions", json=body)
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 400:
        assert "\n" not in answer.json()["error"]["message"]


def test_tools_nested_as_deep_as_a_body_goes_are_no_error_of_the_servers(live):
    for levels in (200, 2_000, 20_000):
        nested = '{"a":' * levels + "1" + "}" * levels
        tools = f'[{{"type": "function", "function": {{"name": "f", "parameters": {nested}}}}}]'
        body = json.dumps(asked(tools=[])).replace('"tools": []', f'"tools": {tools}')
        headers = {"Content-Type": "application/json"}
        assert live.http.post("/v1/chat/completions", content=body, headers=headers).status_code in (200, 400)
