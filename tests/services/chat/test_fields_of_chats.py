"""Which fields of a chat change nothing, which are refused, and how long a conversation may be."""

import openai
import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming

from services.chat.schemas import ChatRequest
from tests.services.chat.test_chat_api import TURNS, asked, text

UNUSED = {
    "frequency_penalty": 0,
    "presence_penalty": 0.0,
    "logit_bias": {},
    "response_format": {"type": "text"},
    "modalities": ["text"],
    "tools": [],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "store": True,
    "metadata": {"run": "7"},
    "service_tier": "priority",
    "user": "ada",
    "safety_identifier": "ada",
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "prompt_cache_options": {"mode": "implicit"},
    "prediction": {"type": "content", "content": "x"},
    "reasoning_effort": "none",
    "verbosity": "medium",
    "functions": [],
    "function_call": "none",
    "stream_options": {"include_usage": None, "include_obfuscation": False},
}


OPTIONAL = sorted(
    {*ChatRequest.model_fields, *CompletionCreateParamsNonStreaming.__annotations__} - {"model", "messages"}
)
"""Of ours and of the client's own list."""


def test_a_field_that_is_null_is_as_good_as_left_out(live):
    for name in OPTIONAL:
        left_out = asked(max_completion_tokens=12, seed=1)
        left_out.pop(name, None)
        answers = [
            live.http.post("/v1/chat/completions", json=body) for body in (left_out, {**left_out, name: None})
        ]
        assert [answer.status_code for answer in answers] == [200, 200], name
        assert answers[0].json()["choices"] == answers[1].json()["choices"], name


def test_a_field_of_a_steering_may_be_null_too(client):
    left_out = {"domain": "bug_analysis"}
    nulls = {**left_out, "vector": None, "layer": None, "alpha": None, "mode": None, "positions": None}
    first, second = (text(client, extra_body={"steering": each}) for each in (left_out, nulls))
    assert first == second


def test_a_field_that_asks_for_nothing_changes_nothing(client):
    plain = text(client)
    for name, value in UNUSED.items():
        assert text(client, extra_body={name: value}) == plain, name


def test_a_conversation_may_be_as_long_as_the_context(client, live):
    turns = [{"role": ("user", "assistant")[number % 2], "content": str(number)} for number in range(1_101)]
    answer = client.chat.completions.create(**asked(messages=turns, max_tokens=1))
    assert answer.usage.prompt_tokens == len(live.session.model.chat_ids(turns)) > 12_000


def test_turns_are_told_apart_by_role_in_conversations_of_a_length(client):
    turns = [{"role": ("user", "assistant")[number % 2], "content": "x"} for number in range(257)]
    by_role = {"steering": "10·bug_analysis[user]"}
    with pytest.raises(openai.BadRequestError, match="up to 256 turns, not 257"):
        client.chat.completions.create(**asked(messages=turns), extra_body=by_role)


def test_a_turn_of_the_models_is_taken_back_as_it_came(client):
    own = client.chat.completions.create(**asked()).choices[0].message
    turns = [*TURNS, {**own.model_dump(), "content": own.content or "x"}, TURNS[0]]
    more = {"refusal": None, "annotations": [], "audio": None, "function_call": None, "tool_calls": []}
    for said in (turns, [{**turns[1], **more}, TURNS[0]]):
        assert client.chat.completions.create(**asked(messages=said)).choices


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"frequency_penalty": 2.5}, "frequency_penalty"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": 7}}}},
            "json_schema",
        ),
        ({"extra_body": {"regex": "("}}, "regex"),
        ({"extra_body": {"regex": "a", "grammar": 'start: "a"'}}, "only one"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"logit_bias": {"a": 1}}, "logit_bias"),
        ({"logit_bias": {"1": 101}}, "logit_bias"),
        ({"logit_bias": {"100000": 1}}, "logit_bias"),
        ({"reasoning_effort": "low"}, "reasoning_effort: models do not think"),
        ({"verbosity": "low"}, "verbosity"),
        ({"extra_body": {"web_search_options": {}}}, "web_search_options: it is not known here"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"messages": [{"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]}]}, "tool_calls"),
        ({"messages": [{"role": "user", "content": None}]}, "content"),
        ({"n": 17}, "n"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 100_000}, "max_tokens"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": ""}, "stop"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "function", "content": "x", "name": "f"}]}, "role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "type"),
        ({"messages": [{"role": "user", "content": "word " * 120_000}]}, "messages"),
        ({"messages": [{"role": "user", "content": "word " * 8_000}]}, "tokens"),
    ],
)
def test_what_means_nothing_here_is_refused_not_passed_over(client, fields, why):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**asked(**fields))
    assert why in caught.value.body["message"]
