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


def test_a_model_with_several_residual_streams_in_one_is_refused_in_a_line():
    outcome = tried("qwen4_exp_text")
    assert outcome.outcome == "refused"
    assert outcome.said.endswith("there are several in one") and "\n" not in outcome.said


def test_a_model_whose_own_forward_fails_is_refused_in_a_line():
    outcome = tried("gemma4_unified_assistant")
    assert outcome.outcome == "refused"
    assert "its own forward pass fails: ValueError" in outcome.said and "\n" not in outcome.said
