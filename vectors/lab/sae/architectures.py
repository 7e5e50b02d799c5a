"""What an architecture of sparse autoencoders is, and those that there are by name.

The names are those of SAELens' `cfg.json`. Others come from plug-ins, under entry points of the group
`orchestrate.sae_architectures`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from vectors.errors import PluginError, SaeError, VectorsError
from vectors.plugins import find, load

if TYPE_CHECKING:
    from torch import Tensor

GROUP = "orchestrate.sae_architectures"
BUILT_IN = {
    "standard": "vectors.lab.sae.standard:Standard",
    "topk": "vectors.lab.sae.topk:TopK",
    "abstopk": "vectors.lab.sae.topk:AbsTopK",
    "jumprelu": "vectors.lab.sae.jumprelu:JumpReLU",
    "gated": "vectors.lab.sae.gated:Gated",
}


@runtime_checkable
class Sae(Protocol):
    """A trained autoencoder at work."""

    def encode(self, hidden: "Tensor") -> "Tensor":
        """Residuals [..., d_model] → activations of the features [..., d_sae], float32, zero where silent."""

    def decode(self, features: "Tensor") -> "Tensor":
        """Activations of the features [..., d_sae] → the residuals [..., d_model] that they stand for."""


def make(config: Mapping[str, object], tensors: Mapping[str, "Tensor"]) -> Sae:
    """The autoencoder of the architecture that `config` names, from its weights in float32.

    An architecture is a class whose objects are made of just these two. Raises SaeError for one that nothing
    provides and for what cannot be run as it was trained, PluginError for a plug-in that fails.
    """
    name, there = config.get("architecture"), find(GROUP, BUILT_IN)
    if not isinstance(name, str) or name not in there:
        raise SaeError(
            f"the architecture is {name!r}, known are {', '.join(there)}; install a plug-in for it"
        )
    kind = load(there[name], type)
    try:
        made = kind(config, tensors)
    except VectorsError:
        raise
    except Exception as error:  # a plug-in raises what it likes
        if name in BUILT_IN:
            raise
        reason = f"{type(error).__name__}: {error}"
        raise PluginError(f"the SAE architecture {name} of a plug-in failed: {reason}") from error
    if not isinstance(made, Sae):
        raise PluginError(f"the SAE architecture {name} of a plug-in has no encode and decode")
    return made
