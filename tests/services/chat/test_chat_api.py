"""Chats over HTTP with OpenAI's own client, on the engine with a tiny model."""

import json
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest

from services.errors import Busy
from services.serving.gate import Gate
from tests.services.conftest import until
from tests.vectors.engine.batches import stopped_after

TURNS = [{"role": "user", "content": "Why does mean([]) fail?"}]
MODEL = "tiny-llama"


def asked(**fields):
    return {"model": MODEL, "messages": TURNS, "temperature": 0, "max_tokens": 12, **fields}


def steered(seed):
    """Strong enough to change what this model says."""
    layer = seed % 4
    vector = [float((seed * 7 + i * i) % 5 - 2) for i in range(32)]
    return {"vector": vector, "layer": layer, "alpha": 30.0 + seed, "mode": "add", "positions": "all"}


def text(client, **fields):
    return client.chat.completions.create(**asked(**fields)).choices[0].message.content


def test_the_official_client_gets_an_answer_with_its_usage(client):
    answer = client.chat.completions.create(**asked())
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.completion_tokens <= 12
    assert answer.model == MODEL


def test_a_stream_joined_is_the_whole_answer(client):
    chunks = list(
        client.chat.completions.create(**asked(stream=True, stream_options={"include_usage": True}))
    )
    joined = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    whole = client.chat.completions.create(**asked())
    assert joined == whole.choices[0].message.content
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_a_seed_decides_what_is_sampled(client):
    sampled = {"temperature": 1.5, "max_tokens": 24}
    assert text(client, **sampled, seed=1) == text(client, **sampled, seed=1)
    assert len({text(client, **sampled, seed=seed) for seed in range(6)}) > 1


def test_several_answers_are_each_what_their_own_seed_gives_whole_and_streamed(client):
    sampled = {"temperature": 1.5, "max_tokens": 24, "stream_options": {"include_usage": True}}
    alone = [text(client, temperature=1.5, max_tokens=24, seed=seed) for seed in (5, 6, 7)]
    whole = client.chat.completions.create(**asked(temperature=1.5, max_tokens=24, n=3, seed=5))
    assert [(each.index, each.message.content) for each in whole.choices] == list(enumerate(alone))
    streamed, ends, used = ["", "", ""], [], None
    for chunk in client.chat.completions.create(**asked(**sampled, n=3, seed=5, stream=True)):
        used = chunk.usage or used
        for each in chunk.choices:
            streamed[each.index] += each.delta.content or ""
            ends += [each.index] if each.finish_reason else []
    assert streamed == alone
    assert sorted(ends) == [0, 1, 2]
    assert used.completion_tokens == whole.usage.completion_tokens > 24
    assert used.prompt_tokens == whole.usage.prompt_tokens


def test_a_stop_string_ends_the_answer_before_it(client):
    whole = text(client, max_tokens=24)
    stop = whole[3:5]
    assert stop.strip("\ufffd")
    assert text(client, max_tokens=24, stop=stop) == whole[: whole.index(stop)]
    answer = client.chat.completions.create(**asked(max_tokens=24, stop=[stop]))
    assert answer.choices[0].finish_reason == "stop"


def test_logprobs_are_the_same_whole_and_streamed(client):
    whole = client.chat.completions.create(**asked(logprobs=True)).choices[0].logprobs.content
    chunks = client.chat.completions.create(**asked(logprobs=True, stream=True))
    streamed = [
        token
        for chunk in chunks
        if chunk.choices and chunk.choices[0].logprobs
        for token in chunk.choices[0].logprobs.content
    ]
    assert whole
    assert [token.token for token in whole] == [token.token for token in streamed]
    assert [token.logprob for token in whole] == pytest.approx([token.logprob for token in streamed])
    assert all(token.logprob <= 0 for token in whole)


def test_the_likeliest_tokens_are_told_in_the_place_of_each(client):
    content = (
        client.chat.completions.create(**asked(logprobs=True, top_logprobs=3)).choices[0].logprobs.content
    )
    for token in content:
        assert len(token.top_logprobs) == 3
        best = token.top_logprobs[0]
        assert (best.token, best.logprob) == (token.token, token.logprob), "it was greedy"
        assert [each.logprob for each in token.top_logprobs] == sorted(
            (each.logprob for each in token.top_logprobs), reverse=True
        )


