"""Extraction of domain vectors: the contrast of residual streams at every block, in one pass over prompts.

Each prompt is read as a user's message in the model's own chat format, up to its last content token. Nothing
after that token is run: the template's markers carry outlier channels, and a causal model cannot see them.
"""

import json
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from vectors.domains import defaults
from vectors.domains.domain_vector import DomainVector
from vectors.domains.prompt_sets import PromptSet
from vectors.errors import UnsupportedModel
from vectors.models.blocks import recording
from vectors.models.loading import LanguageModel
from vectors.progress import Progress, silent
from vectors.threads import in_own_thread

Method = Literal["mean_difference", "pca"]
Token = Literal["last", "mean"]

_Prompt = tuple[list[int], int]
"""Token ids up to the last content token, and the index of the first content token."""


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
    prompts = [lm.chat.encode_content(text) for text in texts]

    def report(done: int) -> None:
        progress(f"extracting {prompt_set.domain}", done, len(prompts))

    residuals, norms = in_own_thread(read_residuals, lm, prompts, token, batch_size, report)
    if not (torch.isfinite(residuals).all() and torch.isfinite(norms).all()):
        raise UnsupportedModel(
            f"{lm.model_id} has residuals that are not finite in {lm.dtype}; load it in float32"
        )
    differences = residuals[: len(prompt_set.positive)] - residuals[len(prompt_set.positive) :]
    directions = differences.mean(0) if method == "mean_difference" else _first_components(differences)
    layer = defaults.layer_for(prompt_set.domain, lm.n_layers)
    read = lm.tokenizer.convert_ids_to_tokens(sorted({ids[-1] for ids, _ in prompts}))
    return DomainVector(
        domain=prompt_set.domain,
        directions=directions,
        residual_norms=norms,
        default_layer=layer,
        default_alpha=defaults.SHARE * float(norms[layer]),
        metadata={
            "model_id": lm.model_id,
            "model_revision": lm.revision,
            "model_digest": lm.digest,
            "dtype": str(lm.dtype).removeprefix("torch."),
            "tokenizer_sha256": lm.tokenizer_digest,
            "thinking": lm.chat.thinking,
            "site": "resid_post",
            "token": {"last": "last content token", "mean": "mean over content tokens"}[token],
            "tokens_read": json.dumps(read if token == "last" else []),  # noqa: S105 - as above
            "method": method,
            "alpha": "absolute, on the unit vector",
            "prompt_set_sha256": prompt_set.digest,
            "prompts": str(len(prompts)),
        },
    )


def _first_components(differences: Tensor) -> Tensor:
    """First right singular vector of each layer's differences [pairs, n_layers, d_model] → [n_layers, d]."""
    mean = differences.mean(0)
    unit = torch.linalg.svd(differences.transpose(0, 1), full_matrices=False).Vh[:, 0]
    along: Tensor = (mean * unit).sum(dim=1, keepdim=True) * unit
    return along


def read_residuals(
    lm: LanguageModel,
    prompts: Sequence[_Prompt],
    token: Token,
    batch_size: int,
    report: Callable[[int], None],
) -> tuple[Tensor, Tensor]:
    """Return the residual of each prompt [prompts, n_layers, d_model] and the mean norms [n_layers], float32.

    The prompts are as `Chat.encode_content` gives them; `report` is told how many are done.
    """
    device = next(lm.model.parameters()).device
    residuals = torch.empty(len(prompts), lm.n_layers, lm.d_model)
    norms = torch.zeros(lm.n_layers)
    by_length = sorted(range(len(prompts)), key=lambda index: len(prompts[index][0]))
    report(0)
    for done in range(0, len(prompts), batch_size):
        chosen = by_length[done : done + batch_size]
        rows = [prompts[index] for index in chosen]
        width = max(len(ids) for ids, _ in rows)
        # Padded on the right: no causal model's content can depend on what follows it.
        padded = [ids + [lm.tokenizer.pad_token_id or 0] * (width - len(ids)) for ids, _ in rows]
        last = torch.tensor([len(ids) - 1 for ids, _ in rows], device=device)
        first = torch.tensor([start for _, start in rows], device=device)
        position = torch.arange(width, device=device)
        content = (position >= first[:, None]) & (position <= last[:, None])

        with recording(lm.model) as captured, torch.inference_mode():
            lm.model.base_model(
                input_ids=torch.tensor(padded, device=device),
                attention_mask=(position <= last[:, None]).long(),
                use_cache=False,
            )
        for layer, output in captured.items():
            hidden = output.float()
            norms[layer] += hidden[content].norm(dim=-1).sum().cpu()
            if token == "last":  # noqa: S105 - as above
                picked = hidden[torch.arange(len(chosen), device=device), last]
            else:
                picked = (hidden * content[..., None]).sum(1) / content.sum(1, keepdim=True)
            residuals[chosen, layer] = picked.cpu()
        report(done + len(chosen))
    return residuals, norms / sum(len(ids) - start for ids, start in prompts)
