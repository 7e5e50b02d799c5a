import math

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from tests.vectors.tiny import EOS, byte_tokenizer
from vectors.errors import InvalidRequest
from vectors.sampling import Sampler, Sampling
from vectors.textstream import TextStream


def logits_for(rows, vocab=50, seed=0):
    return torch.randn(rows, vocab, generator=torch.Generator().manual_seed(seed)) * 3


def stream(text, stop=()):
    """The pieces handed out for the bytes of a text, one token each, until the stream stops."""
    out, pieces = TextStream(byte_tokenizer(), stop), []
    for byte in text if isinstance(text, bytes) else text.encode():
        pieces.append(out.push(byte))
        if out.stopped:
            break
    return [*pieces, out.finish()]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_new_tokens": 0}, "at least 1"),
        ({"temperature": -0.1}, "0 .greedy. or more"),
        ({"temperature": math.nan}, "0 .greedy. or more"),
        ({"temperature": math.inf}, "0 .greedy. or more"),
        ({"top_p": 0.0}, "more than 0"),
        ({"top_p": 1.1}, "at most 1"),
        ({"top_p": math.nan}, "more than 0"),
        ({"seed": -1}, "expected 0"),
        ({"seed": 2**63}, "expected 0"),
        ({"stop": ("a", "")}, "not empty"),
        ({"stop": "text"}, "tuple"),
    ],
)
def test_a_setting_out_of_range_is_refused_with_what_was_expected(settings, message):
    with pytest.raises(InvalidRequest, match=message):
        Sampling(**settings)


def test_greedy_takes_the_most_likely_token_beside_rows_that_sample():
    logits = logits_for(3)
    tokens = Sampler([Sampling(), Sampling(temperature=2.0), Sampling()]).choose(logits)
    best = logits.argmax(dim=-1).tolist()
    assert (tokens[0], tokens[2]) == (best[0], best[2])


@given(
    seeds=st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=6),
    temperature=st.floats(0.1, 3.0),
    top_p=st.floats(0.05, 1.0),
    steps=st.integers(1, 5),
)
def test_what_a_row_samples_depends_on_its_seed_and_logits_and_not_on_its_neighbours(
    seeds, temperature, top_p, steps
):
    rows = [Sampling(temperature=temperature, top_p=top_p, seed=seed) for seed in seeds]
    together = Sampler([Sampling(temperature=0.7, seed=1), *rows, Sampling()])
    alone = [Sampler([row]) for row in rows]
    for step in range(steps):
        logits = logits_for(len(rows) + 2, seed=step)
        chosen = together.choose(logits.clone())
        assert chosen[1:-1] == [one.choose(logits[i + 1 : i + 2])[0] for i, one in enumerate(alone)]


def test_a_row_that_is_kept_takes_its_generator_along():
    rows = [Sampling(temperature=1.0, seed=seed) for seed in range(4)]
    whole, thinned = Sampler(rows), Sampler(rows)
    first = logits_for(4)
    assert whole.choose(first.clone()) == thinned.choose(first.clone())
    thinned.keep([3, 1])
    second = logits_for(4, seed=1)
    tokens = whole.choose(second.clone())
    assert thinned.choose(second[[3, 1]]) == [tokens[3], tokens[1]]


def test_sampled_frequencies_follow_the_softmax_at_the_temperature():
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    draws = 4000
    sampler = Sampler([Sampling(temperature=1.5, seed=seed) for seed in range(draws)])
    tokens = torch.tensor(sampler.choose(logits.repeat(draws, 1)))
    frequencies = torch.bincount(tokens, minlength=4) / draws
    expected = torch.softmax(logits[0] / 1.5, dim=0)
    # Five standard errors: 1 in 10^6 to fail by chance, and the seeds are fixed.
    assert (frequencies - expected).abs().max() < 5 * 0.5 / math.sqrt(draws)


