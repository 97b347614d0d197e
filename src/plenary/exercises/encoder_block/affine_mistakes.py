"""Mistakes in layer norm's two parameters: how they are made, where they start, and how they are put to use."""

import torch
from torch import Tensor, nn

from plenary.checks.exercise import Misconception
from plenary.exercises.encoder_block.build import Norm


class _Unused(Norm):
    def forward(self, x: Tensor) -> Tensor:
        return self.normalise(x, self.eps)


class _NoBias(Norm):
    def forward(self, x: Tensor) -> Tensor:
        return self.normalise(x, self.eps) * self.weight


class _NoWeight(Norm):
    def forward(self, x: Tensor) -> Tensor:
        return self.normalise(x, self.eps) + self.bias


class _ShiftedFirst(Norm):
    def forward(self, x: Tensor) -> Tensor:
        return (self.normalise(x, self.eps) + self.bias) * self.weight


class _AppliedFirst(Norm):
    def forward(self, x: Tensor) -> Tensor:
        return self.normalise(x * self.weight + self.bias, self.eps)


class _PlainTensors(nn.Module):
    def __init__(self, dim: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps, self.weight, self.bias = eps, torch.ones(dim), torch.zeros(dim)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps)


def _starting_with(weight: object, bias: object) -> type[Norm]:
    """Build a layer norm whose parameters start elsewhere."""

    class Started(Norm):
        def __init__(self, dim: int, eps: float = 1e-5) -> None:
            super().__init__(dim, eps)
            self.weight = nn.Parameter(weight(dim))  # type: ignore[operator]
            self.bias = nn.Parameter(bias(dim))  # type: ignore[operator]

    return Started


class _Scalars(Norm):
    def __init__(self, dim: int, eps: float = 1e-5) -> None:
        super().__init__(1, eps)


AFFINE_MISTAKES = (
    Misconception(
        id="norm-parameters-unused",
        title="Your layer norm has a weight or a bias that its output does not use.",
        belief="At the start weight is 1 and bias is 0, and leaving them out changes nothing. Training moves "
        "them; they are how the model takes back as much of the normalisation as it wants. (In the "
        "example the weight is 1, 2, 3, 4 and every bias is 10.)",
        hint="Multiply the normalised row by the weight, and add the bias.",
        anchor="enc-norm-parameters",
        section="A scale and a shift that are learned",
        wrong={"LayerNorm": (_Unused, _NoBias, _NoWeight)},
    ),
    Misconception(
        id="norm-bias-before-weight",
        title="You add the bias before you multiply by the weight.",
        belief="Scale and shift do not commute: weight * (row + bias) shifts by weight * bias. A learned bias "
        "could make up for that, but weights copied from another model would mean something else. (In "
        "the example the weight is 1, 2, 3, 4 and every bias is 10.)",
        hint="First the scale, then the shift.",
        anchor="enc-norm-parameters",
        section="A scale and a shift that are learned",
        wrong={"LayerNorm": (_ShiftedFirst,)},
    ),
    Misconception(
        id="norm-parameters-first",
        title="You scale and shift x before it is normalised; that comes afterwards.",
        belief="Scale and shift are there to undo some of the normalisation where that helps. Put in front, "
        "they are partly undone by it: a shift that is the same for all features vanishes altogether. "
        "(In the example the weight is 1, 2, 3, 4 and every bias is 10.)",
        hint="Normalise x itself; weight and bias act on the result.",
        anchor="enc-norm-parameters",
        section="A scale and a shift that are learned",
        wrong={"LayerNorm": (_AppliedFirst,)},
    ),
    Misconception(
        id="norm-plain-tensors",
        title="Your weight and bias are plain tensors, not parameters.",
        belief="A tensor that is assigned to self looks like part of the module. PyTorch registers only "
        "nn.Parameter: a plain tensor is not trained, not saved, and not moved to another device.",
        hint="Wrap each tensor in nn.Parameter.",
        anchor="enc-norm-parameters",
        section="A scale and a shift that are learned",
        wrong={"LayerNorm": (_PlainTensors,)},
    ),
    Misconception(
        id="norm-one-number",
        title="Your weight and bias are one number each; they have one number for every feature.",
        belief="One number for all features can make a token louder. To make one feature matter more than "
        "another, each needs a scale of its own.",
        hint="Both have shape (dim,).",
        anchor="enc-norm-parameters",
        section="A scale and a shift that are learned",
        wrong={"LayerNorm": (_Scalars,)},
    ),
    Misconception(
        id="norm-start",
        title="Your weight does not start at 1, or your bias not at 0.",
        belief="Linear layers start with random weights, so that their features differ. A norm starts as the "
        "bare normalisation: a random factor would undo the common scale, and a factor of 0 would "
        "silence every token.",
        hint="torch has functions that make a tensor of ones and one of zeros.",
        anchor="enc-norm-parameters",
        section="A scale and a shift that are learned",
        wrong={
            "LayerNorm": (
                _starting_with(torch.zeros, torch.zeros),
                _starting_with(torch.ones, torch.ones),
                _starting_with(torch.zeros, torch.ones),
                _starting_with(torch.randn, torch.randn),
                _starting_with(torch.rand, torch.rand),
                _starting_with(torch.randn, torch.zeros),
                _starting_with(torch.rand, torch.zeros),
            )
        },
    ),
)
