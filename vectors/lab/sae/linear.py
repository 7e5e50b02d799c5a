"""What architectures with one linear encoder and one linear decoder share: their weights and their checks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor

from vectors.errors import SaeError


class Linear(ABC):
    """W_enc [d_model, d_sae], b_enc [d_sae], W_dec [d_sae, d_model] and b_dec [d_model].

    `apply_b_dec_to_input` says whether b_dec is subtracted before encoding, as SAELens does by default.
    Raises SaeError for other tensors or shapes, and for inputs that were normalized or reshaped in training.
    """

    def __init__(self, config: Mapping[str, object], tensors: Mapping[str, Tensor]) -> None:
        for key in ("normalize_activations", "reshape_activations"):
            if config.get(key, "none") != "none":
                raise SaeError(f"{key} is {config[key]!r}, only none can be run: fold it into the weights")
        d_model, d_sae = config.get("d_in"), config.get("d_sae")
        wanted = {
            "W_enc": (d_model, d_sae),
            "b_enc": (d_sae,),
            "W_dec": (d_sae, d_model),
            "b_dec": (d_model,),
        }
        found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        if found != wanted:
            raise SaeError(f"the weights are {_shapes(found)}, expected {_shapes(wanted)}")
        self.w_enc, self.b_enc = tensors["W_enc"], tensors["b_enc"]
        self.w_dec, self.b_dec = tensors["W_dec"], tensors["b_dec"]
        self._centred = config.get("apply_b_dec_to_input", True)

    def activations(self, hidden: Tensor) -> Tensor:
        """Residuals [..., d_model] → (h − b_dec) W_enc + b_enc, [..., d_sae], before any non-linearity."""
        hidden = hidden.float()
        return (hidden - self.b_dec if self._centred else hidden) @ self.w_enc + self.b_enc

    @abstractmethod
    def encode(self, hidden: Tensor) -> Tensor:
        """Residuals [..., d_model] → activations [..., d_sae]."""

    def decode(self, features: Tensor) -> Tensor:
        """Activations [..., d_sae] → z W_dec + b_dec, [..., d_model]."""
        return features @ self.w_dec + self.b_dec


def _shapes(shapes: Mapping[str, tuple[object, ...]]) -> str:
    return ", ".join(f"{name} {list(shape)}" for name, shape in sorted(shapes.items())) or "none"
