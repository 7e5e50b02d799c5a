"""/v1/responses with OpenAI's own client, on the engine with a tiny model."""

import json

import openai
import pytest
from openai.types.responses import Response

from tests.services.chat.test_chat_api import MODEL, endless, steered
from tests.services.conftest import until
from tests.vectors.engine.batches import stopped_after


def asked(**fields):
    return {
        "model": MODEL,
        "input": "Why does mean([]) fail?",
        "temperature": 0,
        "max_output_tokens": 12,
        **fields,
    }


def chat(client, *turns, **fields):
    messages = [{"role": role, "content": content} for role, content in turns]
    settings = {"model": MODEL, "temperature": 0, "max_tokens": 12, **fields}
    return client.chat.completions.create(messages=messages, **settings)


def test_a_text_is_answered_as_in_a_chat_of_one_turn(client):
    answer = client.responses.create(**asked())
    same = chat(client, ("user", "Why does mean([]) fail?"))
    assert answer.output_text == same.choices[0].message.content
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (same.usage.prompt_tokens, 12)
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert answer.usage.total_tokens == same.usage.total_tokens
    assert Response.model_validate(answer.model_dump()) == answer


def test_instructions_and_turns_are_those_of_a_chat_and_an_answer_is_handed_back_as_it_came(client):
    first = client.responses.create(**asked(instructions="be brief"))
    turns = [{"role": "user", "content": "Why does mean([]) fail?"}, *first.output]
    turns += [
        {
            "role": "developer",
            "content": [{"type": "input_text", "text": "be "}, {"type": "input_text", "text": "long"}],
        }
    ]
    turns += [{"type": "message", "role": "user", "content": "And sum?"}]
    more = client.responses.create(**asked(instructions="be brief", input=turns))
    same = chat(
        client,
        ("system", "be brief"),
        ("user", "Why does mean([]) fail?"),
        ("assistant", first.output_text),
        ("system", "be long"),
        ("user", "And sum?"),
    )
    assert more.output_text == same.choices[0].message.content
    assert more.instructions == "be brief"


def test_the_events_of_a_stream_joined_are_the_whole_response(client):
    whole = client.responses.create(**asked())
    events = list(client.responses.create(**asked(stream=True)))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type.removeprefix("response.") for event in events]
    assert kinds[:4] == ["created", "in_progress", "output_item.added", "content_part.added"]
    assert kinds[-4:] == ["output_text.done", "content_part.done", "output_item.done", "incomplete"]
    assert set(kinds[4:-4]) == {"output_text.delta"}
    assert "".join(event.delta for event in events[4:-4]) == whole.output_text == events[-4].text
    last = events[-1].response
    assert last.output_text == whole.output_text
    assert last.usage.output_tokens == whole.usage.output_tokens


def test_the_clients_own_reader_of_streams_ends_with_the_response(client):
    with client.responses.stream(**asked(), extra_body={"regex": "[a-z]{5}"}) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert (final.status, final.output_text) == ("completed", text)
    assert text.isalpha() and len(text) == 5


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_of_the_form_that_was_asked_for(client, stream):
    def told(**fields):
        answer = client.responses.create(**asked(**{"max_output_tokens": 200, **fields}, stream=stream))
        if stream:
            answer = list(answer)[-1].response
        return json.loads(answer.output_text)

    colours = {"type": "object", "properties": {"colour": {"enum": ["red", "green"]}}, "required": ["colour"],
               "additionalProperties": False}  # fmt: skip
    form = {"type": "json_schema", "name": "colour", "schema": colours, "strict": True}
    assert told(text={"format": form})["colour"] in ("red", "green")
    assert client.responses.create(**asked(text={"format": {"type": "text"}, "verbosity": "medium"})).output


