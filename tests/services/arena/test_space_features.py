"""What a vector is made of: the sum that is told is the vector's, and the laboratory says what it is of."""

import gzip
import json

import pytest
import torch
from safetensors.torch import save
from torch.nn.functional import normalize

from services.arena import space_features
from tests.services.arena.conftest import SAE_FEATURES, SAE_LAYER
from tests.services.arena.test_lab_findings import experiment
from vectors.domains import library
from vectors.lab.sae.diffuseness import pursuit
from vectors.lab.sae.folders import SPARSITY, WEIGHTS, read
from vectors.lab.sae.targeted import directed
from vectors.lab.steering.lens import logit_lens

PARTS = "/v1/arena/space/features"
SOURCE = f"tiny-llama/{SAE_LAYER}-random"


def parts(live, domain="calendar", **changed):
    sae = live.http.get("/v1/arena/library").json()["saes"][0]["id"]
    return live.http.get(PARTS, params={"domain": domain, "sae": sae} | changed)


def test_the_features_weights_and_cosines_are_those_of_the_vector(with_sae):
    told = parts(with_sae).json()
    lm = with_sae.session.model
    vector = with_sae.session.vectors.get(lm, "calendar").directions[SAE_LAYER]
    rows = read(with_sae.sae).w_dec
    assert told["norm"] == pytest.approx(float(vector.norm()))
    weights = [each["weight"] for each in told["features"]]
    assert weights == sorted(weights, reverse=True) and weights[-1] > 0 and len(weights) <= 20
    units = normalize(rows[[each["feature"] for each in told["features"]]], dim=1)
    left = vector - torch.tensor(weights) @ units
    explained = float(1 - left.square().sum() / vector.square().sum())
    assert told["explained"]["20"] == pytest.approx(explained, abs=1e-4)
    assert told["explained"]["100"] == pytest.approx(float(pursuit(vector[None], rows, 100)[0, -1]), abs=1e-5)
    assert 0 < told["random_few"] <= 1
    for each, unit in zip(told["features"], units, strict=True):
        assert each["cosine"] == pytest.approx(float(normalize(vector, dim=0) @ unit), abs=1e-5)
        assert tuple(each["promoted"]) == logit_lens(lm, rows[each["feature"]], 6).promoted
        assert each["frequency"] == pytest.approx(0.01, rel=1e-3)
        assert each["explanation"] is each["example"] is None


def test_a_vector_of_one_feature_is_that_feature(with_sae):
    sae = with_sae.http.get("/v1/arena/library").json()["saes"][0]["id"]
    asked = {"sae": sae, "domain": "calendar", "strategy": "single", "top": 1}
    made = with_sae.http.post("/v1/arena/library/features", json=asked).json()
    told = parts(with_sae, made["domain"]).json()
    first = told["features"][0]
    assert (first["feature"], first["cosine"]) == (made["features"][0], pytest.approx(1.0))
    assert told["explained"]["5"] == pytest.approx(1.0)


def test_it_is_computed_once_and_found_again_after_a_restart(with_sae, serving, monkeypatch):
    told = parts(with_sae, "bug_analysis").json()
    again = []
    monkeypatch.setattr(space_features, "take_apart", lambda *each: again.append(each))
    assert parts(with_sae, "bug_analysis").json() == told
    restarted = serving(lab_runs=with_sae.sae.parents[2])
    assert parts(restarted, "bug_analysis").json() == told
    assert not again


def test_what_the_laboratory_knows_of_features_stands_beside_them(with_sae):
    root = with_sae.sae.parents[2]
    first, second, third, fourth = (each["feature"] for each in parts(with_sae).json()["features"][:4])
    matches = [
        {"feature": f"{SOURCE}/{first}", "keyword": "days", "said": "days of the week <b>"},
        {"feature": f"{SOURCE}/{second}", "keyword": "days", "said": "promotes days"},
        {"feature": f"other/{SAE_LAYER}-random/{third}", "keyword": "days", "said": "another model's"},
    ]
    experiment(root, "pedia", {"matches": matches, "searched": [], "neighbours": []})
    context = {"tokens": ["on ", "Mon", "day"], "activations": [0, 1, 3], "strongest": 2}
    digest = with_sae.session.model.digest
    shown = {"name": "random", "layer": SAE_LAYER, "d_sae": SAE_FEATURES}
    of = {str(second): {"contexts": [context]}, str(third): {"contexts": []}}
    experiment(root, "show", {"model_digest": digest, "shown": [shown | {"features": of}]})
    experiment(root, "other", {"model_digest": "e" * 64, "shown": [shown | {"features": of}]})
    row = {"modelId": "tiny-llama", "layer": f"{SAE_LAYER}-random", "index": str(fourth)}
    export = root / "export" / "explanations"
    export.mkdir(parents=True)
    rows = [row | {"description": "calendars"}, row | {"layer": "9-random", "description": "elsewhere"}]
    lines = "\n".join(map(json.dumps, rows))
    (export / "batch-0.jsonl.gz").write_bytes(gzip.compress(lines.encode()))

    told = {each["feature"]: each for each in parts(with_sae).json()["features"]}
    assert told[first]["explanation"] == {"text": "days of the week <b>", "found_in": "pedia"}
    assert told[second]["explanation"] is None, "what it promotes is no explanation"
    assert told[second]["example"] == {"text": "on Mon«day»", "found_in": "show"}
    assert told[third]["explanation"] is told[third]["example"] is None
    assert told[fourth]["explanation"] == {"text": "calendars", "found_in": "export"}

    (export / "batch-0.jsonl.gz").write_bytes(b"torn")
    (root / "pedia" / "result.json").write_text("{")
    told = {each["feature"]: each for each in parts(with_sae).json()["features"]}
    assert told[first]["explanation"] is told[fourth]["explanation"] is None, "what is broken says nothing"
    assert told[second]["example"]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"domain": "nothing"}, 404),
        ({"sae": "0" * 16}, 404),
        ({"sae": ".."}, 422),
        ({"domain": "a" * 65}, 422),
    ],
)
def test_what_there_is_not_is_refused(with_sae, changed, status):
    assert parts(with_sae, **changed).status_code == status


@pytest.mark.parametrize("file", [WEIGHTS, SPARSITY])
def test_a_damaged_autoencoder_is_refused_without_its_place(with_sae, file):
    whole = (with_sae.sae / WEIGHTS).read_bytes()
    (with_sae.sae / file).write_bytes(whole[:100] if file == WEIGHTS else save({"sparsity": torch.zeros(3)}))
    answer = parts(with_sae, "dev_tooling")
    assert answer.status_code == 422
    assert "random cannot be used" in answer.json()["detail"]
    assert str(with_sae.sae.parent) not in answer.text


def test_a_vector_that_is_nothing_at_the_autoencoders_block_is_refused(with_sae, tmp_path):
    session = with_sae.session
    own = session.vectors.get(session.model, "calendar")
    library.save(directed(own, "one", own.directions[1], 1, {}), tmp_path / "one.safetensors")
    headers = {"Content-Type": "application/octet-stream"}
    content = (tmp_path / "one.safetensors").read_bytes()
    with_sae.http.put("/v1/vectors/tiny-llama/one", content=content, headers=headers).raise_for_status()
    answer = parts(with_sae, "one")
    assert (answer.status_code, f"nothing at layer {SAE_LAYER}" in answer.json()["detail"]) == (422, True)
