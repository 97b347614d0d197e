"""``sequence_loss``: how to ask for it, and what has to hold."""

import math
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Probe, call_probe, gradient_probe, normal, shown_probe
from plenary.exercises.encoder_decoder.loss_build import NAME
from plenary.exercises.encoder_decoder.loss_logit_mistakes import LOGIT_MISTAKES
from plenary.exercises.encoder_decoder.loss_mean_mistakes import MEAN_MISTAKES

LOSS_OUT = ("loss",)

# exp of these numbers is 1 or 2, so that shares are halves and quarters.
_TWO = math.log(2)
_LOGITS = torch.tensor(
    [[[_TWO, 0, 0], [0, _TWO, 0], [_TWO, 0, 0]], [[_TWO, 0, 0], [0, 0, _TWO], [_TWO, 0, 0]]],
    dtype=torch.float64,
)
_TARGETS = torch.tensor([[1, 1, 0], [0, 2, 2]])
# The right word, 1, has probability exp(-800), which float64 cannot hold; it costs 800.
_LARGE = torch.tensor([[[0.0, 0, 800]]], dtype=torch.float64)


def probes(seed: int) -> list[Probe]:
    """Ask on paper, without and with padding, on a square batch, with large logits, and for gradients."""
    generator = torch.Generator().manual_seed(seed)

    def pair(lengths: list[int], T: int, V: int, pad: int, scale: float = 1.0) -> dict[str, Tensor | int]:
        """Draw logits, and targets with at least one 0 among them, padded behind the lengths."""
        targets = torch.randint(V - 1, (len(lengths), T), generator=generator)
        targets[targets >= pad] += 1
        targets[:, 0] = 0
        for row, length in zip(targets, lengths, strict=True):
            row[length:] = pad
        return {
            "logits": normal(generator, len(lengths), T, V, scale=scale),
            "targets": targets,
            "pad_id": pad,
        }

    def single(arguments: dict[str, Tensor | int]) -> dict[str, Tensor | int]:
        return arguments | {"logits": arguments["logits"].float()}  # type: ignore[union-attr]

    one = torch.ones((), dtype=torch.float64)
    return [
        shown_probe("small", logits=_LOGITS, targets=_TARGETS, pad_id=2),
        call_probe("one sentence", **pair([5], 5, 7, 3)),
        call_probe("no padding", **pair([5, 5], 5, 7, 3)),
        call_probe("padded", **pair([5, 2, 3], 5, 7, 3)),
        call_probe("square", **pair([5, 2], 5, 5, 3)),
        call_probe("one real token", **pair([1, 0, 0], 5, 7, 3)),
        call_probe("another padding id", **pair([2, 6], 6, 9, 8)),
        call_probe("float32", **single(pair([7, 3], 7, 11, 1))),
        shown_probe("one logit of 800", logits=_LARGE, targets=torch.tensor([[1]]), pad_id=0),
        call_probe("logits of 300", **single(pair([3, 5], 5, 7, 3, scale=300))),
        call_probe("logits of 1000", **pair([3, 5], 5, 7, 3, scale=1000)),
        gradient_probe("gradient", "loss", 1.5 * one, **pair([5, 2, 4], 5, 7, 3)),
        shown_probe("padding only", logits=_LOGITS, targets=torch.full_like(_TARGETS, 2), pad_id=2),
        gradient_probe("gradient, padding only", "loss", one, **pair([0, 0], 5, 7, 3)),
    ]


