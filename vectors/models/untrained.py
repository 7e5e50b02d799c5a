"""A model that has learned nothing: the null of whatever is said of a trained one."""

import hashlib
from dataclasses import replace

import torch
from torch import Tensor

from vectors.models.loading import LanguageModel


def untrain(lm: LanguageModel, seed: int) -> LanguageModel:
    """Draw the model's weights anew, in place, and return it under another name.

    Matrices are normal about 0 with the spread of their own values; the values of vectors (norms, biases) are
    shuffled. Architecture and tokenizer stay.
    """
    draw = torch.Generator().manual_seed(seed)
    own: dict[int, Tensor] = {}
    for parameter in lm.model.parameters():  # what is mapped from a file would be that file's again one day
        parameter.data = own.setdefault(parameter.data_ptr(), parameter.data.clone())
    with torch.inference_mode():
        for parameter in lm.model.parameters():
            if parameter.dim() > 1:
                drawn = torch.empty_like(parameter, device="cpu")
                parameter.copy_(drawn.normal_(0, float(parameter.std()), generator=draw))
            else:
                parameter.copy_(
                    parameter[torch.randperm(len(parameter), generator=draw).to(parameter.device)]
                )
    digest = hashlib.sha256(f"{lm.digest} untrained {seed}".encode()).hexdigest()
    return replace(lm, name=f"{lm.name} (untrained)", model_id=f"{lm.model_id} (untrained)", digest=digest)
