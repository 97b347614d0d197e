"""How well a model does on data that it does not train on."""

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plenary.decoding import evaluating

IGNORE = -100
"""The target that counts for nothing, torch's own default."""


def evaluate(
    model: nn.Module, loader: Iterable[Sequence[Tensor]], ignore_index: int = IGNORE
) -> dict[str, float]:
    """Mean cross-entropy in nats and share of right answers, over samples (of batches large and small alike).

    The model is evaluated in eval mode, without gradients, and every module gets back the mode that it had.

    Args:
        model: gives logits (B, num_classes), or (B, T, V) for sequences.
        loader: gives batches (*inputs, targets), moved to the model's device; targets are (B,), or (B, T).
        ignore_index: a target that counts for nothing, such as the padding of sequences.

    Returns:
        {"loss": nats, "accuracy": in [0, 1]}.

    Raises:
        ValueError: there is no sample.
    """
    loss, right, count = totals(model, loader, ignore_index).tolist()
    return means(loss, right, count)


def means(loss: float, right: float, count: float) -> dict[str, float]:
    """Totals as means.

    Raises:
        ValueError: they are totals of nothing.
    """
    if not count:
        raise ValueError("evaluate: the loader gave no sample to average over. Is the dataset empty?")
    return {"loss": loss / count, "accuracy": right / count}


def totals(model: nn.Module, loader: Iterable[Sequence[Tensor]], ignore_index: int = IGNORE) -> Tensor:
    """The sums [loss, right answers, samples] on the model's device: what several processes can add up."""
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    # Sums over a long dataset need more digits than float32 has; Apple's devices have no float64.
    sums = torch.zeros(3, device=device, dtype=torch.float32 if device.type == "mps" else torch.float64)
    with evaluating(model):
        for batch in loader:
            *inputs, targets = (tensor.to(device, non_blocking=True) for tensor in batch)
            logits = model(*inputs).float().flatten(0, -2)
            targets = targets.flatten()
            loss = F.cross_entropy(logits, targets, ignore_index=ignore_index, reduction="sum")
            # The ignored target is no class, so no answer is counted as right there.
            right = (logits.argmax(-1) == targets) & (targets != ignore_index)
            sums += torch.stack([loss, right.sum(), (targets != ignore_index).sum()]).to(sums)
    return sums
