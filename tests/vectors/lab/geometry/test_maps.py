"""Maps between residual streams that are known to be linear, turned, noisy or nothing of the kind."""

import pytest
import torch

from vectors.lab.geometry.maps import METHODS, Paired, Scaled, layer_map, r_squared
from vectors.lab.geometry.paired_texts import WORDS, Excerpt, excerpts, read
from vectors.lab.geometry.passages import corpus
from vectors.lab.geometry.transferring import (
    CONTROLS,
    Split,
    arrivals,
    known,
    mapped,
    paired,
    split,
    transferred,
)
from vectors.measuring.journal import Journal
from vectors.progress import silent

SOURCE, TARGET, PAIRS = 24, 32, 900
SENTENCES = [
    f"The {word} of number {number} stood in the hall for a long time and nobody asked why it had been left "
    f"there. Somebody had written a name on it, and a date, and below them that {word}s are not for sale."
    for number in range(30)
    for word in ("clock", "chair", "trunk")
]


def pairs(noise: float = 0.0, turn: bool = False, seed: int = 0) -> tuple[Paired, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    source = torch.randn(PAIRS, SOURCE, generator=draw) + 3
    matrix = torch.randn(SOURCE, TARGET, generator=draw)
    if turn:
        matrix = torch.linalg.qr(matrix.T).Q.T * 2
    target = source @ matrix + 5 + noise * torch.randn(PAIRS, TARGET, generator=draw)
    return Paired(source, target), matrix


def parts(of: Paired) -> tuple[Paired, Paired, Paired]:
    one, other, last = (
        Paired(of.source[place], of.target[place])
        for place in (slice(0, 600), slice(600, 750), slice(750, None))
    )
    return one, other, last


def held_out(name: str, of: Paired) -> float:
    train, validation, test = parts(of)
    learned = METHODS[name](train, validation)
    scaled = Scaled(train)
    _, true = scaled.apply(test)
    return r_squared(scaled.apply(Paired(test.source, learned(test.source)))[1], true)


@pytest.mark.parametrize("name", ["ridge", "reduced-rank"])
def test_a_linear_relation_is_found(name):
    assert held_out(name, pairs()[0]) > 0.99


def test_a_direction_is_mapped_as_the_difference_of_points_is():
    train, validation, test = parts(pairs(0.5)[0])
    for method in METHODS.values():
        learned = method(train, validation)
        by_points = learned(test.source[:5]) - learned(test.source[5:10])
        assert torch.allclose(learned.direction(test.source[:5] - test.source[5:10]), by_points, atol=1e-3)


def test_the_ridge_gives_the_matrix_back():
    whole, matrix = pairs()
    assert torch.allclose(METHODS["ridge"](*parts(whole)[:2]).matrix, matrix, atol=0.2)


@pytest.mark.parametrize("name", ["procrustes", "anchors"])
def test_what_keeps_angles_finds_a_turn_better_than_any_other_relation(name):
    assert held_out(name, pairs(turn=True)[0]) > held_out(name, pairs()[0]) + 0.1


def test_a_channel_of_great_size_decides_nothing():
    whole, _ = pairs(0.5)
    great = Paired(whole.source.clone(), whole.target.clone())
    great.source[:, 0] *= 1000
    great.target[:, 3] *= 1000
    assert held_out("ridge", great) == pytest.approx(held_out("ridge", whole), abs=1e-3)


def test_what_was_never_paired_explains_nothing():
    whole, _ = pairs()
    draw = torch.Generator().manual_seed(1)
    shuffled = Paired(whole.source, whole.target[torch.randperm(PAIRS, generator=draw)])
    assert held_out("ridge", shuffled) < 0.05


def layered() -> tuple[torch.Tensor, torch.Tensor, list[Excerpt]]:
    """Three layers of a source and two of a target, made of the source's first and last."""
    draw = torch.Generator().manual_seed(0)
    source = torch.randn(PAIRS, 3, SOURCE, generator=draw)
    first, last = (torch.randn(SOURCE, TARGET, generator=draw) for _ in range(2))
    target = torch.stack([source[:, 0] @ first, source[:, 2] @ last], 1)
    return source, target, [Excerpt("", number // 2, (0,)) for number in range(PAIRS // WORDS)]


def test_each_layer_goes_with_the_one_that_it_was_made_of():
    source, target, texts = layered()
    found = paired(texts, source, target, 0)
    assert found.pairing == [0, 2]
    assert found.layer_map[0, 0] > 0.95 > 0.1 > found.layer_map[1, 0]


def test_the_layer_map_is_the_ridge_s_r_squared():
    source, target, texts = layered()
    of = split(texts, known(source, target), 0)
    found = layer_map(source, target, of.train, of.validation)
    train = Paired(source[of.train, 1], target[of.train, 0])
    validation = Paired(source[of.validation, 1], target[of.validation, 0])
    learned, scaled = METHODS["ridge"](train, validation), Scaled(train)
    _, predicted = scaled.apply(Paired(validation.source, learned(validation.source)))
    assert found[1, 0] == pytest.approx(r_squared(predicted, scaled.apply(validation)[1]), abs=1e-4)


def test_vectors_arrive_where_they_should_and_controls_do_not():
    source, target, texts = layered()
    of = split(texts, known(source, target), 0)
    draw = torch.Generator().manual_seed(5)
    own = torch.randn(12, 3, SOURCE, generator=draw)
    exact = torch.linalg.lstsq(source[:, 2], target[:, 1]).solution
    native = own[:, 2] @ exact
    found = {each.method: each for each in arrivals(source, target, (2, 1), of, (own[:, 2], native), 0)}
    assert found["ridge"].cosine.value > 0.99
    assert found["ridge"].nearest.value == 1
    assert found["ridge"].r2.n == len(of.held_out.unique())
    for control in CONTROLS:
        assert found[control].cosine.high < 0.4
        assert found[control].nearest.value < 0.5
    assert found[CONTROLS[1]].r2 is None
    assert mapped(source, target, (2, 1), of, "ridge", own[0]) @ native[0] > 0
    whole, r2 = transferred(source, target, [0, 2], of, "ridge", own[0])
    assert torch.allclose(whole[1], mapped(source, target, (2, 1), of, "ridge", own[0]))
    assert min(r2) > 0.95


def test_no_text_is_on_both_sides_of_a_split_and_unknown_places_on_none():
    texts = excerpts([corpus("c", SENTENCES)], 60, 0)
    flags = torch.ones(60 * WORDS, dtype=torch.bool)
    flags[::7] = False
    of: Split = split(texts, flags, 3)
    groups = [
        {texts[int(pair) // WORDS].group for pair in part} for part in (of.train, of.validation, of.test)
    ]
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]
    assert all(groups)
    assert len(of.train) + len(of.validation) + len(of.test) == int(flags.sum())


def test_excerpts_are_whole_sentences_read_at_the_ends_of_words_and_the_seed_decides_them():
    found = excerpts([corpus("c", SENTENCES)], 50, 0)
    assert len(found) == 50
    assert len({each.group for each in found}) == 50  # one of each text before a second of any
    for each in found:
        assert each.text.endswith(".")
        assert len(set(each.ends)) == WORDS
        for end in each.ends:
            assert each.text[end - 1].isalnum()
            assert not each.text[end : end + 1].isalnum()
    assert excerpts([corpus("c", SENTENCES)], 50, 0) == found
    assert excerpts([corpus("c", SENTENCES)], 50, 1) != found


def test_a_place_is_read_where_the_model_has_read_the_word_and_nothing_after_it(smollm2):
    texts = excerpts([corpus("c", SENTENCES)], 3, 0)
    found = read(smollm2, texts, Journal(), "", silent)
    assert found.shape == (3 * WORDS, smollm2.n_layers, smollm2.d_model)
    assert bool(known(found, found).all())
    cut = [Excerpt(each.text[: each.ends[-1]], each.group, each.ends) for each in texts]
    again = read(smollm2, cut, Journal(), "", silent)
    assert torch.allclose(again, found, rtol=1e-3, atol=1e-2)


def test_a_word_that_no_token_ends_with_is_not_known(smollm2):
    text = "The clock on the wall had been counterclockwise."
    inside = text.index("counterclock") + 9
    found = read(smollm2, [Excerpt(text, 0, (9, 16, 21, 30, inside))], Journal(), "", silent)
    flags = known(found, found).tolist()
    assert flags[0] and flags[1]
    assert not all(flags)


def test_every_character_of_a_message_is_some_token_s(smollm2):
    text = "Über naïve façades: 3 × 4 = 12."
    ids, ends = smollm2.chat.locate_content(text)
    same, start = smollm2.chat.encode_content(text)
    assert ids == same
    assert ends[-1] == len(text)
    assert ends == sorted(ends)
    assert ends[start - 1] == 0 < ends[start]
