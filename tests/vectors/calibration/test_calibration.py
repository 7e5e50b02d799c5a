"""Calibration certifies what helps and nothing else, shown in a small world where the truth is known.

The vectors, prompts and controls are real ones of a tiny model. Only the metric is synthetic: how far a
steering points along the true contrast, plus what the situation and the observation add by chance. So the
rates of true and false certificates can be counted over hundreds of runs.
"""

import hashlib
import random
from dataclasses import replace

import pytest
import torch

from tests.vectors import folders, tiny
from vectors.calibration import controls as controls_module
from vectors.calibration.calibrator import PROPOSALS, Calibrator
from vectors.calibration.controls import KINDS, Controls
from vectors.calibration.false_rate import false_certification_rate
from vectors.calibration.trial import Trial
from vectors.domains.extraction import extract
from vectors.engine.engine import Engine
from vectors.engine.sampling import Sampling
from vectors.errors import CertificateError, SteeringMismatch
from vectors.measuring import metrics
from vectors.measuring.metrics import Observation
from vectors.progress import silent

LAYERS, SHARES = [1, 2], [0.1, 0.2]


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    return folders.language_model(tmp_path_factory.mktemp("models") / "tiny", "llama", folders.CHATML)


@pytest.fixture(scope="module")
def prompts():
    return folders.first("code_reading", 16)


@pytest.fixture(scope="module")
def vector(lm, prompts):
    return extract(lm, prompts)


@pytest.fixture(scope="module")
def controls(lm, prompts):
    return Controls(lm, prompts, seed=0)


@pytest.fixture(scope="module")
def engine(lm):
    with Engine(lm.model, lm.tokenizer) as engine:
        yield engine


class World:
    """A metric with a known effect: `gain` along the truth, whatever the direction `any_push`."""

    def __init__(self, truth, gain=1.0, any_push=0.0):
        self.truth, self.gain, self.any_push, self.calls = truth, gain, any_push, []

    def __call__(self, engine, observations, steerings):
        self.calls += [(steering, len(observations)) for steering in steerings]
        return [[self._value(each, steering) for each in observations] for steering in steerings]

    def _value(self, each, steering):
        bare = _noise("bare", each)
        if not steering:
            return bare
        (only,) = steering
        along = torch.cosine_similarity(only.vector, self.truth[only.layer], 0)
        steered = hashlib.sha256(only.vector.numpy().tobytes()).hexdigest()[:8]
        chance = 0.1 * _noise(steered, each.situation) + 0.3 * _noise(steered, each)
        return bare + self.gain * float(along) + self.any_push + chance


def _noise(*parts):
    return random.Random(repr(parts)).gauss(0, 1)


@pytest.fixture
def world(monkeypatch, vector):
    made = World(vector.directions)
    monkeypatch.setitem(metrics.METRICS, "likelihood", made)
    return made


