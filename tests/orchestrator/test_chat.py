"""One prompt answered twice: in one batch, by the same numbers; refused early where nothing can answer."""

import threading

import pytest
import torch

from orchestrator.chat import Question, answer, prepare, refuse_misfit
from orchestrator.errors import ConfigError
from orchestrator.session import Session
from orchestrator.settings import Settings
from vectors.domains.prompt_sets import PromptSetError
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.progress import silent


@pytest.fixture(scope="module")
def session(tiny_model, tmp_path_factory):
    settings = Settings(model=str(tiny_model), cache=tmp_path_factory.mktemp("cache"))
    with Session(settings, progress=silent) as opened:
        yield opened


def asked(session, **changes):
    pieces = {"unsteered": "", "steered": ""}
    threads = set()

    def on_text(side, piece):
        pieces[side] += piece
        threads.add(threading.get_ident())

    prepared = prepare(session, Question("Say something.", tokens=24, **changes))
    return prepared, answer(session, prepared, on_text), pieces


def test_what_is_streamed_is_what_comes_back(session):
    _, found, pieces = asked(session)
    assert pieces == {"unsteered": found.unsteered.text, "steered": found.steered.text}
    assert 0 < found.first_token_s <= found.seconds


def test_the_unsteered_answer_is_the_bare_models_and_the_steered_one_another(session):
    prepared, found, _ = asked(session, alpha=30.0)
    bare = session.engine.submit(GenerationRequest(prepared.prompt_ids, (), Sampling(max_new_tokens=24)))
    assert found.unsteered.text == bare.result().text
    assert found.steered.text != found.unsteered.text


def test_both_rows_share_one_batch(session):
    before = session.engine.stats().done.passes
    _, found, _ = asked(session)
    passes = session.engine.stats().done.passes - before
    assert passes < found.unsteered.new_tokens + found.steered.new_tokens


def test_without_strength_both_draw_the_same_numbers_and_say_the_same(session):
    _, found, _ = asked(session, alpha=0.0, temperature=1.0, seed=3)
    assert found.steered == found.unsteered


def test_a_layer_and_a_strength_are_taken_as_given(session):
    prepared, _, _ = asked(session, domain="code_reading", layer=1, alpha=2.5)
    assert prepared.said == "2.5·code_reading@1"


def test_a_vector_file_steers_as_its_domain_does(session):
    prepared, found, _ = asked(session, domain="code_reading")
    path = session.vectors.path(session.model, "code_reading")
    of_file, same, _ = asked(session, domain=str(path))
    assert [each.layer for each in of_file.steering] == [each.layer for each in prepared.steering]
    assert torch.equal(of_file.steering[0].vector, prepared.steering[0].vector)
    assert same.steered == found.steered


def test_a_system_message_stands_before_the_prompt(session):
    bare, _, _ = asked(session)
    told, _, _ = asked(session, system="Be brief.")
    assert len(told.prompt_ids) > len(bare.prompt_ids)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"prompt": " \n"}, "empty"),
        ({"prompt": "\udcff"}, "Unicode"),
        ({"alpha": float("nan")}, "finite"),
        ({"domain": "nowhere.safetensors"}, "nowhere.safetensors"),
    ],
    ids=str,
)
def test_what_no_model_could_answer_is_refused(changes, expected):
    with pytest.raises(ConfigError, match=expected):
        Question(**{"prompt": "Hello.", **changes})


def test_an_unknown_domain_is_refused(tmp_path):
    with pytest.raises(PromptSetError, match="bug_analysis"):
        refuse_misfit(Settings(cache=tmp_path), Question("Hello.", domain="bug_analisys"), silent)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (Question("Hello.", layer=4), "expected 0 to 3"),
        (Question("word " * 4000), "context of 16384"),
        (Question("Hello.", tokens=16384), "context of 16384"),
    ],
    ids=["layer", "prompt", "tokens"],
)
def test_what_does_not_fit_the_model_is_refused_before_it_is_loaded(tiny_model, tmp_path, question, expected):
    settings = Settings(model=str(tiny_model), cache=tmp_path)
    with pytest.raises(ConfigError, match=expected):
        refuse_misfit(settings, question, silent)


def test_a_layer_below_the_first_is_refused_whatever_the_model():
    with pytest.raises(ConfigError, match="from 0"):
        Question("Hello.", layer=-1)


def test_a_prompt_is_refused_by_its_tokens_not_by_its_letters(tiny_model, tmp_path):
    settings = Settings(model=str(tiny_model), cache=tmp_path)
    refuse_misfit(settings, Question("x" * 16000), silent)  # one token a letter, and they just fit
