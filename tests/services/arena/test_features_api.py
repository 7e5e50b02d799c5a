"""Vectors of an autoencoder's features: made when asked for, kept as uploads, and steering as any other."""

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed

import pytest
import torch

from orchestrator.lab.sae_choosing import Choosing, choose
from services.serving import named_vectors
from tests.services.api.test_access import bearer
from tests.services.arena.conftest import SAE_LAYER, Runs, sae_in
from vectors.lab.sae.folders import CONFIG, SPARSITY, WEIGHTS, read
from vectors.measuring.journal import Journal

FEATURES = "/v1/arena/library/features"


def sae_of(live):
    (found,) = live.http.get("/v1/arena/library").json()["saes"]
    return found


def made(live, **changed):
    sae = changed.pop("sae", None) or sae_of(live)["id"]
    return live.http.post(FEATURES, json={"sae": sae, "domain": "calendar", "top": 3} | changed)


@pytest.mark.parametrize("choice", ["difference", "output", "published"])
def test_a_vector_is_the_one_that_the_laboratory_makes_of_the_same_features(with_sae, choice):
    session = with_sae.session
    own = session.vectors.get(session.model, "calendar")
    nine = choose(session, with_sae.sae, own, SAE_LAYER, 3, Journal())
    for strategy in ("weighted", "uniform", "single"):
        (wanted,) = (each for each in nine if (each.choice, each.strategy) == (choice, strategy))
        answer = made(with_sae, choice=choice, strategy=strategy)
        assert answer.status_code == 201, answer.text
        told = answer.json()
        assert (tuple(told["features"]), told["layer"]) == (wanted.features, SAE_LAYER)
        kept = with_sae.runtime.models.serving().vectors.named("local", told["domain"])
        torch.testing.assert_close(kept.directions, wanted.vector.directions, rtol=0, atol=0)
        unit = kept.directions[SAE_LAYER] / kept.directions[SAE_LAYER].norm()
        other = own.directions[SAE_LAYER] / own.directions[SAE_LAYER].norm()
        assert told["cosine"] == pytest.approx(float(unit @ other), abs=1e-5)


def test_it_is_in_the_library_and_steers_a_column_at_its_autoencoders_block(with_sae):
    name = made(with_sae, strategy="uniform").json()["domain"]
    assert name.startswith("calendar-uniform-difference-3-")
    listed = with_sae.http.get("/v1/arena/library").json()["vectors"]
    (told,) = (each for each in listed if each["domain"] == name)
    assert (told["source"], told["default_layer"]) == ("uploaded", SAE_LAYER)
    assert [layer for layer, norm in enumerate(told["norms"]) if norm] == [SAE_LAYER]
    column = {"name": "features", "steering": {"domain": name, "alpha": 30.0}}
    run = Runs(with_sae.http).shown(columns=[{"name": "baseline"}, column])
    (steered,) = run["columns"][1]["steered"]
    assert (steered["layer"], steered["alpha"]) == (SAE_LAYER, 30.0)


def test_the_same_request_finds_the_same_vector_and_makes_no_second_one(with_sae, monkeypatch):
    with ThreadPoolExecutor(3) as pool:
        answers = [each.result() for each in [pool.submit(made, with_sae) for _ in range(3)]]
    assert sorted(each.status_code for each in answers) == [200, 200, 201]
    assert len({each.text for each in answers}) == 1
    again = []
    monkeypatch.setattr(Choosing, "make", lambda *each: again.append(each))
    assert made(with_sae).text == answers[0].text
    assert not again


def test_one_is_computed_at_a_time_while_the_server_answers_and_few_may_wait(with_sae, monkeypatch):
    making, gate, at_once, most = Choosing.make, threading.Event(), [], []

    def slow(self, *each):
        at_once.append(1)
        most.append(len(at_once))
        gate.wait()
        try:
            return making(self, *each)
        finally:
            at_once.pop()

    monkeypatch.setattr(Choosing, "make", slow)
    with ThreadPoolExecutor(6) as pool:
        pending = [pool.submit(made, with_sae, top=top) for top in range(1, 7)]
        try:
            refused = next(as_completed(pending, timeout=60)).result()
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
            assert with_sae.http.get("/live").status_code == 200
        finally:
            gate.set()
        assert sorted(each.result().status_code for each in pending) == [201] * 5 + [429]
    assert set(most) == {1}


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"top": 0}, 422),
        ({"top": 101}, 422),
        ({"strategy": "loud"}, 422),
        ({"choice": "taste"}, 422),
        ({"domain": "nothing"}, 404),
        ({"domain": "../../etc/passwd"}, 404),
        ({"sae": "0" * 16}, 404),
        ({"sae": "../saes"}, 422),
        ({"model": "gpt-2"}, 404),
    ],
)
def test_what_there_is_not_is_refused_with_a_sentence(with_sae, changed, status):
    answer = made(with_sae, **changed)
    assert answer.status_code == status
    assert answer.json()["detail"]


@pytest.mark.parametrize("file", [WEIGHTS, SPARSITY, CONFIG])
@pytest.mark.parametrize("damage", ["missing", "torn", "link"])
def test_an_autoencoder_that_is_damaged_is_refused_and_its_place_is_not_told(
    with_sae, tmp_path, file, damage
):
    sae = sae_of(with_sae)["id"]
    path = with_sae.sae / file
    whole = path.read_bytes()
    path.unlink()
    if damage == "torn":
        path.write_bytes(whole[: len(whole) // 2])
    if damage == "link":
        (tmp_path / "elsewhere").write_bytes(whole)
        path.symlink_to(tmp_path / "elsewhere")
    answer = made(with_sae, sae=sae)
    if (file, damage) in ((SPARSITY, "missing"), (SPARSITY, "torn")):
        assert answer.status_code == 201, "it says nothing that is needed"
    else:
        assert answer.status_code == (404 if file == CONFIG else 422)
        assert str(tmp_path) not in answer.text


def test_an_autoencoder_of_another_model_is_none_here(serving, session, tmp_path):
    sae_in(tmp_path / "lab", "e" * 64)
    live = serving(lab_runs=tmp_path / "lab")
    assert live.http.get("/v1/arena/library").json()["saes"] == []


def test_more_features_than_there_are_give_a_vector_of_those_there_are(with_sae):
    features = made(with_sae, top=100).json()["features"]
    assert 3 < len(features) <= len(read(with_sae.sae).w_dec)


def test_they_count_as_uploads_and_are_their_owners_alone(with_sae, monkeypatch):
    _, ada = with_sae.runtime.store.keys.create("ada")
    _, bob = with_sae.runtime.store.keys.create("bob")
    sae = with_sae.http.get("/v1/arena/library", **bearer(ada)).json()["saes"][0]["id"]
    asked = {"sae": sae, "domain": "calendar", "top": 3}
    name = with_sae.http.post(FEATURES, json=asked, **bearer(ada)).json()["domain"]
    path = f"/v1/vectors/tiny-llama/{name}"
    assert with_sae.http.get(path, **bearer(bob)).status_code == 404
    monkeypatch.setattr(named_vectors, "MOST_UPLOADS", 1)
    assert with_sae.http.post(FEATURES, json=asked, **bearer(ada)).status_code == 200
    refused = with_sae.http.post(FEATURES, json=asked | {"top": 4}, **bearer(ada))
    assert (refused.status_code, "may keep 1" in refused.json()["detail"]) == (409, True)
    assert with_sae.http.delete(path, **bearer(ada)).status_code == 204
