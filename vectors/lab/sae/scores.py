"""What a feature has to do with a domain, with what the model says next, and with what activates it.

Three ways to choose features: how much more a domain's prompts activate them than neutral ones; the output
score of the original, the cosine of what a feature and what the domain's prompts do to the logits; and the
output score as it was published (Arad et al. 2025, arXiv 2505.20063, technion-cs-nlp/saes-are-good-for-
steering), which knows no domain: whether a feature that is amplified makes the model say its own tokens.
Input scores are theirs too.
"""

from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vectors.domains.activations import Passage, residuals
from vectors.domains.prompt_sets import PromptSet
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.lab.sae.contexts import Context
from vectors.lab.sae.linear import Linear
from vectors.lab.sae.portraits import DomainReading
from vectors.measuring.asking import ROWS, asked
from vectors.measuring.journal import Journal
from vectors.models.blocks import final_norm, head
from vectors.models.loading import LanguageModel
from vectors.models.norms import norm_scale
from vectors.progress import Progress, silent
from vectors.statistics.estimates import Estimate, rate
from vectors.steering.intervention import Intervention
from vectors.steering.positions import Last

NEUTRAL = "From my experience,"
AMPLIFIED = 10.0
"""A feature is raised by so many times the largest activation of any feature there."""
OWN_TOKENS = 20
"""So many tokens that a feature promotes most are its own."""
_AT_ONCE = 256
"""Features whose logits are in memory together."""


def by_difference(reading: DomainReading, sae: Linear) -> Tensor:
    """How much more the domain's prompts activate each feature than the neutral ones, [d_sae]."""
    activations = reading.features(sae)
    difference: Tensor = activations[: reading.pairs].mean(0) - activations[reading.pairs :].mean(0)
    return difference


@torch.no_grad()
def by_output(lm: LanguageModel, prompts: PromptSet, sae: Linear) -> Tensor:
    """The original's output score: cosine of what each feature does to the logits and what the domain's
    prompts do to them, [d_sae].

    The first is W_U·(w_norm ⊙ d_j), the second the mean log-probabilities after the domain's prompts less
    those after neutral ones; both are centred over the vocabulary, since a shift of all logits does nothing.
    The original leaves the norm's weights out.
    """
    unembedding, norm = head(lm.model), final_norm(lm.model)
    means = []
    for texts in (prompts.positive, prompts.negative):
        passages = [Passage(ids, [len(ids) - 1]) for ids, _ in map(lm.chat.encode_content, texts)]
        last = torch.stack([h[0, 0] for _, h in residuals(lm.model, passages, layers=[lm.n_layers - 1])])
        like = next(norm.parameters())
        logits = unembedding(norm(last.to(like.dtype).to(like.device))).float()
        means.append(logits.log_softmax(-1).mean(0))
    wanted = means[0] - means[1]
    wanted = wanted - wanted.mean()
    scores = [
        normalize(logits - logits.mean(1, keepdim=True), dim=1) @ normalize(wanted, dim=0)
        for logits in through_lens(lm, sae.w_dec)
    ]
    return torch.cat(scores).cpu()


@torch.no_grad()
def own_tokens(lm: LanguageModel, rows: Tensor) -> Tensor:
    """The tokens that directions [n, d_model] promote most, the first the most: [n, OWN_TOKENS]."""
    known = len(lm.tokenizer)
    found = [logits[:, :known].topk(OWN_TOKENS, dim=1).indices for logits in through_lens(lm, rows)]
    return torch.cat(found).cpu()


def output_scores(
    engine: Engine,
    lm: LanguageModel,
    sae: Linear,
    layer: int,
    features: Sequence[int],
    journal: Journal | None = None,
    progress: Progress = silent,
) -> list[float]:
    """The output score of each feature as it was published, from 0 to 1.

    At the last token of NEUTRAL the feature is raised by AMPLIFIED times the largest activation there, and
    what the autoencoder does not explain stays: the residual moves along the feature's row of the decoder.
    The score is (1 − r / vocabulary) · p: r the rank from 0 of the likeliest of its own tokens as the next
    one, p the probability of that token. Features are rows of one steered batch.
    """
    ids = tuple(lm.encode(NEUTRAL, begins=True))
    ((_, hidden),) = residuals(lm.model, [Passage(ids, [len(ids) - 1])], layers=[layer])
    raised = AMPLIFIED * float(sae.encode(hidden[0, 0]).max())
    own = own_tokens(lm, sae.w_dec[list(features)])
    nothing = torch.zeros(len(sae.w_dec))
    requests = []
    for feature in features:
        moved = sae.decode(nothing.index_fill(0, torch.tensor(feature), raised)) - sae.decode(nothing)
        by = float(moved.norm())  # nothing, of a feature without a direction and where none is active
        steering = (Intervention(moved, layer, by, positions=Last()),) if by else ()
        requests.append(GenerationRequest(ids, steering, Sampling(max_new_tokens=1), distribution=True))

    def scored(first: int) -> list[float]:
        part = slice(first, first + ROWS)
        return [
            _score(made.distribution, tokens)
            for made, tokens in zip(asked(engine, requests[part]), own[part], strict=True)
        ]

    makes = [partial(scored, first) for first in range(0, len(requests), ROWS)]
    units = (journal or Journal()).each("amplifying features", makes, progress)
    return [score for unit in units for score in unit]


def input_score(contexts: Sequence[Context], own: Sequence[int]) -> Estimate | None:
    """The share of a feature's contexts whose most activating token is one of its own; None below ten."""
    if len(contexts) < 10:
        return None
    return rate(sum(each.tokens[each.strongest] in own for each in contexts), len(contexts))


def _score(distribution: Tensor | None, own: Tensor) -> float:
    """Of log-probabilities [vocab] and a feature's own tokens."""
    assert distribution is not None
    best = distribution[own].max()
    rank = int((distribution > best).sum())
    return (1 - rank / len(distribution)) * float(best.exp())


def through_lens(lm: LanguageModel, rows: Tensor) -> Iterator[Tensor]:
    """W_U·(w_norm ⊙ d) of rows [n, d_model], some at a time: [at most _AT_ONCE, vocabulary]."""
    unembedding, norm = head(lm.model), final_norm(lm.model)
    like, scale = next(norm.parameters()), norm_scale(norm, lm.d_model)
    for part in torch.split(rows, _AT_ONCE):
        yield unembedding((part.to(scale.device) * scale).to(like.dtype)).float()
