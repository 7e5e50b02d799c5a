"""Vectors over HTTP: what is there, and what is taken in."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save

from orchestrator.lab.extracting import make_domain
from orchestrator.session import Session
from orchestrator.settings import Settings
from services.errors import Conflict
from services.serving.named_vectors import Vectors
from services.settings import BODY_BYTES, ServeSettings
from tests.services.conftest import INSTANCE  # noqa: F401
from vectors.domains import library
from vectors.lab.sae.targeted import directed
from vectors.measuring.dosing import Dosing
from vectors.progress import silent

MODEL = "tiny-llama"
BINARY = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def own(live, tmp_path):
    """A vector of the served model, changed as a test likes, as the bytes of a file."""
    session = live.session
    vector = session.vectors.get(session.model, "code_reading")

    def made(**changes):
        path = tmp_path / "own.safetensors"
        library.save(replace(vector, **changes), path)
        return path.read_bytes()

    return made


def put(live, data, name="mine", model=MODEL, headers=BINARY):
    return live.http.put(f"/v1/vectors/{model}/{name}", content=data, headers=headers)


def test_the_projects_domains_are_listed_and_described(live):
    listed = live.http.get("/v1/vectors").json()["data"]
    assert {"model": MODEL, "domain": "patch_writing", "source": "built-in"} in listed
    found = live.http.get(f"/v1/vectors/{MODEL}/patch_writing").json()
    assert len(found["norms"]) == len(found["residual_norms"]) == 4


def test_a_vector_that_was_put_can_be_named_in_a_request(live, own):
    session = live.session
    directions = torch.ones_like(session.vectors.get(session.model, "code_reading").directions)
    made = put(live, own(directions=directions, default_layer=2, default_alpha=3.0))
    assert made.status_code == 201
    assert put(live, own(directions=directions, default_layer=2, default_alpha=3.0)).status_code == 200
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "x"}],
        "max_tokens": 1,
        "steering": {"domain": "mine"},
    }
    answer = live.http.post("/v1/chat/completions", json=body).json()
    assert (answer["steering"][0]["layer"], answer["steering"][0]["alpha"]) == (2, 3.0)


def test_a_vector_is_its_owners_alone(live, own):
    _, ada = live.runtime.store.keys.create("ada")
    _, bob = live.runtime.store.keys.create("bob")
    headers = {key: {"Authorization": f"Bearer {key}", **BINARY} for key in (ada, bob)}
    assert put(live, own(), headers=headers[ada]).status_code == 201
    path = f"/v1/vectors/{MODEL}/mine"
    assert live.http.get(path, headers=headers[ada]).status_code == 200
    assert live.http.get(path, headers=headers[bob]).status_code == 404
    names = [row["domain"] for row in live.http.get("/v1/vectors", headers=headers[bob]).json()["data"]]
    assert "mine" not in names


def test_a_vector_of_ones_own_can_be_deleted_and_nobody_elses(live, own):
    _, ada = live.runtime.store.keys.create("ada")
    _, bob = live.runtime.store.keys.create("bob")
    mine, theirs = ({"Authorization": f"Bearer {key}", **BINARY} for key in (ada, bob))
    put(live, own(), headers=mine)
    path = f"/v1/vectors/{MODEL}/mine"
    assert live.http.delete(path, headers=theirs).status_code == 404
    assert live.http.delete(path, headers=mine).status_code == 204
    assert live.http.delete(path, headers=mine).status_code == 404
    assert live.http.get(path, headers=mine).status_code == 404
    assert live.http.delete(f"/v1/vectors/{MODEL}/code_reading", headers=mine).status_code == 409
    assert live.http.get(f"/v1/vectors/{MODEL}/code_reading", headers=mine).status_code == 200


def test_a_domain_of_the_project_cannot_be_replaced(live, own):
    assert put(live, own(), name="code_reading").status_code == 409


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"directions": torch.full((4, 32), torch.nan)}, "finite"),
        ({"directions": torch.full((4, 32), 1e30)}, "at most"),
        ({"directions": torch.ones(3, 32)}, "layer.0"),
        ({"directions": torch.ones(4, 31)}, "expected float32"),
        ({"directions": torch.ones(4, 32, dtype=torch.float16)}, "expected float32"),
        ({"default_alpha": 1e30}, "at most"),
        ({"default_layer": 9}, "out of range"),
    ],
)
def test_a_vector_that_does_not_fit_is_refused_and_not_kept(live, own, changes, why):
    answer = put(live, own(**changes))
    assert answer.status_code == 422
    assert why in answer.json()["detail"]
    assert live.http.get(f"/v1/vectors/{MODEL}/mine").status_code == 404


def test_a_vector_of_another_model_is_refused(live, own, session):
    metadata = {**session.vectors.get(session.model, "code_reading").metadata, "model_digest": "0" * 64}
    assert put(live, own(metadata=metadata)).status_code == 422


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x04N.", b"PK\x03\x04", b"\xff" * 64, save({"layer.0": torch.ones(32)})]
)
def test_what_is_no_vector_file_is_refused(live, data):
    answer = put(live, data)
    assert answer.status_code == 422
    assert "/" not in answer.json()["detail"].replace("safetensors", "")


def test_a_file_over_the_limit_is_refused(live):
    assert put(live, b"x" * (BODY_BYTES + 1)).status_code == 413


def test_a_file_that_does_not_say_what_it_is_is_refused(live, own):
    assert put(live, own(), headers={"Content-Type": "application/x-pickle"}).status_code == 415


@pytest.mark.parametrize("name", ["..%2f..%2fx", ".hidden", "a%00b", "é", "a" * 65])
def test_a_name_that_is_none_is_not_found(live, own, name):
    assert put(live, own(), name=name).status_code == 404
    assert live.http.get(f"/v1/vectors/{MODEL}/{name}").status_code == 404


def test_another_models_address_is_not_found(live, own):
    assert put(live, own(), model="gpt-2").status_code == 404
    assert live.http.get("/v1/vectors/gpt-2/code_reading").status_code == 404


def test_domains_that_the_operator_made_are_told_from_the_projects_and_cannot_be_deleted(
    tiny_model, tmp_path
):
    pairs = tmp_path / "honesty.json"
    pairs.write_text(json.dumps([["I tell the truth", "I tell a tale"], ["It is so", "It may be so"]]))
    settings = Settings(model=str(tiny_model), vectors=tmp_path / "vectors", dtype="float32")
    with Session(settings, progress=silent) as session:
        make_domain(session, pairs)
        make_domain(session, pairs, name="code_reading")
        vectors = Vectors(session.model, MODEL, ServeSettings(data=tmp_path / "data"))
        vectors.warm(session)
    listed = dict(vectors.names("ada"))
    assert {name for name, source in listed.items() if source == "own"} == {"honesty", "code_reading"}
    assert listed["bug_analysis"] == vectors.get("ada", MODEL, "bug_analysis").source == "built-in"
    with pytest.raises(Conflict, match="this server's own vectors"):
        vectors.delete("ada", MODEL, "honesty")


def test_a_vector_of_an_autoencoders_features_steers_as_any(live, tmp_path):
    session = live.session
    own, row = session.vectors.get(session.model, "code_reading"), torch.linspace(-1, 1, 32)
    features = directed(own, "code_reading-single-output", row, 2, {"sae": "topk", "features": "[7]"})
    library.save(features, tmp_path / "features.safetensors")
    name = features.domain
    assert put(live, (tmp_path / "features.safetensors").read_bytes(), name=name).status_code == 201
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "x"}],
        "max_tokens": 1,
        "steering": {"domain": name},
    }
    said = live.http.post("/v1/chat/completions", json=body)
    assert said.status_code == 200
    assert said.json()["steering"][0]["layer"] == 2


@pytest.fixture
def in_library(live):
    """A vector of features as `lab sae features` leaves it in the operator's library."""
    session = live.session
    own, row = session.vectors.get(session.model, "code_reading"), torch.linspace(-1, 1, 32)
    facts = {"sae": "topk", "features": "[7]", "method": "sae features"}
    path = session.vectors.save(directed(own, "code_reading-single-output", row, 2, facts), session.model)
    yield path
    path.unlink()


