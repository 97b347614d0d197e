"""The classes of the chapter cut into steps, so that a mistake can stand in one of them and the rest be right."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plenary.checks.exercise import Function
from plenary.exercises import _references
from plenary.exercises._references import FeedForward

PAGE = "transformer/encoder_block"

Mask = Tensor | None
Normalise = Callable[[Tensor, float], Tensor]


class Norm(nn.Module):
    """Layer norm; a mistake replaces ``normalise``, or the way in which weight and bias are put to use."""

    def __init__(self, dim: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def normalise(self, x: Tensor, eps: float) -> Tensor:
        """Bring every row of the last axis to mean 0 and variance 1."""
        return F.layer_norm(x, x.shape[-1:], eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise, scale, shift."""
        return self.normalise(x, self.eps) * self.weight + self.bias


def norm_with(normalise: Normalise) -> type[Norm]:
    """Build a layer norm that normalises in this way."""
    return type("LayerNorm", (Norm,), {"normalise": lambda self, x, eps: normalise(x, eps)})


class _Unset(nn.Linear):
    """A linear layer that is not initialised: its weights are loaded, and many are made for one report."""

    def reset_parameters(self) -> None:
        """Leave the weights as they are."""


class Network(FeedForward):
    """The reference's feed-forward network, uninitialised."""

    def __init__(self, embed_dim: int, hidden_dim: int, dropout: float = 0.0) -> None:
        nn.Module.__init__(self)
        self.linear1 = _Unset(embed_dim, hidden_dim)
        self.linear2 = _Unset(hidden_dim, embed_dim)
        self.dropout = nn.Dropout(dropout)


def feed_forward_with(think: Callable[[FeedForward, Tensor], Tensor]) -> type[FeedForward]:
    """Build a feed-forward network with another forward."""
    return type("FeedForward", (Network,), {"forward": think})


class Heads(_references.MultiHeadAttention):
    """The reference's attention, uninitialised and without the weights, which nobody reads here."""

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0) -> None:
        nn.Module.__init__(self)
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.q_proj, self.k_proj = _Unset(embed_dim, embed_dim), _Unset(embed_dim, embed_dim)
        self.v_proj, self.out_proj = _Unset(embed_dim, embed_dim), _Unset(embed_dim, embed_dim)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Mask) -> tuple[Tensor, Tensor]:
        """Attend in every head."""
        if self.training and self.dropout:
            return super().attend(q, k, v, mask)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask), q


class Layer(nn.Module):
    """An encoder layer; a mistake replaces the pre-norm or post-norm path, what a sublayer adds, or a part."""

    norm: Callable[[int, float], nn.Module] = nn.LayerNorm
    network: type[FeedForward] = Network

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        hidden_dim: int,
        dropout: float = 0.0,
        norm_first: bool = True,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.attention = Heads(embed_dim, num_heads, dropout=dropout)
        self.feed_forward = type(self).network(embed_dim, hidden_dim, dropout)
        self.norm1 = type(self).norm(embed_dim, eps)
        self.norm2 = type(self).norm(embed_dim, eps)
        self.dropout = nn.Dropout(dropout)
        self.alter(embed_dim, eps)

    def alter(self, embed_dim: int, eps: float) -> None:
        """Put other parts in, for a mistake that is made in ``__init__``."""

    def attended(self, x: Tensor, mask: Mask) -> Tensor:
        """Return what attention adds."""
        return self.dropout(self.attention(x, x, x, mask)[0])

    def thought(self, x: Tensor) -> Tensor:
        """Return what the feed-forward network adds."""
        return self.dropout(self.feed_forward(x))

    def pre(self, x: Tensor, mask: Mask) -> Tensor:
        """Normalise what goes into each sublayer."""
        x = x + self.attended(self.norm1(x), mask)
        return x + self.thought(self.norm2(x))

    def post(self, x: Tensor, mask: Mask) -> Tensor:
        """Normalise what comes out of each sum."""
        x = self.norm1(x + self.attended(x, mask))
        return self.norm2(x + self.thought(x))

    def forward(self, x: Tensor, mask: Mask = None) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        return self.pre(x, mask) if self.norm_first else self.post(x, mask)


Path = Callable[[Layer, Tensor, Mask], Tensor]


def layer_with(pre: Path | None = None, post: Path | None = None, **steps: object) -> Function:
    """Write an encoder layer with other paths or steps; what is not given stays right."""
    changed = {"pre": pre or Layer.pre, "post": post or Layer.post, **steps}
    return type("EncoderLayer", (Layer,), changed)


def in_layer(*paths: tuple[Path | None, Path | None]) -> dict[str, tuple[Function, ...]]:
    """Say that these are wrong pre-norm and post-norm paths; None stays right."""
    return {"EncoderLayer": tuple(layer_with(pre, post) for pre, post in paths)}


class Stack(nn.Module):
    """An encoder; a mistake replaces how the layers or the norm are made, or how the tokens pass through."""

    def __init__(
        self,
        num_layers: int,
        embed_dim: int,
        num_heads: int,
        hidden_dim: int,
        dropout: float = 0.0,
        norm_first: bool = True,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.num_layers = num_layers
        self.layers = self.stacked(num_layers, embed_dim, num_heads, hidden_dim, dropout, norm_first, eps)
        self.norm = self.last(norm_first, embed_dim, eps)

    def stacked(self, num_layers: int, *sizes: int | float) -> Sequence[nn.Module] | nn.Module:
        """Make the layers."""
        return nn.ModuleList(Layer(*sizes) for _ in range(num_layers))  # type: ignore[arg-type]

    def last(self, norm_first: bool, embed_dim: int, eps: float) -> nn.Module:
        """Make the norm after the last layer."""
        return nn.LayerNorm(embed_dim, eps) if norm_first else nn.Identity()

    def forward(self, x: Tensor, mask: Mask = None) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        for layer in self.layers:  # type: ignore[union-attr]
            x = layer(x, mask)
        return self.norm(x)


def stack_with(**steps: object) -> Function:
    """Write an encoder with other steps; what is not given stays right."""
    return type("Encoder", (Stack,), steps)


def in_stack(*wrong: dict[str, object]) -> dict[str, tuple[Function, ...]]:
    """Say that an encoder with these steps replaced is wrong."""
    return {"Encoder": tuple(stack_with(**steps) for steps in wrong)}


def layers_only(self: Stack, x: Tensor, mask: Mask = None) -> Tensor:
    """Pass x through the layers, and through no norm."""
    for layer in self.layers:  # type: ignore[union-attr]
        x = layer(x, mask)
    return x
