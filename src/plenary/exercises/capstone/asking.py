"""What the capstone's checks have in common: pictures that nobody has seen, and what is said of them."""

import numpy as np
import torch
from torch import Tensor

from plenary.data import digits
from plenary.training import Augmentation
from plenary.training.augmentation import draws

PAGE = "vision_transformer/capstone"


def yes(holds: object) -> np.ndarray:
    """Write a fact as an array, as answers are compared."""
    return np.array(float(bool(holds)))


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Say whether logits are the same but for rounding, which batches of different sizes bring about."""
    size = max(1.0, float(np.abs(other).max(initial=0.0)))
    return one.shape == other.shape and bool(np.abs(one - other).max(initial=0.0) < 1e-4 * size)


def test_split() -> tuple[Tensor, Tensor]:
    """Return the pictures and labels on which claims are made."""
    test = digits().test
    return test[torch.arange(len(test))]


def warped(seed: int, number: int) -> Tensor:
    """Return test digits that are turned, shifted and scaled afresh; their labels stay here, see ``labels_of``."""
    images, labels = test_split()
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(labels), generator=generator)[:number]
    warp = Augmentation(rotation=12, shift=0.1, scale=0.1)
    made = warp(images[chosen], draws(number, generator)).clamp(0, 1)
    _LABELS[made.numpy().tobytes()] = labels[chosen].numpy()
    return made


_LABELS: dict[bytes, np.ndarray] = {}


def labels_of(images: np.ndarray) -> np.ndarray:
    """Return the labels of warped pictures, which are not sent along with them."""
    return _LABELS[images.tobytes()]


def shuffled(images: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Cut pictures into blocks and lay these down in another order, the same for all pictures."""
    *front, height, width = images.shape
    rows, columns = height // size, width // size
    blocks = images.reshape(*front, rows, size, columns, size).transpose(-3, -2).flatten(-4, -3)
    order = torch.randperm(rows * columns, generator=generator)
    while torch.equal(order, order.sort().values):
        order = torch.randperm(rows * columns, generator=generator)
    moved = blocks[..., order, :, :].unflatten(-3, (rows, columns)).transpose(-3, -2)
    return moved.reshape(*front, height, width)
