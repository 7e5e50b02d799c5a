"""Geometries that are known: made of points, of noise, of the same points turned."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr

from vectors.lab.geometry.atlas import Reading, comparisons, geometries, originals
from vectors.lab.geometry.cosines import (
    cosines,
    gram,
    layer_at,
    most_apart,
    pairs_of,
    products,
    resampled,
)
from vectors.lab.geometry.invariance import agreement, mantel, spearman
from vectors.lab.geometry.similarity import aligned, cka, geometry_by_layer, scaled
from vectors.lab.geometry.statements import statement_sets
from vectors.statistics.estimates import CLAIM_N

DOMAINS, PER, WIDTH = 14, 24, 40


def texts(seed: int, noise: float, domains: torch.Tensor | None = None, layers: int = 1) -> torch.Tensor:
    """Residuals [texts, layers, width]: each domain's texts about its own point, the neutral ones about 0."""
    draw = torch.Generator().manual_seed(seed)
    points = torch.randn(DOMAINS, WIDTH, generator=draw) if domains is None else domains
    points = torch.cat([points, torch.zeros(1, points.shape[1])]).repeat_interleave(PER, 0)
    spread = torch.randn(len(points), layers, points.shape[1], generator=draw)
    return points[:, None, :] + noise * spread + 5


def turned(residuals: torch.Tensor, seed: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    turn = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=draw)).Q
    return 3 * residuals @ turn


def cosines_of(residuals: torch.Tensor, removed: bool = True) -> np.ndarray:
    return cosines(products(gram(residuals)[0], DOMAINS + 1), removed=removed)


@pytest.mark.parametrize("removed", [True, False])
def test_cosines_from_inner_products_are_those_of_the_vectors(removed):
    residuals = texts(0, 1.0)
    means = residuals[:, 0].double().reshape(DOMAINS + 1, PER, WIDTH).mean(1)
    vectors = means[:-1] - means[-1]
    vectors = vectors - vectors.mean(0) if removed else vectors
    expected = torch.nn.functional.cosine_similarity(vectors[:, None], vectors[None], dim=-1)
    assert np.allclose(cosines_of(residuals, removed), expected, atol=1e-6)


def test_texts_that_count_are_those_of_the_sample():
    residuals = texts(0, 1.0)
    first = np.zeros((2, DOMAINS + 1, PER))
    first[0, :, :3] = 1
    first[1] = 2
    kept = residuals.reshape(DOMAINS + 1, PER, 1, WIDTH)[:, :3].flatten(0, 1)
    found = cosines(resampled(gram(residuals)[0], first), removed=True)
    assert np.allclose(found[0], cosines_of(kept))
    assert np.allclose(found[1], cosines_of(residuals))


def test_what_neutral_texts_say_does_not_matter_once_the_common_component_is_removed():
    one, other = texts(0, 0.5), texts(0, 0.5)
    other[-PER:] += 100
    found = [cosines_of(each) for each in (one, other)]
    assert np.allclose(*found, atol=1e-4)
    raw = [cosines_of(each, removed=False) for each in (one, other)]
    assert np.abs(raw[0] - raw[1]).max() > 0.5


def test_a_turned_geometry_is_the_same_and_an_independent_one_is_not():
    one = texts(0, 0.5)
    same = agreement(gram(one)[0], gram(turned(one, 1))[0], DOMAINS, 0)
    assert same.spearman.value == pytest.approx(1)
    assert same.p == pytest.approx(1e-4)
    foreign = agreement(gram(one)[0], gram(texts(9, 0.5))[0], DOMAINS, 0)
    assert foreign.spearman.low < 0 < foreign.spearman.high
    assert foreign.p > 0.01


def test_intervals_hold_the_value_and_n_counts_statements():
    found = agreement(gram(texts(0, 3))[0], gram(texts(1, 3))[0], DOMAINS, 0)
    assert found.spearman.low <= found.spearman.value <= found.spearman.high
    low, high = found.by_statements
    assert low <= found.spearman.value <= high
    assert found.spearman.n == DOMAINS * PER >= CLAIM_N


