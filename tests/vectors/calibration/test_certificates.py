"""Certificates are kept whole, read back as they were, and never used for another vector or model."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from tests.vectors import folders
from vectors.calibration import certificates
from vectors.calibration.certificates import Cell, Certificate, ControlResult, load, store
from vectors.domains.extraction import extract
from vectors.errors import CertificateError
from vectors.measuring.metrics import Degeneration
from vectors.statistics.estimates import Estimate

EFFECT = Estimate(0.31, 0.28, 0.34, 200)


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    return folders.language_model(tmp_path_factory.mktemp("models") / "tiny", "llama", folders.CHATML)


@pytest.fixture(scope="module")
def vector(lm):
    return extract(lm, folders.first("code_reading", 2))


@pytest.fixture
def place(tmp_path):
    return tmp_path / "vectors" / "code_reading.safetensors"


def certificate(lm, vector, **changes):
    made = Certificate(
        domain="code_reading",
        vector_sha256=vector.sha256,
        model_id=lm.model_id,
        model_digest=lm.digest,
        dtype="float32",
        regime="zero-shot",
        metric="likelihood",
        layer=2,
        alpha=1.5,
        relative_alpha=0.1,
        effect=EFFECT,
        situations=14,
        p=1e-5,
        p_adjusted=9e-5,
        controls=(ControlResult("random", 6, 16, 0.01, 0.05, 0.3, 0.001),),
        degeneration=Degeneration(14, 0.0, 0.0, 1.0, 0.2),
        certified=True,
        reason="likelihood +0.31",
        tried=(Cell(2, 0.1, 1.5, EFFECT),),
        texts_sha256="a" * 64,
        seed=0,
        versions=certificates.versions(),
    )
    return replace(made, **changes)


def test_what_is_kept_is_what_is_read(lm, vector, place):
    kept = [
        certificate(lm, vector),
        certificate(lm, vector, regime="rag", certified=False, degeneration=None),
    ]
    path = store(place, kept)
    assert load(place, vector, lm) == kept
    assert path.parent == place.parent
    assert [file.name for file in path.parent.iterdir() if file.suffix != ".lock"] == [path.name]


def test_it_says_what_it_is_about_in_the_steering_language(lm, vector, place):
    moved = certificate(lm, vector, operation="ablate", positions="generated & !special")
    assert certificate(lm, vector).steering == "1.5·code_reading@2"
    assert moved.steering == "1.5·ablate(code_reading)@2[generated & !special]"
    store(place, [moved])
    assert load(place, vector, lm) == [moved]


def test_one_without_operation_and_positions_is_of_adding_at_all_tokens(lm, vector, place):
    path = store(place, [certificate(lm, vector)])
    document = json.loads(path.read_text())
    for name in ("operation", "positions"):
        del document["certificates"][0][name]
    path.write_text(json.dumps(document))
    assert load(place, vector, lm) == [certificate(lm, vector)]


def test_without_a_file_nothing_is_certified(lm, vector, place):
    assert load(place, vector, lm) == []


@pytest.mark.parametrize(
    "other", [{"vector_sha256": "0" * 64}, {"model_digest": "0" * 64}, {"dtype": "bfloat16"}], ids=str
)
def test_a_certificate_of_another_vector_model_or_dtype_is_never_used(lm, vector, place, caplog, other):
    store(place, [certificate(lm, vector, **other)])
    assert load(place, vector, lm) == []
    assert "not used" in caplog.text
    moved = replace(vector, directions=vector.directions + 1e-3 * torch.ones_like(vector.directions))
    store(place, [certificate(lm, vector)])
    assert load(place, moved, lm) == []


def test_a_calibration_replaces_that_of_its_regime_and_metric_and_no_other(lm, vector, place):
    store(place, [certificate(lm, vector), certificate(lm, vector, layer=1)])
    store(place, [certificate(lm, vector, regime="rag")])
    store(place, [certificate(lm, vector, metric="validity")])
    again = certificate(lm, vector, certified=False, reason="no improvement")
    store(place, [again])
    found = load(place, vector, lm)
    assert {(each.regime, each.metric) for each in found} == {
        ("rag", "likelihood"), ("zero-shot", "validity"), ("zero-shot", "likelihood")
    }  # fmt: skip
    assert [each for each in found if (each.regime, each.metric) == ("zero-shot", "likelihood")] == [again]


def test_calibrations_that_end_together_lose_nothing(lm, vector, place):
    made = [certificate(lm, vector, regime=f"regime {i}") for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda each: store(place, [each]), made))
    assert {each.regime for each in load(place, vector, lm)} == {each.regime for each in made}


def test_the_digest_changes_with_any_figure(lm, vector):
    one, other = certificate(lm, vector), certificate(lm, vector, p=2e-5)
    assert certificates.digest([one]) != certificates.digest([other])
    assert certificates.digest([one]) == certificates.digest([certificate(lm, vector)])


def damaged(path, change):
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(format=1),
        lambda d: d.pop("certificates"),
        lambda d: d["certificates"][0].pop("effect"),
        lambda d: d["certificates"][0].update(alpha="strong"),
        lambda d: d["certificates"][0].update(alpha=float("nan")),
        lambda d: d["certificates"][0].update(layer=1.5),
        lambda d: d["certificates"][0].update(certified="yes"),
        lambda d: d["certificates"][0].update(more=1),
        lambda d: d["certificates"].append(7),
    ],
    ids=["format", "nothing", "no effect", "text", "nan", "layer", "verdict", "unknown", "number"],
)
def test_a_damaged_file_is_refused_by_name_and_not_half_used(lm, vector, place, change):
    path = store(place, [certificate(lm, vector)])
    damaged(path, change)
    with pytest.raises(CertificateError, match=path.name):
        load(place, vector, lm)


@pytest.mark.parametrize("content", ["", "[]", "7", "{", "[" * 100_000, "\udcff"], ids=repr)
def test_what_is_no_file_of_certificates_is_refused(lm, vector, place, content):
    path = store(place, [certificate(lm, vector)])
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(CertificateError, match="calibrate again"):
        load(place, vector, lm)
