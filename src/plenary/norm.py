"""Layer normalisation: every token gets mean 0 and variance 1 over its features, then a scale and a shift."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class LayerNorm(nn.Module):
    """y = weight * (x - mean) / sqrt(variance + eps) + bias, with mean and variance over the last axis.

    The variance is the biased one (divided by `dim`, not by `dim - 1`), and `eps` stands inside the root.

    Source: Ba, Kiros and Hinton (2016), Layer Normalization, equation 4.
    """

    def __init__(self, dim: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Normalise each row of the last axis."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """What `print(model)` adds."""
        return f"{self.weight.shape[0]}, eps={self.eps}"
