"""The function in pieces, right and wrong: what is added up for a batch, and what is made of the sums."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NAME = "evaluate"
Sums = tuple[Any, Any, Any]
Add = Callable[[Sums, Tensor, Tensor, Any], Sums]
Finish = Callable[[Sums, Any], dict[str, Any]]


def add(sums: Sums, logits: Tensor, labels: Tensor, _loader: Any) -> Sums:
    """Add up one batch."""
    loss = F.cross_entropy(logits, labels, reduction="sum").item()
    return sums[0] + loss, sums[1] + (logits.argmax(-1) == labels).sum().item(), sums[2] + len(labels)


def means(sums: Sums, _loader: Any) -> dict[str, Any]:
    """Divide."""
    return {"loss": sums[0] / sums[2], "accuracy": sums[1] / sums[2]}


def evaluate_by(
    add: Add = add,
    finish: Finish = means,
    evaluating: bool = True,
    recorded: bool = False,
    after: Callable[[bool], bool] = lambda was: was,
    batches: int | None = None,
) -> Callable[..., object]:
    """Write the function with one thing changed."""

    def evaluate(model: nn.Module, loader: Any) -> dict[str, Any]:
        was = model.training
        if evaluating:
            model.eval()
        sums: Sums = (0.0, 0.0, 0)
        with nullcontext() if recorded else torch.no_grad():
            for number, (images, labels) in enumerate(loader):
                if batches is None or number < batches:
                    sums = add(sums, model(images), labels, loader)
        model.train(after(was))
        return finish(sums, loader)

    return evaluate


def batch_means(sums: Sums, logits: Tensor, labels: Tensor, _loader: Any) -> Sums:
    """Add up means."""
    right = (logits.argmax(-1) == labels).double().mean().item()
    return sums[0] + F.cross_entropy(logits, labels).item(), sums[1] + right, sums[2] + 1


def loss_of_batches(sums: Sums, loader: Any) -> dict[str, Any]:
    """Divide the loss by the number of batches."""
    return {"loss": sums[0] / len(loader), "accuracy": sums[1] / sums[2]}


def mean_loss(sums: Sums, logits: Tensor, labels: Tensor, loader: Any) -> Sums:
    """Add up means of the loss, and sums of the rest."""
    return sums[0] + F.cross_entropy(logits, labels).item(), *add(sums, logits, labels, loader)[1:]


def mean_accuracy(sums: Sums, logits: Tensor, labels: Tensor, loader: Any) -> Sums:
    """Add up means of the accuracy, and sums of the rest."""
    loss, _, count = add(sums, logits, labels, loader)
    return loss, sums[1] + (logits.argmax(-1) == labels).double().mean().item(), count


def batch_means_per_sample(sums: Sums, logits: Tensor, labels: Tensor, loader: Any) -> Sums:
    """Add up means of both, and count samples."""
    return *batch_means(sums, logits, labels, loader)[:2], sums[2] + len(labels)


def accuracy_of_batches(sums: Sums, loader: Any) -> dict[str, Any]:
    """Divide the accuracy by the number of batches."""
    return {"loss": sums[0] / sums[2], "accuracy": sums[1] / len(loader)}


def full_batches(sums: Sums, logits: Tensor, labels: Tensor, loader: Any) -> Sums:
    """Count every batch as full."""
    loss, right, _ = add(sums, logits, labels, loader)
    return loss, right, sums[2] + loader.batch_size


def whole_set(sums: Sums, loader: Any) -> dict[str, Any]:
    """Divide by the length of the dataset."""
    return means((*sums[:2], len(loader.dataset)), loader)


def last(sums: Sums, logits: Tensor, labels: Tensor, loader: Any) -> Sums:
    """Forget what came before."""
    return add((0.0, 0.0, 0), logits, labels, loader)


def last_loss(sums: Sums, logits: Tensor, labels: Tensor, loader: Any) -> Sums:
    """Keep the loss of the last batch, and sums of the rest."""
    _, right, count = add(sums, logits, labels, loader)
    return F.cross_entropy(logits, labels).item() * count, right, count


def after_softmax(sums: Sums, logits: Tensor, labels: Tensor, loader: Any) -> Sums:
    """Take the softmax first."""
    return add(sums, logits.softmax(-1), labels, loader)


def over_the_batch(sums: Sums, logits: Tensor, labels: Tensor, loader: Any) -> Sums:
    """Take the argmax over the wrong axis."""
    best = logits.argmax(0)
    right = (best[: len(labels)] == labels[: len(best)]).sum().item()
    loss, _, count = add(sums, logits, labels, loader)
    return loss, sums[1] + right, count


def no_logarithm(sums: Sums, logits: Tensor, labels: Tensor, loader: Any) -> Sums:
    """Use nll_loss on logits."""
    loss = F.nll_loss(logits, labels, reduction="sum").item()
    return sums[0] + loss, *add(sums, logits, labels, loader)[1:]


def tensors(sums: Sums, logits: Tensor, labels: Tensor, _loader: Any) -> Sums:
    """Add up tensors."""
    loss = F.cross_entropy(logits, labels, reduction="sum")
    return sums[0] + loss, sums[1] + (logits.argmax(-1) == labels).sum(), sums[2] + len(labels)
