"""A budget of tokens over HTTP, in chats, texts and responses."""

import pytest
import torch

from vectors.engine.budget import LengthHead
from vectors.measuring.lengths import head_path, keep


@pytest.fixture
def head(live):
    """A head for the model in memory, as `lab budget` would keep it."""
    served = live.runtime.models.serving()
    lm = served.lm
    vocab = lm.model.get_input_embeddings().weight.shape[0]
    head = LengthHead(1, torch.zeros(6, lm.d_model), torch.ones(6), torch.zeros(vocab, 2))
    path = head_path(served.session.settings.cache, lm)
    keep(head, path, lm)
    yield head
    path.unlink()
    served.session.__dict__.pop("length_head", None)


def bodies(live):
    model = live.runtime.models.serving().name
    return {
        "/v1/chat/completions": {"model": model, "messages": [{"role": "user", "content": "Go on."}]},
        "/v1/completions": {"model": model, "prompt": "Go on", "max_tokens": 40},
        "/v1/responses": {"model": model, "input": "Go on."},
    }


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/responses"])
@pytest.mark.parametrize("budget", [1, 6])
def test_no_answer_is_longer_than_its_budget(live, head, path, budget):
    found = live.http.post(path, json={**bodies(live)[path], "budget": budget})
    assert found.status_code == 200, found.text
    usage = found.json()["usage"]
    assert usage.get("completion_tokens", usage.get("output_tokens")) <= budget


def test_without_a_head_one_sentence_says_how_to_make_one(live):
    for path, body in bodies(live).items():
        found = live.http.post(path, json={**body, "budget": 6})
        assert found.status_code == 400, found.text
        assert "lab budget" in found.text
        assert "/tmp" not in found.text


@pytest.mark.parametrize("budget", [0, -1, "many"])
def test_a_budget_of_nothing_is_refused(live, budget):
    path = "/v1/chat/completions"
    found = live.http.post(path, json={**bodies(live)[path], "budget": budget})
    assert found.status_code in (400, 422)
    assert "budget" in found.text
