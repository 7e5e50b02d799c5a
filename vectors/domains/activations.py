"""The one reader of the residual stream: what leaves decoder blocks, at chosen tokens of many texts.

Extraction, the controls of a calibration and the benchmarks read here. Padding, the choice of a batch and
what else runs on the same model have no part in what is read, beyond rounding.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn

from vectors.domains.prompt_sets import Token
from vectors.errors import InvalidRequest
from vectors.models.blocks import base_model, n_layers, recording, stopping_after
from vectors.models.chat import Chat
from vectors.models.loading import LanguageModel
from vectors.progress import Progress, silent
from vectors.threads import in_own_thread

_WINDOW = 16
"""Batches that are sorted by length together: with more, a stream would be held up for little."""


@dataclass(frozen=True)
class Passage:
    """Tokens to run, and the positions among them to read: at least one, from 0, in any order."""

    token_ids: Sequence[int]
    positions: Sequence[int]

    def __post_init__(self) -> None:
        if not self.positions or not 0 <= min(self.positions) <= max(self.positions) < len(self.token_ids):
            raise InvalidRequest(
                f"positions to read must be one or more of the {len(self.token_ids)} of the tokens, "
                f"not {list(self.positions)[:8]}"
            )

    @classmethod
    def content(cls, chat: Chat, text: str) -> "Passage":
        """A text as a user's message in the model's chat format, read at each token of its content."""
        token_ids, start = chat.encode_content(text)
        return cls(token_ids, range(start, len(token_ids)))


def residuals(
    model: nn.Module, passages: Iterable[Passage], layers: Sequence[int] | None = None, batch_size: int = 16
) -> Iterator[tuple[int, Tensor]]:
    """Yield the number of each passage and its residuals [positions, layers, d_model], float32, on the CPU.

    `layers` are blocks from 0, all of them by default. `passages` may be a stream of any length: some batches
    of it are in memory at a time, and passages of like length share a batch, so they do not come in order.
    Raises SteeringMismatch for a block that does not exist.
    """
    blocks = range(n_layers(model)) if layers is None else layers
    numbered = enumerate(passages)
    while window := list(islice(numbered, batch_size * _WINDOW)):
        window.sort(key=lambda item: max(item[1].positions))
        for first in range(0, len(window), batch_size):
            batch = window[first : first + batch_size]
            hidden = _read(model, [passage for _, passage in batch], blocks)
            yield from zip((number for number, _ in batch), hidden, strict=True)


def _read(model: nn.Module, passages: Sequence[Passage], layers: Sequence[int]) -> Iterator[Tensor]:
    device = next(model.parameters()).device
    # A causal model's residual depends on nothing that follows: what follows is not run, or is padding.
    rows = [list(passage.token_ids[: max(passage.positions) + 1]) for passage in passages]
    width = max(len(row) for row in rows)
    lengths = torch.tensor([len(row) for row in rows], device=device)
    with recording(model, layers) as captured, torch.inference_mode(), stopping_after(model, max(layers)):
        base_model(model)(
            input_ids=torch.tensor([row + [0] * (width - len(row)) for row in rows], device=device),
            attention_mask=(torch.arange(width, device=device) < lengths[:, None]).long(),
            use_cache=False,
        )
    for row, passage in enumerate(passages):
        positions = torch.tensor(passage.positions, device=device)
        yield torch.stack([captured[layer][row, positions] for layer in layers], dim=1).float().cpu()


def at_block(model: nn.Module, token_ids: Tensor, layer: int) -> Tensor:
    """The residuals [batch, seq, d_model] after a block, in the model's dtype, of contexts of one length.

    token_ids: [batch, seq]. For texts by the million: nothing is padded, and no block after that one is run.
    """
    wanted = (layer,)
    with recording(model, wanted) as captured, torch.inference_mode(), stopping_after(model, layer):
        base_model(model)(input_ids=token_ids.to(next(model.parameters()).device), use_cache=False)
    return captured[layer]


@dataclass(frozen=True, eq=False)
class Pooled:
    """residuals: of each text [n, n_layers, d_model]. norms: means over all content tokens [n_layers].
    spreads: see `_spread` [n_layers].
    """

    residuals: Tensor
    norms: Tensor
    spreads: Tensor


def pooled(
    lm: LanguageModel,
    texts: Sequence[str],
    token: Token = "last",  # noqa: S107 - a position in the text, no secret
    batch_size: int = 16,
    progress: Progress = silent,
    label: str = "reading",
) -> Pooled:
    """Read texts as a user's messages: at the last content token of each, or the mean over its content.

    The template's markers are left out: they carry outlier channels. Runs on a thread of its own.
    """
    return in_own_thread(_pooled, lm, texts, token, batch_size, progress, label)


def _pooled(
    lm: LanguageModel, texts: Sequence[str], token: Token, batch_size: int, progress: Progress, label: str
) -> Pooled:
    passages = [Passage.content(lm.chat, text) for text in texts]
    found = torch.empty(len(texts), lm.n_layers, lm.d_model)
    norms = torch.zeros(lm.n_layers)
    apart = []
    progress(label, 0, len(texts))
    for done, (number, hidden) in enumerate(residuals(lm.model, passages, batch_size=batch_size), start=1):
        found[number] = hidden[-1] if token == "last" else hidden.mean(0)  # noqa: S105 - as above
        norms += hidden.norm(dim=-1).sum(0)
        apart.append(_apart(hidden[passages[number].positions[0] == 0 :]))
        if done % batch_size == 0 or done == len(texts):
            progress(label, done, len(texts))
    norms /= sum(len(passage.positions) for passage in passages)
    return Pooled(found, norms, _spread(torch.cat(apart)) if any(map(len, apart)) else norms)


def _apart(hidden: Tensor) -> Tensor:
    """How far each token [tokens, n_layers, d_model] is from the one half a text further on."""
    half = (len(hidden) + 1) // 2
    distances: Tensor = (hidden[half:] - hidden[: len(hidden) - half]).norm(dim=-1)
    return distances


def _spread(apart: Tensor) -> Tensor:
    """How far residuals lie from their mean [n_layers], by distances between pairs [pairs, n_layers].

    The median over √2, which is nearly that distance where there are many dimensions, and is moved neither by
    what all tokens share nor by the few tokens on which attention rests. Those, and few channels, make up
    most of a residual's norm. A token that nothing stands before is one of them and is left out.
    """
    distances: Tensor = apart.median(dim=0).values / math.sqrt(2)
    return distances
