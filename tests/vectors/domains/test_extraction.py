import threading
import time

import pytest
import torch

from tests.vectors import folders, tiny
from vectors.domains import activations
from vectors.domains.extraction import extract
from vectors.domains.prompt_sets import PromptSet
from vectors.errors import UnsupportedModel
from vectors.models.blocks import recording
from vectors.models.chat import Chat

SET = PromptSet(
    "code_reading",
    "two sides of different lengths",
    ("file",),
    tuple(f"open file number {'i' * n} and read it" for n in range(1, 8)),
    tuple(f"the {'very ' * n}old castle stands on a hill" for n in range(1, 8)),
)


def alone(lm, text):
    """The oracle: every block's residual at each content token of one prompt, alone, with markers after."""
    ids, start = Chat(lm.tokenizer).encode_content(text)
    after = lm.tokenizer.encode("<|im_end|>\nmore that must not matter")
    with recording(lm.model) as captured, torch.no_grad():
        lm.model(input_ids=torch.tensor([ids + after]))
    return torch.stack([captured[layer][0, start : len(ids)] for layer in range(lm.n_layers)])


@pytest.mark.parametrize("token", ["last", "mean"])
def test_the_mean_difference_is_that_of_prompts_run_one_by_one(lm, token):
    def side(texts):
        content = [alone(lm, text) for text in texts]
        return torch.stack([c[:, -1] if token == "last" else c.mean(1) for c in content]).mean(0)

    vector = extract(lm, SET, token=token, batch_size=5)
    torch.testing.assert_close(
        vector.directions, side(SET.positive) - side(SET.negative), rtol=1e-3, atol=1e-4
    )
    assert vector.directions.dtype == torch.float32
    assert vector.directions.shape == (lm.n_layers, lm.d_model)


@pytest.mark.parametrize("method", ["mean_difference", "pca"])
@pytest.mark.parametrize("token", ["last", "mean"])
def test_batch_size_and_padding_do_not_change_the_result(lm, method, token):
    one, many = (extract(lm, SET, method=method, token=token, batch_size=size) for size in (1, 14))
    torch.testing.assert_close(one.directions, many.directions, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(one.residual_norms, many.residual_norms)
    torch.testing.assert_close(one.spreads, many.spreads)


def test_residual_norms_are_means_over_all_content_tokens(llama):
    every = torch.cat([alone(llama, text).norm(dim=-1) for text in (*SET.positive, *SET.negative)], dim=1)
    torch.testing.assert_close(extract(llama, SET).residual_norms, every.mean(1))


def test_spreads_are_about_how_far_residuals_lie_from_their_mean(lm):
    every = torch.cat([alone(lm, text) for text in (*SET.positive, *SET.negative)], dim=1)
    distances = (every - every.mean(1, keepdim=True)).norm(dim=-1).mean(1)
    torch.testing.assert_close(extract(lm, SET).spreads, distances, rtol=0.2, atol=0)


def test_what_all_tokens_share_and_a_token_of_a_huge_norm_have_no_part_in_the_spreads(llama, monkeypatch):
    plain = extract(llama, SET).spreads
    read = activations.residuals

    def shifted(*args, **kwargs):
        for number, hidden in read(*args, **kwargs):
            moved = hidden + 1000
            moved[1] *= 100
            yield number, moved

    monkeypatch.setattr(activations, "residuals", shifted)
    moved = extract(llama, SET)
    assert (moved.residual_norms > 1000).all()
    torch.testing.assert_close(moved.spreads, plain, rtol=0.2, atol=0)


def test_swapping_the_sides_turns_a_vector_around(llama):
    swapped = PromptSet(SET.domain, SET.description, SET.keywords, SET.negative, SET.positive)
    for method in ("mean_difference", "pca"):
        vector, turned = extract(llama, SET, method=method), extract(llama, swapped, method=method)
        torch.testing.assert_close(vector.directions, -turned.directions, rtol=1e-3, atol=1e-4)


def test_pca_finds_the_direction_that_the_pairs_differ_in_most(llama):
    first, mean = extract(llama, SET, method="pca"), extract(llama, SET)
    side = {text: alone(llama, text)[:, -1] for text in (*SET.positive, *SET.negative)}
    for layer in range(llama.n_layers):
        pairs = [(side[p] - side[n])[layer] for p, n in zip(SET.positive, SET.negative, strict=True)]
        scatter = sum(torch.outer(pair, pair) for pair in pairs)
        largest = torch.linalg.eigh(scatter).eigenvectors[:, -1]
        direction = first.directions[layer]
        assert abs(torch.nn.functional.cosine_similarity(direction, largest, dim=0)) > 0.999
        assert direction @ mean.directions[layer] > 0


def test_the_last_content_token_is_read_and_recorded(llama):
    vector = extract(llama, SET)
    assert vector.metadata["token"] == "last content token"
    assert vector.metadata["tokens_read"] == '["l", "t"]'  # of "hill" and "it", not a marker


def test_what_another_thread_runs_meanwhile_does_not_get_into_the_vector(llama):
    quiet = extract(llama, SET)
    stop, passes = threading.Event(), 0

    def generate():
        nonlocal passes
        while not stop.is_set():
            with torch.no_grad():
                llama.model(input_ids=torch.tensor([tiny.prompt(passes, 30)] * 16))
            passes += 1

    other = threading.Thread(target=generate)
    other.start()
    try:
        while not passes:
            time.sleep(0.001)
        before, times = passes, 0
        while times < 5 or passes == before:  # the other thread is at it, and none of its passes fails
            torch.testing.assert_close(extract(llama, SET).directions, quiet.directions)
            times += 1
            assert other.is_alive()
    finally:
        stop.set()
        other.join()


def test_extraction_leaves_no_hook_behind_and_reports_its_progress(llama):
    seen = []
    extract(llama, SET, batch_size=4, progress=lambda *step: seen.append(step))
    assert seen == [("extracting code_reading", done, 14) for done in (0, 4, 8, 12, 14)]
    assert not any(module._forward_hooks for module in llama.model.modules())


def test_residuals_that_are_not_finite_are_refused(tmp_path):
    lm = folders.language_model(tmp_path, "llama", folders.CHATML)
    lm.model.model.layers[2].mlp.down_proj.weight.data[0, 0] = float("nan")
    with pytest.raises(UnsupportedModel, match="float32"):
        extract(lm, SET)


@pytest.mark.real_model
def test_domains_of_the_real_model_have_directions_of_their_own(smollm2):
    reading, django = (
        extract(smollm2, folders.first(domain, 6)) for domain in ("code_reading", "django_web")
    )
    for vector in (reading, django):
        assert vector.directions.shape == (30, 576)
        # The residual stream of this model grows from about 40 to some hundreds.
        assert vector.residual_norms[0] < 100 < vector.residual_norms[-1]
        assert (vector.spreads < 0.95 * vector.residual_norms).all()
        assert (vector.norms() > 0.05 * vector.residual_norms).all()
    cosine = torch.nn.functional.cosine_similarity(reading.directions, django.directions)
    assert (cosine < 0.95).all()
