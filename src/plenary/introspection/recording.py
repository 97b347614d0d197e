"""Recorded attention, without touching the model's code.

with record_attention(model) as recording:
    logits = model(images)
rollout = attention_rollout(recording.matching())
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from plenary.encoder import EncoderLayer
from plenary.introspection.listeners import compute_all_rows, listen


class Call(NamedTuple):
    """One call of one attention: the module's name in the model, and its weights (B, H, T, S)."""

    name: str
    weights: Tensor


class AttentionRecording:
    """The attention weights of everything that ran, in the order of the calls.

    A module that is called several times, as in decoding, is there several times. Weights are detached and stay on
    the device that made them.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def __len__(self) -> int:
        return len(self.calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(self.calls)

    def __repr__(self) -> str:
        lines = [f"  {name}: {tuple(weights.shape)}" for name, weights in self.calls]
        return "\n".join([f"AttentionRecording, {len(lines)} calls", *lines])

    @property
    def names(self) -> list[str]:
        """The names of the attentions that ran, each once, in the order of their first calls."""
        return list(dict.fromkeys(name for name, _ in self.calls))

    def matching(self, pattern: str = "*") -> list[Tensor]:
        """The weights of the calls whose name fits, in call order.

        Args:
            pattern: a name, or one with wildcards: "encoder.*", "decoder.*.cross_attention".

        Raises:
            ValueError: nothing was recorded, or no name fits.
        """
        if not self.calls:
            raise ValueError(
                "AttentionRecording: nothing was recorded. Call the model inside the with block, and the model "
                "itself: what torch.compile made of it before takes no hooks."
            )
        found = [weights for name, weights in self.calls if fnmatchcase(name, pattern)]
        if not found:
            raise ValueError(
                f"AttentionRecording: no attention is called {pattern!r}; there are {', '.join(self.names)}."
            )
        return found

    def _keep(self, name: str, weights: Tensor) -> None:
        self.calls.append(Call(name, weights.detach()))


@contextmanager
def record_attention(model: nn.Module) -> Iterator[AttentionRecording]:
    """Record the attention weights of every forward pass inside the with block.

    Heard are `plenary.MultiHeadAttention` and any other class of that name that returns its weights second (a
    learner's own), `torch.nn.MultiheadAttention`, and timm's `Attention`. An `EncoderLayer` that is asked for its
    first rows only, as the last one of a `VisionTransformer` is, computes all of them, so that every map is square.

    The model's outputs stay the same, up to rounding; in training mode, dropout draws other numbers. The hooks are
    gone at the end of the block, also after an error.

    Raises:
        TypeError: it is not a module.
        ValueError: there is no attention in it that can be recorded.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"record_attention: expected a torch.nn.Module, got {type(model).__name__}.")
    recording = AttentionRecording()
    with ExitStack() as hooks:
        heard = [
            listen(module, partial(recording._keep, name), hooks) for name, module in model.named_modules()
        ]
        if not any(heard):
            raise ValueError(
                f"record_attention: there is no attention in this {type(model).__name__} that can be recorded. "
                "Expected plenary.MultiHeadAttention, torch.nn.MultiheadAttention or timm's Attention in it."
            )
        for module in model.modules():
            if isinstance(module, EncoderLayer):
                compute_all_rows(module, hooks)
        yield recording
