"""The token loop: one batch of steered rows from the prompts to the last token of the last row.

Rows are padded on the left, so that every row's newest token is in the last column; position ids are counted
per row and padding is masked. A row that has finished leaves the batch at once, and its cache with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vectors.errors import GenerationFault, UnsupportedModel
from vectors.sampling import Sampler, Sampling
from vectors.steering import Steering, SteeringTable
from vectors.textstream import TextStream, Tokenizer

FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(eq=False)
class Row:
    """One generation on its way: what was asked, and what has come of it.

    `on_token` is called once for each new token with the text that has become certain, perhaps none.
    `cancelled` may be set from any thread. In the end either `finish_reason` or `error` is set.
    """

    prompt_ids: tuple[int, ...]
    steering: Steering | None
    sampling: Sampling
    stream: TextStream
    on_token: Callable[[str], None] | None = None
    wants_distribution: bool = False
    distribution: Tensor | None = None
    cancelled: bool = False
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    error: GenerationFault | None = None

    @property
    def finished(self) -> bool:
        """Whether no further token is wanted."""
        return self.finish_reason is not None or self.error is not None

    def accept(self, token: int | None, eos_ids: frozenset[int], logprob: float | None = None) -> None:
        """Take the next token, or None for logits that are not finite."""
        if self.cancelled:
            self.finish_reason = "cancelled"
            return
        if token is None:
            self.error = GenerationFault(
                f"the logits of token {len(self.token_ids) + 1} are not finite; lower α or use a wider dtype"
            )
            return
        self.token_ids.append(token)
        if logprob is not None:
            self.logprobs.append(logprob)
        piece = "" if token in eos_ids else self.stream.push(token)
        if token in eos_ids or self.stream.stopped:
            self.finish_reason = "stop"
        elif len(self.token_ids) == self.sampling.max_new_tokens:
            self.finish_reason = "length"
        if self.finish_reason:
            piece += self.stream.finish()
        self.pieces.append(piece)
        if self.on_token:
            try:
                self.on_token(piece)
            except Exception as error:
                self.error = GenerationFault(f"on_token raised {type(error).__name__}: {error}")
                self.error.__cause__ = error


class Batch:
    """The forward passes of a batch: the key-value cache, the padding and the positions of its rows."""

    def __init__(
        self,
        model: nn.Module,
        table: SteeringTable,
        prompts: Sequence[Sequence[int]],
        steerings: Sequence[Steering | None],
        max_new_tokens: int,
    ) -> None:
        self._model, self._table = model, table
        self._device = next(model.parameters()).device
        lengths = [len(prompt) for prompt in prompts]
        self._width = max(lengths)
        self._ids = torch.tensor([[0] * (self._width - len(prompt)) + list(prompt) for prompt in prompts])
        padding = torch.tensor([self._width - length for length in lengths]).unsqueeze(1)
        self._positions = torch.arange(self._width).unsqueeze(0) - padding
        mask = torch.arange(self._width + max_new_tokens).unsqueeze(0) >= padding
        self._mask = mask.long().to(self._device)
        self._cache: Any = None
        table.bind(steerings, lengths)

    def prefill(self) -> Tensor:
        """Run the prompts and return the logits [rows, vocab] of the token after each, in float32."""
        return self._forward()

    def step(self, tokens: Sequence[int]) -> Tensor:
        """Append one token to each row and return the logits [rows, vocab] of the next, in float32."""
        self._ids = torch.tensor(tokens).unsqueeze(1)
        self._positions = self._positions[:, -1:] + 1
        self._width += 1
        return self._forward()

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows, in this order, some perhaps twice; the cache of the others is freed."""
        kept = torch.tensor(rows)
        self._positions = self._positions[kept]
        self._mask = self._mask[kept.to(self._device)]
        # Despite its name (it serves beam search) this selects rows, and recurrent layers have it too.
        self._cache.reorder_cache(kept.to(self._device))
        self._table.keep(rows)

    def _forward(self) -> Tensor:
        with self._table.steered(self._positions):
            output = self._model(
                input_ids=self._ids.to(self._device),
                attention_mask=self._mask[:, : self._width],
                position_ids=self._positions.clamp_min(0).to(self._device),
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1,
            )
        self._cache = output.past_key_values
        if self._cache is None:
            raise UnsupportedModel(f"{type(self._model).__name__} keeps no cache; use a model that can")
        logits: Tensor = output.logits[:, -1].float()
        return logits


def end_of_sequence_ids(model: nn.Module, tokenizer: Tokenizer) -> frozenset[int]:
    """Return every token id that ends a generation, of the model's generation config and of the tokenizer."""
    config: Any = model.generation_config
    ids = config.eos_token_id if config is not None else None
    listed = ids if isinstance(ids, list) else [ids]
    return frozenset(token for token in (*listed, tokenizer.eos_token_id) if token is not None)


@torch.inference_mode()
def decode(
    model: nn.Module,
    table: SteeringTable,
    rows: Sequence[Row],
    eos_ids: frozenset[int],
    done: Callable[[Row], None],
) -> None:
    """Generate for all rows together; `done` is called with each as soon as it has finished."""
    sampler = Sampler([row.sampling for row in rows])
    distinct = {(row.prompt_ids, row.steering): row for row in rows}
    batch = Batch(
        model,
        table,
        [row.prompt_ids for row in distinct.values()],
        [row.steering for row in distinct.values()],
        max(row.sampling.max_new_tokens for row in rows),
    )
    live, logits = list(rows), batch.prefill()
    if len(distinct) < len(rows):
        # Samples of one prompt differ from their first new token on, so the prompt is computed once.
        place = {key: number for number, key in enumerate(distinct)}
        copies = [place[row.prompt_ids, row.steering] for row in rows]
        batch.keep(copies)
        logits = logits[copies]
    while True:
        for number, row in enumerate(live):
            if row.wants_distribution and not row.token_ids:
                row.distribution = torch.log_softmax(logits[number].cpu(), dim=-1)
        tokens = sampler.choose(logits)
        for row, token, logprob in zip(live, tokens, sampler.logprobs(logits, tokens), strict=True):
            row.accept(token, eos_ids, logprob)
            if row.finished:
                done(row)
        going = [i for i, row in enumerate(live) if not row.finished]
        if not going:
            return
        if len(going) < len(live):
            live = [live[i] for i in going]
            sampler.keep(going)
            batch.keep(going)
        logits = batch.step([row.token_ids[-1] for row in live])
