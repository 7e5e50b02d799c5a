"""Residuals of a corpus, collected once for many autoencoders: bfloat16 shards on disk.

Texts are packed into contexts of one length, one after another with the token that ends a text between them.
What is in a shard depends on its own tokens alone, and a shard appears whole or not at all: a collection that
was killed goes on with the first shard that is missing, to the same bytes. One shard is in memory at a time.

The first token of a context, and tokens whose residual is many times as long as the median, are left out:
attention rests on them, and a squared error would be about nothing else (Sun et al. 2024, arXiv 2402.17762,
"Massive Activations").
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from vectors.domains.activations import at_block
from vectors.engine.llama_forward import LlamaForward
from vectors.engine.packing import pack
from vectors.errors import SteeringMismatch, UnfitAnalysis
from vectors.files import write_atomic
from vectors.measuring.journal import digest_of
from vectors.models.loading import LanguageModel
from vectors.progress import Progress, silent
from vectors.threads import in_own_thread

_SHARD_TOKENS = 1 << 15
_FEWEST_SHARDS = 8
"""Of a small collection, so that some of it can be held out."""
_BATCH_TOKENS = 4096
_MASSIVE = 8.0
"""Times the median norm of a shard's residuals."""


@dataclass(frozen=True)
class Plan:
    """What is collected: the block, how many tokens, and how long a context is. `corpus` is its digest."""

    corpus: str
    layer: int
    tokens: int
    context: int

    @property
    def shard_contexts(self) -> int:
        """Contexts in a shard."""
        return max(1, min(_SHARD_TOKENS, self.tokens // _FEWEST_SHARDS) // self.context)

    @property
    def shards(self) -> int:
        """How many there are: as many as hold the tokens, rounded up, and at least two."""
        per_shard = self.shard_contexts * self.context
        return max(2, -(-self.tokens // per_shard))


@dataclass(frozen=True, eq=False)
class Shard:
    """hidden: residuals [rows, d_model], bfloat16. places: [rows], where in `tokens` each stands when these
    are counted one after another. tokens: [contexts, context], the tokens of all contexts.
    """

    hidden: Tensor
    places: Tensor
    tokens: Tensor


@dataclass(frozen=True)
class Collection:
    """A whole one. The last shard is held out: nothing learns from it."""

    plan: Plan
    folder: Path
    rows: tuple[int, ...]
    left_out: int
    """Tokens left out, of all shards."""

    @property
    def training_rows(self) -> tuple[int, ...]:
        """Residuals in each shard that is learnt from."""
        return self.rows[:-1]

    @property
    def tokens(self) -> int:
        """All that were run."""
        return self.plan.shards * self.plan.shard_contexts * self.plan.context

    def shards_of(self, tokens: int) -> int:
        """How many shards hold so many tokens, rounded up; all of them where there are fewer."""
        return min(len(self.rows), -(-tokens // (self.plan.shard_contexts * self.plan.context)))

    def shard(self, number: int) -> Shard:
        """Read one; -1 is the one that is held out."""
        tensors = load_file(_file(self.folder, number % len(self.rows)))
        return Shard(tensors["hidden"], tensors["places"], tensors["tokens"])


def place(lm: LanguageModel, plan: Plan, cache: Path) -> Path:
    """The folder of a collection, which all that determines it names."""
    facts = [asdict(plan), lm.digest, str(lm.dtype), lm.tokenizer_digest, torch.__version__]
    return cache / "activations" / digest_of(facts)[:32]


def kept(plan: Plan, folder: Path) -> Collection | None:
    """The collection of a plan that is whole in `folder`."""
    rows = [_rows(_file(folder, number)) for number in range(plan.shards)]
    whole = [each for each in rows if each is not None]
    if len(whole) < len(rows):
        return None
    left_out = plan.shards * plan.shard_contexts * plan.context - sum(whole)
    return Collection(plan, folder, tuple(whole), left_out)


def collect(
    lm: LanguageModel, texts: Iterable[str], plan: Plan, folder: Path, progress: Progress = silent
) -> Collection:
    """Run `texts` up to the plan's block and keep its residuals in `folder`; what is there is not made again.

    `texts` must give the same ones each time that they are gone through. Products are computed over packed
    weights, which stay so. Raises UnfitAnalysis for a corpus that is too small or a context that is too long,
    SteeringMismatch for a block that does not exist.
    """
    if not 2 <= plan.context <= lm.context_length:
        raise UnfitAnalysis(
            f"a context of {plan.context} tokens: {lm.name} takes 2 to {lm.context_length}; choose another"
        )
    return in_own_thread(_collect, lm, texts, plan, folder, progress)


def _collect(
    lm: LanguageModel, texts: Iterable[str], plan: Plan, folder: Path, progress: Progress
) -> Collection:
    if (found := kept(plan, folder)) is not None:
        return found
    whole = plan.shards * plan.shard_contexts * plan.context
    _check_size(lm, texts, plan.context, whole)
    read = _reader(lm, plan.layer)
    label, contexts = f"collecting block {plan.layer}", _contexts(lm, texts, plan.context)
    for number in range(plan.shards):
        progress(label, number * plan.shard_contexts * plan.context, whole)
        batch, file = list(islice(contexts, plan.shard_contexts)), _file(folder, number)
        if _rows(file) is None:
            write_atomic(file, _made(read, torch.tensor(batch, dtype=torch.int32), plan))
    progress(label, whole, whole)
    made = kept(plan, folder)
    assert made is not None
    return made


def _check_size(lm: LanguageModel, texts: Iterable[str], context: int, wanted: int) -> None:
    """Tokens are counted before any is run: what an hour has collected must not be found to be too little."""
    have = context * sum(1 for _ in islice(_contexts(lm, texts, context), wanted // context))
    if have < wanted:
        raise UnfitAnalysis(
            f"the corpus holds {have:,} tokens in whole contexts, and {wanted:,} are needed: give more "
            "texts, or ask for fewer tokens"
        )


def _contexts(lm: LanguageModel, texts: Iterable[str], length: int) -> Iterator[list[int]]:
    """All tokens of the texts, `length` at a time."""
    end = lm.tokenizer.eos_token_id
    ends = [] if end is None else [end]
    tokens = chain.from_iterable(chain(lm.encode(text, begins=False), ends) for text in texts)
    while len(context := list(islice(tokens, length))) == length:
        yield context


def _reader(lm: LanguageModel, layer: int) -> Callable[[Tensor], Tensor]:
    """What gives the residuals [batch, seq, d_model] after a block, of tokens [batch, seq]."""
    if not 0 <= layer < lm.n_layers:
        raise SteeringMismatch(f"layer {layer} does not exist: expected 0 to {lm.n_layers - 1}")
    if not LlamaForward.fits(lm.model):
        pack(lm.model)
        return lambda tokens: at_block(lm.model, tokens, layer)
    forward, device = LlamaForward(lm.model), next(lm.model.parameters()).device
    return lambda tokens: forward.contexts(tokens.to(device), layer)


@torch.inference_mode()
def _made(read: Callable[[Tensor], Tensor], tokens: Tensor, plan: Plan) -> bytes:
    """A shard's file, of tokens [contexts, context]."""
    parts = torch.split(tokens.long(), max(1, _BATCH_TOKENS // plan.context))
    hidden = torch.cat([read(part).bfloat16().cpu() for part in parts])
    norms = hidden.float().norm(dim=-1)
    norms[:, 0] = torch.inf
    places = (norms <= _MASSIVE * norms[:, 1:].median()).flatten().nonzero()[:, 0]
    tensors = {"hidden": hidden.flatten(0, 1)[places], "places": places.int(), "tokens": tokens}
    made: bytes = save(tensors)
    return made


def _file(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05}.safetensors"


def _rows(file: Path) -> int | None:
    """Residuals in a shard's file; None where it is not there, or not whole."""
    try:
        with safe_open(file, "pt") as opened:
            return int(opened.get_slice("hidden").get_shape()[0])
    except (OSError, SafetensorError, json.JSONDecodeError):
        return None
