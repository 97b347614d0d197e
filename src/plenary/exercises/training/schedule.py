"""The learning rate's factor over time: how to ask for it, and what people get wrong."""

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Call, Probe, shown_probe
from plenary.exercises.training.schedule_mistakes import NAME, SCHEDULE_MISTAKES

PAGE = "vision_transformer/training"


@lru_cache(maxsize=8)
def probes(seed: int) -> tuple[Probe, ...]:
    """Ask for single steps that can be followed with a pencil, then for runs of steps of other schedules."""
    generator = torch.Generator().manual_seed(seed)

    def up_to(least: int, most: int) -> int:
        return int(torch.randint(least, most, (), generator=generator))

    warmup = up_to(5, 40)
    total = warmup + up_to(41, 200)

    def run(name: str, warmup: int, total: int, *steps: int) -> Probe:
        called = (
            Call({"step": step, "warmup_steps": warmup, "total_steps": total}, f" {number}")
            for number, step in enumerate(steps)
        )
        return Probe(name, tuple(called))

    def one(name: str, step: int, warmup: int = 4, total: int = 12) -> Probe:
        return shown_probe(name, step=step, warmup_steps=warmup, total_steps=total)

    after = sorted(int(s) for s in torch.randperm(total - warmup - 1, generator=generator)[:3] + warmup + 1)
    return (
        one("warming up", 1),
        one("cosine", 6),
        one("half-way down", 8),
        one("first step", 0),
        one("end of the warm-up", 4),
        one("last step", 12),
        one("past the end", 15),
        one("no warm-up", 0, warmup=0),
        one("no warm-up, later", 3, warmup=0),
        run("run, warming up", warmup, total, 1, warmup // 2, warmup - 1),
        run("run, cosine", warmup, total, *after),
        run("run, past the end", warmup, total, total, total + 1, 2 * total),
    )


def reference(step: int, warmup_steps: int, total_steps: int) -> float:
    """Read the factor off torch's own schedulers' closed form: a ramp, then the real part of a half turn."""
    if step < warmup_steps:
        return step / warmup_steps
    turned = torch.tensor(min(step, total_steps) - warmup_steps, dtype=torch.float64)
    angle = turned * torch.pi / (total_steps - warmup_steps)
    return float(torch.polar(torch.ones_like(angle), angle).real.add(1).div(2))


def to_six_digits(probe: Probe, answer: Answer) -> Answer:
    """Take a number that is right in float32 for right: a cosine that torch took of a default tensor."""
    right = {f"factor{s.label}": reference(**s.arguments) for s in probe.steps if isinstance(s, Call)}  # type: ignore[arg-type]
    arrays = {
        name: np.asarray(right[name]) if abs(array - right[name]).max() < 1e-6 else array
        for name, array in answer.arrays.items()
    }
    return replace(answer, arrays=arrays)


def between_zero_and_one(_probe: Probe, answer: Answer) -> str | None:
    """The factor never leaves [0, 1]."""
    for name, value in answer.arrays.items():
        if not -1e-9 <= float(value) <= 1 + 1e-9:
            return f"{name} is {float(value):.3f}, outside 0 to 1"
    return None


def _by_one_formula(step: int, warmup_steps: int, total_steps: int) -> float:
    progress = max(0.0, min(1.0, (step - warmup_steps) / (total_steps - warmup_steps)))
    return (
        min(1.0, step / max(1, warmup_steps))
        if step < warmup_steps
        else 0.5 + 0.5 * math.cos(math.pi * progress)
    )


def _by_square(step: int, warmup_steps: int, total_steps: int) -> float:
    if warmup_steps > 0 and step <= warmup_steps:
        return float(step) / float(warmup_steps)
    if step >= total_steps:
        return 0.0
    return math.cos(0.5 * math.pi * (step - warmup_steps) / (total_steps - warmup_steps)) ** 2


def _by_tensor(step: int, warmup_steps: int, total_steps: int) -> float:
    if step < warmup_steps:
        return step / warmup_steps
    progress = torch.tensor((step - warmup_steps) / (total_steps - warmup_steps)).clamp(0, 1)
    return ((1 + torch.cos(torch.pi * progress)) / 2).item()


def _by_clipped_step(step: int, warmup_steps: int, total_steps: int) -> float:
    step = min(step, total_steps)
    left = (total_steps - step) / (total_steps - warmup_steps)
    return step / warmup_steps if step < warmup_steps else (1 - math.cos(math.pi * left)) / 2


_FACTORS = ("factor", "factor 0", "factor 1", "factor 2")

SCHEDULE = Exercise(
    name=NAME,
    signature="warmup_cosine(step, warmup_steps, total_steps) -> float",
    page=PAGE,
    outputs=("factor",),
    probes=probes,
    reference=reference,
    properties=(
        Property(
            "up to the end of the warm-up",
            2,
            ("warming up", "first step", "end of the warm-up", "run, warming up"),
            _FACTORS,
        ),
        Property(
            "down along the cosine",
            3,
            ("cosine", "half-way down", "last step", "run, cosine"),
            _FACTORS,
        ),
        Property(
            "0 past the end",
            1,
            ("past the end", "run, past the end"),
            _FACTORS,
        ),
        Property("no warm-up at all", 1, ("no warm-up", "no warm-up, later"), ("factor",)),
    ),
    laws=(between_zero_and_one,),
    misconceptions=SCHEDULE_MISTAKES,
    correct=(_by_one_formula, _by_square, _by_tensor, _by_clipped_step),
    numbers=True,
    derive=to_six_digits,
    borrowed=("torch.optim.lr_scheduler.CosineAnnealingLR", "torch.optim.lr_scheduler.SequentialLR"),
)
