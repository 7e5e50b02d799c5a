"""The text of a row as its tokens come."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers

from tests.vectors.tiny import EOS, PAD, byte_tokenizer
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.engine.textstream import TextStream
from vectors.models.tokenizer import Tokenizer


def stream(text, stop=()):
    """The pieces handed out for the bytes of a text, one token each, until the stream stops."""
    out, pieces = TextStream(byte_tokenizer(), stop), []
    for byte in text if isinstance(text, bytes) else text.encode():
        pieces.append(out.push(byte))
        if out.stopped:
            break
    return [*pieces, out.finish()]


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


def test_a_stop_string_that_is_a_special_token_stops_there_and_is_not_in_the_text():
    out = TextStream(byte_tokenizer(), ("<pad>",))
    assert [out.push(token) for token in (*b"It is four.", PAD)][-1] == ""
    assert out.stopped
    whole = TextStream(byte_tokenizer(), ("<pad>",))
    assert "".join([*(whole.push(token) for token in (*b"It is four.", PAD, *b"user")), whole.finish()]) == (
        "It is four."
    )


@pytest.mark.parametrize(
    ("stop", "tokens", "text"),
    [
        ("<pad>user", (*b"a", PAD, *b"user b"), "a"),
        ("end<pad>", (*b"a end", PAD, *b"b"), "a "),
        ("<pad>\n<eos>", (*b"a", PAD, *b"\n", EOS, *b"b"), "a"),
        ("<pad>user", (*b"a", PAD, *b"usual"), "ausual"),
        ("<pad>", b"a <pad> b", "a "),
        ("<pad>user", (*b"\xe2\x82", PAD, *b"user"), "\ufffd"),
    ],
    ids=["before text", "after text", "two", "another", "spelled out", "inside a character"],
)
def test_a_stop_string_may_hold_special_tokens_beside_text(stop, tokens, text):
    out = TextStream(byte_tokenizer(), ("unheard of", stop))
    pieces = []
    for token in tokens:
        pieces.append(out.push(token))
        if out.stopped:
            break
    assert "".join([*pieces, out.finish()]) == text


def test_every_token_may_be_met_before_the_special_one_that_stops():
    out = TextStream(byte_tokenizer(), ("<pad>",))
    for token in range(128):
        out.push(token)
    out.push(PAD)
    assert out.stopped


def test_a_special_token_between_words_does_not_cost_the_space_after_it():
    vocabulary = {"▁one": 0, "▁two": 1, "<end>": 2}
    words = Backend(models.WordLevel(vocabulary, "<end>"))
    words.decoder = decoders.Metaspace()
    words.add_special_tokens(["<end>"])
    out = TextStream(Tokenizer(words, {"eos_token": "<end>"}), ())
    assert [out.push(token) for token in (0, 2, 2, 1, 1)] == ["one", "", "", " two", " two"]


def llama2():
    """A tokenizer of Llama 2's kind: a space is put before every text, and taken from what is decoded."""
    pieces = ["<unk>", "</s>", *(f"<0x{byte:02X}>" for byte in range(128)), *"▁aisz", "▁i", "▁is", "▁a"]
    vocabulary = {piece: id_ for id_, piece in enumerate(pieces)}
    backend = Backend(
        models.BPE(vocabulary, [("▁", "i"), ("▁i", "s"), ("▁", "a")], unk_token="<unk>", byte_fallback=True)
    )
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    backend.add_special_tokens(["</s>"])
    return Tokenizer(backend, {"eos_token": "</s>"})


def test_an_answer_that_goes_on_with_a_text_keeps_its_first_space_and_one_that_begins_has_none(qwen3):
    tokenizer = llama2()
    space, is_, a = (tokenizer.backend.token_to_id(piece) for piece in ("▁", "▁is", "▁a"))
    end = tokenizer.eos_token_id
    with Engine(qwen3, tokenizer) as engine:
        for prompt, text in (((a,), " is a"), ((a, space), " is a"), ((a, end), "is a")):
            forced = Sampling(2, forced_ids=(is_, a))
            assert engine.submit(GenerationRequest(prompt, sampling=forced)).result().text == text
        pieces = []
        request = GenerationRequest((a,), sampling=Sampling(2, forced_ids=(is_, a)), on_token=pieces.append)
        assert engine.submit(request).result().text == "".join(pieces) == " is a"
    assert [tokenizer.spelled(token) for token in (space, is_, a)] == [" ", " is", " a"]
    assert (byte_tokenizer().before, byte_tokenizer().spelled(ord("a"))) == ((), "a")


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