def test_a_response_is_steered_and_sampled_as_a_chat_is(client):
    plain, moved = (
        client.responses.create(**asked(extra_body=extra)) for extra in ({}, {"steering": steered(1)})
    )
    assert moved.output_text != plain.output_text
    assert moved.model_extra["steering"][0]["layer"] == 1
    assert plain.model_extra["steering"] is None
    sampled = {"temperature": 1.5, "top_p": 0.9, "extra_body": {"seed": 3}}
    same = chat(client, ("user", asked()["input"]), temperature=1.5, top_p=0.9, seed=3)
    assert client.responses.create(**asked(**sampled)).output_text == same.choices[0].message.content


def test_scores_are_those_of_a_chat_whole_and_streamed(client):
    fields = asked(include=["message.output_text.logprobs"], top_logprobs=2)
    whole = client.responses.create(**fields).output[0].content[0].logprobs
    same = (
        chat(client, ("user", "Why does mean([]) fail?"), logprobs=True, top_logprobs=2)
        .choices[0]
        .logprobs.content
    )
    assert [(each.token, each.logprob) for each in whole] == [(each.token, each.logprob) for each in same]
    assert [len(each.top_logprobs) for each in whole] == [2] * len(same)
    events = list(client.responses.create(**fields, stream=True))
    told = [each for event in events if event.type.endswith("text.delta") for each in event.logprobs]
    assert [each.token for each in told] == [each.token for each in same]


NEUTRAL = {
    "store": True,
    "metadata": {"run": "7"},
    "service_tier": "flex",
    "user": "ada",
    "safety_identifier": "ada",
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "prompt_cache_options": {"mode": "implicit", "ttl": "30m"},
    "tools": [],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "max_tool_calls": 3,
    "include": ["reasoning.encrypted_content"],
    "truncation": "disabled",
    "background": False,
    "reasoning": {"effort": "none", "summary": "auto"},
    "top_logprobs": 2,
    "text": {"format": {"type": "text"}},
    "stream_options": {"include_obfuscation": False},
}


def test_what_changes_no_answer_is_taken_and_so_is_null(client):
    plain = client.responses.create(**asked()).output_text
    for name, value in NEUTRAL.items():
        for given in (value, None):
            assert client.responses.create(**asked(), extra_body={name: given}).output_text == plain, name
    told = client.responses.create(**asked(store=True, metadata={"run": "7"}))
    assert told.metadata == {"run": "7"}
    assert told.model_extra["store"] is False


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"previous_response_id": "resp_1"}, "nothing is kept"),
        ({"conversation": "conv_1"}, "nothing is kept"),
        ({"prompt": {"id": "pmpt_1"}}, "nothing is kept"),
        ({"background": True}, "background"),
        ({"tools": [{"type": "web_search"}]}, "tools are called in chats"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"truncation": "auto"}, "truncation"),
        ({"reasoning": {"effort": "high"}}, "think"),
        ({"text": {"verbosity": "low"}}, "verbosity"),
        ({"text": {"format": {"type": "xml"}}}, "format"),
        ({"text": {"format": {"type": "json_object"}}, "extra_body": {"regex": "a"}}, "only one"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"input": []}, "input"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "type"),
        ({"input": [{"type": "reasoning", "summary": []}]}, "type"),
        ({"input": "word " * 8_000}, "tokens"),
        ({"extra_body": {"n": 2}}, "not known"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(client, fields, why):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(**asked(**fields))
    assert why in caught.value.body["message"]


def test_an_error_within_a_stream_is_raised_by_the_client(serving):
    live = serving(drain_s=0)
    body = {**endless(stream=True), "input": "x", "max_output_tokens": 12_000}
    for name in ("messages", "max_tokens"):
        del body[name]
    with openai.OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0) as client:
        events = client.responses.create(**body)
        with stopped_after(live.session.engine, passes=0):
            next(events)
            until(lambda: live.runtime.tickets)
            for ticket in live.runtime.tickets:
                ticket.cancel()
        with pytest.raises(openai.APIError, match="stopping"):
            list(events)
