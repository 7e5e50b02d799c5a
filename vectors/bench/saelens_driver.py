"""Collects and trains with SAELens; run as a script by the Python of an environment that has sae-lens.

The first line of stdin is a `Setting`. Each line after it is a folder of safetensors files with `tokens`
[contexts, context], and is answered with a line on stdout: a `Timing`. The model is loaded once. It is a
process of its own so that neither side's threads and allocators are in the other's way.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Generic, ParamSpec, TypedDict, TypeVar

_Parameters = ParamSpec("_Parameters")
_Made = TypeVar("_Made")


class Setting(TypedDict):
    """What is trained: the model's folder and dtype, the block, TopK's k and size, and how."""

    folder: str
    dtype: str
    layer: int
    d_model: int
    d_sae: int
    k: int
    batch: int
    learning_rate: float


class Timing(TypedDict):
    """Seconds of both phases, and the tokens that each has seen."""

    collect_s: float
    collected: int
    train_s: float
    trained: int


def main() -> None:
    """Answer lines until there are none."""
    setting: Setting = json.loads(sys.stdin.readline())
    answers, sys.stdout = sys.stdout, sys.stderr
    sae_lens = importlib.import_module("sae_lens")
    load_model = importlib.import_module("sae_lens.load_model").load_model
    name = f"model.layers.{setting['layer']}"
    dtype = {"dtype": setting["dtype"]}
    model = load_model("AutoModelForCausalLM", setting["folder"], "cpu", dtype, [name])
    for line in sys.stdin:
        print(json.dumps(timed(sae_lens, model, name, setting, Path(line.strip()))), file=answers, flush=True)


def timed(sae_lens: ModuleType, model: object, hook: str, setting: Setting, folder: Path) -> Timing:
    """Train an autoencoder from a folder of tokens, as its documentation does, without logging or saving."""
    datasets = importlib.import_module("datasets")
    load = importlib.import_module("safetensors.torch").load_file
    rows = [row for file in sorted(folder.glob("*.safetensors")) for row in load(file)["tokens"].tolist()]
    contexts, context = len(rows), len(rows[0])
    # Its buffer must hold a batch, and is filled before anything is trained: so it is no larger than that.
    buffered = -(-setting["batch"] // (context - 1))
    low = setting["dtype"] == "bfloat16"
    config = sae_lens.LanguageModelSAERunnerConfig(
        sae=sae_lens.TopKTrainingSAEConfig(d_in=setting["d_model"], d_sae=setting["d_sae"], k=setting["k"]),
        model_name=setting["folder"],
        model_class_name="AutoModelForCausalLM",
        hook_name=hook,
        dataset_path="",
        streaming=False,
        context_size=context,
        seqpos_slice=(1, None),
        prepend_bos=False,
        n_batches_in_buffer=buffered,
        store_batch_size_prompts=max(1, 4096 // context),
        train_batch_size_tokens=setting["batch"],
        training_tokens=(contexts - buffered) * (context - 1),
        lr=setting["learning_rate"],
        autocast=low,
        autocast_lm=low,
        checkpoint_path=None,
        output_path=None,
        verbose=False,
        logger=sae_lens.LoggingConfig(log_to_wandb=False),
    )
    dataset = datasets.Dataset.from_dict({"input_ids": rows})
    runner = sae_lens.LanguageModelSAETrainingRunner(config, override_dataset=dataset, override_model=model)
    collect = Clock(runner.activations_store.get_activations)
    runner.activations_store.get_activations = collect
    step = Clock(runner.sae.training_forward_pass)  # counts what is trained on
    runner.sae.training_forward_pass = step
    started = time.perf_counter()
    runner.run()
    whole_s = time.perf_counter() - started
    return {
        "collect_s": collect.seconds,
        "collected": collect.calls * config.store_batch_size_prompts * context,
        "train_s": whole_s - collect.seconds,
        "trained": step.calls * setting["batch"],
    }


class Clock(Generic[_Parameters, _Made]):
    """Calls a function, and adds up how long it takes."""

    def __init__(self, function: Callable[_Parameters, _Made]) -> None:
        self._function = function
        self.seconds, self.calls = 0.0, 0

    def __call__(self, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Made:
        """Call it."""
        started = time.perf_counter()
        made = self._function(*args, **kwargs)
        self.seconds += time.perf_counter() - started
        self.calls += 1
        return made


if __name__ == "__main__":
    main()