def test_noise_lowers_what_halves_share_and_is_corrected_for():
    draw = torch.Generator().manual_seed(5)
    points = torch.randn(DOMAINS, WIDTH, generator=draw)
    clear, noisy = (
        agreement(gram(texts(0, noise, points))[0], gram(texts(1, noise, points))[0], DOMAINS, 0).ceiling
        for noise in (0.1, 3.0)
    )
    assert clear.one > 0.95 > 0.8 > noisy.one > 0
    assert noisy.one < noisy.whole < 1
    assert noisy.corrected == pytest.approx(1, abs=0.2)


def test_mantel_is_level_where_all_pairs_share_what_a_domain_has_to_itself():
    """Entries of one row move together, which a p of independent pairs takes for evidence."""
    p, naive = [], []
    for seed in range(60):
        draw = np.random.default_rng(seed)
        one, other = (np.add.outer(each, each) for each in draw.normal(size=(2, DOMAINS)))
        p.append(mantel(one, other, seed))
        naive.append(spearmanr(pairs_of(one), pairs_of(other), alternative="greater").pvalue)
    assert np.mean(np.array(p) < 0.05) < 0.13
    assert np.mean(np.array(naive) < 0.05) > 0.2


def test_rank_correlation_is_scipys_for_many_at_once():
    draw = np.random.default_rng(0)
    ones, others = draw.normal(size=(2, 5, 91)).round(1)
    expected = [spearmanr(one, other).statistic for one, other in zip(ones, others, strict=True)]
    assert np.allclose(spearman(ones, others), expected)


def test_cka_is_one_for_a_turned_layer_and_nothing_for_an_independent_one_of_more_dimensions_than_texts():
    draw = torch.Generator().manual_seed(0)
    one, foreign = (torch.randn(60, 1, 400, generator=draw) for _ in range(2))
    turn = torch.linalg.qr(torch.randn(400, 400, generator=draw)).Q
    assert cka(gram(one), gram(2 * one @ turn))[0, 0] == pytest.approx(1)
    assert abs(cka(gram(one), gram(foreign))[0, 0]) < 0.05


def test_geometry_by_layer_is_the_agreement_at_those_layers():
    one, other = texts(0, 1, layers=3), texts(1, 1, layers=2)
    found = geometry_by_layer(gram(one), gram(other), DOMAINS)
    assert found.shape == (3, 2)
    at = agreement(gram(one)[2], gram(other)[1], DOMAINS, 0).spearman.value
    assert found[2, 1] == pytest.approx(at)


def test_points_of_a_plane_are_found_again_from_their_distances():
    points = np.random.default_rng(0).normal(size=(8, 2))
    placed = scaled(1 - cdist(points, points))
    assert np.allclose(cdist(placed, placed), cdist(points, points))
    mirrored = points * [1, -1] * 4 + 3
    assert aligned([points, mirrored])[1][1] == pytest.approx(0, abs=1e-12)


def test_an_untrained_model_takes_no_part_in_what_trained_ones_share():
    one = texts(0, 0.5, layers=4)
    readings = [
        Reading.of("a", [one], trained=True),
        Reading.of("b", [turned(one, 3)], trained=True),
        Reading.of("c", [texts(4, 0.5, layers=2)], trained=False),
    ]
    assert [each.trained for each in comparisons(readings, DOMAINS, 0.5, 0)] == [True, False, False]
    assert [each.layer for each in geometries(readings, DOMAINS, 1)] == [3, 3, 1]
    assert originals(readings, DOMAINS)[0].spearman == pytest.approx(1)


def test_the_three_domains_most_apart_are_those_with_the_lowest_cosines():
    matrix = np.ones((5, 5))
    for a, b in ((0, 2), (2, 4), (0, 4)):
        matrix[a, b] = matrix[b, a] = -0.5
    assert most_apart(matrix) == (0, 2, 4)


def test_depth_names_the_same_share_of_the_way_in_any_model():
    assert [layer_at(depth, 30) for depth in (0, 0.5, 1)] == [0, 14, 29]


def test_there_are_fourteen_domains_with_as_many_different_statements_each():
    sets = statement_sets()
    positive = [text for each in sets for text in each.positive]
    assert len(sets) == DOMAINS
    assert {len(each.positive) for each in sets} == {PER}
    assert len(set(positive) | set(sets[0].negative)) == (DOMAINS + 1) * PER
    assert len({each.negative for each in sets}) == 1
    assert all(text.endswith(".") for text in positive)
