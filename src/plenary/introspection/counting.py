"""How large a model is, and how much arithmetic a forward pass takes."""

from html import escape
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from plenary.decoding import evaluating
from plenary.patches import patch_grid


class ParameterTable:
    """How many parameters each part of a model has; prints as text, and shows as a table in a notebook."""

    def __init__(self, counts: dict[str, int]) -> None:
        self.counts = counts

    @property
    def total(self) -> int:
        """The number of all parameters."""
        return sum(self.counts.values())

    def _cells(self) -> list[tuple[str, str, str]]:
        rows = [*self.counts.items(), ("total", self.total)]
        return [(part, f"{count:,}", f"{count / max(1, self.total):.1%}") for part, count in rows]

    def __str__(self) -> str:
        cells = [("part", "parameters", "share"), *self._cells()]
        name, number, share = (max(len(row[column]) for row in cells) for column in range(3))
        lines = [f"{a:<{name}}  {b:>{number}}  {c:>{share}}" for a, b, c in cells]
        rule = "-" * len(lines[0])
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The same as a table for the notebook and the book."""
        rows = "".join(
            f'<tr><th scope="row">{escape(part)}</th><td>{count}</td><td>{share}</td></tr>'
            for part, count, share in self._cells()
        )
        head = "".join(f'<th scope="col">{name}</th>' for name in ("part", "parameters", "share"))
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def parameter_table(model: nn.Module, depth: int = 1) -> ParameterTable:
    """Count the parameters of a model by part; one that two parts share counts once, where it is met first.

    Args:
        model: any module.
        depth: how far names are told apart: 1 gives "layers", 2 "layers.0", 3 "layers.0.attention".

    Raises:
        ValueError: depth is less than 1.
    """
    if depth < 1:
        raise ValueError(f"parameter_table: depth is {depth}; it must be 1 or more.")
    counts: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        part = ".".join(name.split(".")[:depth])
        counts[part] = counts.get(part, 0) + parameter.numel()
    return ParameterTable(counts)


def count_flops(model: nn.Module, *inputs: Any, **options: Any) -> int:
    """Count the floating-point operations of one forward pass, a multiplication and an addition being two.

    Linear layers, convolutions and both products of attention are counted, as `torch.utils.flop_counter` does;
    norms, activations, softmax and sums are not. The model runs once, in evaluation mode and without gradients.

    Args:
        model: any module.
        inputs: what it is called with.
        options: passed on to the call.
    """
    fast_path = torch.backends.mha.get_fastpath_enabled()
    # The counter knows matrix products. So attention has to show its own: the fused CPU kernel and the fast path of
    # torch.nn's layers would count as nothing.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with evaluating(model), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            model(*inputs, **options)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
    return counter.get_total_flops()


def flops_of_vit(
    image_size: int | tuple[int, int],
    patch_size: int,
    in_channels: int,
    num_classes: int,
    embed_dim: int,
    num_layers: int,
    hidden_dim: int,
    pool: str = "class",
) -> int:
    """The floating-point operations of a `VisionTransformer` for one image, in closed form; no model is built.

    A linear layer of n inputs and m outputs takes 2 n m a token; scores and weighted values take 2 T D each for
    every query. With the class token as pool, the last layer works for that token alone, but for keys and values.

    Raises:
        ValueError: sizes that do not divide, or another pool.
    """
    if pool not in ("class", "mean"):
        raise ValueError(f'flops_of_vit: pool is {pool!r}; expected "class" or "mean".')
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    rows, columns = patch_grid("flops_of_vit", height, width, patch_size)
    tokens = 1 + rows * columns
    embedding = (tokens - 1) * patch_size**2 * in_channels * embed_dim
    keys_and_values = tokens * 2 * embed_dim**2
    # What each token that a layer works for needs: query and output projections, both products, the feed-forward.
    a_query = 2 * embed_dim**2 + 2 * tokens * embed_dim + 2 * embed_dim * hidden_dim
    queries = tokens * (num_layers - 1) + (1 if pool == "class" else tokens)
    return 2 * (embedding + num_layers * keys_and_values + queries * a_query + embed_dim * num_classes)
