"""Vectors of features enter the library, and everything that takes a domain's vector takes them."""

import pytest
import torch

from orchestrator.chat import Question, answer, prepare, refuse_misfit
from orchestrator.lab.lenses import portrait
from orchestrator.lab.sae_vectors import make_vectors
from orchestrator.run_config import RunConfig
from orchestrator.session import Session
from orchestrator.settings import Settings
from vectors.domains.names import Names
from vectors.domains.resolving import resolved
from vectors.lab.sae.folders import read, write
from vectors.progress import silent
from vectors.steering.reading import terms_of

LAYER, NAME = 2, "calendar-uniform-published"


@pytest.fixture(scope="module")
def session(tmp_path_factory, tiny_model):
    settings = Settings(cache=tmp_path_factory.mktemp("cache"), model=str(tiny_model), dtype="float32")
    with Session(settings, progress=silent) as session:
        yield session


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An autoencoder with random weights: what it says is nothing, and it can be read."""
    draw = torch.Generator().manual_seed(5)
    rows = torch.nn.functional.normalize(torch.randn(96, 32, generator=draw), dim=1)
    tensors = {
        "W_enc": rows.T.contiguous(),
        "b_enc": torch.zeros(96),
        "W_dec": rows,
        "b_dec": torch.zeros(32),
    }
    place = tmp_path_factory.mktemp("saes") / "random"
    metadata = {"hook_name": f"blocks.{LAYER}.hook_resid_post"}
    write(place, {"architecture": "topk", "k": 8}, tensors, torch.full((96,), 0.01), metadata)
    return place


@pytest.fixture(scope="module")
def made(session, folder):
    return make_vectors(session, folder, "calendar", top=3)


def test_it_is_the_sum_of_its_features_at_the_autoencoders_block_and_nothing_elsewhere(session, folder, made):
    (of,) = (each for each in made.made if each.name == NAME)
    vector = session.vectors.get(session.model, NAME)
    torch.testing.assert_close(vector.directions[LAYER], read(folder).w_dec[list(of.features)].sum(0))
    assert [layer for layer, norm in enumerate(vector.norms()) if norm > 0] == [LAYER]
    assert vector.metadata["sae"] == "random" and vector.metadata["source_domain"] == "calendar"
    assert portrait(session, NAME).cosine


def test_it_steers_a_chat_by_its_name_in_both_modes(session, made):
    for steer in (f"50%·{NAME}@{LAYER}", f"50%·multiply({NAME})@{LAYER}"):
        question = Question("Hello.", steer=steer, tokens=2)
        refuse_misfit(session.settings, question, silent)
        prepared = prepare(session, question)
        assert (prepared.steering[0].name, prepared.steering[0].layer) == (NAME, LAYER)
        assert answer(session, prepared, lambda *_: None)


def test_it_steers_a_task_as_its_settings_say(session, made):
    config = RunConfig(steer=f"0.5x·{NAME}[generated]")
    (steering,) = resolved(terms_of(config.steer), Names(session.vectors, session.model, silent))
    assert (steering.name, steering.layer) == (NAME, LAYER)
    assert steering.alpha > 0