@given(top_p=st.floats(0.01, 1.0), seed=st.integers(0, 1000))
def test_only_tokens_of_the_nucleus_are_sampled(top_p, seed):
    logits = logits_for(1, vocab=20, seed=seed)
    probabilities, order = torch.softmax(logits[0].double(), dim=0).sort(descending=True)
    before = probabilities.cumsum(0) - probabilities
    nucleus = set(order[before < top_p + 1e-6].tolist())
    rows = [Sampling(temperature=1.0, top_p=top_p, seed=draw) for draw in range(50)]
    assert set(Sampler(rows).choose(logits.repeat(50, 1))) <= nucleus


@pytest.mark.parametrize("temperature", [1e-45, 1e-9, 1e-3])
def test_a_temperature_near_zero_is_greedy(temperature):
    logits = logits_for(1)
    assert Sampler([Sampling(temperature=temperature)]).choose(logits.clone()) == [int(logits.argmax())]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_row_whose_logits_are_not_finite_gets_no_token_and_its_neighbour_does(temperature, value):
    logits = logits_for(2)
    want = Sampler([Sampling(temperature=temperature)]).choose(logits[1:].clone())
    logits[0, 3] = value
    sampler = Sampler([Sampling(temperature=temperature)] * 2)
    assert sampler.choose(logits) == [None, *want]


@given(st.text())
def test_the_pieces_joined_are_the_text(text):
    assert "".join(stream(text)) == text


@given(st.binary(max_size=60))
@example(b"\xff\xff\xff\xff\xf0\x9f\x98\x80")
@example(b"\xff\xff\xf0\x9f\x98\x80\xff")
def test_bytes_that_are_not_text_come_out_as_decoding_them_all_at_once_would(data):
    assert "".join(stream(data)) == byte_tokenizer().decode(list(data))


@given(st.text(min_size=1))
def test_a_piece_never_holds_half_a_character(text):
    pieces = stream(text)
    at = 0
    for piece in pieces:
        assert text.startswith(piece, at)
        at += len(piece)


@given(
    before=st.text("ab\n`é", max_size=12),
    stop=st.text("ab\n`é", min_size=1, max_size=5),
    after=st.text("ab\n`é", max_size=5),
)
def test_the_text_ends_before_the_first_stop_string_wherever_it_falls(before, stop, after):
    text = before + stop + after
    assert "".join(stream(text, (stop,))) == text[: text.find(stop)]


@given(
    text=st.text("abc", max_size=20),
    stops=st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=3),
)
def test_what_was_handed_out_is_never_taken_back(text, stops):
    joined = "".join(stream(text, tuple(stops)))
    assert text.startswith(joined)
    assert not any(stop in joined for stop in stops)
    assert joined == text or any(stop in text for stop in stops)


def test_a_stop_string_is_noticed_at_the_token_that_completes_it():
    out = TextStream(byte_tokenizer(), ("\n```",))
    assert [out.push(byte) for byte in b"x\n``"] == ["x", "", "", ""]
    assert (out.stopped, out.push(ord("`")), out.stopped, out.finish()) == (False, "", True, "")


def test_special_tokens_give_no_text():
    out = TextStream(byte_tokenizer(), ())
    assert [out.push(token) for token in (ord("a"), EOS, ord("b"))] == ["a", "", "b"]


def test_a_special_token_between_words_does_not_cost_the_space_after_it():
    vocabulary = {"▁one": 0, "▁two": 1, "<end>": 2}
    words = Tokenizer(models.WordLevel(vocabulary, "<end>"))
    words.decoder = decoders.Metaspace()
    out = TextStream(PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>"), ())
    assert [out.push(token) for token in (0, 2, 2, 1, 1)] == ["one", "", "", " two", " two"]


def test_a_window_of_a_few_tokens_is_decoded_however_long_the_text_is():
    lengths = []

    class Counting:
        eos_token_id = None

        def decode(self, token_ids, **kwargs):
            lengths.append(len(token_ids))
            return byte_tokenizer().decode(token_ids, **kwargs)

    out = TextStream(Counting(), ())
    for byte in ("naïve Σ " * 50).encode() + b"\xff" * 100:
        out.push(byte)
    assert max(lengths) < 16
