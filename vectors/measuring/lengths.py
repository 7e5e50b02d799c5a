"""How many tokens an answer still has: a head fitted on a model's own answers, for budgets of tokens.

The head is small (a few directions of the residual stream and a vocabulary of low rank), so that it is fitted
in minutes on a CPU and costs next to nothing beside a model's own unembedding. It is kept in a file that is
bound to the model and its dtype.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vectors.engine.budget import LengthHead
from vectors.engine.engine import Engine
from vectors.engine.readings import StatesWanted
from vectors.engine.requests import GenerationRequest, scoring
from vectors.errors import VectorFileError
from vectors.files import write_atomic
from vectors.measuring.asking import asked
from vectors.models.blocks import embedding
from vectors.models.loading import LanguageModel
from vectors.progress import Progress, silent
from vectors.steering.positions import Either, Generated, Last

RANK = 8
DEPTHS = (0.5, 0.75, 1.0)
"""Where the residual is read; of these the depth that predicts best is kept."""
_FOLDS = 5
"""Of five traces one is for the figures, one says when to stop, and three are fitted on."""
_STEPS = 400
_RATE = 2e-3
_DECAY = 1e-2
_AT_ONCE = 16
_FORMAT = "1"


@dataclass(frozen=True)
class Trace:
    """An answer as a model ended it: the prompt's tokens, and the answer's, with the one that ended it."""

    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _Places:
    """What is known at each place from which a token that was not the last one was drawn.

    hidden: by layer [places, d_model]; tokens: what was drawn [places]; left: how many followed [places];
    fold: of which part of the traces [places].
    """

    hidden: dict[int, Tensor]
    tokens: Tensor
    left: Tensor
    fold: Tensor


@dataclass(frozen=True, eq=False)
class Fitted:
    """A head with what it says of traces that it has not seen, and in how many places.

    nats: the mean negative log-likelihood of log(L + 1). `constant` is that of one Gamma for all places:
    what is gained over it is what the residual tells. quantiles: P(L' ≤ L) at each place, uniform where the
    head is right.
    """

    head: LengthHead
    n: int
    nats: float
    constant: float
    quantiles: tuple[float, ...]


def fit(engine: Engine, lm: LanguageModel, traces: Sequence[Trace], progress: Progress = silent) -> Fitted:
    """Fit a head on answers that ended by themselves; at least ten. The same traces give the same head."""
    assert len(traces) >= 2 * _FOLDS, "too few traces to fit and to check on"
    layers = sorted({min(lm.n_layers - 1, round(depth * lm.n_layers)) for depth in DEPTHS})
    places = _places(engine, layers, traces, progress)
    tokens = _low_rank(embedding(lm.model).weight)
    found = [_fit_at(layer, places, tokens) for layer in layers]
    return min(found, key=lambda each: each.nats)


def head_path(cache: Path, lm: LanguageModel) -> Path:
    """Where a model's head is kept."""
    dtype = str(lm.dtype).removeprefix("torch.")
    return cache / "lengths" / f"{lm.digest[:32]}-{dtype}.safetensors"


def keep(head: LengthHead, path: Path, lm: LanguageModel) -> None:
    """Write a head's file."""
    tensors = {"directions": head.directions, "offsets": head.offsets, "tokens": head.tokens}
    metadata = {"format": _FORMAT, "layer": str(head.layer), "model_digest": lm.digest}
    write_atomic(path, save({name: each.contiguous() for name, each in tensors.items()}, metadata))


def load(path: Path, lm: LanguageModel) -> LengthHead:
    """Read a head's file. Raises VectorFileError for one that is missing, damaged or of another model."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in ("directions", "offsets", "tokens")}
        head = LengthHead(int(metadata["layer"]), **tensors)
    except FileNotFoundError:
        raise VectorFileError(
            "the model has no head that foresees lengths yet: make it with `orchestrate lab budget`"
        ) from None
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise VectorFileError(f"{path.name} cannot be read ({error}): make it anew") from error
    if (metadata.get("format"), metadata.get("model_digest")) != (_FORMAT, lm.digest):
        raise VectorFileError(f"{path.name} is of another model or format: make it anew")
    return head


def _places(engine: Engine, layers: Sequence[int], traces: Sequence[Trace], progress: Progress) -> _Places:
    hidden: dict[int, list[Tensor]] = {layer: [] for layer in layers}
    tokens: list[int] = []
    left: list[int] = []
    folds: list[int] = []
    for first in range(0, len(traces), _AT_ONCE):
        progress("reading answers", first, len(traces))
        part = traces[first : first + _AT_ONCE]
        for number, (trace, made) in enumerate(
            zip(part, asked(engine, [_request(each, layers) for each in part]), strict=True), first
        ):
            count = len(trace.token_ids) - 1
            assert made.states is not None
            for layer in layers:
                hidden[layer].append(made.states.by_layer[layer][:count])
            tokens += trace.token_ids[:count]
            left += range(count, 0, -1)
            folds += [number % _FOLDS] * count
    progress("reading answers", len(traces), len(traces))
    return _Places(
        {layer: torch.cat(parts) for layer, parts in hidden.items()},
        torch.tensor(tokens),
        torch.tensor(left),
        torch.tensor(folds),
    )


def _request(trace: Trace, layers: Sequence[int]) -> GenerationRequest:
    wanted = StatesWanted(tuple(layers), Either((Last(), Generated())))
    return replace(scoring(trace.prompt_ids, trace.token_ids), states=wanted)


def _low_rank(weight: Tensor) -> Tensor:
    """The vocabulary in RANK numbers a token, each of unit spread: its embeddings' main directions."""
    whole = weight.detach().float()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sample = whole[torch.randperm(len(whole))[:8192]]
    centre = sample.mean(0)
    _, _, directions = torch.linalg.svd(sample - centre, full_matrices=False)
    low = (whole - centre) @ directions[:RANK].T
    scaled: Tensor = low / low.std(0).clamp_min(1e-6)
    return scaled


def _fit_at(layer: int, places: _Places, tokens: Tensor) -> Fitted:
    d_model, out = places.hidden[layer].shape[1], 2 + 2 * tokens.shape[1]
    head = LengthHead(layer, torch.zeros(out, d_model), torch.zeros(out), tokens)
    unit = LengthHead(layer, torch.eye(d_model), torch.zeros(d_model), tokens)
    x, y = unit.features(places.hidden[layer]), torch.log(places.left.float() + 1)
    low, told, stopping = tokens[places.tokens], places.fold == 0, places.fold == 1
    seen = ~(told | stopping)
    spread = x[seen].std(0).clamp_min(1e-3)
    centre = x[seen].mean(0)
    x = (x - centre) / spread  # the head is fitted on channels of one size, and folded back
    directions, offsets = head.directions.requires_grad_(), head.offsets.requires_grad_()
    offsets.data[:2] = _moments(y[seen])
    optimiser = torch.optim.AdamW([directions, offsets], lr=_RATE, weight_decay=_DECAY)
    best, kept = math.inf, (directions.detach().clone(), offsets.detach().clone())
    for step in range(_STEPS):
        optimiser.zero_grad()
        nats = _nats(head, x @ directions.T + offsets, low, y)
        nats[seen].mean().backward()  # type: ignore[no-untyped-call]
        held = float(nats[stopping].mean().detach())
        if held < best:  # early stopping: the weights of the step that predicts best
            best, kept = held, (directions.detach().clone(), offsets.detach().clone())
        optimiser.step()
        for group in optimiser.param_groups:
            group["lr"] = _RATE * (1 - step / _STEPS)
    folded = kept[0] / spread
    final = LengthHead(layer, folded, kept[1] - folded @ centre, tokens)
    with torch.no_grad():
        alpha, rate = final.parameters(final.features(places.hidden[layer][told]), low[told])
        quantiles = torch.special.gammainc(alpha, rate * y[told])
        nats = _gamma_nats(alpha, rate, y[told]).mean()
        bare = head.parameters(_one(y[seen], out), torch.zeros(1, tokens.shape[1]))
        constant = _gamma_nats(*bare, y[told]).mean()
    return Fitted(final, int(told.sum()), float(nats), float(constant), tuple(quantiles.tolist()))


def _one(y: Tensor, out: int) -> Tensor:
    """Features of one Gamma for all places."""
    features = torch.zeros(1, out)
    features[0, :2] = _moments(y)
    return features


def _moments(y: Tensor) -> Tensor:
    """f_0 and f_1 of the Gamma with the mean and the variance of y: softplus, inverted."""
    rate = y.mean() / y.var().clamp_min(1e-3)
    both = torch.stack([rate * y.mean(), rate])
    inverted: Tensor = both + torch.log(-torch.expm1(-both))
    return inverted


def _nats(head: LengthHead, features: Tensor, low: Tensor, y: Tensor) -> Tensor:
    return _gamma_nats(*head.parameters(features, low), y)


def _gamma_nats(alpha: Tensor, rate: Tensor, y: Tensor) -> Tensor:
    """−log of the Gamma's density at y, [places]."""
    return torch.lgamma(alpha) - alpha * rate.log() - (alpha - 1) * y.log() + rate * y
