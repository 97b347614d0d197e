"""Rollouts with one thing changed: how a layer mixes, and how layers are joined."""

from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor

NAME = "attention_rollout"
Mix = Callable[[Tensor], Tensor]
Join = Callable[[Tensor, Tensor], Tensor]


def identity(attention: Tensor) -> Tensor:
    """Make the identity that goes with a layer's attention."""
    return torch.eye(attention.shape[-1], dtype=attention.dtype)


def mixed(attention: Tensor) -> Tensor:
    """Say how a layer mixes the tokens."""
    return (attention.mean(1) + identity(attention)) / 2


def rollout_by(
    mix: Mix = mixed, join: Join = lambda later, sofar: later @ sofar
) -> Callable[[list[Tensor]], Tensor]:
    """Write the function with one thing changed."""

    def attention_rollout(attentions: list[Tensor]) -> Tensor:
        return reduce(lambda sofar, later: join(later, sofar), [mix(one) for one in attentions])

    return attention_rollout


def with_heads(fuse: Callable[[Tensor], Tensor]) -> Callable[[list[Tensor]], Tensor]:
    """Fuse the heads in another way."""
    return rollout_by(lambda attention: (fuse(attention) + identity(attention)) / 2)


def fused_and_normalised(fuse: Callable[[Tensor], Tensor]) -> Callable[[list[Tensor]], Tensor]:
    """Fuse the heads in another way, and bring rows back to a sum of one."""

    def mix(attention: Tensor) -> Tensor:
        layer = fuse(attention) + identity(attention)
        return layer / layer.sum(-1, keepdim=True)

    return rollout_by(mix)


def columns_normalised(attention: Tensor) -> Tensor:
    """Divide by the sums of the columns."""
    layer = attention.mean(1) + identity(attention)
    return layer / layer.sum(-2, keepdim=True)


def head_by_head(attentions: list[Tensor]) -> Tensor:
    """Average at the end."""

    def mix(attention: Tensor) -> Tensor:
        return (attention + identity(attention)) / 2

    return rollout_by(mix)(attentions).mean(1)


def first_without_residual(attentions: list[Tensor]) -> Tensor:
    """Start from the first table as it is."""
    sofar = attentions[0].mean(1)
    for attention in attentions[1:]:
        sofar = mixed(attention) @ sofar
    return sofar


def first_twice(attentions: list[Tensor]) -> Tensor:
    """Start from the first layer, and take it again in the loop."""
    return rollout_by()([attentions[0], *attentions])


def first_layer(attentions: list[Tensor]) -> Tensor:
    """Return after the first turn of the loop."""
    return mixed(attentions[0])


def running_mean(attentions: list[Tensor]) -> Tensor:
    """Average each layer with what is there so far, starting from the identity."""
    sofar = identity(attentions[0])
    for attention in attentions:
        sofar = (attention.mean(1) + sofar) / 2
    return sofar


def in_float32(attentions: list[Tensor]) -> Tensor:
    """Make float32 of everything."""
    return rollout_by()([attention.float() for attention in attentions])


def stacked(attentions: list[Tensor]) -> Tensor:
    """Take it that all layers have the same number of heads."""
    return rollout_by(lambda table: (table + torch.eye(table.shape[-1]).to(table)) / 2)(
        list(torch.stack(attentions).mean(2))
    )


def last_layer(attentions: list[Tensor]) -> Tensor:
    """Take the last layer."""
    return mixed(attentions[-1])


def last_attention(attentions: list[Tensor]) -> Tensor:
    """Take the last attention, as it is."""
    return attentions[-1].mean(1)


def identity_at_the_end(attentions: list[Tensor]) -> Tensor:
    """Add the identity to the product."""
    return (rollout_by(lambda attention: attention.mean(1))(attentions) + identity(attentions[0])) / 2


def attention_averaged(attentions: list[Tensor]) -> Tensor:
    """Average the layers' attention, as it is."""
    return torch.stack([attention.mean(1) for attention in attentions]).mean(0)


def default_identity(attentions: list[Tensor]) -> Tensor:
    """Make the identity in torch's default dtype."""
    rolled = torch.eye(attentions[0].shape[-1])
    for attention in attentions:
        rolled = (attention.mean(1) + torch.eye(attention.shape[-1])) / 2 @ rolled
    return rolled


def mean_of_layers(attentions: list[Tensor]) -> Tensor:
    """Average the layers."""
    return torch.stack([mixed(attention) for attention in attentions]).mean(0)


def mean_over_everything(attentions: list[Tensor]) -> Tensor:
    """Average over batch and heads."""
    return rollout_by(lambda attention: (attention.mean((0, 1)) + identity(attention)) / 2)(attentions)


def mean_over_batch(attentions: list[Tensor]) -> Tensor:
    """Average over the batch."""
    return rollout_by(lambda attention: (attention.mean(0) + identity(attention)) / 2)(attentions)


def sum_of_heads(attention: Tensor) -> Tensor:
    """Add up the heads."""
    return attention.sum(1)


def first_skipped(attentions: list[Tensor]) -> Tensor:
    """Leave the first layer out."""
    sofar = identity(attentions[0]).repeat(len(attentions[0]), 1, 1)
    for attention in attentions[1:]:
        sofar = mixed(attention) @ sofar
    return sofar
