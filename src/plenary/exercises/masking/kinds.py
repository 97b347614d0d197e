"""What the three functions that make masks have in common: answers are yes or no, and so are shown as such."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.probe import Probe

ALL = ("mask",)
PAGE = "attention/masking"


def as_yes_and_no(_probe: Probe, answer: Answer) -> Answer:
    """Turn what came back as a boolean mask into booleans again: a report then writes yes and no."""
    boolean = {
        name: array.astype(bool) if answer.dtypes.get(name) == "bool" else array
        for name, array in answer.arrays.items()
    }
    return replace(answer, arrays=boolean)


def additive(mask: Tensor, fill: float = -math.inf) -> Tensor:
    """Make the mask that is added to scores: 0 where True, ``fill`` where False."""
    return torch.zeros(mask.shape).masked_fill(~mask, fill)