def test_what_the_laboratory_keeps_in_the_library_is_listed_and_can_be_named(live, own, in_library):
    name = "code_reading-single-output"
    row = {"model": MODEL, "domain": name, "source": "library"}
    assert row in live.http.get("/v1/vectors").json()["data"]
    assert live.http.get(f"/v1/vectors/{MODEL}/{name}").json()["default_layer"] == 2
    assert live.http.delete(f"/v1/vectors/{MODEL}/{name}").status_code == 409
    asked = {"model": MODEL, "messages": [{"role": "user", "content": "x"}], "max_tokens": 1}
    answer = live.http.post("/v1/chat/completions", json=asked | {"steering": f"3·{name}@2"})
    assert answer.json()["steering"][0]["alpha"] == 3.0
    assert put(live, own(), name=name).status_code == 201
    assert row not in live.http.get("/v1/vectors").json()["data"], "one's own comes first"


def test_a_damaged_file_of_the_library_keeps_no_list_from_being_told(live, in_library):
    in_library.write_bytes(b"no vector")
    names = [row["domain"] for row in live.http.get("/v1/vectors").json()["data"]]
    assert "code_reading" in names and "code_reading-single-output" not in names
    assert live.http.get(f"/v1/vectors/{MODEL}/code_reading-single-output").status_code == 404


def test_no_list_measures_a_dose_and_one_that_was_measured_is_told(live, in_library, monkeypatch):
    name, measured = "code_reading-single-output", []
    measure = Dosing._measured
    monkeypatch.setattr(Dosing, "_measured", lambda *each: measured.append(each) or measure(*each))

    def told():
        listed = live.http.get("/v1/arena/library").json()["vectors"]
        one = live.http.get(f"/v1/vectors/{MODEL}/{name}").json()["default_alpha"]
        return one, next(each for each in listed if each["domain"] == name)["default_alpha"]

    assert told() == (None, None)
    assert not measured
    dose = live.http.get("/v1/arena/library/dose", params={"domain": name}).json()["dose_alpha"]
    assert measured
    assert told() == (dose, dose)