def reference(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
    """Average torch's own loss, one real token after the other."""
    real = (targets != pad_id).nonzero().tolist()
    if not real:
        return 0 * logits.sum()
    each = [F.cross_entropy(logits[b, t][None], targets[b, t][None]) for b, t in real]
    return torch.stack(each).mean()


def derive(probe: Probe, answer: Answer) -> Answer:
    """Say of a loss of the wrong shape, through which nothing was sent back, that its gradient is not a number."""
    if not probe.name.startswith("gradient") or "grad_logits" in answer.arrays:
        return answer
    nothing = np.full(np.asarray(probe.arguments["logits"]).shape, np.nan)
    return replace(answer, arrays={**answer.arrays, "grad_logits": nothing})


def a_loss_is_not_negative(_probe: Probe, answer: Answer) -> str | None:
    """No word has a probability above 1."""
    loss = float(answer.arrays["loss"])
    return (
        f"the loss is {loss:.3f}; a mean of -ln p with p at most 1 is not negative" if loss < -1e-6 else None
    )


def a_loss_is_finite(_probe: Probe, answer: Answer) -> str | None:
    """Logits are finite, and so is the loss."""
    loss = float(answer.arrays["loss"])
    return None if np.isfinite(loss) else f"the loss is {loss} for finite logits"


def padding_has_no_gradient(probe: Probe, answer: Answer) -> str | None:
    """The logits at padding make no difference."""
    gradient = answer.arrays.get("grad_logits")
    if gradient is None:
        return None
    padding = np.asarray(probe.arguments["targets"]) == probe.arguments["pad_id"]
    moved = np.argwhere(np.abs(np.nan_to_num(gradient)).max(-1) * padding > 1e-12)
    if not len(moved):
        return None
    b, t = (int(i) for i in moved[0])
    return f"the loss depends on the logits at position {t} of row {b}, which is padding"


def _divided(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
    total = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=pad_id, reduction="sum")
    return total / (targets != pad_id).sum().clamp(min=1)


def _classes_second(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
    if (targets == pad_id).all():
        return logits.sum() * 0.0
    return F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=pad_id)


def _gathered(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
    log_p = logits.log_softmax(-1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    real = (targets != pad_id).to(logits.dtype)
    return -(log_p * real).sum() / real.sum().clamp(min=1)


def _selected(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
    real = targets != pad_id
    if not real.any():
        return logits.sum() * 0
    return torch.nn.CrossEntropyLoss()(logits[real], targets[real])


def _by_logsumexp(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
    real = targets != pad_id
    one_hot = F.one_hot(targets, logits.shape[-1]).to(logits.dtype)
    each = logits.logsumexp(-1) - (logits * one_hot).sum(-1)
    return torch.where(real, each, 0.0).sum() / max(int(real.sum()), 1)


def _weighted(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
    weight = torch.ones(logits.shape[-1], dtype=logits.dtype)
    weight[pad_id] = 0
    total = F.cross_entropy(logits.reshape(-1, logits.size(-1)), targets.reshape(-1), weight, reduction="sum")
    return total / targets.ne(pad_id).sum().clamp(min=1)


def _log_softmax_first(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
    # The softmax of a log-softmax is the same softmax: one step too many, and no mistake.
    return _divided(logits.log_softmax(-1), targets, pad_id)


def _by_loops(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
    total, count = logits.new_zeros(()) + 0 * logits.sum(), 0
    for b in range(targets.shape[0]):
        for t in range(targets.shape[1]):
            if targets[b, t] != pad_id:
                total = total - logits[b, t].log_softmax(-1)[targets[b, t]]
                count += 1
    return total / max(count, 1)


LOSS = Exercise(
    name=NAME,
    signature="sequence_loss(logits, targets, pad_id) -> loss",
    page="transformer/encoder_decoder",
    outputs=LOSS_OUT,
    probes=probes,
    reference=reference,
    properties=(
        Property("the loss where there is no padding", 2, ("one sentence", "no padding"), LOSS_OUT),
        Property(
            "the mean over real tokens",
            4,
            ("small", "padded", "square", "one real token", "another padding id", "float32"),
            LOSS_OUT,
        ),
        Property("large logits", 1, ("one logit of 800", "logits of 300", "logits of 1000"), LOSS_OUT),
        Property("gradients", 1, ("gradient",), ("loss", "grad_logits")),
        Property("nothing but padding costs nothing", 1, ("padding only",), LOSS_OUT),
        Property("gradients where all is padding", 0, ("gradient, padding only",), ("loss", "grad_logits")),
    ),
    laws=(a_loss_is_finite, a_loss_is_not_negative, padding_has_no_gradient),
    misconceptions=(*MEAN_MISTAKES, *LOGIT_MISTAKES),
    correct=(
        _divided,
        _classes_second,
        _gathered,
        _selected,
        _by_logsumexp,
        _weighted,
        _log_softmax_first,
        _by_loops,
    ),
    derive=derive,
)
