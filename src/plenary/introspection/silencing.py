"""Switched-off heads and layers: what does a model say when one of its parts says nothing?

with without_heads(model.encoder.layers[0].attention, [2]):
    logits = model(tokens)
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from plenary.attention import MultiHeadAttention


@contextmanager
def without_heads(attention: MultiHeadAttention, heads: Iterable[int]) -> Iterator[None]:
    """Inside the with block these heads add nothing: what they heard is zero where it enters `out_proj`.

    The output's bias stays, and the weights are computed as before: an off head still listens, and keeps silent.

    Args:
        attention: the module whose heads they are.
        heads: counted from 0.

    Raises:
        ValueError: there is no such head.

    Source: Michel, Levy, and Neubig (2019), Are Sixteen Heads Really Better than One?, section 2.
    """
    off = sorted(set(heads))
    for head in off:
        if not 0 <= head < attention.num_heads:
            raise ValueError(
                f"without_heads: there is no head {head}; this attention has the heads 0 to "
                f"{attention.num_heads - 1}."
            )

    def silence(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        (merged,) = inputs
        parts = merged.unflatten(-1, (attention.num_heads, -1)).clone()
        parts[..., off, :] = 0
        return (parts.flatten(-2),)

    hook = attention.out_proj.register_forward_pre_hook(silence)
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def without_layer(layer: nn.Module) -> Iterator[None]:
    """Inside the with block this encoder or decoder layer returns its first input as it came.

    Its attentions still run, so that their weights can be looked at.
    """

    def pass_on(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        return inputs[0]

    hook = layer.register_forward_hook(pass_on)
    try:
        yield
    finally:
        hook.remove()
