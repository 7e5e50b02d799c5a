import pytest
import torch

from tests.orchestrator.conftest import make_tiny_model


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Tiny matrices are slower on many threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def two_models(tiny_model, tmp_path_factory):
    """The tiny model and one with other weights."""
    from transformers import AutoModelForCausalLM

    other = make_tiny_model(tmp_path_factory.mktemp("models") / "other-llama")
    model = AutoModelForCausalLM.from_pretrained(other)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    model.save_pretrained(other)
    return [str(tiny_model), str(other)]
