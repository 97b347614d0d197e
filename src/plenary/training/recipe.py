"""A recipe: every number of a training run, in one place that is checked, saved and compared."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from plenary.training.augmentation import Augmentation

PRECISIONS = ("auto", "float32", "bfloat16")

FREE = {"checkpoint_seconds", "workers"}
"""Numbers that change nothing in the result, so that a run may go on with others."""


@dataclass(frozen=True)
class Recipe:
    """The numbers of a training run.

    Args:
        epochs: how often every sample is seen.
        batch_size: samples in a step, over all processes together.
        learning_rate: the highest, reached after the warm-up.
        warmup: the share of all steps that the warm-up takes, in [0, 1).
        weight_decay: of matrices only, see `parameter_groups`.
        betas: AdamW's two.
        clip_norm: the gradient's norm is cut down to this; 0 leaves it alone.
        label_smoothing: the share of the target that is spread over all classes, in [0, 1).
        ema_decay: the decay of the averaged weights, which are then evaluated and saved; 0 averages nothing.
        augmentation: what is done to pictures, see `Augmentation`.
        precision: "float32", "bfloat16" (matrix products; weights stay float32), or "auto": bfloat16 on CUDA
            devices that have it, float32 elsewhere, where it would not help.
        compile: compile the model with `torch.compile`.
        seed: the run is a function of the data and of this.
        checkpoint_seconds: how long work may be lost at most; 0 saves after every step.
        workers: processes that load data; 0 loads in the training process, quickest for data in memory.

    Raises:
        ValueError: a number is out of its range.
    """

    epochs: int = 10
    batch_size: int = 128
    learning_rate: float = 1e-3
    warmup: float = 0.1
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float = 1.0
    label_smoothing: float = 0.0
    ema_decay: float = 0.0
    augmentation: Augmentation = field(default_factory=Augmentation)
    precision: str = "auto"
    compile: bool = False
    seed: int = 0
    checkpoint_seconds: float = 60.0
    workers: int = 0

    def __post_init__(self) -> None:
        _check(self, "1 or more", lambda x: isinstance(x, int) and x >= 1, "epochs", "batch_size")
        _check(self, "a positive number", lambda x: 0 < x < math.inf, "learning_rate")
        _check(self, "in [0, 1)", lambda x: 0 <= x < 1, "warmup", "label_smoothing", "ema_decay")
        _check(
            self, "0 or more", lambda x: 0 <= x < math.inf, "weight_decay", "clip_norm", "checkpoint_seconds"
        )
        _check(self, "a whole number, 0 or more", lambda x: isinstance(x, int) and x >= 0, "seed", "workers")
        _check(self, "two numbers in [0, 1)", lambda x: len(x) == 2 and all(0 <= b < 1 for b in x), "betas")
        _check(self, f"one of {', '.join(PRECISIONS)}", lambda x: x in PRECISIONS, "precision")

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for a JSON file; without those that change nothing."""
        values = {**asdict(self), "betas": list(self.betas)}
        return {name: value for name, value in values.items() if name not in FREE}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Recipe":
        """The recipe that `to_dict` wrote."""
        augmentation = Augmentation(**values["augmentation"])
        return cls(**{**values, "betas": tuple(values["betas"]), "augmentation": augmentation})

    def differences(self, other: "Recipe") -> list[str]:
        """What is not the same in another recipe and would change the result, as "batch_size is 32, was 64"."""
        mine, theirs = self.to_dict(), other.to_dict()
        return [f"{k} is {mine[k]}, was {theirs[k]}" for k in mine if mine[k] != theirs[k]]


def _check(recipe: Recipe, expected: str, holds: Any, *names: str) -> None:
    for name in names:
        value = getattr(recipe, name)
        if not holds(value):
            raise ValueError(f"Recipe: {name} must be {expected}; it is {value!r}.")