def test_penalties_and_biases_change_what_is_chosen(client, live):
    wanted = live.session.model.tokenizer.backend.token_to_id("Q")
    assert text(client, max_tokens=3, logit_bias={str(wanted): 100}) == "QQQ"
    bias = {"logit_bias": {str(wanted): 100}}
    varied = text(client, max_tokens=30, frequency_penalty=2, presence_penalty=2)
    assert len(set(varied)) > len(set(text(client, max_tokens=30)))
    assert text(client, max_tokens=2, **bias, presence_penalty=2) == "QQ", "100 outweighs 2"


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_of_the_form_that_was_asked_for(client, stream):
    def told(**fields):
        answer = client.chat.completions.create(**asked(**{"max_tokens": 200, **fields}, stream=stream))
        if stream:
            return "".join(chunk.choices[0].delta.content or "" for chunk in answer)
        return answer.choices[0].message.content

    colours = {"type": "object", "properties": {"colour": {"enum": ["red", "green"]}}, "required": ["colour"],
               "additionalProperties": False}  # fmt: skip
    form = {"type": "json_schema", "json_schema": {"name": "colour", "schema": colours, "strict": True}}
    assert told(response_format=form) in ('{"colour": "red"}', '{"colour": "green"}'), "with no other space"
    assert told(response_format={"type": "json_object"}).startswith("{")
    assert re.fullmatch("[0-9]{3}-[a-c]{2}", told(extra_body={"regex": "[0-9]{3}-[a-c]{2}"}))
    assert told(extra_body={"grammar": 'start: "yes" | "no"'}) in ("yes", "no")


def test_a_request_is_steered_by_its_own_vector_and_says_so(client):
    plain = client.chat.completions.create(**asked())
    moved = client.chat.completions.create(**asked(), extra_body={"steering": steered(1)})
    assert plain.choices[0].message.content != moved.choices[0].message.content
    assert plain.steering is None
    said = {"layer": 1, "alpha": 31.0, "operation": "add", "positions": "all", "conditional": False}
    assert moved.steering == [said]


def test_a_domain_steers_with_its_own_defaults(client, live):
    moved = client.chat.completions.create(**asked(), extra_body={"steering": {"domain": "bug_analysis"}})
    known = live.http.get(f"/v1/vectors/{MODEL}/bug_analysis").json()
    assert moved.steering[0]["layer"] == known["default_layer"]
    assert moved.steering[0]["alpha"] == pytest.approx(known["default_alpha"])


def test_requests_of_different_steering_share_batches_and_each_gets_what_it_gets_alone(client, live):
    steerings = [None, *(steered(seed) for seed in range(11))]

    def ask(steering):
        extra = {"steering": steering} if steering else {}
        return client.chat.completions.create(**asked(max_tokens=40), extra_body=extra)

    alone = [ask(steering).choices[0].message.content for steering in steerings]
    assert len(set(alone)) > 6
    engine = live.session.engine
    before = engine.stats().done
    with ThreadPoolExecutor(12) as pool:
        with stopped_after(engine, passes=0):
            together = [pool.submit(ask, steering) for steering in steerings]
            until(lambda: engine.stats().waiting + busy(live) == len(steerings))
        answers = [each.result() for each in together]
    after = engine.stats().done
    assert [answer.choices[0].message.content for answer in answers] == alone
    new = after.new_tokens - before.new_tokens
    assert after.passes - before.passes < new  # else no pass held two rows


