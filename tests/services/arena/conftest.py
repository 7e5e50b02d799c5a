"""Runs as a client makes and follows them."""

import json
import threading
from collections.abc import Iterator

import httpx
import pytest
import torch

from tests.services.conftest import sse
from tests.services.load.held import hold
from vectors.lab.sae.folders import write

COLUMNS = [
    {"name": "baseline"},
    {"name": "bugs", "steering": {"domain": "bug_analysis", "alpha": 6.0}},
    {"name": "reading", "steering": "50%·code_reading@1"},
]
ASKED = {"prompt": "Why?", "columns": COLUMNS, "max_tokens": 8}


class Runs:
    """A client of a server's runs."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def begin(self, **changed) -> dict:
        answer = self.http.post("/v1/arena/runs", json=ASKED | changed)
        assert answer.status_code == 202, answer.text
        assert answer.headers["location"] == f"/v1/arena/runs/{answer.json()['id']}"
        return answer.json()

    def events(self, run: dict, since: int | None = None) -> list[dict]:
        headers = {} if since is None else {"Last-Event-ID": str(since)}
        answer = self.http.get(f"/v1/arena/runs/{run['id']}/events", headers=headers)
        found = [json.loads(data) for _, _, data in sse(answer.text)]
        assert answer.status_code == (200 if found else 204)
        return found

    def get(self, run: dict) -> dict:
        return self.http.get(f"/v1/arena/runs/{run['id']}").raise_for_status().json()

    def shown(self, **changed) -> dict:
        """A run that is over."""
        run = self.begin(**changed)
        assert self.events(run)[-1]["kind"] == "run_ended"
        return self.get(run)


@pytest.fixture
def runs(live) -> Runs:
    return Runs(live.http)


@pytest.fixture
def gate(live, monkeypatch) -> Iterator[threading.Event]:
    """What begins with "Later" waits until this is set."""
    passed = threading.Event()
    hold(passed.is_set, monkeypatch)
    yield passed
    passed.set()


SAE_LAYER, SAE_FEATURES = 2, 96


def sae_in(root, digest, name="random"):
    """A finished experiment with an autoencoder of random weights: they say nothing, and can be read."""
    folder = root / "train"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text("{}")
    (folder / "shown.json").write_text("{}")
    draw = torch.Generator().manual_seed(5)
    rows = torch.nn.functional.normalize(torch.randn(SAE_FEATURES, 32, generator=draw), dim=1)
    biases = {"b_enc": torch.zeros(SAE_FEATURES), "b_dec": torch.zeros(32)}
    metadata = {
        "hook_name": f"blocks.{SAE_LAYER}.hook_resid_post",
        "layer": SAE_LAYER,
        "model_digest": digest,
    }
    tensors = {"W_enc": rows.T.contiguous(), "W_dec": rows, **biases}
    place = folder / "saes" / name
    often = torch.full((SAE_FEATURES,), 0.01)
    write(place, {"architecture": "topk", "k": 8}, tensors, often, metadata)
    return place


@pytest.fixture
def with_sae(serving, session, tmp_path):
    """A server whose laboratory has an autoencoder of the model; its folder is `with_sae.sae`."""
    place = sae_in(tmp_path / "lab", session.model.digest)
    live = serving(lab_runs=tmp_path / "lab")
    live.sae = place
    return live
