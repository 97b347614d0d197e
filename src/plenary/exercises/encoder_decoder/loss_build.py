"""The loss in steps, so that a mistake can stand in one of them and everything else be right."""

import torch
import torch.nn.functional as F
from torch import Tensor

from plenary.checks.exercise import Function

NAME = "sequence_loss"


def in_loss(*ways: Function) -> dict[str, tuple[Function, ...]]:
    """Say that these are wrong ways of writing the loss."""
    return {NAME: ways}


def each_token(logits: Tensor, targets: Tensor) -> Tensor:
    """-ln p of every target, padding included."""
    return F.cross_entropy(logits.mT, targets, reduction="none")


def averaged(each: Tensor, real: Tensor) -> Tensor:
    """Average over the real tokens, as it should be done."""
    return torch.where(real, each, 0.0).sum() / real.sum().clamp(min=1)


def right_loss(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
    """Write the loss as it should be, for mistakes that are made elsewhere."""
    return averaged(each_token(logits, targets), targets != pad_id)


def flat(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Make one long list of tokens."""
    return logits.flatten(0, 1), targets.flatten()
