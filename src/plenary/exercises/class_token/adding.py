"""``add_positions``: how to ask for it, and what people get wrong."""

import torch
from torch import Tensor

from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Probe, call_probe, gradient_probe, normal, shown_probe
from plenary.exercises.class_token.adding_mistakes import ADDING_MISTAKES, NAME, checked

PAGE = "vision_transformer/class_token"
ALL = ("tokens",)
_REFUSED = (
    "more positions than tokens",
    "fewer positions than tokens",
    "one position",
    "one token",
    "no position for the class token",
)

_TOKENS = torch.tensor([[[1.0, 2], [10, 20], [30, 40]], [[1, 2], [50, 60], [70, 80]]], dtype=torch.float64)
_POSITIONS = torch.tensor([[[3.0, 5], [100, 200], [300, 400]]], dtype=torch.float64)


def probes(seed: int) -> list[Probe]:
    """Add by hand, at random sizes, and where there are not as many positions as tokens."""
    generator = torch.Generator().manual_seed(seed)

    def pair(batch: int, count: int, width: int, positions: int | None = None) -> dict[str, Tensor]:
        length = count if positions is None else positions
        return {"x": normal(generator, batch, count, width), "positions": normal(generator, 1, length, width)}

    single = {name: tensor.float() for name, tensor in pair(2, 5, 7).items()}
    return [
        shown_probe("one picture", x=_TOKENS[:1], positions=_POSITIONS),
        shown_probe("two pictures", x=_TOKENS, positions=_POSITIONS),
        call_probe("alone", **pair(1, 6, 4)),
        call_probe("batch", **pair(3, 5, 7)),
        call_probe("class token only", **pair(3, 1, 4)),
        call_probe("square", **pair(4, 4, 4)),
        call_probe("float32", **single),
        gradient_probe("gradient", "tokens", normal(generator, 3, 5, 4), **pair(3, 5, 4)),
        call_probe("more positions than tokens", **pair(2, 5, 7, positions=10)),
        call_probe("fewer positions than tokens", **pair(2, 10, 7, positions=5)),
        call_probe("no position for the class token", **pair(2, 6, 7, positions=5)),
        call_probe("one position", **pair(2, 5, 7, positions=1)),
        call_probe("one token", **pair(2, 1, 7, positions=5)),
    ]


def reference(x: Tensor, positions: Tensor) -> Tensor:
    """Add picture by picture."""
    if x.shape[1] != positions.shape[1]:
        raise ValueError("there are not as many positions as tokens")
    return torch.stack([torch.add(picture, positions[0]) for picture in x])


def _by_expanding(x: Tensor, positions: Tensor) -> Tensor:
    if x.size(1) != positions.size(1):
        raise ValueError(f"{x.size(1)} tokens, {positions.size(1)} positions")
    return x + positions.expand(x.size(0), -1, -1)


def _by_assertion(x: Tensor, positions: Tensor) -> Tensor:
    assert x.shape[1:] == positions.shape[1:], "as many positions as tokens"
    return torch.add(x, positions)


def _by_loop(x: Tensor, positions: Tensor) -> Tensor:
    if positions.shape[-2] != x.shape[-2]:
        raise ValueError("lengths differ")
    return torch.stack([x[:, n] + positions[:, n] for n in range(x.shape[1])], dim=1)


def _by_copying(x: Tensor, positions: Tensor) -> Tensor:
    if positions.shape[-2] != x.shape[-2]:
        raise ValueError("lengths differ")
    tokens = x.clone()
    tokens += positions
    return tokens


ADDING = Exercise(
    name=NAME,
    signature="add_positions(x, positions) -> tokens",
    page=PAGE,
    outputs=ALL,
    probes=probes,
    reference=reference,
    properties=(
        Property("one picture", 1, ("one picture", "alone"), ALL),
        Property(
            "a batch of pictures", 2, ("two pictures", "batch", "class token only", "square", "float32"), ALL
        ),
        Property(
            "gradients of the tokens and of the positions",
            1,
            ("gradient",),
            (*ALL, "grad_x", "grad_positions"),
        ),
        Property("other numbers of positions are refused", 2, _REFUSED, ALL),
    ),
    misconceptions=ADDING_MISTAKES,
    correct=(
        checked(lambda x, positions: x + positions),
        _by_expanding,
        _by_assertion,
        _by_loop,
        _by_copying,
    ),
)
