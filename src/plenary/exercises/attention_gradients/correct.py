"""Right answers, written in different ways. Every one must pass."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def _weights(query: Tensor, key: Tensor, mask: Tensor | None) -> Tensor:
    scores = torch.einsum("...td,...sd->...ts", query, key) / query.shape[-1] ** 0.5
    if mask is None:
        return torch.softmax(scores, dim=-1)
    return F.softmax(scores.masked_fill(~mask, -math.inf), dim=-1).nan_to_num(0.0)


def _by_einsum(
    grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> object:
    weights = _weights(query, key, mask)
    pull = torch.einsum("...tv,...sv->...ts", grad_output, value)
    scores = weights * pull - weights * torch.einsum("...ts,...ts->...t", weights, pull)[..., None]
    scores = scores * query.shape[-1] ** -0.5
    return (
        torch.einsum("...ts,...sd->...td", scores, key),
        torch.einsum("...ts,...td->...sd", scores, query),
        torch.einsum("...ts,...tv->...sv", weights, grad_output),
    )


def _by_output(
    grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> object:
    """Take the row sum from the output, as the fused kernels do."""
    weights = _weights(query, key, mask)
    output = weights @ value
    blend = (grad_output * output).sum(dim=-1, keepdim=True)
    grad_scores = weights * (grad_output @ value.transpose(-1, -2) - blend)
    root = math.sqrt(key.size(-1))
    return (
        torch.matmul(grad_scores, key) / root,
        torch.matmul(grad_scores.transpose(-1, -2), query) / root,
        torch.matmul(weights.transpose(-1, -2), grad_output),
    )


def _by_jacobians(
    grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> object:
    weights = _weights(query / query.shape[-1] ** 0.5, key * key.shape[-1] ** 0.5, mask)
    jacobian = torch.diag_embed(weights) - weights.unsqueeze(-1) * weights.unsqueeze(-2)
    grad_weights = grad_output @ value.mT
    grad_scores = (jacobian @ grad_weights.unsqueeze(-1)).squeeze(-1) / query.shape[-1] ** 0.5
    return grad_scores @ key, (query.mT @ grad_scores).mT, (grad_output.mT @ weights).mT


def _by_loops(
    grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> object:
    """Go through the queries one by one and let keys and values collect."""
    weights = _weights(query, key, mask)
    grad_query, grad_key, grad_value = map(torch.zeros_like, (query, key, value))
    for t in range(query.shape[-2]):
        share, incoming = weights[..., t, :], grad_output[..., t, :]
        pull = (incoming.unsqueeze(-2) * value).sum(-1)
        moved = share * (pull - (share * pull).sum(-1, keepdim=True)) / query.shape[-1] ** 0.5
        grad_query[..., t, :] = (moved.unsqueeze(-1) * key).sum(-2)
        grad_key += moved.unsqueeze(-1) * query[..., t, :].unsqueeze(-2)
        grad_value += share.unsqueeze(-1) * incoming.unsqueeze(-2)
    return grad_query, grad_key, grad_value


def _by_additive_mask(
    grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> object:
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    if mask is not None:
        scores = scores + torch.zeros(mask.shape, dtype=scores.dtype).masked_fill(~mask, -1e30)
    weights = scores.softmax(-1)
    if mask is not None:
        weights = weights * mask
    product = weights * (grad_output @ value.mT)
    grad_scores = (product - weights * product.sum(-1, keepdim=True)) / math.sqrt(query.shape[-1])
    return [grad_scores @ key, grad_scores.mT.contiguous() @ query, weights.mT @ grad_output]


def _by_autograd(
    grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> object:
    inputs = [x.detach().clone().requires_grad_() for x in (query, key, value)]
    output = F.scaled_dot_product_attention(*inputs, attn_mask=mask)
    return torch.autograd.grad(output, inputs, grad_output)


def _by_vjp(
    grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> object:
    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        if mask is None:
            return scores.softmax(-1) @ value
        empty = ~mask.any(-1, keepdim=True)
        weights = scores.masked_fill(~(mask | empty), -math.inf).softmax(-1)
        return weights.masked_fill(empty, 0.0) @ value

    return torch.func.vjp(attend, query, key, value)[1](grad_output)


CORRECT = (
    _by_einsum,
    _by_output,
    _by_jacobians,
    _by_loops,
    _by_additive_mask,
    _by_autograd,
    _by_vjp,
)