@pytest.mark.parametrize(
    ("steering", "why"),
    [
        ({}, "domain"),
        ({"domain": "bug_analysis", "vector": [1.0]}, "not both"),
        ({"vector": [1.0] * 32, "layer": 1}, "alpha"),
        ({"vector": [1.0] * 31, "layer": 1, "alpha": 1}, "shape"),
        ({"vector": [0.0] * 32, "layer": 1, "alpha": 1}, "zero"),
        ({"vector": [1.0] * 32, "layer": 4, "alpha": 1}, "layer"),
        ({"vector": [1.0] * 32, "layer": -1, "alpha": 1}, "layer"),
        ({"vector": [1.0] * 32, "layer": True, "alpha": 1}, "layer"),
        ({"vector": [1e39] * 32, "layer": 1, "alpha": 1}, "finite"),
        ({"vector": [1.0] * 32, "layer": 1, "alpha": 1e9}, "at most"),
        ({"domain": "bug_analysis", "layer": 99}, "layer"),
        ({"domain": "bug_analysis", "mode": "bend"}, "mode"),
        ({"domain": "bug_analysis", "positions": "some"}, "positions"),
        ({"domain": "bug_analysis", "strength": 1}, "strength"),
        ({"domain": "../../etc/passwd"}, "domain"),
    ],
)
def test_a_steering_that_does_not_fit_is_refused(client, steering, why):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**asked(), extra_body={"steering": steering})
    assert why in caught.value.body["message"]
    assert caught.value.body["type"] == "invalid_request_error"


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(**asked(model="gpt-2"))
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-2")
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).id == MODEL


def test_the_clients_key_is_the_servers_key(live, client):
    _, key = live.runtime.store.keys.create("ada")
    with pytest.raises(openai.AuthenticationError):
        client.models.list()
    assert client.with_options(api_key=key).models.list().data


def endless(**fields):
    """It goes on for thousands of tokens unless somebody stops it."""
    return asked(max_tokens=12_000, **fields)


def busy(live):
    return live.session.engine.stats().running


def test_a_client_that_leaves_a_stream_stops_its_generation(live):
    before = live.session.engine.stats().done.new_tokens
    with stopped_after(live.session.engine, passes=50):
        with live.http.stream("POST", "/v1/chat/completions", json=endless(stream=True)) as answer:
            lines = answer.iter_lines()
            for _ in range(4):
                next(lines)
            assert busy(live) == 1
        until(lambda: live.runtime.gate.requests == 0)
    until(lambda: busy(live) == 0)
    assert live.session.engine.stats().done.new_tokens - before < 12_000
    assert not live.runtime.tickets


def test_a_client_that_leaves_without_a_stream_stops_its_generation(live):
    before = live.session.engine.stats().done.new_tokens
    body = json.dumps(endless()).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    with stopped_after(live.session.engine, passes=5):
        with socket.create_connection(("127.0.0.1", httpx.URL(live.url).port)) as leaving:
            leaving.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
            until(lambda: busy(live) == 1)
        until(lambda: live.runtime.gate.requests == 0)
    until(lambda: busy(live) == 0)
    assert live.session.engine.stats().done.new_tokens - before < 12_000


def test_more_than_can_be_taken_in_is_refused_with_a_time(serving):
    live = serving(chat_requests=1)
    with live.runtime.gate.enter(1):
        refused = live.http.post("/v1/chat/completions", json=asked())
    assert refused.status_code == 429
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert int(refused.headers["retry-after"]) >= 1
    assert live.http.post("/v1/chat/completions", json=asked()).status_code == 200


def test_the_gate_counts_tokens_and_gives_places_back():
    gate = Gate(9, 100)
    with gate.enter(60):
        with pytest.raises(Busy), gate.enter(60):
            pass
        with gate.enter(40):
            assert (gate.requests, gate.tokens) == (2, 100)
    assert (gate.requests, gate.tokens) == (0, 0)


def test_a_stopping_server_says_so_in_the_streams_it_cuts_off(serving):
    live = serving(drain_s=0)
    stopping = threading.Thread(target=live.stop)
    with live.http.stream("POST", "/v1/chat/completions", json=endless(stream=True)) as answer:
        lines = answer.iter_lines()
        with stopped_after(live.session.engine, passes=0):
            next(lines)
            stopping.start()
            until(lambda: all(ticket.row.cancelled for ticket in live.runtime.tickets))
        last = [line for line in lines if line][-1]
    stopping.join()
    assert "stopping" in json.loads(last.removeprefix("data: "))["error"]["message"]
