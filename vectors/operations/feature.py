"""h' = h + (α − f(h))·d: a feature of a sparse autoencoder is set to α (Templeton et al. 2024, Scaling
Monosemanticity), and what the autoencoder does not explain stays as it is.

f(h) = z where z = ⟨h, e⟩ + b > θ, else 0: a row e of the encoder, its bias (with what is taken off the
residual beforehand in it) and its threshold, which is 0 for a ReLU (JumpReLU: Rajamanoharan et al. 2024,
arXiv 2407.14435). d is the feature's row of the decoder. The vector of this operation is e, d, b and θ one
after the other, [2·d_model + 2]: see `packed`.
"""

from typing import TYPE_CHECKING

from vectors.errors import SteeringMismatch

if TYPE_CHECKING:
    from torch import Tensor


def packed(encoder: "Tensor", decoder: "Tensor", bias: float, threshold: float = 0.0) -> "Tensor":
    """The operation's vector, of e and d [d_model], b and θ. Raises SteeringMismatch."""
    import torch

    if encoder.ndim != 1 or encoder.shape != decoder.shape:
        raise SteeringMismatch(
            f"a feature has an encoder's row {list(encoder.shape)} and a decoder's {list(decoder.shape)}: "
            "expected [d_model] twice"
        )
    scalars = torch.tensor([bias, threshold], dtype=torch.float32, device=encoder.device)
    return torch.cat([encoder.float(), decoder.float(), scalars])


def width(shape: tuple[int, ...], /) -> int | None:
    """Rows of encoder and decoder are d_model wide each, and two numbers follow."""
    return shape[0] // 2 - 1 if len(shape) == 1 and shape[0] >= 4 and shape[0] % 2 == 0 else None


def parameters(vector: "Tensor", alpha: float, /) -> "tuple[Tensor, ...]":
    """e and d [d_model], and b, θ and α [3]."""
    d_model = len(vector) // 2 - 1
    given = vector.detach().float()
    import torch

    scalars = torch.cat([given[-2:], given.new_tensor([alpha])])
    return given[:d_model], given[d_model:-2], scalars


def change(hidden: "Tensor", /, *parameters: "Tensor") -> "Tensor":
    """Return (α − f(h))·d; hidden, e and d [tokens, d_model]."""
    encoder, decoder, scalars = parameters
    bias, threshold, alpha = (scalars[..., at : at + 1] for at in range(3))
    before = (hidden.float() * encoder).sum(-1, keepdim=True) + bias
    active = before * (before > threshold)
    return (alpha - active) * decoder


def whole_norm_alpha(residual_norm: float, d_model: int, /) -> float:
    """A feature's activation has its own unit, of which α is a number."""
    del residual_norm, d_model
    return 1.0
