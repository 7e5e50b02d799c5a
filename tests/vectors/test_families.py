"""A sample of `python -m tests.vectors.families`: a type for each way in which models differ from a Llama."""

import pytest
import torch

from tests.vectors.families import Outcome, tried

SAMPLE = {
    "deepseek_v3": "batched",  # keys wider than values
    "gemma2": "batched",  # scores softly capped
    "gemma4_text": "batched",  # heads that differ between blocks, keys of another block's
    "gpt_oss": "batched",  # sinks
    "lfm2_moe": "batched",  # short convolutions
    "bloom": "joined",  # positions as slopes of scores
    "llama4_text": "joined",  # attention in chunks
    "mamba": "joined",  # a state alone, of prompts that come whole
    "qwen3_5_text": "joined",  # a state in some blocks
    "qwen4_exp_text": "joined",  # several residual streams
    "roberta": "joined",  # positions counted from the padding's token
}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # the models are too small for more
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("family", "path"), SAMPLE.items())
def test_a_model_gives_what_its_own_forward_gives_alone_mixed_steered_scored_and_in_pieces(family, path):
    outcome = tried(family)
    assert outcome == Outcome(family, "right", path, outcome.said)


def test_a_model_whose_streams_are_no_copies_of_one_another_is_refused_in_a_line():
    outcome = tried("gemma3n_text")
    assert outcome.outcome == "refused"
    assert "returned [4, 1," in outcome.said and "\n" not in outcome.said


def test_a_model_whose_own_forward_fails_is_refused_in_a_line():
    outcome = tried("gemma4_unified_assistant")
    assert outcome.outcome == "refused"
    assert "its own forward pass fails: ValueError" in outcome.said and "\n" not in outcome.said
