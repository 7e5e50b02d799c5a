"""Runs in an environment of its own, with the real libraries: what do they make of exported files?

Usage: formats_child.py SPEC.json OUT.safetensors. The spec names a model's folder, a prompt's tokens and
files with their formats; the answer is the logits [seq, vocab] with each file applied at strength 1, and
without any under the name `none`.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM


def with_repeng(model, path, ids):
    from repeng import ControlModel, ControlVector

    vector = ControlVector.import_gguf(path)
    controlled = ControlModel(model, sorted(vector.directions))
    controlled.set_control(vector, 1.0)
    logits = controlled(input_ids=ids).logits
    controlled.unwrap()
    return logits


def with_steering_vectors(model, path, ids):
    from steering_vectors import SteeringVector

    activations = {int(name.split(".")[1]): tensor for name, tensor in load_file(path).items()}
    with SteeringVector(activations, "decoder_block").apply(model):
        return model(input_ids=ids).logits


def with_lm_eval(folder, path, ids):
    from lm_eval.models.hf_steered import SteeredModel

    steered = SteeredModel(folder, path, device="cpu", dtype="float32", batch_size=1)
    return steered._model_call(ids)


def main(spec_path, out):
    spec = json.loads(Path(spec_path).read_text())
    folder, ids = spec["model"], torch.tensor([spec["prompt"]])
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    run = {
        "repeng": lambda path: with_repeng(model, path, ids),
        "gguf": lambda path: with_repeng(model, path, ids),
        "steering-vectors": lambda path: with_steering_vectors(model, path, ids),
        "lm-eval": lambda path: with_lm_eval(folder, path, ids),
    }
    with torch.no_grad():
        logits = {"none": model(input_ids=ids).logits}
        for name, (form, path) in spec["files"].items():
            logits[name] = run[form](path)
    save_file({name: tensor[0].contiguous() for name, tensor in logits.items()}, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
