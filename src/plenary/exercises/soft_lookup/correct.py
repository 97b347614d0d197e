"""Right answers, written in different ways. Every one must pass."""

import torch
import torch.nn.functional as F
from torch import Tensor


def _softmax_by_amax(x: Tensor, dim: int) -> Tensor:
    exponentials = torch.exp(x - torch.amax(x, dim=dim, keepdim=True))
    return exponentials / torch.sum(exponentials, dim=dim, keepdim=True)


def _softmax_by_max(x: Tensor, dim: int) -> Tensor:
    highest = x.max(dim=dim, keepdim=True).values.detach()
    exponentials = (x - highest).exp()
    return exponentials / exponentials.sum(dim).unsqueeze(dim)


def _softmax_by_logsumexp(x: Tensor, dim: int) -> Tensor:
    return (x - x.logsumexp(dim, keepdim=True)).exp()


def _softmax_by_moving_the_axis(x: Tensor, dim: int) -> Tensor:
    last = x.movedim(dim, -1)
    exponentials = (last - last.max(-1, keepdim=True)[0]).exp()
    return (exponentials / exponentials.sum(-1, keepdim=True)).movedim(-1, dim)


def _softmax_by_pairs(x: Tensor, dim: int) -> Tensor:
    # 1 / sum_j exp(x_j - x_i): where the sum is infinite, the share is 0.
    last = x.movedim(dim, -1)
    return (1 / (last.unsqueeze(-2) - last.unsqueeze(-1)).exp().sum(-1)).movedim(-1, dim)


def _softmax_by_loops(x: Tensor, dim: int) -> Tensor:
    last = x.movedim(dim, -1)
    rows = []
    for row in last.reshape(-1, last.shape[-1]):
        exponentials = [(number - row.max()).exp() for number in row]
        rows.append(torch.stack([one / sum(exponentials) for one in exponentials]))
    return torch.stack(rows).reshape(last.shape).movedim(-1, dim)


def _softmax_by_slices(x: Tensor, dim: int) -> Tensor:
    slices = x.unbind(dim)
    highest = slices[0]
    for one in slices[1:]:
        highest = torch.maximum(highest, one)
    exponentials = [(one - highest).exp() for one in slices]
    return torch.stack([one / sum(exponentials) for one in exponentials], dim)


def _softmax_with_needless_epsilon(x: Tensor, dim: int) -> Tensor:
    exponentials = torch.exp(x - torch.amax(x, dim=dim, keepdim=True))
    return exponentials / (exponentials.sum(dim, keepdim=True) + 1e-20)


def _lookup_by_broadcasting(query: Tensor, keys: Tensor, values: Tensor, temperature: float) -> Tensor:
    squared = ((query - keys) ** 2).sum(dim=-1)
    return torch.softmax(-squared / (2 * temperature), dim=0) @ values


def _lookup_by_cdist(query: Tensor, keys: Tensor, values: Tensor, temperature: float) -> Tensor:
    scores = -torch.cdist(query[None], keys).square() / 2 / temperature
    return (_softmax_by_amax(scores, -1) @ values).squeeze(0)


def _lookup_by_norm(query: Tensor, keys: Tensor, values: Tensor, temperature: float) -> Tensor:
    scores = -0.5 * torch.linalg.norm(keys - query, dim=1) ** 2 / temperature
    return torch.einsum("n,nv->v", F.softmax(scores, dim=0), values)


def _lookup_by_expanding(query: Tensor, keys: Tensor, values: Tensor, temperature: float) -> Tensor:
    scores = (keys @ query - 0.5 * (keys * keys).sum(-1)) / temperature
    return (_softmax_by_logsumexp(scores, 0).unsqueeze(-1) * values).sum(0)


def _lookup_by_loops(query: Tensor, keys: Tensor, values: Tensor, temperature: float) -> Tensor:
    scores = torch.stack([-((query - key) @ (query - key)) / (2 * temperature) for key in keys])
    total = torch.zeros_like(values[0])
    for weight, value in zip(_softmax_by_amax(scores, 0), values, strict=True):
        total = total + weight * value
    return total


def _lookup_with_tensor_temperature(
    query: Tensor, keys: Tensor, values: Tensor, temperature: float
) -> Tensor:
    width = torch.tensor(temperature, dtype=keys.dtype)
    scores = torch.sum(torch.pow(query.unsqueeze(0) - keys, 2), 1).neg().div(2.0 * width)
    return values.T @ _softmax_by_max(scores, 0)


def _lookup_by_torch_distribution(query: Tensor, keys: Tensor, values: Tensor, temperature: float) -> Tensor:
    spread = torch.full_like(query, temperature**0.5)
    logs = torch.distributions.Normal(keys, spread).log_prob(query).sum(-1)
    return (logs - logs.logsumexp(0)).exp() @ values


SOFTMAX = (
    _softmax_by_amax,
    _softmax_by_max,
    _softmax_by_logsumexp,
    _softmax_by_moving_the_axis,
    _softmax_by_pairs,
    _softmax_by_loops,
    _softmax_by_slices,
    _softmax_with_needless_epsilon,
)
LOOKUP = (
    _lookup_by_broadcasting,
    _lookup_by_cdist,
    _lookup_by_norm,
    _lookup_by_expanding,
    _lookup_by_loops,
    _lookup_with_tensor_temperature,
    _lookup_by_torch_distribution,
)
