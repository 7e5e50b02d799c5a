"""An autoencoder trained from a collection: which residuals when, checkpoints, and the folder in the end.

Shards are read a few at a time and mixed; which residuals a batch has is decided by the recipe's seed and the
step alone. So training that was killed goes on from its last checkpoint to the same bytes. Checkpoints and
results are safetensors: nothing that is read can run code.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from vectors.files import write_atomic
from vectors.lab.sae.architectures import make
from vectors.lab.sae.batchtopk import BatchTopKLearner
from vectors.lab.sae.collecting import Collection
from vectors.lab.sae.folders import write
from vectors.lab.sae.jumprelu import JumpReLULearner
from vectors.lab.sae.learner import Learner, Recipe, Stepped, scaling
from vectors.lab.sae.quality import Quality, quality
from vectors.lab.sae.standard import StandardLearner
from vectors.lab.sae.topk import TopKLearner
from vectors.models.loading import LanguageModel, default_dtype
from vectors.progress import Progress, silent
from vectors.threads import in_own_thread

LEARNERS: dict[str, type[Learner]] = {
    "topk": TopKLearner,
    "batchtopk": BatchTopKLearner,
    "jumprelu": JumpReLULearner,
    "standard": StandardLearner,
}
_MIXED = 4
"""Shards in memory, whose residuals are shuffled together."""
_CHECKPOINT_S = 30.0
_POINTS = 100
"""Of a curve."""
_CHECKPOINT = "checkpoint.safetensors"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """What came of a recipe: its curve over the steps, what it does on the residuals that were held out, and
    the share of features that were silent for the last half million tokens of training."""

    name: str
    steps: int
    tokens: int
    curve: tuple[tuple[int, Stepped], ...]
    quality: Quality
    dead: float


class Batches:
    """The batches of a recipe, by number: residuals [about batch_tokens, d_model], bfloat16."""

    def __init__(self, collection: Collection, recipe: Recipe) -> None:
        self._collection, self._recipe = collection, recipe
        rows, self._groups = collection.training_rows, []
        for epoch in range(recipe.epochs):
            order = torch.randperm(len(rows), generator=self._generator(epoch, 0)).tolist()
            self._groups += [(epoch, order[at : at + _MIXED]) for at in range(0, len(rows), _MIXED)]
        self._sizes = [
            max(1, round(sum(rows[shard] for shard in shards) / recipe.batch_tokens))
            for _, shards in self._groups
        ]

    def __len__(self) -> int:
        return sum(self._sizes)

    @property
    def tokens(self) -> int:
        """Residuals of all of them together."""
        return self._recipe.epochs * sum(self._collection.training_rows)

    def following(self, number: int) -> Iterator[Tensor]:
        """Those from a number on."""
        begins = 0
        for group, ((epoch, shards), size) in enumerate(zip(self._groups, self._sizes, strict=True)):
            if begins + size > number:
                hidden = torch.cat([self._collection.shard(shard).hidden for shard in shards])
                order = torch.randperm(len(hidden), generator=self._generator(epoch, group + 1))
                for rows in torch.tensor_split(order, size)[max(0, number - begins) :]:
                    yield hidden[rows]
                del hidden  # before the next is read
            begins += size

    def _generator(self, epoch: int, part: int) -> torch.Generator:
        return torch.Generator().manual_seed((self._recipe.seed * 1009 + epoch) * 1_000_003 + part)


def begun(lm: LanguageModel, collection: Collection, recipe: Recipe) -> tuple[Batches, Learner]:
    """What a recipe learns from, and who learns: on the model's device, before the first step."""
    batches = Batches(collection, recipe)
    device = next(lm.model.parameters()).device
    mean, scale = scaling(collection.shard(0).hidden.to(device))
    dtype = default_dtype(device.type)
    return batches, LEARNERS[recipe.architecture](recipe, mean, scale, len(batches), dtype)


