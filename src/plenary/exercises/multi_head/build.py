"""Multi-head attention in steps, so that a mistake can stand in one of them and everything else be right."""

import math

import torch.nn.functional as F
from torch import Tensor, nn

from plenary.checks.exercise import Function
from plenary.exercises import _references

SPLIT, MERGE, MODULE = "split_heads", "merge_heads", "MultiHeadAttention"


class Layer(nn.Linear):
    """A linear layer that draws no weights. Every probe loads them, and there are many mistakes to build."""

    def reset_parameters(self) -> None:
        """Leave the weights as they are."""


class Stepwise(_references.MultiHeadAttention):
    """The reference with its attention written out: scores, weights, dropout, each a method."""

    def __init__(self, embed_dim: int, num_heads: int, bias: bool = True, dropout: float = 0.0) -> None:
        nn.Module.__init__(self)
        if embed_dim % num_heads:
            raise ValueError(f"num_heads {num_heads} does not divide embed_dim {embed_dim}")
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.q_proj = Layer(embed_dim, embed_dim, bias)
        self.k_proj = Layer(embed_dim, embed_dim, bias)
        self.v_proj = Layer(embed_dim, embed_dim, bias)
        self.out_proj = Layer(embed_dim, embed_dim, bias)

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        """(B, H, T, d), (B, H, S, d) to (B, H, T, S)."""
        return q @ k.mT / math.sqrt(q.shape[-1])

    def weigh(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        """Take the softmax over the keys that are permitted; a row without any is zero."""
        if mask is None:
            return scores.softmax(-1)
        empty = ~mask.any(-1, keepdim=True)
        return scores.masked_fill(~(mask | empty), -math.inf).softmax(-1).masked_fill(empty, 0)

    def drop(self, weights: Tensor) -> Tensor:
        """Drop weights in training."""
        return F.dropout(weights, self.dropout, self.training)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Attend in every head."""
        weights = self.weigh(self.scores(q, k), mask)
        return self.drop(weights) @ v, weights


def in_module(*wrong: Function) -> dict[str, tuple[Function, ...]]:
    """Say that these are wrong ways of writing the module."""
    return {MODULE: wrong}
