"""``unpatchify``: how to ask for it, and what has to hold."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Probe, call_probe, gradient_probe, normal, shown_probe
from plenary.exercises.patches import correct
from plenary.exercises.patches.build import JOIN, PAGE, labelled, right_cut
from plenary.exercises.patches.joining_mistakes import JOINING_MISTAKES

ALL = ("images",)


def probes(seed: int) -> list[Probe]:
    """Join patches of pictures whose numbers say where they stand, then random patches."""
    generator = torch.Generator().manual_seed(seed)

    def cut(batch: int, channels: int, height: int, width: int, patch_size: int) -> dict[str, Tensor | int]:
        count = (height // patch_size) * (width // patch_size)
        patches = normal(generator, batch, count, patch_size**2 * channels)
        return {"patches": patches, "patch_size": patch_size, "height": height, "width": width}

    def shown(name: str, *shape: int) -> Probe:
        height, width = shape[-2:]
        patches = right_cut(labelled(*shape), 2)
        return shown_probe(name, patches=patches, patch_size=2, height=height, width=width)

    single = cut(2, 3, 20, 28, 4)
    differentiated = cut(2, 3, 8, 12, 4)
    return [
        shown("small", 1, 1, 4, 6),
        shown("two channels", 1, 2, 2, 4),
        shown("two pictures", 2, 1, 2, 4),
        call_probe("one channel", **cut(5, 1, 12, 8, 4)),
        call_probe("one picture", **cut(1, 3, 12, 20, 4)),
        call_probe("rectangle", **cut(2, 3, 20, 28, 4)),
        call_probe("high", **cut(2, 3, 28, 12, 4)),
        call_probe("square", **cut(2, 3, 12, 12, 4)),
        call_probe("other sizes", **cut(2, 5, 21, 9, 3)),
        call_probe("pixels", **cut(2, 3, 5, 7, 1)),
        call_probe("whole picture", **cut(3, 2, 6, 6, 6)),
        call_probe("float32", **{**single, "patches": single["patches"].float()}),  # type: ignore[union-attr]
        gradient_probe("gradient", "images", normal(generator, 2, 3, 8, 12), **differentiated),
    ]


def reference(patches: Tensor, patch_size: int, height: int, width: int) -> Tensor:
    """Join with torch's own ``F.fold``, which expects the channel first inside a patch."""
    batch, count, _ = patches.shape
    columns = patches.reshape(batch, count, patch_size**2, -1).permute(0, 3, 2, 1).reshape(batch, -1, count)
    return F.fold(columns, (height, width), patch_size, stride=patch_size)


def every_number_once(probe: Probe, answer: Answer) -> str | None:
    """Joining moves numbers and changes none."""
    for before, after in zip(np.asarray(probe.arguments["patches"]), answer.arrays["images"], strict=True):
        missing = np.setdiff1d(before.astype(float), after)
        if missing.size:
            return f"a number of the patches, {missing[0]:.3f}, stands nowhere in that picture"
    return None


def squares_hold_their_patches(probe: Probe, answer: Answer) -> str | None:
    """The square where patch n belongs holds the numbers of patch n, in whatever order."""
    patches = np.asarray(probe.arguments["patches"], float)
    size, height, width = (int(probe.arguments[name]) for name in ("patch_size", "height", "width"))  # type: ignore[arg-type]
    for b, picture in enumerate(answer.arrays["images"]):
        for n, patch in enumerate(patches[b]):
            y, x = n // (width // size) * size, n % (width // size) * size
            square = picture[:, y : y + size, x : x + size]
            if not np.allclose(np.sort(square, None), np.sort(patch), rtol=1e-3, atol=1e-3):
                where = f"rows {y} to {y + size - 1}, columns {x} to {x + size - 1}"
                return f"{where} of picture {b} are not patch {n}"
    right = reference(torch.as_tensor(patches), size, height, width).numpy()
    if np.allclose(answer.arrays["images"], right, rtol=1e-3, atol=1e-3):
        return None
    return "every patch lies in its square, but its numbers are not read in the order (row, column, channel)"


JOINING = Exercise(
    name=JOIN,
    signature="unpatchify(patches, patch_size, height, width) -> images",
    page=PAGE,
    outputs=ALL,
    probes=probes,
    reference=reference,
    properties=(
        Property("every patch in its square, for one channel", 3, ("small", "one channel"), ALL),
        Property(
            "several channels, in pictures wide and high",
            3,
            ("two channels", "one picture", "rectangle", "high", "other sizes", "float32"),
            ALL,
        ),
        Property("a square picture", 1, ("square",), ALL),
        Property("each picture of a batch by itself", 2, ("two pictures", "one channel"), ALL),
        Property("patches of one pixel, and of the whole picture", 1, ("pixels", "whole picture"), ALL),
        Property("gradients", 1, ("gradient",), (*ALL, "grad_patches")),
    ),
    laws=(every_number_once, squares_hold_their_patches),
    misconceptions=JOINING_MISTAKES,
    correct=correct.JOINING,
)
