"""How the next token is chosen, for each row of a batch on its own: greedy, or temperature and nucleus.

A sampled row draws from a generator of its own and the draw is turned into a token by the inverse of the
cumulative distribution, so that what a row samples depends on its seed and its logits alone: not on its
neighbours, and not on the device.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vectors.errors import InvalidRequest

_MIN_TEMPERATURE = (
    1e-6  # below this float32 divides by zero; no logits are close enough to tell the two apart
)


@dataclass(frozen=True)
class Sampling:
    """Settings of one generation.

    `temperature` 0 is greedy. `top_p` keeps the smallest set of most likely tokens whose probability reaches
    it (nucleus sampling, Holtzman et al. 2019, arXiv 1904.09751). The text ends before the first of the
    `stop` strings. The new tokens begin with `follow`, and the one after those is not `avoid`: that is how
    one asks what else the model would have written at a certain place. `logprobs` asks for the natural
    log-probability of every new token. Raises InvalidRequest for a value out of range.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    follow: tuple[int, ...] = ()
    avoid: int | None = None
    logprobs: bool = False

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise InvalidRequest(f"max_new_tokens is {self.max_new_tokens}: expected at least 1")
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise InvalidRequest(f"temperature is {self.temperature}: expected 0 (greedy) or more")
        if not 0 < self.top_p <= 1:
            raise InvalidRequest(f"top_p is {self.top_p}: expected more than 0 and at most 1")
        if not 0 <= self.seed < 2**63:
            raise InvalidRequest(f"seed is {self.seed}: expected 0 to 2**63 - 1")
        if isinstance(self.stop, str) or not all(self.stop):
            raise InvalidRequest("stop must be a tuple of strings that are not empty")
        if len(self.follow) > self.max_new_tokens:
            raise InvalidRequest(
                f"{len(self.follow)} tokens to follow are more than max_new_tokens = {self.max_new_tokens}"
            )


class Sampler:
    """Chooses the next token of each row; holds the rows' generators."""

    def __init__(self, samplings: Sequence[Sampling]) -> None:
        self._rows = [(sampling, torch.Generator().manual_seed(sampling.seed)) for sampling in samplings]
        self._step = 0

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows of the batch, in this order."""
        self._rows = [self._rows[row] for row in rows]

    def choose(self, logits: Tensor) -> list[int | None]:
        """Choose one token per row from `logits` [rows, vocab]; None where a row's logits are not finite."""
        step, self._step = self._step, self._step + 1
        avoided = [
            (row, each.avoid)
            for row, (each, _) in enumerate(self._rows)
            if each.avoid is not None and step == len(each.follow)
        ]
        if avoided:
            logits = logits.clone()
            for row, token in avoided:
                logits[row, token] = -torch.inf
        top, tokens = logits.max(dim=-1)
        sampled = [row for row, (sampling, _) in enumerate(self._rows) if sampling.temperature > 0]
        if sampled:
            tokens[sampled] = self._nucleus(logits[sampled].float(), sampled)
        finite, chosen = torch.isfinite(top).tolist(), tokens.tolist()
        for row, (sampling, _) in enumerate(self._rows):
            if step < len(sampling.follow):
                chosen[row] = sampling.follow[step]
        return [token if ok else None for token, ok in zip(chosen, finite, strict=True)]

    def logprobs(self, logits: Tensor, tokens: Sequence[int | None]) -> list[float | None]:
        """Natural log-probability of each row's token under `logits` [rows, vocab], for rows that asked."""
        wanted = [
            row for row, (each, _) in enumerate(self._rows) if each.logprobs and tokens[row] is not None
        ]
        found: list[float | None] = [None] * len(self._rows)
        if wanted:
            ids = torch.tensor([tokens[row] for row in wanted], device=logits.device)
            values = torch.log_softmax(logits[wanted].float(), dim=-1).gather(1, ids.unsqueeze(1))
            for row, value in zip(wanted, values.flatten().tolist(), strict=True):
                found[row] = value
        return found

    def _nucleus(self, logits: Tensor, rows: list[int]) -> Tensor:
        """Sample from `logits` [len(rows), vocab] with each row's temperature, top_p and generator."""
        settings = [self._rows[row][0] for row in rows]
        draws = torch.cat([torch.rand(1, generator=self._rows[row][1]) for row in rows])
        columns = torch.tensor([[each.temperature, each.top_p] for each in settings], device=logits.device)
        temperature, top_p = columns[:, :1].clamp_min(_MIN_TEMPERATURE), columns[:, 1:]
        ordered, order = torch.sort(logits, dim=-1, descending=True, stable=True)
        probabilities = torch.softmax((ordered - ordered[:, :1]) / temperature, dim=-1)
        reached = probabilities.cumsum(dim=-1)
        kept = torch.where(reached - probabilities < top_p, probabilities, 0).cumsum(dim=-1)
        target = draws.to(logits.device).unsqueeze(1) * kept[:, -1:]
        # The clamp only matters to a row of NaN, which `choose` reports instead of using its token.
        index = torch.searchsorted(kept, target, right=True).clamp_(max=logits.shape[1] - 1)
        return order.gather(1, index).squeeze(1)
