"""SAELens' side of test_sae_lens.py, run by the Python of an environment that has it.

Reads every folder below `ours`, and makes one of each of its own architectures below `theirs`; beside each it
writes what SAELens makes of the residuals in hidden.safetensors: `features` and `decoded`.
"""

import sys
from pathlib import Path

import torch
from sae_lens import SAE
from sae_lens.registry import get_sae_training_class
from safetensors.torch import load_file, save_file

D_MODEL, D_SAE, K = 64, 128, 8
TRAINED = {
    "standard": {},
    "topk": {"k": K, "rescale_acts_by_decoder_norm": True},
    "abstopk": {"k": K, "rescale_acts_by_decoder_norm": False},
    "jumprelu": {"jumprelu_init_threshold": 0.7},
    "gated": {},
    "batchtopk": {"k": K},
}


def main(root: Path) -> None:
    hidden = load_file(root / "hidden.safetensors")["hidden"]
    for folder in sorted((root / "ours").iterdir()):
        write(folder, SAE.load_from_disk(str(folder), device="cpu"), hidden)
    for name, settings in TRAINED.items():
        torch.manual_seed(len(name))
        kind, config = get_sae_training_class(name)
        made = kind(config(d_in=D_MODEL, d_sae=D_SAE, device="cpu", dtype="float32", **settings))
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
            if name == "batchtopk":
                made.topk_threshold.fill_(0.9)
        folder = root / "theirs" / name
        folder.mkdir(parents=True)
        made.save_inference_model(str(folder))
        write(folder, SAE.load_from_disk(str(folder), device="cpu"), hidden)


def write(folder: Path, sae: SAE, hidden: torch.Tensor) -> None:
    with torch.no_grad():
        features = sae.encode(hidden)
        said = {"features": features.contiguous(), "decoded": sae.decode(features).contiguous()}
    save_file(said, folder / "said.safetensors")


main(Path(sys.argv[1]))
