"""How the next token is chosen, for each row on its own: greedy, or temperature, top-k and nucleus.

A sampled row draws from a generator of its own and the draw is turned into a token by the inverse of the
cumulative distribution, so that what a row samples depends on its seed and its logits alone: not on its
neighbours, and not on the device.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vectors.errors import InvalidRequest

if TYPE_CHECKING:
    from vectors.engine.budget import Budget, Guide, Ramp, RampGuide
    from vectors.engine.constraint import ConstrainedTokens, Constraint

_MIN_TEMPERATURE = (
    1e-6  # below this float32 divides by zero; no logits are close enough to tell the two apart
)


@dataclass(frozen=True)
class Sampling:
    """Settings of one generation.

    `temperature` 0 is greedy. `top_k` keeps the most likely tokens (0: all), `top_p` the smallest set of them
    whose probability reaches it (nucleus sampling, Holtzman et al. 2019, arXiv 1904.09751), `min_p` those
    with at least that share of the likeliest's (Nguyen et al. 2024, arXiv 2407.01082).
    `repetition_penalty` divides the positive logits of tokens that stand in the prompt or were generated, and
    multiplies the negative ones (Keskar et al. 2019, arXiv 1909.05858). `frequency_penalty` is taken from a
    token's logit as often as it was generated, `presence_penalty` once; `logit_bias` is added to those of its
    tokens (all three as OpenAI's API has them). The text ends before the first of the `stop` strings and
    matches `constraint`. The new tokens begin with `forced_ids`, and the one after those is not `banned_id`:
    so one asks what else the model would have written at a certain place. `logprobs` asks for the natural
    log-probability of every new token, as the model gave it before any of these settings, and
    `top_logprobs` for so many of the likeliest tokens' in its place. With `budget` the answer is guided to
    end within so many tokens (`vectors.engine.budget`). Raises InvalidRequest for a value out of
    range.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    seed: int = 0
    stop: tuple[str, ...] = ()
    constraint: "Constraint | None" = None
    forced_ids: tuple[int, ...] = ()
    banned_id: int | None = None
    logprobs: bool = False
    top_logprobs: int = 0
    budget: "Budget | Ramp | None" = None

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise InvalidRequest(f"max_new_tokens is {self.max_new_tokens}: expected at least 1")
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise InvalidRequest(f"temperature is {self.temperature}: expected 0 (greedy) or more")
        self._check_cuts()
        if not (math.isfinite(self.repetition_penalty) and self.repetition_penalty > 0):
            raise InvalidRequest(f"repetition_penalty is {self.repetition_penalty}: expected more than 0")
        for name in ("frequency_penalty", "presence_penalty"):
            if not -2 <= getattr(self, name) <= 2:
                raise InvalidRequest(f"{name} is {getattr(self, name)}: expected -2 to 2")
        if not all(-100 <= bias <= 100 for _, bias in self.logit_bias):
            raise InvalidRequest("a logit_bias is out of range: expected -100 to 100")
        if self.top_logprobs < 0 or (self.top_logprobs and not self.logprobs):
            raise InvalidRequest(
                f"top_logprobs is {self.top_logprobs}: expected 0 or more, and more with logprobs only"
            )
        if not 0 <= self.seed < 2**63:
            raise InvalidRequest(f"seed is {self.seed}: expected 0 to 2**63 - 1")
        if isinstance(self.stop, str) or not all(self.stop):
            raise InvalidRequest("stop must be a tuple of strings that are not empty")
        if len(self.forced_ids) > self.max_new_tokens:
            raise InvalidRequest(
                f"{len(self.forced_ids)} forced_ids are more than max_new_tokens = {self.max_new_tokens}"
            )

    def _check_cuts(self) -> None:
        if not 0 < self.top_p <= 1:
            raise InvalidRequest(f"top_p is {self.top_p}: expected more than 0 and at most 1")
        if self.top_k < 0:
            raise InvalidRequest(f"top_k is {self.top_k}: expected 0 (all tokens) or more")
        if not 0 <= self.min_p <= 1:
            raise InvalidRequest(f"min_p is {self.min_p}: expected 0 (all tokens) to 1")

    @property
    def cuts(self) -> bool:
        """Whether unlikely tokens are left out of what is sampled from."""
        return self.top_p < 1 or self.top_k > 0 or self.min_p > 0


class Sampler:
    """What one row's choices depend on beside its logits."""

    def __init__(
        self,
        sampling: Sampling,
        prompt_ids: Sequence[int],
        constraint: "ConstrainedTokens | None" = None,
        guide: "Guide | RampGuide | None" = None,
    ) -> None:
        self.sampling = sampling
        self._guide = guide
        self._generator = torch.Generator().manual_seed(sampling.seed)
        self._constraint = constraint
        self._new = 0
        self._seen = set(prompt_ids) if sampling.repetition_penalty != 1 else set()
        self._counts: Counter[int] = Counter()
        self._counts_matter = bool(sampling.frequency_penalty or sampling.presence_penalty)

    def accept(self, token: int) -> None:
        """Take the row's next token, chosen or forced. Raises InvalidRequest if the constraint refuses it."""
        self._new += 1
        if self._constraint is not None:
            self._constraint.accept(token)
        if self.sampling.repetition_penalty != 1:
            self._seen.add(token)
        if self._counts_matter:
            self._counts[token] += 1

    @property
    def adjusts(self) -> bool:
        """Whether `adjusted` would change the logits."""
        return (
            bool(self._constraint or self._guide or self._seen or self._counts or self.sampling.logit_bias)
            or self._bans()
        )

    def adjusted(self, logits: Tensor) -> Tensor:
        """The row's logits [vocab] after penalties, bias, `banned_id`, constraint and budget: new."""
        logits, sampling = logits.clone(), self.sampling
        if self._seen:
            seen = torch.tensor(sorted(self._seen), device=logits.device)
            penalty, values = sampling.repetition_penalty, logits[seen]
            logits[seen] = torch.where(values > 0, values / penalty, values * penalty)
        changes = [
            (token, -count * sampling.frequency_penalty - sampling.presence_penalty)
            for token, count in self._counts.items()
        ]
        changes += sampling.logit_bias
        if changes:
            tokens, by = zip(*changes, strict=True)
            index = torch.tensor(tokens, device=logits.device)
            logits.index_add_(0, index, torch.tensor(by, dtype=logits.dtype, device=logits.device))
        if self._bans():
            logits[sampling.banned_id] = -torch.inf
        if self._constraint is not None:
            logits[~self._constraint.allowed().to(logits.device)] = -torch.inf
        if self._guide is not None:
            logits = self._guide.adjusted(logits, self._new, whole=sampling.temperature > 0)
        return logits

    def exponential_noise(self, count: int) -> Tensor:
        """So many [count] exponential numbers of the row's own generator, one for each token."""
        return torch.empty(count).exponential_(generator=self._generator)

    def _bans(self) -> bool:
        return self.sampling.banned_id is not None and self._new == len(self.sampling.forced_ids)


def choose(samplers: Sequence[Sampler], logits: Tensor) -> list[int | None]:
    """Choose one token per row from `logits` [rows, vocab]; None where a row's logits are not finite."""
    changing = [row for row, sampler in enumerate(samplers) if sampler.adjusts]
    if changing:
        logits = logits.clone()
        for row in changing:
            logits[row] = samplers[row].adjusted(logits[row])
    top, tokens = logits.max(dim=-1)
    sampled = [row for row, sampler in enumerate(samplers) if sampler.sampling.temperature > 0]
    cut = {row for row in sampled if samplers[row].sampling.cuts}
    for rows in ([row for row in sampled if row in cut], [row for row in sampled if row not in cut]):
        if rows:
            tokens[rows] = _sampled(logits[rows], [samplers[row] for row in rows], cut=rows[0] in cut)
    finite = torch.isfinite(top).tolist()
    return [token if ok else None for token, ok in zip(tokens.tolist(), finite, strict=True)]


def _sampled(logits: Tensor, samplers: Sequence[Sampler], *, cut: bool) -> Tensor:
    """Sample from `logits` [rows, vocab] with each row's temperature and generator.

    Where `cut`, each row's top_k, top_p and min_p hold; else every token is let through, and nothing sorted,
    which takes longer than a pass of a small model.

    The token with the greatest probability / noise: the Gumbel-max trick (Maddison et al. 2014, "A*
    Sampling") in exponentials. One draw from the cumulated probabilities would do, but rounding moves every
    bound of those, and a row would sample something else in a batch than alone.
    """
    settings = [sampler.sampling for sampler in samplers]
    noise = torch.stack([sampler.exponential_noise(logits.shape[1]) for sampler in samplers]).to(
        logits.device
    )
    columns = torch.tensor(
        [[each.temperature, each.top_p, each.top_k or logits.shape[1], each.min_p] for each in settings],
        device=logits.device,
    )
    temperature, top_p, top_k, min_p = (columns[:, at : at + 1] for at in range(4))
    temperature = temperature.clamp_min(_MIN_TEMPERATURE)
    if not cut:
        whole = torch.softmax((logits - logits.amax(dim=-1, keepdim=True)) / temperature, dim=-1)
        return (whole / noise).argmax(dim=-1)
    ordered, order = torch.sort(logits, dim=-1, descending=True, stable=True)
    ordered = ordered.masked_fill(torch.arange(logits.shape[1], device=logits.device) >= top_k, -torch.inf)
    probabilities = torch.softmax((ordered - ordered[:, :1]) / temperature, dim=-1)
    reached = probabilities.cumsum(dim=-1)
    likely = probabilities >= min_p * probabilities[:, :1]
    kept = torch.where((reached - probabilities < top_p) & likely, probabilities, 0)
    return (torch.zeros_like(kept).scatter_(1, order, kept) / noise).argmax(dim=-1)
