"""What the library says a column may be steered with is what steers it."""

from dataclasses import replace

import pytest

from tests.services.api.test_access import bearer
from vectors.calibration import certificates
from vectors.calibration.certificates import Certificate
from vectors.domains import library
from vectors.statistics.estimates import Estimate

LIBRARY = "/v1/arena/library"


def certificate(live, vector, low, high, *, certified, metric="gold"):
    """What calibration might have found of a vector."""
    lm = live.session.model
    return Certificate(
        domain=vector.domain,
        vector_sha256=vector.sha256,
        model_id=lm.model_id,
        model_digest=lm.digest,
        dtype=certificates.dtype_name(lm),
        regime="zero-shot",
        metric=metric,
        layer=1,
        alpha=2.5,
        relative_alpha=0.1,
        effect=Estimate((low + high) / 2, low, high, 240),
        situations=60,
        p=0.01,
        p_adjusted=0.02,
        controls=(),
        degeneration=None,
        certified=certified,
        reason="as measured",
        tried=(),
        texts_sha256="0" * 64,
        seed=0,
        versions={},
    )


def test_the_model_its_vectors_and_their_doses_are_what_a_column_is_steered_with(live, runs):
    found = live.http.get(LIBRARY, params={"model": "tiny-llama"}).json()
    lm = live.session.model
    assert (found["blocks"], found["d_model"]) == (lm.n_layers, lm.d_model)
    assert [each["domain"] for each in found["vectors"]] == sorted(
        each["domain"] for each in found["vectors"]
    )
    bugs = next(each for each in found["vectors"] if each["domain"] == "bug_analysis")
    column = {"name": "bugs", "steering": {"domain": "bug_analysis"}}
    (steered,) = runs.begin(columns=[column], max_tokens=1)["columns"][0]["steered"]
    assert steered["layer"] == bugs["default_layer"]
    assert bugs["default_alpha"] in (None, steered["alpha"]), "told where it is known"
    assert default_alpha(live, "bug_analysis") == steered["alpha"], "it was measured for the column"
    assert len(bugs["spreads"]) == len(bugs["norms"]) == lm.n_layers
    assert bugs["badges"] == []


def default_alpha(live, domain):
    return next(each for each in live.http.get(LIBRARY).json()["vectors"] if each["domain"] == domain)[
        "default_alpha"
    ]


@pytest.mark.parametrize("operation", ["add", "multiply", "ablate"])
def test_a_dose_elsewhere_is_what_a_column_there_is_steered_with(live, runs, operation):
    params = {"domain": "bug_analysis", "layer": 1, "operation": operation}
    found = live.http.get(f"{LIBRARY}/dose", params=params).json()
    steering = {"domain": "bug_analysis", "layer": 1, "operation": operation, "dose": 0.5}
    columns = [{"name": "half", "steering": steering}]
    (steered,) = runs.begin(columns=columns, max_tokens=1)["columns"][0]["steered"]
    assert steered["alpha"] == pytest.approx(0.5 * found["dose_alpha"])
    assert (found["spread_alpha"] is None) == (operation == "ablate")
    if found["spread_alpha"] is not None:
        share = {**steering, "dose": None, "relative_alpha": 0.25}
        (steered,) = runs.begin(columns=[{"name": "x", "steering": share}], max_tokens=1)["columns"][0][
            "steered"
        ]
        assert steered["alpha"] == pytest.approx(0.25 * found["spread_alpha"])


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"domain": "nothing"}, 404),
        ({"domain": "bug_analysis", "layer": 99}, 422),
        ({"domain": "bug_analysis", "operation": "shout"}, 422),
        ({"domain": "bug_analysis", "operation": "low_rank"}, 422),
        ({"domain": "../../etc/passwd"}, 404),
    ],
)
def test_a_dose_of_what_there_is_not_is_refused(live, params, status):
    assert live.http.get(f"{LIBRARY}/dose", params=params).status_code == status
    assert live.http.get(LIBRARY, params={"model": "gpt-2"}).status_code == 404


def test_badges_say_what_calibration_found_of_this_very_vector(live):
    vector = live.session.vectors.get(live.session.model, "patch_writing")
    found = [
        certificate(live, vector, 0.02, 0.1, certified=True),
        certificate(live, vector, -0.1, -0.02, certified=False, metric="keywords"),
        certificate(live, vector, -0.1, 0.2, certified=False, metric="validity"),
    ]
    file = certificates.store(vector.file, found)
    try:
        listed = live.http.get(LIBRARY).json()["vectors"]
        badges = next(each for each in listed if each["domain"] == "patch_writing")["badges"]
        assert [(each["metric"], each["verdict"]) for each in badges] == [
            ("gold", "helps"),
            ("validity", "undecided"),
            ("keywords", "harms"),
        ]
        assert badges[0]["effect"] == {"value": pytest.approx(0.06), "low": 0.02, "high": 0.1, "n": 240}
        assert badges[0]["steering"] == "2.5·patch_writing@1"
        other = replace(found[0], vector_sha256="f" * 64)
        certificates.store(vector.file, [other])
        listed = live.http.get(LIBRARY).json()["vectors"]
        assert next(each for each in listed if each["domain"] == "patch_writing")["badges"] == []
    finally:
        file.unlink()


def test_another_owners_upload_is_not_in_the_library(live, tmp_path):
    _, ada = live.runtime.store.keys.create("ada")
    _, bob = live.runtime.store.keys.create("bob")
    path = tmp_path / "v.safetensors"
    library.save(live.session.vectors.get(live.session.model, "code_reading"), path)
    headers = {**bearer(ada)["headers"], "Content-Type": "application/octet-stream"}
    put = live.http.put("/v1/vectors/tiny-llama/mine", content=path.read_bytes(), headers=headers)
    assert put.status_code == 201
    names = [
        [each["domain"] for each in live.http.get(LIBRARY, **bearer(key)).json()["vectors"]]
        for key in (ada, bob)
    ]
    assert "mine" in names[0] and "mine" not in names[1]
    dose = live.http.get(f"{LIBRARY}/dose", params={"domain": "mine"}, **bearer(bob))
    assert dose.status_code == 404
