"""The loss, and what is said when it is no number."""

import math
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from plenary.training.batches import Plan, Share


class TrainingError(RuntimeError):
    """Training that cannot go on."""


def summed_loss(
    logits: Tensor, targets: Tensor, share: Share, ignore_index: int, label_smoothing: float
) -> tuple[Tensor, Tensor]:
    """The sum of the cross-entropies in nats, and over how many targets: what the processes add up.

    Targets are classes (B,) or (B, T), or shares of classes (B, num_classes).
    """
    logits = logits.float().flatten(0, -2)
    if targets.is_floating_point():
        loss = F.cross_entropy(logits, targets, label_smoothing=label_smoothing, reduction="sum")
        count = loss.new_tensor(len(targets))
    else:
        targets = targets.flatten()
        loss = F.cross_entropy(
            logits, targets, ignore_index=ignore_index, label_smoothing=label_smoothing, reduction="sum"
        )
        count = (targets != ignore_index).sum().to(loss)
    return (0 * loss, 0 * count) if share.idle else (loss, count)


def require_finite(
    step: int, plan: Plan, loss: float, rate: float, norm: float, inputs: list[Tensor], checkpoint: Path
) -> None:
    """Stop a run whose loss or gradient is no number, before it spoils the weights.

    Raises:
        TrainingError: one of them is not finite; the message says where and what to try.
    """
    if math.isfinite(loss) and math.isfinite(norm):
        return
    bad_inputs = any(not bool(x.isfinite().all()) for x in inputs if x.is_floating_point())
    if bad_inputs:
        try_this = "The batch itself holds numbers that are not finite: look at the data."
    else:
        try_this = (
            f"Try a smaller learning rate (such as {rate / 10:.1g}), a longer warm-up, clip_norm=1 or "
            "precision='float32', and look whether the model can divide by zero."
        )
    kept = (
        f"The last good checkpoint is {checkpoint}." if checkpoint.exists() else "There is no checkpoint yet."
    )
    raise TrainingError(
        f"train: expected a finite loss, and it is {loss:.4g} at step {step} "
        f"(epoch {step // plan.steps_per_epoch + 1}), with learning rate {rate:.4g} and gradient norm {norm:.4g}. "
        f"The step was not taken. {kept} {try_this}"
    )
