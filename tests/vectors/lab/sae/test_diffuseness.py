"""Measures of diffuseness on directions whose answer is known."""

import math

import pytest
import torch

from tests.vectors import folders
from vectors.domains.prompt_sets import load_prompt_set
from vectors.lab.sae.decomposing import decompose
from vectors.lab.sae.diffuseness import as_original, by_chance, participation, pursuit, shared
from vectors.lab.sae.portraits import read_domains
from vectors.lab.sae.standard import Standard

EYE = torch.eye(16)


def test_a_sum_of_few_rows_is_explained_by_as_many_and_no_fewer():
    vector = torch.tensor([[3.0, 2.0, 1.0] + [0.0] * 13])
    found = pursuit(vector, EYE * torch.rand(16, 1), 4)[0]
    assert found.tolist() == pytest.approx([9 / 14, 13 / 14, 1, 1])


def test_weights_are_never_below_zero():
    assert pursuit(-EYE[:1], EYE, 3)[0].tolist() == [0, 0, 0]


def test_one_feature_takes_part_in_its_own_row_and_all_in_their_even_sum():
    assert float(participation(EYE[:1], EYE)) == pytest.approx(1 / 16)
    assert float(participation(torch.ones(1, 16), EYE)) == pytest.approx(1)


def test_of_a_random_direction_one_over_pi_takes_part():
    generator = torch.Generator().manual_seed(0)
    encoder = torch.randn(256, 4096, generator=generator)
    found = participation(torch.randn(32, 256, generator=generator), encoder)
    assert float(found.mean()) == pytest.approx(1 / math.pi, rel=0.03)


def test_the_originals_share_counts_what_the_bias_alone_makes_positive():
    bias = torch.tensor([1.0] * 8 + [-1.0] * 8)
    assert float(as_original(torch.zeros(1, 16), EYE, bias)) == 0.5


def test_shared_features_are_counted_without_the_dead_and_compared_with_chance():
    scores = torch.arange(64.0)
    usable = torch.ones(64, dtype=torch.bool)
    assert shared(scores[None], torch.eye(64), scores[None], usable).tolist() == [20]
    assert shared(scores[None], torch.eye(64), -scores[None], usable).tolist() == [0]
    expected, p = by_chance(2, 8192)
    assert expected == pytest.approx(400 / 8192)
    assert 1e-4 < p < 2e-3  # 2 of 20 is no chance
    assert by_chance(0, 8192)[1] == 1


@pytest.mark.parametrize("family", ["llama", "lfm2"])
def test_domains_are_decomposed_whatever_the_blocks_are(tmp_path, family):
    lm = folders.language_model(tmp_path, family)
    prompts = [folders.first("code_reading", 5), load_prompt_set("bug_analysis")]
    readings = read_domains(lm, prompts, layer=2)
    generator = torch.Generator().manual_seed(0)
    shape = {"d_in": 64, "d_sae": 256}
    weights = {
        "W_enc": torch.randn(64, 256, generator=generator),
        "b_enc": torch.zeros(256),
        "W_dec": torch.randn(256, 64, generator=generator),
        "b_dec": torch.zeros(64),
    }
    dead = torch.ones(256)
    dead[::4] = 0
    found = decompose(readings, Standard(shape, weights), dead, seed=0)
    assert [row.domain for row in found.rows] == ["code_reading", "bug_analysis"]
    assert found.rows[0].few.n == 10
    assert found.dead == 0.25
    assert found.rows[0].by_chance == pytest.approx(400 / 192)
    for row in found.rows:
        assert 0 < row.few.low < row.few.value
        assert row.few.high - row.few.value == pytest.approx(row.few.value - row.few.low)
    assert found == decompose(readings, Standard(shape, weights), dead, seed=0)


def test_the_vector_of_a_domain_is_that_of_extraction(tmp_path):
    from vectors.domains.extraction import extract

    lm = folders.language_model(tmp_path)
    prompts = folders.first("code_reading", 6)
    (reading,) = read_domains(lm, [prompts], layer=1)
    torch.testing.assert_close(reading.vector(), extract(lm, prompts).directions[1], rtol=1e-4, atol=1e-4)
