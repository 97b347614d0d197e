"""Ways of writing ``capstone`` on the committed weights, right and wrong."""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from plenary.data import digits
from plenary.exercises.capstone.asking import test_split
from plenary.exercises.capstone.committed import model, trained

SEEDS = ("seed-0", "seed-1", "seed-2")
WITHOUT = "positions-off"
Answered = dict[str, Any]


def accuracy(one: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the share of pictures that a model names rightly."""
    with torch.no_grad():
        return float((one(images).argmax(-1) == labels).float().mean())


@cache
def measured(name: str) -> float:
    """Return what a committed model reaches on the test split."""
    return accuracy(trained(name), *test_split())


@cache
def remembered(name: str) -> float:
    """Return what a committed model reaches on the pictures that it was trained with."""
    train = digits().train
    return accuracy(trained(name), *train[torch.arange(len(train))])


def said(name: str, images: Tensor) -> Tensor:
    """Return a committed model's logits. Many candidates are asked about the same pictures, so they are kept."""
    return _said(name, images.numpy().tobytes()).clone()


@lru_cache(maxsize=64)
def _said(name: str, pixels: bytes) -> Tensor:
    with torch.no_grad():
        return trained(name)(torch.frombuffer(bytearray(pixels), dtype=torch.float32).view(-1, 1, 8, 8))


def answered(images: Tensor, **changed: Any) -> Answered:
    """Answer rightly, but for what is changed."""
    right = {
        "logits": lambda: torch.stack([said(name, images) for name in SEEDS]),
        "logits_without_positions": lambda: said(WITHOUT, images),
        "accuracy": lambda: [measured(name) for name in SEEDS],
        "accuracy_without_positions": lambda: measured(WITHOUT),
    }
    return {name: changed[name] if name in changed else make() for name, make in right.items()}


def reference(images: Tensor) -> Answered:
    """Answer with the committed models."""
    return answered(images)


def _rounded(images: Tensor) -> Answered:
    claims = torch.tensor([round(measured(name), 3) for name in SEEDS])
    return answered(images, accuracy=claims, accuracy_without_positions=round(measured(WITHOUT), 3))


def _by_parts(images: Tensor) -> Answered:
    with torch.no_grad():
        rows = [torch.cat([trained(name)(part) for part in images.split(50)]) for name in SEEDS]
    return answered(images, logits=torch.stack(rows), accuracy=tuple(measured(name) for name in SEEDS))


def _normalised(images: Tensor) -> Answered:
    """Shift all logits of a picture by one number: the same probabilities."""
    right = answered(images)
    return {**right, "logits": right["logits"].log_softmax(dim=-1)}


def _as_tensors(images: Tensor) -> Answered:
    right = answered(images)
    return {name: torch.as_tensor(value) for name, value in right.items()}


CORRECT = (_rounded, _by_parts, _normalised, _as_tensors)


def training_accuracy(images: Tensor) -> Answered:
    """Claim what was reached on the pictures of training."""
    return answered(images, accuracy=[remembered(name) for name in SEEDS])


def percent(images: Tensor) -> Answered:
    """Claim 97.8 for 0.978."""
    return answered(
        images,
        accuracy=[100 * measured(name) for name in SEEDS],
        accuracy_without_positions=100 * measured(WITHOUT),
    )


def another_order(images: Tensor) -> Answered:
    """Claim the three accuracies in another order than the logits."""
    return answered(images, accuracy=[measured(name) for name in SEEDS[::-1]])


def two_digits(images: Tensor) -> Answered:
    """Claim 0.98 for 0.9778."""
    return answered(
        images,
        accuracy=[round(measured(name), 2) for name in SEEDS],
        accuracy_without_positions=round(measured(WITHOUT), 2),
    )


def two_digits_of_three(images: Tensor) -> Answered:
    """Round the accuracies of the seeds, and not the ablation's."""
    return answered(images, accuracy=[round(measured(name), 2) for name in SEEDS])


def best_seed(images: Tensor) -> Answered:
    """Claim the best seed's accuracy for all three."""
    return answered(images, accuracy=[max(measured(name) for name in SEEDS)] * 3)


def one_model(images: Tensor) -> Answered:
    """Take one model three times."""
    logits = torch.stack([said("seed-0", images)] * 3)
    return answered(images, logits=logits, accuracy=[measured("seed-0")] * 3)


def averaged(images: Tensor) -> Answered:
    """Average the logits of the three, and hand the mean in for each."""
    right = answered(images)
    return {**right, "logits": right["logits"].mean(0, keepdim=True).expand(3, -1, -1)}


def dropping(images: Tensor) -> Answered:
    """Leave the models in training mode."""
    models = [_copy(name, training=True) for name in SEEDS]
    with torch.no_grad():
        return answered(images, logits=torch.stack([one(images) for one in models]))


def by_batch(images: Tensor) -> Answered:
    """Normalise pictures by the mean and standard deviation of their own batch."""
    scaled = (images - images.mean()) / images.std() * 0.376 + 0.305
    right = answered(scaled)
    return answered(images, **{name: right[name] for name in ("logits", "logits_without_positions")})


def untrained(images: Tensor) -> Answered:
    """Forget to load the weights."""
    with torch.no_grad():
        fresh = [model().eval() for _ in SEEDS]
        for one in fresh:
            nn.init.normal_(one.head.weight)  # type: ignore[union-attr, arg-type]
        return answered(images, logits=torch.stack([one(images) for one in fresh]))


def still_placed(images: Tensor) -> Answered:
    """Take a model with positions for the one without."""
    logits = said("mean-of-the-patches", images)
    return answered(
        images, logits_without_positions=logits, accuracy_without_positions=measured("mean-of-the-patches")
    )


def probabilities(images: Tensor) -> Answered:
    """Take the softmax."""
    right = answered(images)
    return {**right, "logits": right["logits"].softmax(-1)}


def other_scale(images: Tensor) -> Answered:
    """Give the models pixels from 0 to 16."""
    right = answered(16 * images)
    return answered(images, **{name: right[name] for name in ("logits", "logits_without_positions")})


def seeds_last(images: Tensor) -> Answered:
    """Put the seeds on the last axis."""
    right = answered(images)
    return {**right, "logits": right["logits"].movedim(0, -1)}


def one_seed(images: Tensor) -> Answered:
    """Answer with a single model."""
    return answered(images, logits=answered(images)["logits"][0], accuracy=measured("seed-0"))


def _copy(name: str, training: bool) -> nn.Module:
    made = model()
    made.load_state_dict(trained(name).state_dict())
    return made.train(training)


Wrong = Callable[[Tensor], Answered]
