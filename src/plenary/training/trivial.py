"""TrivialAugment for a whole batch: every picture gets one operation, at a strength of its own."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

OPERATIONS = (
    "identity",
    "rotate",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
    "brightness",
    "contrast",
    "colour",
    "sharpness",
    "posterise",
    "solarise",
    "autocontrast",
)


def trivial(images: Float[Tensor, "B C H W"], u: Float[Tensor, "B 2"]) -> Float[Tensor, "B C H W"]:
    """Apply to each picture in [0, 1] one operation, chosen by u[:, 0], at a strength given by u[:, 1].

    The wide ranges of the paper, without equalisation. Strengths are continuous and go both ways where that has a
    meaning; rotations up to 135 degrees, shears up to 0.99, shifts up to 1/4 of the side (32 pixels of a larger
    picture in the paper), factors of colour from 0.01 to 1.99.

    Source: Müller and Hutter (2021), TrivialAugment, section 3 and table 1.
    """
    operation = (u[:, 0] * len(OPERATIONS)).long()
    signed = 2 * u[:, 1] - 1
    images = _move(images, operation, signed)
    images = _recolour(images, operation, signed)
    return _repaint(images, operation, u[:, 1])


def _is(operation: Tensor, name: str) -> Tensor:
    return operation == OPERATIONS.index(name)


def _spread(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def _move(images: Tensor, operation: Tensor, signed: Tensor) -> Tensor:
    """Rotate, shear or shift; bilinear, black outside."""
    strength = lambda name, most: torch.where(_is(operation, name), most * signed, 0.0)  # noqa: E731
    angle = strength("rotate", torch.pi * 0.75)
    cos, sin, ratio = angle.cos(), angle.sin(), images.shape[-2] / images.shape[-1]
    rows = [
        torch.stack([cos, (strength("shear_x", 0.99) - sin) * ratio, strength("translate_x", 0.5)], dim=-1),
        torch.stack([(strength("shear_y", 0.99) + sin) / ratio, cos, strength("translate_y", 0.5)], dim=-1),
    ]
    grid = F.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    # Sampling on the unmoved grid rounds, so pictures that do not move are left as they are.
    moves = (operation >= OPERATIONS.index("rotate")) & (operation <= OPERATIONS.index("translate_y"))
    return torch.where(_spread(moves), moved, images)


def _recolour(images: Tensor, operation: Tensor, signed: Tensor) -> Tensor:
    """Blend with black (brightness), the mean grey (contrast), the grey picture (colour) or a blurred one
    (sharpness), or move away from it."""
    if images.shape[1] == 3:
        grey = (images * images.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(dim=1, keepdim=True)
    else:
        grey = images.mean(dim=1, keepdim=True)
    less = torch.where(_spread(_is(operation, "brightness")), 0.0, images)
    less = torch.where(_spread(_is(operation, "contrast")), grey.mean(dim=(2, 3), keepdim=True), less)
    less = torch.where(_spread(_is(operation, "colour")), grey, less)
    blurred = F.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
    less = torch.where(_spread(_is(operation, "sharpness")), blurred, less)
    blend = less + _spread(1 + 0.99 * signed) * (images - less)
    # Where no operation chose what to blend with, the blend of a picture with itself would still round.
    chosen = (operation >= OPERATIONS.index("brightness")) & (operation <= OPERATIONS.index("sharpness"))
    return torch.where(_spread(chosen), blend.clamp(0, 1), images)


def _repaint(images: Tensor, operation: Tensor, strength: Tensor) -> Tensor:
    """Posterise (8 bits down to 2), solarise (invert what is brighter than a threshold) or stretch the contrast."""
    levels = 2 ** (8 - 6 * strength).round() - 1
    posterised = (images * 255 / 256 * (_spread(levels) + 1)).floor() / _spread(levels)
    images = torch.where(_spread(_is(operation, "posterise")), posterised.clamp(0, 1), images)
    solarised = torch.where(images >= _spread(1 - strength), 1 - images, images)
    images = torch.where(_spread(_is(operation, "solarise")), solarised, images)
    low, high = images.amin(dim=(2, 3), keepdim=True), images.amax(dim=(2, 3), keepdim=True)
    stretched = (images - low) / (high - low).clamp(min=1 / 255)
    return torch.where(_spread(_is(operation, "autocontrast")), stretched, images)
