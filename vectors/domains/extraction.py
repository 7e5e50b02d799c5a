"""Extraction of domain vectors: the contrast of residual streams at every block, in one pass over prompts.

Each prompt is read as a user's message in the model's own chat format, up to its last content token. Nothing
after that token is run: the template's markers carry outlier channels, and a causal model cannot see them.
"""

import json

import torch
from torch import Tensor

from vectors.domains import defaults
from vectors.domains.activations import pooled
from vectors.domains.domain_vector import DomainVector
from vectors.domains.prompt_sets import TOKENS, Method, PromptSet, Token
from vectors.errors import UnsupportedModel
from vectors.models.loading import LanguageModel
from vectors.progress import Progress, silent


def extract(
    lm: LanguageModel,
    prompt_set: PromptSet,
    *,
    method: Method = "mean_difference",
    token: Token = "last",  # noqa: S107 - a position in the text, no secret
    batch_size: int = 16,
    progress: Progress = silent,
) -> DomainVector:
    """Extract a domain's vector at every block of a model.

    A prompt is represented by the residual at its last content token, or by the mean over its content
    tokens, in float32. `mean_difference`: mean over the positive prompts − mean over the neutral ones
    (Rimsky et al. 2023, arXiv 2312.06681). `pca`: first principal component of the paired differences, not
    centred, which is what RepE's pairs of random order amount to (Zou et al. 2023, arXiv 2310.01405), with
    the mean difference's sign and its length along that component. Batch size and padding do not matter
    beyond rounding. Raises UnsupportedModel where the residuals are not finite.
    """
    texts = [*prompt_set.positive, *prompt_set.negative]
    read = pooled(lm, texts, token, batch_size, progress, f"extracting {prompt_set.domain}")
    residuals, norms, spreads = read.residuals, read.norms, read.spreads
    if not all(torch.isfinite(each).all() for each in (residuals, norms, spreads)):
        raise UnsupportedModel(
            f"{lm.model_id} has residuals that are not finite in {lm.dtype}; load it in float32"
        )
    differences = residuals[: len(prompt_set.positive)] - residuals[len(prompt_set.positive) :]
    directions = differences.mean(0) if method == "mean_difference" else _first_components(differences)
    last = sorted({lm.chat.encode_content(text)[0][-1] for text in texts})
    return DomainVector(
        domain=prompt_set.domain,
        directions=directions,
        residual_norms=norms,
        spreads=spreads,
        default_layer=defaults.layer_for(prompt_set.domain, lm.n_layers),
        default_alpha=None,
        metadata={
            "model_id": lm.model_id,
            "model_revision": lm.revision,
            "model_digest": lm.digest,
            "dtype": str(lm.dtype).removeprefix("torch."),
            "tokenizer_sha256": lm.tokenizer_digest,
            "thinking": lm.chat.thinking,
            "site": "resid_post",
            "token": TOKENS[token],
            "tokens_read": json.dumps(lm.tokenizer.tokens(last) if token == "last" else []),  # noqa: S105 - as above
            "method": method,
            "alpha": "absolute, on the unit vector",
            "prompt_set_sha256": prompt_set.digest,
            "prompts": str(len(texts)),
        },
    )


def _first_components(differences: Tensor) -> Tensor:
    """First right singular vector of each layer's differences [pairs, n_layers, d_model] → [n_layers, d]."""
    mean = differences.mean(0)
    unit = torch.linalg.svd(differences.transpose(0, 1), full_matrices=False).Vh[:, 0]
    along: Tensor = (mean * unit).sum(dim=1, keepdim=True) * unit
    return along
