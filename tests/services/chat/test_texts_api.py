"""/v1/completions with OpenAI's own client, and /tokenize, on the engine with a tiny model."""

import openai
import pytest

from services.chat.generate import Token
from services.chat.text_answers import Told
from tests.vectors import folders
from vectors.engine.requests import GenerationRequest, scoring
from vectors.engine.row import Scored
from vectors.engine.sampling import Sampling
from vectors.models.tokenizer import Tokenizer

MODEL = "tiny-llama"


def asked(**fields):
    return {"model": MODEL, "prompt": "def mean(values):", "temperature": 0, "max_tokens": 8, **fields}


def test_a_text_is_gone_on_with_and_a_stream_joined_is_the_same(client):
    whole = client.completions.create(**asked())
    assert whole.object == "text_completion"
    chunks = client.completions.create(**asked(stream=True, stream_options={"include_usage": True}))
    told = list(chunks)
    assert "".join(each.text for chunk in told for each in chunk.choices) == whole.choices[0].text
    assert told[-2].choices[0].finish_reason == whole.choices[0].finish_reason == "length"
    assert told[-1].usage.completion_tokens == whole.usage.completion_tokens == 8
    assert whole.usage.prompt_tokens == len("def mean(values):")


def test_several_prompts_of_text_or_of_tokens_are_each_answered_as_alone(client, live):
    prompts = ["def mean(values):", "class A:", "x"]
    alone = [client.completions.create(**asked(prompt=each)).choices[0].text for each in prompts]
    together = client.completions.create(**asked(prompt=prompts))
    assert [(each.index, each.text) for each in together.choices] == list(enumerate(alone))
    ids = [live.http.post("/tokenize", json={"model": MODEL, "prompt": each}).json() for each in prompts]
    assert [each["count"] for each in ids] == [len(each) for each in prompts]
    tokens = [each["tokens"] for each in ids]
    assert [each.text for each in client.completions.create(**asked(prompt=tokens)).choices] == alone
    two = client.completions.create(**asked(prompt=prompts[:2], n=2, temperature=1.5, seed=3))
    assert [each.index for each in two.choices] == [0, 1, 2, 3]
    first = client.completions.create(**asked(prompt=prompts[1], temperature=1.5, seed=4))
    assert two.choices[3].text == first.choices[0].text


@pytest.mark.parametrize("stream", [False, True])
def test_an_echo_scores_the_prompt_as_the_engine_does(client, live, stream):
    lm, engine = live.session.model, live.session.engine
    context, continuation = lm.encode("def mean(", begins=True), lm.encode("values):", begins=False)
    wanted = engine.submit(scoring(context, continuation)).result()
    said = asked(prompt=[*context, *continuation], echo=True, logprobs=2, max_tokens=1, stream=stream)
    answer = client.completions.create(**said)
    parts = [each for chunk in answer for each in chunk.choices] if stream else answer.choices
    found = [each for part in parts for each in part.logprobs.token_logprobs]
    assert found[0] is None
    assert found[len(context) : -1] == pytest.approx(list(wanted.logprobs), abs=1e-4)
    assert len(found) == len(context) + len(continuation) + 1
    tops = [each for part in parts for each in part.logprobs.top_logprobs]
    assert all(max(top.values()) >= score for top, score in zip(tops[1:], found[1:], strict=True))
    text = "".join(part.text for part in parts)
    assert text.startswith("def mean(values):")
    assert [offset for part in parts for offset in part.logprobs.text_offset] == list(range(len(found)))
    if not stream:
        assert answer.usage.prompt_tokens == len(context) + len(continuation)
        assert answer.usage.completion_tokens == 1


@pytest.mark.parametrize(("prompt", "offsets"), [("ab", [0, 0, 1, 2]), ("<s>ab", [0, 3, 4, 5])])
def test_what_is_put_before_an_echoed_text_takes_none_of_its_places(prompt, offsets):
    written = folders.transformers_tokenizer()
    written.add_special_tokens({"bos_token": "<s>"})
    tokenizer = Tokenizer.of(written)
    first, *rest = (tokenizer.bos_token_id, *b"ab")
    request = GenerationRequest((first,), sampling=Sampling(3, logprobs=True, forced_ids=tuple(rest)))
    tokens = [Token(chr(id_), id_, Scored(-1.0, ())) for id_ in (*rest, ord("c"))]
    choice = Told(0, request, prompt, tokenizer).choice(tokens, "length")
    assert choice.text == f"{prompt}c"
    assert choice.logprobs.text_offset == offsets
    assert [choice.text[at : at + 1] for at in offsets[1:]] == ["a", "b", "c"]


def test_tokens_come_back_as_the_text_and_a_chats_as_the_model_is_shown_it(live):
    turns = [{"role": "user", "content": "hello"}]
    ids = live.http.post("/tokenize", json={"model": MODEL, "messages": turns}).json()["tokens"]
    assert tuple(ids) == live.session.model.chat_ids(turns)
    text = live.http.post("/detokenize", json={"model": MODEL, "tokens": ids}).json()["prompt"]
    assert text.startswith("<|im_start|>user\nhello")


def test_an_answer_is_steered_or_of_a_form_as_in_a_chat(client):
    vector = {"vector": [1.0, -1.0] * 16, "layer": 2, "alpha": 60.0}
    plain = client.completions.create(**asked())
    moved = client.completions.create(**asked(), extra_body={"steering": vector})
    assert moved.choices[0].text != plain.choices[0].text
    assert moved.model_extra["steering"][0]["layer"] == 2
    assert client.completions.create(**asked(), extra_body={"regex": "[0-9]{4}"}).choices[0].text.isdigit()


def test_one_request_asks_for_no_more_at_once_than_the_server_takes(serving):
    live = serving(chat_tokens=500)
    body = asked(prompt=["x"] * 8, n=2, max_tokens=100)
    answer = live.http.post("/v1/completions", json=body)
    assert (answer.status_code, "16 answers" in answer.text) == (400, True)
    assert live.http.post("/v1/completions", json={**body, "n": 1, "max_tokens": 3}).status_code == 200


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"suffix": "end"}, "suffix"),
        ({"best_of": 2}, "best_of"),
        ({"logprobs": 21}, "logprobs"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [[]]}, "prompt"),
        ({"prompt": [10**6]}, "token id"),
        ({"prompt": "x" * 40_000}, "prompt"),
        ({"echo": True, "stop": "a"}, "echo"),
        ({"echo": True, "extra_body": {"regex": "a"}}, "echo"),
        (
            {"extra_body": {"steering": {"domain": "code_reading", "positions": "generated"}}, "echo": True},
            "echo",
        ),
        ({"model": "other"}, "not in memory"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(client, fields, why):
    with pytest.raises((openai.BadRequestError, openai.NotFoundError)) as caught:
        client.completions.create(**asked(**fields))
    assert why in caught.value.body["message"]
