"""Words and positions: a token becomes a row of numbers that says which word it is and where it stands.

Self-attention treats its inputs as a set. Position is therefore added to the tokens, once, before the first layer
(sinusoidal or learned), or turned into the queries and keys of every layer (rotary).
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

BASE = 10_000.0
"""The longest wavelength is 2 pi times this."""


def frequencies(embed_dim: int, base: float = BASE) -> Float[Tensor, " half"]:
    """The angle per position of each pair of features, base^(-2i / D) for i = 0 ... D/2 - 1, in float64.

    Raises:
        ValueError: embed_dim is odd or less than 2.
    """
    if embed_dim < 2 or embed_dim % 2:
        raise ValueError(
            f"positions: the width is {embed_dim}; sines and cosines come in pairs, so it must be even. "
            f"Take {max(2, embed_dim + 1)}."
        )
    return base ** (-torch.arange(0, embed_dim, 2, dtype=torch.float64) / embed_dim)


def sinusoidal_encoding(length: int, embed_dim: int) -> Float[Tensor, "{length} {embed_dim}"]:
    """PE(t, 2i) = sin(t / 10000^(2i/D)), PE(t, 2i+1) = cos(t / 10000^(2i/D)), for t = 0 ... length - 1.

    Returned in the default dtype; computed in float64, so that late positions are exact too.

    Raises:
        ValueError: embed_dim is odd, or length is negative.

    Source: Vaswani et al. (2017), Attention Is All You Need, section 3.5.
    """
    if length < 0:
        raise ValueError(f"sinusoidal_encoding: length is {length}; a length is 0 or more.")
    angles = torch.arange(length, dtype=torch.float64).outer(frequencies(embed_dim))
    pairs = torch.stack([angles.sin(), angles.cos()], dim=-1)
    return pairs.flatten(1).to(torch.get_default_dtype())


def rotation_matrix(offset: int, embed_dim: int) -> Float[Tensor, "{embed_dim} {embed_dim}"]:
    """R with PE(t + offset) = R PE(t) for every t, where PE(t) is a column; for the table: table @ R.T.

    Each pair (sin, cos) turns by its own angle, so R is block-diagonal with 2 x 2 rotations. The offset may be
    negative.

    Raises:
        ValueError: embed_dim is odd.
    """
    angles = offset * frequencies(embed_dim)
    sin, cos = angles.sin(), angles.cos()
    blocks = torch.stack([torch.stack([cos, sin], -1), torch.stack([-sin, cos], -1)], -2)
    return torch.block_diag(*blocks).to(torch.get_default_dtype())


def is_permutation_equivariant(
    layer: Callable[[Tensor], Tensor], x: Float[Tensor, "B T D"], permutation: Int[Tensor, " T"]
) -> bool:
    """Whether permuting the tokens before the layer is the same as permuting them after it, up to rounding.

    Args:
        layer: maps (B, T, D) to (B, T, D).
        x: the tokens to try it on.
        permutation: the order of the T positions.
    """
    before, after = layer(x[:, permutation]), layer(x)[:, permutation]
    # The order of a sum over tokens may differ, so a few rounding errors are allowed for.
    tolerance = 1e3 * torch.finfo(x.dtype).eps
    return bool(torch.allclose(before, after, rtol=tolerance, atol=tolerance))


class TokenEmbedding(nn.Module):
    """One row of numbers for each word, times sqrt(D): a one-hot vector times a matrix, without the zeros.

    The rows start with variance 1 / D, so that they leave here with variance 1, as large as the positions.

    Source: Vaswani et al. (2017), Attention Is All You Need, section 3.4.
    """

    def __init__(self, vocab_size: int, embed_dim: int) -> None:
        super().__init__()
        self.scale = math.sqrt(embed_dim)
        self.weight = nn.Parameter(torch.randn(vocab_size, embed_dim) / self.scale)

    def forward(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Look the tokens up."""
        return nn.functional.embedding(tokens, self.weight) * self.scale


class SinusoidalEncoding(nn.Module):
    """Adds the sinusoidal table to tokens (B, T, D). Nothing is learned."""

    table: Tensor

    def __init__(self, max_length: int, embed_dim: int) -> None:
        super().__init__()
        self.register_buffer("table", sinusoidal_encoding(max_length, embed_dim), persistent=False)

    def forward(self, x: Float[Tensor, "B T D"], offset: int = 0) -> Float[Tensor, "B T D"]:
        """Add the rows `offset` to `offset + T - 1`.

        Raises:
            ValueError: the table is too short.
        """
        return x + _rows(self.table, offset, x.shape[1])


class LearnedEncoding(nn.Module):
    """Adds a learned row for each position to tokens (B, T, D)."""

    def __init__(self, max_length: int, embed_dim: int) -> None:
        super().__init__()
        self.table = nn.Parameter(0.02 * torch.randn(max_length, embed_dim))

    def forward(self, x: Float[Tensor, "B T D"], offset: int = 0) -> Float[Tensor, "B T D"]:
        """Add the rows `offset` to `offset + T - 1`.

        Raises:
            ValueError: the table is too short.
        """
        return x + _rows(self.table, offset, x.shape[1])


def _rows(table: Tensor, offset: int, length: int) -> Tensor:
    if offset + length > len(table):
        raise ValueError(
            f"positions: the sequence reaches position {offset + length - 1}, and the table ends at "
            f"{len(table) - 1}. Shorten the sequence, or build the model with max_length={offset + length}."
        )
    return table[offset : offset + length]


class RotaryEncoding(nn.Module):
    """Turns each pair of features of queries and keys by an angle that grows with the position.

    A score then depends on the distance of query and key alone: (R_t q) . (R_s k) = q . (R_(s-t) k).

    Source: Su et al. (2021), RoFormer, equation 34; pairs are neighbouring features, as there.
    """

    def __init__(self, head_dim: int, base: float = BASE) -> None:
        super().__init__()
        # Not a buffer: `model.bfloat16()` would round it, and late positions would turn by other angles.
        self._frequencies = frequencies(head_dim, base)

    def forward(self, x: Float[Tensor, "*batch T d_k"], offset: int = 0) -> Float[Tensor, "*batch T d_k"]:
        """Turn row t by the angles of position offset + t."""
        # On the CPU, for not every accelerator has float64.
        angles = torch.arange(offset, offset + x.shape[-2], dtype=torch.float64).outer(self._frequencies)
        sin, cos = angles.sin().to(x), angles.cos().to(x)
        even, odd = x[..., 0::2], x[..., 1::2]
        return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)
