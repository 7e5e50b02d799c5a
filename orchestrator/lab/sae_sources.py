"""What an autoencoder's folder leads to: its weights, its metadata, and the residuals it learnt from."""

from pathlib import Path

from vectors.errors import SaeError
from vectors.lab.sae.collecting import Collection, Plan, kept, place
from vectors.lab.sae.folders import config_of, read
from vectors.lab.sae.linear import Linear
from vectors.models.loading import LanguageModel


def linear(folder: Path) -> Linear:
    """The autoencoder of a folder. Raises SaeError, for one whose decoder is not linear too."""
    sae = read(folder)
    if not isinstance(sae, Linear):
        raise SaeError(f"{folder}: only architectures with a linear decoder can be looked at")
    return sae


def collection_of(lm: LanguageModel, folder: Path, cache: Path) -> Collection | None:
    """The residuals that an autoencoder was trained from; None where the cache does not hold them whole."""
    metadata = known(folder)
    corpus, layer, tokens, context = (
        metadata.get(key) for key in ("corpus_sha256", "layer", "training_tokens", "context_size")
    )
    if not (isinstance(corpus, str) and isinstance(layer, int)):
        return None
    if not (isinstance(tokens, int) and isinstance(context, int) and 0 < context <= tokens):
        return None
    plan = Plan(corpus, layer, tokens, context)
    return kept(plan, place(lm, plan, cache))


def known(folder: Path) -> dict[str, object]:
    """The metadata of an autoencoder's folder. Raises SaeError."""
    metadata = config_of(folder).get("metadata")
    return metadata if isinstance(metadata, dict) else {}
