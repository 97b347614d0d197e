"""The average of a model's weights over the steps, which is often a little better than the last ones."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Average:
    """An exponential moving average of the trainable weights.

    It follows quickly at first, with decay min(decay, (1 + n) / (10 + n)) at step n: the early weights are worth
    nothing. torch's `AveragedModel` copies the model, which FSDP forbids; this one keeps the numbers alone.

    Source: Polyak and Juditsky (1992), Acceleration of Stochastic Approximation by Averaging, for the idea.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.restart()

    @torch.no_grad()
    def restart(self) -> None:
        """Begin at the model's weights."""
        self.averages: list[Tensor] = [weight.detach().clone() for weight in self.weights]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the weights after step number `step`, counted from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        get_ema_multi_avg_fn(decay)(self.averages, [weight.detach() for weight in self.weights], step)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model with the averages for weights, while the context lasts."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for weight, average in zip(self.weights, self.averages, strict=True):
            kept = weight.detach().clone()
            weight.copy_(average)
            average.copy_(kept)
