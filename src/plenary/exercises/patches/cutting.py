"""``patchify``: how to ask for it, and what has to hold."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Probe, call_probe, gradient_probe, normal, shown_probe
from plenary.exercises.patches import correct
from plenary.exercises.patches.build import CUT, PAGE, labelled
from plenary.exercises.patches.layout_mistakes import LAYOUT_MISTAKES
from plenary.exercises.patches.order_mistakes import ORDER_MISTAKES
from plenary.exercises.patches.size_mistakes import SIZE_MISTAKES

ALL = ("patches",)


def probes(seed: int) -> list[Probe]:
    """Cut pictures whose numbers say where they stand, then random ones, then some that do not divide."""
    generator = torch.Generator().manual_seed(seed)

    def images(*shape: int) -> Tensor:
        return normal(generator, *shape)

    return [
        shown_probe("small", images=labelled(1, 1, 4, 6), patch_size=2),
        shown_probe("two channels", images=labelled(1, 2, 2, 4), patch_size=2),
        shown_probe("two pictures", images=labelled(2, 1, 2, 4), patch_size=2),
        call_probe("one channel", images=images(5, 1, 12, 8), patch_size=4),
        call_probe("one picture", images=images(1, 3, 12, 20), patch_size=4),
        call_probe("rectangle", images=images(2, 3, 20, 28), patch_size=4),
        call_probe("square", images=images(2, 3, 12, 12), patch_size=4),
        call_probe("other sizes", images=images(2, 5, 21, 9), patch_size=3),
        call_probe("pixels", images=images(2, 3, 5, 7), patch_size=1),
        call_probe("whole picture", images=images(3, 2, 6, 6), patch_size=6),
        call_probe("float32", images=images(2, 3, 20, 28).float(), patch_size=4),
        gradient_probe("gradient", "patches", images(2, 6, 48), images=images(2, 3, 8, 12), patch_size=4),
        call_probe("height does not divide", images=images(2, 3, 18, 28), patch_size=4),
        call_probe("width does not divide", images=images(2, 3, 20, 26), patch_size=4),
        call_probe("neither divides", images=images(2, 3, 18, 26), patch_size=4),
        call_probe("area divides", images=images(2, 3, 10, 8), patch_size=4),
        call_probe("larger than the picture", images=images(2, 3, 3, 4), patch_size=4),
    ]


def reference(images: Tensor, patch_size: int) -> Tensor:
    """Cut with torch's own ``F.unfold``, which puts the channel first inside a patch."""
    batch, channels, height, width = images.shape
    if height % patch_size or width % patch_size:
        raise ValueError("the picture does not divide into patches")
    columns = F.unfold(images, patch_size, stride=patch_size)
    return columns.reshape(batch, channels, patch_size**2, -1).permute(0, 3, 2, 1).flatten(2)


def every_number_once(probe: Probe, answer: Answer) -> str | None:
    """Cutting moves numbers and changes none."""
    for before, after in zip(np.asarray(probe.arguments["images"]), answer.arrays["patches"], strict=True):
        missing = np.setdiff1d(before.astype(float), after)
        if missing.size:
            return f"a number of the picture, {missing[0]:.3f}, stands in no patch of that picture"
    return None


def patches_hold_their_squares(probe: Probe, answer: Answer) -> str | None:
    """A patch holds the pixels of its square, in whatever order."""
    images, size = np.asarray(probe.arguments["images"], float), int(probe.arguments["patch_size"])  # type: ignore[arg-type]
    across = images.shape[-1] // size
    for b, patches in enumerate(answer.arrays["patches"]):
        for n, patch in enumerate(patches):
            y, x = n // across * size, n % across * size
            square = images[b, :, y : y + size, x : x + size]
            if not np.allclose(np.sort(square, None), np.sort(patch), rtol=1e-3, atol=1e-3):
                where = f"rows {y} to {y + size - 1} and columns {x} to {x + size - 1}"
                return f"patch {n} of picture {b} does not hold the pixels of {where}"
    right = reference(torch.as_tensor(images), size).numpy()
    if np.allclose(answer.arrays["patches"], right, rtol=1e-3, atol=1e-3):
        return None
    return "every patch holds the right pixels, in another order than (row, column, channel)"


CUTTING = Exercise(
    name=CUT,
    signature="patchify(images, patch_size) -> patches",
    page=PAGE,
    outputs=ALL,
    probes=probes,
    reference=reference,
    properties=(
        Property("the right pixels in every patch, for one channel", 3, ("small", "one channel"), ALL),
        Property(
            "channels last inside a patch",
            3,
            ("two channels", "one picture", "rectangle", "other sizes"),
            ALL,
        ),
        Property("a square picture", 1, ("square",), ALL),
        Property("a picture in float32", 1, ("float32",), ALL),
        Property("each picture of a batch by itself", 2, ("two pictures", "one channel"), ALL),
        Property("patches of one pixel, and of the whole picture", 1, ("pixels", "whole picture"), ALL),
        Property("gradients", 1, ("gradient",), (*ALL, "grad_images")),
        Property(
            "a size that does not divide is refused",
            2,
            (
                "height does not divide",
                "width does not divide",
                "neither divides",
                "area divides",
                "larger than the picture",
            ),
            ALL,
        ),
    ),
    laws=(every_number_once, patches_hold_their_squares),
    misconceptions=(*ORDER_MISTAKES, *LAYOUT_MISTAKES, *SIZE_MISTAKES),
    correct=correct.CUTTING,
)
