"""Attention rollout: how much of each input token is in each token at the end, were attention all there is."""

import torch
from jaxtyping import Float
from torch import Tensor

from plenary import expect


def attention_rollout(attentions: list[Float[Tensor, "B H N1 N1"]]) -> Float[Tensor, "B N1 N1"]:
    """Multiply the layers' attention together, with half of every token passed on by the residual path.

    Each layer mixes tokens by (A + I) / 2, A being the mean of its heads; later layers multiply from the left. Row
    t of the result says what token t is made of: its entries are at least 0 and sum to 1.

    Args:
        attentions: weights (B, H, N + 1, N + 1), first layer first, as `record_attention` gives them.

    Raises:
        TypeError: an entry is not a floating-point tensor, or the dtypes differ.
        ValueError: the list is empty, shapes differ, or weights are not square.

    Source: Abnar and Zuidema (2020), Quantifying Attention Flow in Transformers, section 3 (attention rollout).
    """
    if not len(attentions):
        raise ValueError(
            "attention_rollout: expected the attention of at least one layer, got an empty list. Record a forward "
            "pass: with record_attention(model) as recording: model(images)."
        )
    named = {f"attentions[{index}]": weights for index, weights in enumerate(attentions)}
    expect.floating("attention_rollout", least_axes=4, **named)
    batch, _, tokens, _ = attentions[0].shape
    for name, weights in named.items():
        if weights.ndim != 4 or weights.shape[-1] != weights.shape[-2]:
            raise ValueError(
                f"attention_rollout: {name} must be (B, H, N + 1, N + 1), a row and a column for every token; its "
                f"shape is {tuple(weights.shape)}."
            )
        if (weights.shape[0], weights.shape[-1]) != (batch, tokens):
            raise ValueError(
                f"attention_rollout: every layer must have the same batch and tokens; attentions[0] has shape "
                f"{tuple(attentions[0].shape)}, {name} has {tuple(weights.shape)}."
            )
    identity = torch.eye(tokens, dtype=attentions[0].dtype, device=attentions[0].device)
    rollout = identity.expand(batch, -1, -1)
    for weights in attentions:
        rollout = (weights.mean(dim=1) + identity) / 2 @ rollout
    return rollout


def class_attention_map(
    rollout: Float[Tensor, "B N1 N1"], grid: tuple[int, int]
) -> Float[Tensor, "B {grid[0]} {grid[1]}"]:
    """What the class token is made of, as a picture: its row, without its own entry, laid out as the patches lie.

    Args:
        rollout: (B, N + 1, N + 1), the class token first.
        grid: how many patches there are, down and across; `VisionTransformer.grid`.

    Raises:
        ValueError: the rollout is not (B, N + 1, N + 1), or the grid has not N patches.
    """
    if rollout.ndim != 3 or rollout.shape[-1] != rollout.shape[-2]:
        raise ValueError(
            f"class_attention_map: expected a rollout (B, N + 1, N + 1), got {tuple(rollout.shape)}."
        )
    height, width = grid
    patches = rollout.shape[-1] - 1
    if min(height, width) < 1 or height * width != patches:
        raise ValueError(
            f"class_attention_map: a grid of {height} x {width} has {height * width} patches; the rollout has "
            f"{patches + 1} tokens, the class token and {patches} patches. Take the model's own grid, model.grid."
        )
    return rollout[:, 0, 1:].unflatten(-1, (height, width))
