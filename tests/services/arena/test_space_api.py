"""The vectors of a library at every layer, as the vectors themselves say."""

import math

import pytest
import torch

from services.arena import space
from tests.services.api.test_access import bearer
from vectors.domains import library
from vectors.lab.sae.targeted import directed


@pytest.fixture
def found(live):
    return live.http.get("/v1/arena/space", params={"model": "tiny-llama"}).json()


def test_cosines_norms_and_words_are_those_of_the_vectors(live, found):
    lm = live.session.model
    names = [each["domain"] for each in found["vectors"]]
    assert names == sorted(names) and len(names) >= 3
    vectors = [live.session.vectors.get(lm, name) for name in names]
    for layer in range(lm.n_layers):
        units = torch.stack([each.directions[layer] / each.directions[layer].norm() for each in vectors])
        torch.testing.assert_close(torch.tensor(found["cosines"][layer]), units @ units.T, atol=1e-5, rtol=0)
    for told, vector in zip(found["vectors"], vectors, strict=True):
        assert told["norms"] == pytest.approx(vector.norms().tolist())
        shares = (vector.norms() / vector.residual_norms).tolist()
        assert told["residual_shares"] == pytest.approx(shares)
        assert len(told["words"]) == lm.n_layers
        assert len(told["words"][0]["promoted"]) == len(told["words"][0]["promoted_z"]) == 8


def test_the_plane_keeps_what_of_the_distances_it_says_it_explains(live, found):
    lm = live.session.model
    units = torch.cat(
        [
            torch.nn.functional.normalize(live.session.vectors.get(lm, each["domain"]).directions, dim=1)
            for each in found["vectors"]
        ]
    )
    variance = float(((units - units.mean(0)) ** 2).sum())
    for axis, share in zip(("x", "y"), found["explained"], strict=True):
        along = [point for each in found["vectors"] for point in each[axis]]
        assert sum(point**2 for point in along) == pytest.approx(share * variance, rel=1e-3)
        assert sum(along) == pytest.approx(0, abs=1e-4)
    assert 0 < found["explained"][1] <= found["explained"][0] <= 1
    assert sum(found["explained"]) <= 1 + 1e-6
    assert all(math.isfinite(point) for each in found["vectors"] for point in each["x"])


def test_it_is_computed_once_for_a_library_and_anew_for_one_with_an_upload(
    live, found, tmp_path, monkeypatch
):
    again = []
    computed = space.words_by_layer
    monkeypatch.setattr(space, "words_by_layer", lambda *each: again.append(each) or computed(*each))
    assert live.http.get("/v1/arena/space").json() == found
    assert not again
    _, ada = live.runtime.store.keys.create("ada")
    path = tmp_path / "v.safetensors"
    library.save(live.session.vectors.get(live.session.model, "code_reading"), path)
    headers = {**bearer(ada)["headers"], "Content-Type": "application/octet-stream"}
    live.http.put("/v1/vectors/tiny-llama/mine", content=path.read_bytes(), headers=headers)
    other = live.http.get("/v1/arena/space", **bearer(ada)).json()
    assert other["digest"] != found["digest"]
    assert len(other["vectors"]) == len(found["vectors"]) + 1


def test_another_model_and_too_many_vectors_are_refused(live, monkeypatch):
    assert live.http.get("/v1/arena/space", params={"model": "gpt-2"}).status_code == 404
    monkeypatch.setattr(space, "MOST_VECTORS", 1)
    answer = live.http.get("/v1/arena/space")
    assert (answer.status_code, "at most 1" in answer.json()["detail"]) == (422, True)


def test_after_a_restart_it_is_read_and_a_damaged_file_is_computed_again(serving, found, monkeypatch):
    cache = serving().session.settings.cache
    (kept,) = (cache / "arena").rglob(f"{found['digest']}.json")
    computed, again = space.words_by_layer, []
    monkeypatch.setattr(space, "words_by_layer", lambda *each: again.append(each) or computed(*each))
    assert serving().http.get("/v1/arena/space").json() == found
    assert not again
    whole = kept.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole.replace(found["digest"].encode(), b"0" * 64)):
        kept.write_bytes(damaged)
        assert serving().http.get("/v1/arena/space").json() == found
        assert again
        assert kept.read_bytes() == whole
        again.clear()


def test_a_vector_of_one_layer_has_no_path_and_is_left_out(live, found, tmp_path):
    session = live.session
    own = session.vectors.get(session.model, "code_reading")
    one = directed(own, "one", own.directions[2], 2, {})
    library.save(one, tmp_path / "one.safetensors")
    headers = {"Content-Type": "application/octet-stream"}
    content = (tmp_path / "one.safetensors").read_bytes()
    assert live.http.put("/v1/vectors/tiny-llama/one", content=content, headers=headers).status_code == 201
    assert live.http.get("/v1/arena/space").json() == found
