"""What a chat tells of the residual stream: along probes, from an unsteered twin, as hidden states."""

import base64
import struct

import openai
import pytest

from tests.services.chat.test_chat_api import asked, steered

PROBES = [{"domain": "bug_analysis", "layer": 2}, {"vector": [1.0] * 32, "layer": 0}]


def told(client, **extra):
    return client.chat.completions.create(**asked(), extra_body=extra)


def test_each_new_token_has_a_reading_of_each_probe(client):
    answer = told(client, probes=PROBES)
    readings = answer.choices[0].readings
    assert [len(probe["projection"]) for probe in readings["probes"]] == [answer.usage.completion_tokens] * 2
    assert all(-1 <= cosine <= 1 for probe in readings["probes"] for cosine in probe["cosine"])
    assert told(client).choices[0].readings is None
    assert answer.choices[0].message.content == told(client).choices[0].message.content


def test_the_prompt_is_read_too_where_that_is_asked_for(client):
    answer = told(client, probes=PROBES, reads_prompt=True)
    readings = answer.choices[0].readings
    alone = told(client, probes=PROBES).choices[0].readings["probes"]
    for mine, other in zip(readings["probes"], alone, strict=True):
        assert mine["projection"] == pytest.approx(other["projection"], abs=1e-3)
    assert [len(probe["cosine"]) for probe in readings["prompt"]] == [answer.usage.prompt_tokens - 1] * 2


def test_a_stream_tells_readings_with_the_tokens_that_they_are_of(client):
    extra = {"probes": PROBES, "divergence": True, "steering": steered(1), "reads_prompt": True}
    whole = told(client, **extra).choices[0].readings
    chunks = client.chat.completions.create(**asked(stream=True), extra_body=extra)
    parts = [chunk.choices[0].readings for chunk in chunks if chunk.choices[0].readings]
    for number in range(2):
        joined = [each for part in parts[:-1] for each in part["probes"][number]["projection"]]
        assert joined == pytest.approx(whole["probes"][number]["projection"], abs=1e-4)
    assert [each for part in parts for each in part["divergence"]] == pytest.approx(
        whole["divergence"], abs=1e-4
    )
    assert len(parts[-1]["prompt"][0]["cosine"]) == len(whole["prompt"][0]["cosine"])
    assert parts[-1]["steered_tokens"] == whole["steered_tokens"]


def test_divergence_is_of_a_steered_answer_and_nothing_of_one_that_is_not(client):
    moved = told(client, divergence=True, steering=steered(1)).choices[0].readings
    still = told(client, divergence=True).choices[0].readings
    assert max(moved["divergence"]) > 0.01
    assert set(still["divergence"]) == {0.0}
    assert (len(moved["steered_tokens"]), still["steered_tokens"]) == (1, [])


def test_hidden_states_are_numbers_of_the_places_asked_for(client):
    answer = told(client, hidden_states={"layers": [0, 3], "positions": "-2..-1 | first 2"})
    kept = answer.choices[0].readings["hidden_states"]
    n = answer.usage.prompt_tokens
    assert kept["places"] == [n - 2, n - 1, n, n + 1]
    for layer in ("0", "3"):
        data = base64.b64decode(kept["layers"][layer])
        assert len(struct.unpack(f"<{len(data) // 4}f", data)) == 4 * 32


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        ({"probes": [{"layer": 1}]}, "name a domain"),
        ({"probes": [{"domain": "bug_analysis", "layer": 99}]}, "layer 99"),
        ({"probes": [{"domain": "nosuch", "layer": 1}]}, "there is no vector"),
        ({"probes": [{"vector": [0.0] * 32, "layer": 1}]}, "not all zero"),
        ({"probes": [{"vector": [1.0], "layer": 1}]}, "expected [32]"),
        ({"probes": PROBES * 9}, "16"),
        ({"reads_prompt": True}, "needs probes"),
        ({"hidden_states": {"layers": [4]}}, "layer 4 does not exist"),
        ({"hidden_states": {"layers": []}}, "layers"),
        ({"hidden_states": {"layers": [0], "positions": "nowhere"}}, "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused(client, extra, why):
    with pytest.raises(openai.APIStatusError) as caught:
        told(client, **extra)
    assert caught.value.status_code in (400, 404)
    assert why in caught.value.body["message"]