def train(
    lm: LanguageModel, collection: Collection, recipe: Recipe, folder: Path, progress: Progress = silent
) -> Trained:
    """Train an autoencoder, and write it to `folder` as SAELens does; a checkpoint there is gone on from."""
    return in_own_thread(_train, lm, collection, recipe, folder, progress)


def _train(
    lm: LanguageModel, collection: Collection, recipe: Recipe, folder: Path, progress: Progress
) -> Trained:
    batches, learner = begun(lm, collection, recipe)
    curve = _restored(folder / _CHECKPOINT, learner)
    every, kept = max(1, len(batches) // _POINTS), time.monotonic()
    for number, hidden in enumerate(batches.following(learner.step_number), learner.step_number):
        stepped = learner.step(hidden.to(learner.device))
        if number % every == 0 or number == len(batches) - 1:
            curve.append((number, stepped))
            progress(_label(recipe, stepped), number, len(batches))
        if time.monotonic() - kept > _CHECKPOINT_S:
            _keep(folder / _CHECKPOINT, learner, curve)
            kept = time.monotonic()
    config, tensors = learner.saved()
    found, frequencies = quality(make(_shape(config, tensors), tensors), collection.shard(-1))
    dead = float(learner.dead.float().mean())
    metadata = _metadata(lm, collection, recipe) | {
        "l0": found.l0.value,
        "explained_variance": found.explained.value,
        "num_dead_features": int(learner.dead.sum()),
    }
    write(folder, config, tensors, frequencies, metadata)
    (folder / _CHECKPOINT).unlink(missing_ok=True)
    progress(f"training {recipe.name}", len(batches), len(batches))
    return Trained(recipe.name, len(batches), batches.tokens, tuple(curve), found, dead)


def _shape(config: Mapping[str, object], tensors: Mapping[str, Tensor]) -> dict[str, object]:
    d_sae, d_in = tensors["W_dec"].shape
    return {**config, "d_in": d_in, "d_sae": d_sae}


def _metadata(lm: LanguageModel, collection: Collection, recipe: Recipe) -> dict[str, object]:
    """SAELens' own names, and below them what else determined the weights."""
    plan = collection.plan
    return {
        "model_name": lm.model_id,
        "model_class_name": "AutoModelForCausalLM",
        "hook_name": f"blocks.{plan.layer}.hook_resid_post",
        "hf_hook_name": f"model.layers.{plan.layer}",
        "context_size": plan.context,
        "seqpos_slice": [1, None],
        "prepend_bos": False,
        "training_architecture": recipe.architecture,
        "training_architecture_details": asdict(recipe),
        "model_digest": lm.digest,
        "layer": plan.layer,
        "corpus_sha256": plan.corpus,
        "training_tokens": plan.tokens,
    }


def _label(recipe: Recipe, now: Stepped) -> str:
    return (
        f"training {recipe.name} (loss {now.loss:.3f}, L0 {now.l0:.1f}, explained {now.explained:.1%}, "
        f"dead {now.dead:.1%})"
    )


def _keep(file: Path, learner: Learner, curve: Sequence[tuple[int, Stepped]]) -> None:
    points = torch.tensor([[number, *stepped] for number, stepped in curve], dtype=torch.float64)
    state = {name: tensor.cpu().contiguous() for name, tensor in learner.state().items()}
    write_atomic(file, save({**state, "curve": points}))


def _restored(file: Path, learner: Learner) -> list[tuple[int, Stepped]]:
    """The curve so far, of a learner that is put where the checkpoint left it; empty where there is none."""
    if not file.is_file():
        return []
    try:
        state = load_file(file, device=str(learner.device))
    except (OSError, SafetensorError) as error:
        _log.warning("training starts over, %s cannot be read: %s", file, error)
        return []
    points = state.pop("curve").tolist()
    learner.restore(state)
    return [(int(number), Stepped(*values)) for number, *values in points]
