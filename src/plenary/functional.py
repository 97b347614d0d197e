"""Attention as functions of tensors, each a few lines that follow the book's formulas.

The letters are the book's: B batch, T queries, S keys, d_k and d_v the widths of a key and a value. A leading
``*batch`` is any number of batch axes. A mask is boolean, and True means "may attend".
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from plenary import expect


def softmax(x: Float[Tensor, "*shape"], dim: int) -> Float[Tensor, "*shape"]:
    """Turn numbers into shares along an axis: exp(x) / sum of exp(x), computed with the maximum subtracted.

    Raises:
        TypeError: x is not a floating-point tensor.
    """
    expect.floating("softmax", least_axes=0, x=x)
    # Subtracting a constant changes nothing but the size of the exponentials, which would overflow.
    exponentials = (x - x.amax(dim, keepdim=True).detach()).exp()
    return exponentials / exponentials.sum(dim, keepdim=True)


def soft_lookup(
    query: Float[Tensor, " d"], keys: Float[Tensor, "n d"], values: Float[Tensor, "n v"], temperature: float
) -> Float[Tensor, " v"]:
    """Average the values, each weighted by how near its key is: softmax(-||query - key||^2 / (2 temperature)).

    Raises:
        TypeError: an input is not a floating-point tensor, or the dtypes differ.
        ValueError: sizes that do not match, or a temperature that is not positive.

    Source: Nadaraya (1964), On Estimating Regression; Watson (1964), Smooth Regression Analysis.
    """
    expect.floating("soft_lookup", least_axes=1, query=query, keys=keys, values=values)
    expect.same_size("soft_lookup", "width d (last axis)", -1, query=query, keys=keys)
    expect.same_size("soft_lookup", "number n (first axis)", 0, keys=keys, values=values)
    if not temperature > 0:
        raise ValueError(f"soft_lookup: temperature is {temperature}; it must be positive.")
    squared_distances = (query - keys).square().sum(dim=-1)
    return softmax(-squared_distances / (2 * temperature), dim=-1) @ values


def attention_scores(
    query: Float[Tensor, "*batch T d_k"], key: Float[Tensor, "*batch S d_k"]
) -> Float[Tensor, "*batch T S"]:
    """Score every query against every key: E = Q K^T / sqrt(d_k).

    Row t holds the scores of query t; column s belongs to key s.

    Raises:
        TypeError: query or key is not a floating-point tensor, or their dtypes differ.
        ValueError: the widths of query and key differ, or one has fewer than two axes.

    Source: Vaswani et al. (2017), Attention Is All You Need, equation 1.
    """
    expect.floating("attention_scores", query=query, key=key)
    expect.same_size("attention_scores", "width d_k (last axis)", -1, query=query, key=key)
    d_k = query.shape[-1]
    return query @ key.mT / math.sqrt(d_k)


def masked_softmax(
    scores: Float[Tensor, "*batch T S"], mask: Bool[Tensor, "..."]
) -> Float[Tensor, "*batch T S"]:
    """Turn scores into weights over the keys that each query may attend to.

    The mask broadcasts to the scores. Setting a score to minus infinity is conditioning: what is left is the
    softmax over the permitted keys. A row in which nothing is permitted is exactly zero, and so is its
    gradient.

    Raises:
        TypeError: the scores are not a floating-point tensor, or the mask is not boolean.
        ValueError: the mask does not broadcast to the scores.
    """
    expect.floating("masked_softmax", scores=scores)
    expect.mask("masked_softmax", mask, scores.shape)
    # An empty row would be 0/0, and its gradient NaN even if the value were replaced later. So its scores
    # stay unmasked, and its weights are set to zero afterwards.
    empty = ~mask.any(dim=-1, keepdim=True)
    weights = scores.masked_fill(~(mask | empty), -math.inf).softmax(dim=-1)
    return weights.masked_fill(empty, 0.0)


def scaled_dot_product_attention(
    query: Float[Tensor, "*batch T d_k"],
    key: Float[Tensor, "*batch S d_k"],
    value: Float[Tensor, "*batch S d_v"],
    mask: Bool[Tensor, "..."] | None = None,
) -> tuple[Float[Tensor, "*batch T d_v"], Float[Tensor, "*batch T S"]]:
    """Attend: softmax(Q K^T / sqrt(d_k)) V. Returns the output and the weights, in this order.

    The mask broadcasts to the weights (..., T, S). A query that may attend to nothing gets weights and output
    of exactly zero.

    Raises:
        TypeError: an input is not a floating-point tensor, the dtypes differ, or the mask is not boolean.
        ValueError: widths of query and key, or lengths of key and value, differ; the mask does not broadcast.

    Source: Vaswani et al. (2017), Attention Is All You Need, equation 1.
    """
    expect.floating("scaled_dot_product_attention", query=query, key=key, value=value)
    expect.same_size("scaled_dot_product_attention", "length S (last axis but one)", -2, key=key, value=value)
    scores = attention_scores(query, key)
    weights = scores.softmax(dim=-1) if mask is None else masked_softmax(scores, mask)
    return weights @ value, weights


def attention_backward(
    grad_output: Float[Tensor, "*batch T d_v"],
    query: Float[Tensor, "*batch T d_k"],
    key: Float[Tensor, "*batch S d_k"],
    value: Float[Tensor, "*batch S d_v"],
    mask: Bool[Tensor, "..."] | None = None,
) -> tuple[Float[Tensor, "*batch T d_k"], Float[Tensor, "*batch S d_k"], Float[Tensor, "*batch S d_v"]]:
    """The gradients of query, key and value, given the gradient dO of attention's output.

    dV = A^T dO, dA = dO V^T, dE = A * (dA - rowsum(A * dA)), dQ = dE K / sqrt(d_k), dK = dE^T Q / sqrt(d_k).
    What the mask forbids has weight 0, and so gradient 0.

    Raises:
        TypeError, ValueError: as `scaled_dot_product_attention`, and when grad_output's shape is not the output's.
    """
    output, weights = scaled_dot_product_attention(query, key, value, mask)
    if grad_output.shape != output.shape:
        raise ValueError(
            f"attention_backward: grad_output must have the output's shape {tuple(output.shape)}; its own is "
            f"{tuple(grad_output.shape)}."
        )
    grad_weights = grad_output @ value.mT
    grad_scores = weights * (grad_weights - (weights * grad_weights).sum(dim=-1, keepdim=True))
    grad_scores = grad_scores / math.sqrt(query.shape[-1])
    return grad_scores @ key, grad_scores.mT @ query, weights.mT @ grad_output


def softmax_jacobian(p: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n n"]:
    """Differentiate the softmax at its output p: J = diag(p) - p p^T, with J[i, j] = dp_i / dx_j.

    Raises:
        TypeError: p is not a floating-point tensor.
        ValueError: p has no axis.
    """
    expect.floating("softmax_jacobian", least_axes=1, p=p)
    return torch.diag_embed(p) - p.unsqueeze(-1) * p.unsqueeze(-2)


def causal_mask(length: int) -> Bool[Tensor, "{length} {length}"]:
    """Let position t attend to positions 0 to t: True on and below the diagonal.

    Raises:
        ValueError: length is negative.
    """
    if length < 0:
        raise ValueError(f"causal_mask: length is {length}; a length is 0 or more.")
    return torch.ones(length, length, dtype=torch.bool).tril()


def padding_mask(lengths: Int[Tensor, " B"], max_length: int) -> Bool[Tensor, "B {max_length}"]:
    """Mark the real tokens of padded sequences: entry (b, s) is True where s < lengths[b].

    Raises:
        ValueError: a length is negative or greater than max_length.
    """
    if lengths.numel() and (int(lengths.min()) < 0 or int(lengths.max()) > max_length):
        raise ValueError(
            f"padding_mask: lengths run from {int(lengths.min())} to {int(lengths.max())}; "
            f"each must lie between 0 and max_length = {max_length}."
        )
    return torch.arange(max_length, device=lengths.device) < lengths.unsqueeze(-1)


def combine_masks(causal: Bool[Tensor, "T S"], padding: Bool[Tensor, "B S"]) -> Bool[Tensor, "B 1 T S"]:
    """Permit what both masks permit. The axis of size 1 stands for the heads.

    Raises:
        ValueError: the masks disagree on the number of keys.
    """
    expect.same_size("combine_masks", "number of keys (last axis)", -1, causal=causal, padding=padding)
    return causal & padding[:, None, None, :]
