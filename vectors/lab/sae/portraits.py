"""A domain's prompts as a block and an autoencoder see them, and the vector between them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vectors.domains.activations import Passage, residuals
from vectors.domains.prompt_sets import PromptSet
from vectors.lab.sae.architectures import Sae
from vectors.models.loading import LanguageModel
from vectors.progress import Progress, silent


@dataclass(frozen=True, eq=False)
class DomainReading:
    """A domain's prompts at one block: `last` residuals [prompts, d_model] at their last content tokens, and
    `content` residuals [tokens, d_model] of each. The first half are the domain's, the others neutral, in
    pairs.
    """

    domain: str
    last: Tensor
    content: tuple[Tensor, ...]

    @property
    def pairs(self) -> int:
        """How many."""
        return len(self.last) // 2

    def vector(self, chosen: Tensor | None = None) -> Tensor:
        """The contrast [d_model] of all pairs, or [n, d_model] of `chosen` ones [n, pairs]."""
        apart = self.last[: self.pairs] - self.last[self.pairs :]
        return apart.mean(0) if chosen is None else apart[chosen].mean(-2)

    def features(self, sae: Sae) -> Tensor:
        """Mean activations over each prompt's tokens, [prompts, d_sae]."""
        return torch.stack([sae.encode(each).mean(0) for each in self.content])


def read_domains(
    lm: LanguageModel, prompt_sets: Sequence[PromptSet], layer: int, progress: Progress = silent
) -> list[DomainReading]:
    """Read the prompts of domains after a block; pairs beyond the shorter of both halves are left out."""
    found = []
    for number, prompts in enumerate(prompt_sets):
        progress("reading domains", number, len(prompt_sets))
        pairs = min(len(prompts.positive), len(prompts.negative))
        texts = (*prompts.positive[:pairs], *prompts.negative[:pairs])
        passages = [Passage.content(lm.chat, text) for text in texts]
        read = {number: hidden[:, 0] for number, hidden in residuals(lm.model, passages, layers=[layer])}
        content = tuple(read[number] for number in range(len(texts)))
        found.append(DomainReading(prompts.domain, torch.stack([each[-1] for each in content]), content))
    progress("reading domains", len(prompt_sets), len(prompt_sets))
    return found