def trial(n=200, proposal_n=28, situations=14):
    observations = [
        Observation(i % situations, tiny.prompt(i % situations, 8), text=(1 + i % 200, 1 + i // 200))
        for i in range(n + proposal_n)
    ]
    watched = [Observation(i, tiny.prompt(i, 8), sampling=Sampling(4)) for i in range(2)]
    return Trial(
        "zero-shot", "likelihood", tuple(observations[:proposal_n]), tuple(observations[proposal_n:]),
        tuple(watched), "t" * 64,
    )  # fmt: skip


def run(lm, engine, controls, vector, **sizes):
    return Calibrator(lm, engine, trial(**sizes), controls).run(vector, LAYERS, SHARES)


def test_a_vector_that_helps_is_certified_with_its_effect_its_interval_and_its_controls(
    lm, engine, controls, vector, world
):
    (found,) = run(lm, engine, controls, vector)
    assert found.certified, found.reason
    assert found.effect.n == 200
    assert found.effect.low < 1.0 < found.effect.high
    assert found.p_adjusted <= 0.05
    assert [control.kind for control in found.controls] == list(KINDS)
    assert found.alpha == pytest.approx(found.relative_alpha * float(vector.spreads[found.layer]))
    assert [(cell.layer, cell.share) for cell in found.tried] == [(1, 0.1), (1, 0.2), (2, 0.1), (2, 0.2)]
    assert (found.vector_sha256, found.model_digest) == (vector.sha256, lm.digest)


def test_nothing_is_certified_from_fewer_than_200_observations_however_large_the_effect(
    lm, engine, controls, vector, world
):
    found = run(lm, engine, controls, vector, n=199)
    assert not any(each.certified for each in found)
    assert "fewer than 200" in found[0].reason


def test_what_any_push_of_this_size_does_is_no_merit_of_the_vector(lm, engine, controls, vector, world):
    world.gain, world.any_push = 0.0, 1.0
    found = run(lm, engine, controls, vector)
    assert not any(each.certified for each in found)
    assert all("does not stand out from" in each.reason for each in found)


def test_a_vector_that_harms_is_not_even_proposed_and_what_was_tried_is_kept(
    lm, engine, controls, vector, world
):
    world.gain = -1.0
    (found,) = run(lm, engine, controls, vector)
    assert not found.certified
    assert "no setting improves" in found.reason
    assert len(found.tried) == 4
    assert found.controls == ()


def test_a_setting_whose_answers_degenerate_is_not_proposed(lm, engine, controls, vector, world, monkeypatch):
    harmful = metrics.Degeneration(2, 1.0, 0.0, 1.0, 9.0)
    monkeypatch.setattr(metrics.Guard, "watch", lambda guard, steering: harmful)
    (found,) = run(lm, engine, controls, vector)
    assert not found.certified
    assert "degenerate" in found.reason


def test_a_failed_proposal_gives_way_to_the_next_and_a_certified_one_ends_the_search(
    lm, engine, controls, vector, world
):
    assert len(run(lm, engine, controls, vector)) == 1
    world.gain, world.any_push = 0.0, 1.0
    assert len(run(lm, engine, controls, vector)) == PROPOSALS


def test_choosing_and_certifying_never_see_the_same_observation(lm, engine, controls, vector, world):
    seen = []
    there = trial()
    value = World._value
    world._value = lambda each, steering: (seen.append((each, steering)), value(world, each, steering))[1]
    calibrator = Calibrator(lm, engine, there, controls)
    calibrator.run(vector, LAYERS, SHARES)
    grid = [each for each, steering in seen[: 4 * len(there.proposal) + len(there.proposal)]]
    assert set(grid) == set(there.proposal)
    assert not {each for each, _ in seen[len(grid) :]} & set(there.proposal)


def test_a_futile_proposal_costs_less_than_a_certified_one(lm, engine, controls, vector, world):
    hopeful = Calibrator(lm, engine, trial(), controls)
    hopeful.run(vector, LAYERS, SHARES)
    world.gain = -1.0
    futile = Calibrator(lm, engine, trial(), controls)
    futile.run(vector, LAYERS, SHARES)
    assert 0 < futile.tokens < hopeful.tokens / 4


def test_the_unsteered_values_and_the_common_controls_are_measured_once(lm, engine, controls, vector, world):
    calibrator = Calibrator(lm, engine, trial(), controls)
    calibrator.run(vector, LAYERS, SHARES)
    before = len(world.calls)
    calibrator.run(vector, LAYERS, SHARES)
    again = world.calls[before:]
    assert sum(n for steering, n in again if not steering) == 0
    kinds = controls_module.COUNTS
    directions = {steering[0].vector.numpy().tobytes() for steering, _ in again if steering}
    assert len(directions) <= len(LAYERS) + kinds["orthogonal"]


def test_vectors_from_shuffled_labels_are_seldom_certified(lm, engine, controls, vector, world):
    calibrator = Calibrator(lm, engine, trial(proposal_n=14), controls)
    found = false_certification_rate(calibrator, controls, vector, LAYERS, SHARES, 120, silent)
    assert found.rate.n == len(found.outcomes) == 120
    assert found.rate.value <= 0.05
    assert found.rate.low <= found.rate.value <= found.rate.high
    reasons = {each.reason.split(" ")[0] for each in found.outcomes}
    assert len(reasons) > 1  # not all fail at the first hurdle


def test_without_controls_lucky_labels_would_be_certified_often(
    lm, engine, controls, vector, world, monkeypatch
):
    monkeypatch.setattr(controls_module, "LEVEL", 1.0)
    calibrator = Calibrator(lm, engine, trial(proposal_n=14), controls)
    found = false_certification_rate(calibrator, controls, vector, LAYERS, SHARES, 40, silent)
    assert found.rate.low > 0.05


def test_controls_are_of_their_kind_and_the_same_for_the_same_seed(lm, prompts, controls, vector):
    direction = vector.directions[2]
    for kind in KINDS:
        found = torch.stack(controls.directions(kind, direction, 2))
        again = torch.stack(Controls(lm, prompts, seed=0).directions(kind, direction, 2))
        other = torch.stack(Controls(lm, prompts, seed=1).directions(kind, direction, 2))
        assert torch.equal(found, again)
        assert not torch.isclose(found, other).all(1).any()
        assert len(found) == controls_module.COUNTS[kind]
    orthogonal = torch.stack(controls.directions("orthogonal", direction, 2))
    assert torch.cosine_similarity(orthogonal, direction[None]).abs().max() < 1e-5


def test_a_relabelled_contrast_is_that_of_two_halves_of_the_same_prompts(lm, prompts, controls):
    texts = [*prompts.positive, *prompts.negative]
    order = torch.randperm(len(texts), generator=torch.Generator().manual_seed(0)).tolist()
    halves = [texts[i] for i in order[: len(texts) // 2]], [texts[i] for i in order[len(texts) // 2 :]]
    shuffled = replace(prompts, positive=tuple(halves[0]), negative=tuple(halves[1]))
    expected = extract(lm, shuffled).directions
    assert torch.allclose(controls.relabelled(0), expected, atol=1e-4)


def test_a_grid_or_a_trial_that_cannot_be_measured_is_refused(lm, engine, controls, vector, world):
    with pytest.raises(SteeringMismatch, match="layer 9"):
        Calibrator(lm, engine, trial(), controls).run(vector, [9], [0.1])
    with pytest.raises(CertificateError, match="two situations"):
        trial(situations=1)
    with pytest.raises(CertificateError, match="no metric"):
        replace(trial(), metric="taste")
