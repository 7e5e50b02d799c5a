"""The libraries that the files are for read them, and do to a model's logits what our engine does.

They want older versions than ours of what we share, so they live in an environment of their own, made once in
the cache, and are called as a process. As it takes two to four minutes and 1.4 GB to make, it is made in
continuous integration and where TEST_REAL_FORMATS=1 asks for it.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

from tests.vectors import folders, tiny
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.formats import registry, steering_files
from vectors.models.blocks import decoder_blocks
from vectors.models.residual import residual, with_residual
from vectors.steering.intervention import Steering

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "test_formats_requirements.txt"
CONSTRAINTS = HERE.parents[2] / "constraints.txt"
FORMATS = {name: registry.format_of(name) for name in registry.BUILT_IN if name != registry.OWN}
WANTED = "TEST_REAL_FORMATS"
PROMPT = tiny.prompt(5, 40)
TOLERANCE = 1e-4

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def python(cache_dir):
    """The interpreter of the libraries' environment, made on first use."""
    pins = REQUIREMENTS.read_text() + sys.version
    folder = cache_dir / "environments" / f"formats-{hashlib.sha256(pins.encode()).hexdigest()[:12]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / "complete").exists():
            if not (os.environ.get(WANTED) == "1" or os.environ.get("CI")):
                pytest.skip(
                    f"{WANTED}=1 installs the libraries into an environment of their own, once: 1.4 GB"
                )
            shutil.rmtree(folder, ignore_errors=True)
            pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet"]
            try:
                # torch first and pinned; then the rest as it is listed: what repeng asks of numpy takes pip
                # eight minutes to bring together with lm-eval.
                for command in (
                    [sys.executable, "-m", "venv", folder],
                    [*pip, "--constraint", CONSTRAINTS, "torch==2.13.0"],
                    [*pip, "--no-deps", "--requirement", REQUIREMENTS],
                ):
                    subprocess.run(command, check=True, capture_output=True, text=True, timeout=900)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                # numpy 1, which repeng needs, has no wheel for Python 3.13.
                last = str(error.stderr or error).strip().splitlines()[-1]
                if os.environ.get(WANTED) == "1":
                    pytest.fail(f"the libraries cannot be installed: {last}")
                pytest.skip(f"the libraries cannot be installed ({last}); {WANTED}=1 makes this a failure")
            (folder / "complete").touch()
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "llama"
    folders.save(folder, "llama", folders.CHATML)
    # transformers 4 knows this tokenizer under the name it had there.
    config = folder / "tokenizer_config.json"
    config.write_text(
        json.dumps(json.loads(config.read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"})
    )
    return folder


@pytest.fixture(scope="module")
def lm(model_folder):
    from vectors.models.loading import load_model

    return load_model(str(model_folder), cache=model_folder, dtype=torch.float32)


def steerings(lm):
    """What is exported: each layer alone, both signs of α, and two layers at once."""
    made = {
        f"layer {layer}": [*tiny.steer(lm.model, layer, share, seed=layer)]
        for layer, share in ((0, 0.5), (1, 0.5), (2, -0.8), (3, 1.5))
    }
    return made | {"two layers": made["layer 1"] + made["layer 2"]}


@pytest.fixture(scope="module")
def logits(python, model_folder, lm, tmp_path_factory):
    """Logits [seq, vocab] of the libraries: by format and case, and "none"."""
    work = tmp_path_factory.mktemp("exports")
    files = {}
    for form, facts in FORMATS.items():
        for case, said in steerings(lm).items():
            if said[0].layer >= facts.first_layer:
                path = work / f"{form} {case}{facts.suffixes[0]}"
                steering_files.write(form, path, said, lm)
                files[f"{form}: {case}"] = (form, str(path))
    spec = work / "spec.json"
    spec.write_text(json.dumps({"model": str(model_folder), "prompt": PROMPT, "files": files}))
    done = subprocess.run(
        [python, HERE / "formats_child.py", spec, work / "logits.safetensors"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={"PATH": os.environ["PATH"], "HF_HUB_OFFLINE": "1", "HOME": str(work)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return load_file(work / "logits.safetensors")


def ours(lm, steering: Steering):
    """Log-probabilities [vocab] of the first new token from the engine."""
    with Engine(lm.model, lm.tokenizer) as engine:
        request = GenerationRequest(PROMPT, steering, Sampling(max_new_tokens=1), distribution=True)
        return engine.submit(request).result(60).distribution


def test_without_a_vector_both_environments_compute_the_same(lm, logits):
    assert difference(logits["none"][-1].log_softmax(-1), ours(lm, ())) < TOLERANCE


def difference(one, other):
    return float((one - torch.as_tensor(other)).abs().max())


CASES = [
    (form, layer)
    for form, facts in FORMATS.items()
    for layer in range(tiny.LAYERS)
    if layer >= facts.first_layer
]


@pytest.mark.parametrize(("form", "layer"), CASES)
def test_the_real_library_steers_as_our_engine_does(form, layer, lm, logits):
    (steering,) = steerings(lm)[f"layer {layer}"]
    theirs = logits[f"{form}: layer {layer}"][-1].log_softmax(-1)
    assert difference(theirs, ours(lm, (steering,))) < TOLERANCE
    assert difference(theirs, ours(lm, ())) > 0.1  # the vector does something


@pytest.mark.parametrize("form", FORMATS)
def test_the_real_library_adds_all_layers_of_a_file_at_once_at_every_position(form, lm, logits):
    with ExitStack() as stack, torch.no_grad():
        for steering in steerings(lm)["two layers"]:
            handle = decoder_blocks(lm.model)[steering.layer].register_forward_hook(
                lambda _block, _args, output, added=steering: with_residual(
                    output, residual(output) + added.delta()
                )
            )
            stack.callback(handle.remove)
        expected = lm.model(input_ids=torch.tensor([PROMPT])).logits[0]
    assert difference(logits[f"{form}: two layers"], expected) < 10 * TOLERANCE
    assert difference(logits["none"][0], expected[0]) > 0.1
