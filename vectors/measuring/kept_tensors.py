"""Tensors as units of a journal: what models were read to be is too large for a line of text."""

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor

from vectors.domains.activations import pooled
from vectors.domains.prompt_sets import Token
from vectors.measuring.journal import Journal
from vectors.models.loading import LanguageModel
from vectors.progress import Progress


def kept_tensor(journal: Journal, name: str, make: Callable[[], Tensor]) -> Tensor:
    """The journal's next unit as a tensor: of the file `name` beside the units, else made and kept there."""
    from safetensors.torch import load, save

    return load(journal.once_in_file(name, lambda: save({"kept": make().contiguous()})))["kept"]


def kept_residuals(
    lm: LanguageModel,
    texts: Sequence[tuple[str, Sequence[str]]],
    token: Token,
    journal: Journal,
    before: str,
    progress: Progress,
) -> list[Tensor]:
    """Read named groups of texts, a unit each: residuals [texts, n_layers, d_model].

    `before` is what the names of their files begin with.
    """

    def read(number: int) -> Tensor:
        return pooled(lm, texts[number][1], token).residuals

    found = []
    for number, (group, _) in enumerate(texts):
        progress(f"{lm.model_id}: {group}", number, len(texts))
        name = f"{before}{lm.digest[:12]}-{token}-{number}.safetensors"
        found.append(kept_tensor(journal, name, partial(read, number)))
    progress(lm.model_id, len(texts), len(texts))
    return found
