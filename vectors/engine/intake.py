"""Requests → rows: what is wrong with one is told here, in the caller's thread, before it meets others."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Protocol, cast

import torch
from torch import nn

from vectors.engine.budget import Budget, Guide, Ramp, RampGuide
from vectors.engine.constraint import ConstraintCompiler
from vectors.engine.readings import RowReadings
from vectors.engine.requests import GenerationRequest
from vectors.engine.row import Row
from vectors.engine.sampling import Sampler
from vectors.engine.textstream import TextStream
from vectors.engine.twins import twin_of
from vectors.errors import InvalidRequest, SteeringMismatch
from vectors.models.blocks import context_length, d_model, embedding, n_layers
from vectors.models.chat import Chat
from vectors.models.tokenizer import Tokenizer
from vectors.steering.intervention import validate
from vectors.steering.positions import Layout, of_prompt_alone
from vectors.steering.row_steering import RowSteering


class Intake:
    """Prepares the rows of one model, of which `max_rows` run at once on a cache of `cache_tokens` tokens.

    Safe from any thread.
    """

    def __init__(self, model: nn.Module, tokenizer: Tokenizer, cache_tokens: int, max_rows: int) -> None:
        like = embedding(model).weight
        self._model, self._tokenizer = model, tokenizer
        self._cache_tokens, self._max_rows = cache_tokens, max_rows
        self._vocab_size, self._device = like.shape[0], like.device
        self._special_ids = tokenizer.unwritten_ids if isinstance(tokenizer, Tokenizer) else frozenset()
        ends = sorted(id_ for id_ in end_of_sequence_ids(model, tokenizer) if id_ < self._vocab_size)
        self._ends = torch.tensor(ends, dtype=torch.long, device=like.device)
        self._constraints = ConstraintCompiler(tokenizer, self._vocab_size, ends)

    def row(self, request: GenerationRequest) -> Row:
        """Check a request and prepare its row; raises as `Engine.submit` does."""
        prompt_ids, sampling = request.prompt_ids, request.sampling
        if not prompt_ids or min(prompt_ids) < 0 or max(prompt_ids) >= self._vocab_size:
            raise InvalidRequest(
                f"prompt_ids must be at least one token id from 0 to {self._vocab_size - 1}; "
                "encode the prompt with this model's tokenizer"
            )
        named = [
            *sampling.forced_ids,
            sampling.banned_id or 0,
            *(token for token, _ in sampling.logit_bias),
            *chain.from_iterable(request.alternatives.values()),
        ]
        if min(named) < 0 or max(named) >= self._vocab_size:
            raise InvalidRequest(
                "forced_ids, banned_id, logit_bias and alternatives must be token ids from 0 to "
                f"{self._vocab_size - 1}"
            )
        for limit, what in ((context_length(self._model), "model's context"), (self._cache_tokens, "cache")):
            if len(prompt_ids) + sampling.max_new_tokens > limit:
                raise InvalidRequest(
                    f"{len(prompt_ids)} prompt tokens and {sampling.max_new_tokens} new ones exceed the "
                    f"{what} of {limit}; shorten the prompt or lower max_new_tokens"
                )
        layout = Layout(len(prompt_ids), request.turns, self._special_ids)
        steering = self._steering(request, layout)
        guide = self._guide(sampling.budget) if isinstance(sampling.budget, Budget) else None
        ramp = RampGuide(sampling.budget, self._ends) if isinstance(sampling.budget, Ramp) else None
        constraint = self._constraints.compile(sampling.constraint) if sampling.constraint else None
        row = Row(
            prompt_len=len(prompt_ids),
            known=[*prompt_ids, *sampling.forced_ids],
            steering=steering,
            sampling=sampling,
            sampler=Sampler(sampling, prompt_ids, constraint, guide or ramp),
            stream=TextStream(self._tokenizer, sampling.stop, self._before(prompt_ids[-1])),
            readings=RowReadings.of(
                request.probes,
                request.states,
                layout,
                self._device,
                with_prompt=request.reads_prompt,
                guide=guide,
            ),
            wants_distribution=request.distribution,
            wants_divergence=request.divergence,
            wants_alternatives=request.alternatives,
            on_token=request.on_token,
            owner=request.owner,
            public_tokens=request.public_tokens,
        )
        if request.divergence and steering:
            if self._max_rows < 2:
                raise InvalidRequest("a row and its unsteered twin need an engine of at least two rows")
            twin_of(row)
        return row

    def _steering(self, request: GenerationRequest, layout: Layout) -> RowSteering:
        """The row's steering, once it is known to fit the model and to touch what it can."""
        size = n_layers(self._model), d_model(self._model)
        validate(request.steering, *size)
        for probe in request.probes:
            probe.validate(*size)
        if request.states and not {*request.states.layers} <= {*range(size[0])}:
            raise InvalidRequest(f"hidden states of a layer that does not exist: expected 0 to {size[0] - 1}")
        found = RowSteering.of(request.steering, layout, self._device)
        for each, chosen in zip(found.interventions, found.chosen(request.prompt_ids, 0), strict=True):
            if chosen is not None and not chosen.any() and of_prompt_alone(each.positions):
                raise SteeringMismatch(
                    "steering would touch no token: none of the prompt's is where it says, and it is for no "
                    "others; say other positions"
                )
        return found

    def _guide(self, budget: Budget) -> Guide:
        """A row's guide, once its head is known to be this model's."""
        head, layers = budget.head, n_layers(self._model)
        sizes = head.directions.shape[1], len(head.tokens)
        if sizes != (d_model(self._model), self._vocab_size) or not 0 <= head.layer < layers:
            raise InvalidRequest(
                f"a budget's head is of another model, of width {sizes[0]} and {sizes[1]} tokens at layer "
                f"{head.layer}: fit one for this model"
            )
        on_device = replace(
            head,
            directions=head.directions.to(self._device),
            offsets=head.offsets.to(self._device),
            tokens=head.tokens.to(self._device),
        )
        return Guide(replace(budget, head=on_device), self._ends)

    def _before(self, last: int) -> Sequence[int]:
        """What the text of an answer goes on from: nothing, where its prompt ends with what is no text."""
        tokenizer = self._tokenizer
        if not isinstance(tokenizer, Tokenizer) or last in tokenizer.unwritten_ids:
            return ()  # another's, of which no more is known, will do
        return tokenizer.before


class _Ends(Protocol):
    """What is read of a config."""

    eos_token_id: int | list[int] | None


def end_of_sequence_ids(model: nn.Module, tokenizer: Tokenizer) -> frozenset[int]:
    """Return every token id that ends a generation.

    Of the model's generation config and config, of the tokenizer, and of the chat template, which may end a
    turn with a token that none of the others names.
    """
    ids: list[int | None] = [tokenizer.eos_token_id]
    for config in (model.generation_config, model.config):
        found = cast("_Ends", config).eos_token_id if hasattr(config, "eos_token_id") else None
        ids += found if isinstance(found, list) else [found]
    if isinstance(tokenizer, Tokenizer):  # another's, of which no more is known, will do
        ids.append(Chat(tokenizer).end_of_turn_id)
    return frozenset(token for token in ids if token is not None)
