import json
import logging
from dataclasses import replace

import pytest
import torch

from tests.vectors import folders
from vectors.domains.library import VectorLibrary
from vectors.engine.engine import Engine
from vectors.errors import SteeringMismatch
from vectors.measuring import damage
from vectors.measuring.damage import PlainReading, plain_texts
from vectors.measuring.dosing import MOST_BITS, MOST_RATIO, Dosing
from vectors.models.loading import load_model
from vectors.statistics.estimates import Estimate


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    return folders.language_model(tmp_path_factory.mktemp("llama"), "llama", folders.CHATML)


@pytest.fixture(scope="module")
def engine(lm):
    with Engine(lm.model, lm.tokenizer, max_rows=8) as engine:
        yield engine


@pytest.fixture
def sensible(monkeypatch):
    """Has a model of random weights measured as if it could read, on a few texts."""
    monkeypatch.setattr(damage, "plain_texts", lambda: tuple(text[:40] for text in plain_texts()[:6]))
    monkeypatch.setattr(PlainReading, "senseless", lambda _: False)


@pytest.fixture
def vector(lm, tmp_path):
    return VectorLibrary(tmp_path).get(lm, "code_reading")


@pytest.fixture
def measured(monkeypatch):
    """Counts the measurements, which are real."""
    made, measure = [], Dosing._measured
    monkeypatch.setattr(Dosing, "_measured", lambda *args: (made.append(args[2:]), measure(*args))[1])
    return made


def file_of(vector):
    return vector.file.with_name(f"{vector.file.name}.doses.json")


def test_there_are_enough_plain_texts_and_none_is_a_prompt_or_a_heldout_text():
    from vectors.domains.heldout import domains_with_texts, load_heldout
    from vectors.domains.prompt_sets import domain_names, load_prompt_set

    texts = set(plain_texts())
    assert len(texts) == len(plain_texts()) >= 64
    for domain in domain_names():
        prompts = load_prompt_set(domain)
        assert not texts & {*prompts.positive, *prompts.negative}
    for domain in domains_with_texts():
        held = load_heldout(domain)
        assert not texts & {
            each for pair in held.proposal + held.certification for each in vars(pair).values()
        }


def test_a_model_that_reads_no_better_than_by_chance_has_no_dose(engine, lm, vector, measured):
    found = Dosing(lm, lambda: engine)
    assert found(vector, 2, "add") is None
    assert found.dose(vector, 2, "add").tried == ()
    library = VectorLibrary(vector.file.parent.parent, found)
    steered = library.get(lm, "code_reading")
    assert steered.relative_alpha(steered.intervention()) == pytest.approx(0.1)


@pytest.mark.parametrize("operation", ["add", "multiply", "ablate", "cap", "clamp", "floor"])
def test_the_dose_is_the_strongest_that_was_tried_up_to_which_the_budget_held(
    engine, lm, vector, sensible, operation
):
    dose = Dosing(lm, lambda: engine).dose(vector, 2, operation)
    strengths = [1 / each.share if operation in ("cap", "clamp") else each.share for each in dose.tried]
    assert strengths == sorted(strengths)
    held = dose.tried.index(dose.at)
    for each in dose.tried[: held + 1]:
        assert each.damage.perplexity_ratio.value <= MOST_RATIO
        assert each.damage.kl_bits.value <= MOST_BITS
        assert each.damage.kl_bits.n == 6
    for each in dose.tried[held + 1 : held + 2]:
        assert each.damage.perplexity_ratio.value > MOST_RATIO or each.damage.kl_bits.value > MOST_BITS
        assert strengths[held + 1] < 1.2 * strengths[held]
    if operation == "ablate":
        assert dose.alpha <= 1


def test_a_vector_steers_with_its_dose_which_is_measured_once_and_kept_beside_it(
    engine, lm, vector, sensible, measured
):
    steps = []
    for _ in range(2):
        found = Dosing(lm, lambda: engine, lambda *step: steps.append(step))
        steered = VectorLibrary(vector.file.parent.parent, found).get(lm, "code_reading")
        assert steered.intervention().alpha == found.dose(vector, 2, "add").alpha
    assert measured == [(2, "add")]
    assert {step[0] for step in steps} == {"measuring the dose of code_reading at layer 2"}
    steered.intervention(1)
    kept = json.loads(file_of(vector).read_text())["doses"]
    assert [(each["layer"], each["operation"], each["dtype"]) for each in kept] == [
        (1, "add", "float32"),
        (2, "add", "float32"),
    ]
    assert kept[1]["tried"][0]["damage"]["perplexity_ratio"]["n"] == 6


@pytest.mark.parametrize(
    "stale", ["vector_sha256", "texts_sha256", "model_digest", "dtype", "budget", "format", "damaged"]
)
def test_a_dose_of_anything_else_is_measured_again(engine, lm, vector, sensible, measured, caplog, stale):
    Dosing(lm, lambda: engine).dose(vector, 2, "add")
    kept = json.loads(file_of(vector).read_text())
    if stale == "format":
        kept["format"] = 0
    else:
        kept["doses"][0][stale] = [1.5, 9.0] if stale == "budget" else "another"
    file_of(vector).write_text("{" if stale == "damaged" else json.dumps(kept))
    with caplog.at_level(logging.WARNING):
        again = Dosing(lm, lambda: engine).dose(vector, 2, "add")
    assert measured == [(2, "add")] * 2
    assert "measured again" in caplog.text
    assert [each["alpha"] for each in json.loads(file_of(vector).read_text())["doses"]] == [again.alpha]


def test_where_no_strength_keeps_within_the_budget_one_has_to_be_said(
    engine, lm, vector, sensible, monkeypatch
):
    broken = damage.Damage(Estimate(9.0, 9.0, 9.0, 6), Estimate(0.0, 0.0, 0.0, 6))
    monkeypatch.setattr(PlainReading, "damages", lambda _, these, **__: [broken for _ in these])
    with pytest.raises(SteeringMismatch, match="say one"):
        Dosing(lm, lambda: engine).dose(vector, 2, "replace")
    assert not file_of(vector).exists()


def test_a_vector_that_lies_nowhere_has_a_dose_too(engine, lm, vector, sensible, measured):
    found = Dosing(lm, lambda: engine)
    nowhere = replace(vector, file=None)
    assert found(nowhere, 1, "add") == found(nowhere, 1, "add") > 0
    assert measured == [(1, "add")]
    assert not file_of(vector).exists()


@pytest.mark.slow
@pytest.mark.real_model
def test_the_embedded_model_reads_plain_text_nearly_as_well_at_the_dose(cache_dir, tmp_path):
    lm = load_model("smollm2-135m", cache=cache_dir, dtype=torch.bfloat16)  # whose doses are ready
    with Engine(lm.model, lm.tokenizer, max_rows=32) as engine:
        vector = VectorLibrary(tmp_path, Dosing(lm, lambda: engine)).get(lm, "bug_analysis")
        steering = vector.intervention()
        (found,) = PlainReading(engine, lm).damages([(steering,)])
    assert 0.5 * MOST_RATIO < found.perplexity_ratio.value <= MOST_RATIO + 1e-3
    assert 0.03 < found.kl_bits.value <= MOST_BITS + 1e-3
    assert found.kl_bits.n >= 64
    assert 0.05 < vector.relative_alpha(steering) < 0.2
