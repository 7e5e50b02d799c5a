"""Our folders are read by SAELens, and SAELens' by us: both see the same features in the same residuals."""

import os
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.clients.environments import Client
from vectors.lab.sae.folders import config_of, read, write
from vectors.lab.sae.learner import Recipe, scaling
from vectors.lab.sae.training import LEARNERS

SAE_LENS = Client("sae-lens", "", ("sae-lens==6.54.12", "torch==2.13.0"), sees_ours=True)
D_MODEL, D_SAE = 64, 128
SPARSITY = {"topk": 8, "batchtopk": 8, "jumprelu": 8, "standard": 0.3}
THEIRS = ("standard", "topk", "abstopk", "jumprelu", "gated", "batchtopk")


@pytest.fixture(scope="module")
def root(cache_dir, tmp_path_factory):
    """A folder in which both have said what they make of each other's autoencoders."""
    try:
        python = SAE_LENS.python(cache_dir / "peers")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"sae-lens cannot be installed here: {error}")
    root = tmp_path_factory.mktemp("sae-lens")
    hidden = torch.randn(500, D_MODEL) * torch.rand(D_MODEL) * 5 + torch.randn(D_MODEL)
    save_file({"hidden": hidden}, root / "hidden.safetensors")
    for name, kind in LEARNERS.items():
        learner = kind(Recipe(name, D_SAE, SPARSITY[name]), *scaling(hidden), 50, torch.float32)
        for part in hidden.split(50):
            learner.step(part)
        config, tensors = learner.saved()
        write(root / "ours" / name, config, tensors, torch.rand(D_SAE), {"model_name": "tiny"})
    child = subprocess.run(
        [python, Path(__file__).with_name("sae_lens_child.py"), root],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled"},
        check=False,
    )
    assert child.returncode == 0, child.stderr[-2000:]
    return root


@pytest.mark.slow
@pytest.mark.parametrize(
    "place", [f"ours/{name}" for name in LEARNERS] + [f"theirs/{name}" for name in THEIRS]
)
def test_both_see_the_same_features_and_the_same_reconstruction(root, place):
    hidden, said = (
        load_file(root / "hidden.safetensors")["hidden"],
        load_file(root / place / "said.safetensors"),
    )
    sae = read(root / place)
    features = sae.encode(hidden)
    assert 0 < float((features != 0).float().mean()) < 0.9
    assert float((features - said["features"]).abs().max()) <= 1e-5
    torch.testing.assert_close(sae.decode(features), said["decoded"], rtol=1e-5, atol=1e-4)


@pytest.mark.slow
def test_batchtopk_is_a_jumprelu_when_it_is_saved_on_both_sides(root):
    for side in ("ours", "theirs"):
        assert config_of(root / side / "batchtopk")["architecture"] == "jumprelu"
        assert "threshold" in load_file(root / side / "batchtopk" / "sae_weights.safetensors")
