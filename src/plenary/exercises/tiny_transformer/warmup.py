"""``warmup_lr``: the learning rate of the first Transformer."""

import math

from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Probe, call_probe, shown_probe
from plenary.exercises.tiny_transformer.warmup_mistakes import MISTAKES


def probes(seed: int) -> list[Probe]:
    """Ask before, at and after the warm-up's end, and at step 0; first with numbers whose roots are whole."""

    def asked(step: int, embed_dim: int, warmup_steps: int) -> dict[str, int]:
        return {"step": step, "embed_dim": embed_dim, "warmup_steps": warmup_steps}

    width, warmup = 3 + seed % 61, 37 + 7 * (seed % 53)
    return [
        shown_probe("small, rising", **asked(2, 4, 4)),
        shown_probe("small, at the peak", **asked(4, 4, 4)),
        shown_probe("small, falling", **asked(16, 4, 4)),
        shown_probe("step 0", **asked(0, 4, 4)),
        shown_probe("first step", **asked(1, 16, 4)),
        call_probe("rising", **asked(warmup // 3, width, warmup)),
        call_probe("before the peak", **asked(warmup - 1, width, warmup)),
        call_probe("at the peak", **asked(warmup, width, warmup)),
        call_probe("after the peak", **asked(warmup + 1, width, warmup)),
        call_probe("falling", **asked(11 * warmup + 5, width, warmup)),
        call_probe("step 0, another width", **asked(0, width, warmup)),
        call_probe("no warm-up to speak of", **asked(3, width, 1)),
        call_probe("as in the paper", **asked(100_000, 512, 4000)),
    ]


def reference(step: int, embed_dim: int, warmup_steps: int) -> float:
    """Take the peak, and a share of it on either side."""
    peak = 1 / math.sqrt(embed_dim * warmup_steps)
    return peak * (step / warmup_steps if step <= warmup_steps else math.sqrt(warmup_steps / step))


def _by_cases(step: int, embed_dim: int, warmup_steps: int) -> float:
    if step == 0:
        return 0.0
    if step < warmup_steps:
        return step / (math.sqrt(embed_dim) * warmup_steps * math.sqrt(warmup_steps))
    return 1 / math.sqrt(embed_dim * step)


def _by_infinity(step: int, embed_dim: int, warmup_steps: int) -> float:
    falling = step**-0.5 if step > 0 else math.inf
    return min(falling, step * warmup_steps**-1.5) / embed_dim**0.5


def _by_exponents(step: int, embed_dim: int, warmup_steps: int) -> float:
    return (
        pow(embed_dim, -0.5) * min(pow(step or math.inf, -0.5), step * pow(warmup_steps, -1.5)) if step else 0
    )


def _by_torch(step: int, embed_dim: int, warmup_steps: int) -> float:
    import torch

    if not step:
        return 0.0
    rates = torch.tensor([step**-0.5, step * warmup_steps**-1.5], dtype=torch.float64)
    return (rates.min() / math.sqrt(embed_dim)).item()


WARMUP = Exercise(
    name="warmup_lr",
    signature="warmup_lr(step, embed_dim, warmup_steps) -> float",
    page="transformer/tiny_transformer",
    outputs=("rate",),
    probes=probes,
    reference=reference,
    properties=(
        Property(
            "rises in the warm-up", 2, ("small, rising", "first step", "rising", "before the peak"), ("rate",)
        ),
        Property("peaks at its end", 1, ("small, at the peak", "at the peak"), ("rate",)),
        Property(
            "falls afterwards",
            2,
            ("small, falling", "after the peak", "falling", "no warm-up to speak of", "as in the paper"),
            ("rate",),
        ),
        Property("is 0.0 at step 0", 1, ("step 0", "step 0, another width"), ("rate",)),
    ),
    misconceptions=MISTAKES,
    correct=(_by_cases, _by_infinity, _by_exponents, _by_torch),
    numbers=True,
)
