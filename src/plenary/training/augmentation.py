"""Augmentation of whole batches on their device, each sample its own draw.

Every choice is read from a table of uniform numbers, one row a sample. The table is drawn once for the whole batch,
from a seed; a process that holds a part of the batch takes its rows, and so makes the same pictures as one process
would. torchvision's transforms draw once a batch, or work on single pictures, which is slow for small ones.
"""

import math
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from plenary.training.trivial import trivial

NET = 4
"""Points on a side of the net that bends a picture."""

DRAWS = 21 + 2 * NET * NET
"""How many uniform numbers a sample gets; `Augmentation` says which is for what."""


def draws(total: int, generator: torch.Generator) -> Float[Tensor, "total {DRAWS}"]:
    """The table for a batch of `total` samples: uniform in [0, 1)."""
    return torch.rand(total, DRAWS, generator=generator)


@dataclass(frozen=True)
class Augmentation:
    """What is done to training pictures. The default, all zeros, does nothing.

    Args:
        rotation: up to this many degrees either way.
        shift: up to this share of the side, either way, in both directions.
        scale: up to this much larger or smaller: 0.1 is a factor from exp(-0.1) to exp(0.1).
        shear: up to this many degrees either way.
        elastic: how far the points of a 4 x 4 net over the picture move, and bend it: the standard deviation, as a
            share of the side.
        crop: a window of its size is cut from the picture padded with this many black pixels on each side.
        flip: the share that is mirrored left to right.
        trivial: the share that gets one operation of TrivialAugment.
        erase: the share that loses a rectangle of 2 to 33 % of its area.
        mix: the share that is mixed with another picture of the batch, half by mixup and half by CutMix.

    Raises:
        ValueError: a number is negative, or a share is more than 1.

    Sources: elastic: Simard, Steinkraus and Platt (2003), section 2; mixup: Zhang et al. (2018); CutMix: Yun et al.
    (2019), equation 1; erasing: Zhong et al. (2020); TrivialAugment: Müller and Hutter (2021).
    """

    rotation: float = 0.0
    shift: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    elastic: float = 0.0
    crop: int = 0
    flip: float = 0.0
    trivial: float = 0.0
    erase: float = 0.0
    mix: float = 0.0

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            share = name in ("flip", "trivial", "erase", "mix")
            if not 0 <= value <= (1 if share else math.inf):
                expected = "a share, 0 to 1" if share else "0 or more"
                raise ValueError(f"Augmentation: {name} must be {expected}; it is {value}.")

    def __call__(
        self, images: Float[Tensor, "B C H W"], draws: Float[Tensor, "B {DRAWS}"]
    ) -> Float[Tensor, "B C H W"]:
        """Augment pictures in [0, 1]; mixing comes later, see `mix`."""
        u = draws.to(images)
        if self.rotation or self.shift or self.scale or self.shear or self.elastic:
            signed = 2 * u[:, :5] - 1
            images = warp(
                images,
                angle=math.radians(self.rotation) * signed[:, 0],
                shift=2 * self.shift * signed[:, 1:3],
                scale=(self.scale * signed[:, 3]).exp(),
                shear=torch.tan(math.radians(self.shear) * signed[:, 4]),
                bend=2 * self.elastic * normal(u[:, 21:]).view(-1, 2, NET, NET) if self.elastic else None,
            )
        if self.crop:
            images = crop(images, self.crop, u[:, 5:7])
        if self.flip:
            images = torch.where(_where(u[:, 7] < self.flip), images.flip(-1), images)
        if self.trivial:
            images = torch.where(_where(u[:, 8] < self.trivial), trivial(images, u[:, 9:11]), images)
        if self.erase:
            images = erase(images, self.erase, u[:, 11:16])
        return images

    def mix_pictures(
        self,
        images: Float[Tensor, "B C H W"],
        partners: Float[Tensor, "B C H W"],
        draws: Float[Tensor, "B {DRAWS}"],
    ) -> tuple[Float[Tensor, "B C H W"], Float[Tensor, " B"]]:
        """Mix each picture with its partner. Returns the pictures and the share of the first in each.

        The share is uniform in [0, 1], which is Beta(1, 1). Mixup blends; CutMix takes a rectangle of the partner.
        """
        u = draws.to(images)
        mixed, by_cut = u[:, 16] < self.mix, u[:, 17] < 0.5
        blend = u[:, 18]
        box = rectangle(images, area=1 - u[:, 18], aspect=torch.ones_like(blend), centre=u[:, 19:21])
        own = torch.where(_where(by_cut), 1 - box.to(images), _where(blend).expand_as(box))
        own = torch.where(_where(mixed), own, torch.ones_like(own))
        return own * images + (1 - own) * partners, own.mean(dim=(1, 2, 3))


def normal(u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Numbers uniform in [0, 1) as numbers of a standard normal distribution."""
    return torch.special.ndtri(u.clamp(1e-6, 1 - 1e-6))


def warp(
    images: Float[Tensor, "B C H W"],
    angle: Float[Tensor, " B"],
    shift: Float[Tensor, "B 2"],
    scale: Float[Tensor, " B"],
    shear: Float[Tensor, " B"],
    bend: Float[Tensor, "B 2 n n"] | None = None,
) -> Float[Tensor, "B C H W"]:
    """Turn (radians), shear (its tangent), scale and shift (in half sides) each picture about its middle; bend it.

    The bend says how far the points of a net move, in half sides, x and y. What comes in from outside is black.
    """
    height, width = images.shape[-2:]
    # The grid says where each new pixel comes from, and counts both sides from -1 to 1 however long they are.
    cos, sin, ratio = angle.cos() / scale, angle.sin() / scale, height / width
    rows = [
        torch.stack([cos, (cos * shear - sin) * ratio, shift[:, 0]], dim=-1),
        torch.stack([sin / ratio, sin * shear + cos, shift[:, 1]], dim=-1),
    ]
    grid = F.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)
    if bend is not None:
        moves = F.interpolate(bend, images.shape[-2:], mode="bicubic", align_corners=True)
        grid = grid + moves.permute(0, 2, 3, 1)
    # Bicubic keeps small pictures sharp, and overshoots a little at edges; Apple's devices may not have it.
    mode = "bilinear" if images.device.type == "mps" else "bicubic"
    return F.grid_sample(images, grid, mode=mode, padding_mode="zeros", align_corners=False).clamp(0, 1)


def crop(
    images: Float[Tensor, "B C H W"], padding: int, where: Float[Tensor, "B 2"]
) -> Float[Tensor, "B C H W"]:
    """Cut a window of the same size from each picture, padded with black; `where` in [0, 1) says which."""
    batch, _, height, width = images.shape
    start = (where * (2 * padding + 1)).long()
    rows = start[:, 0, None] + torch.arange(height, device=images.device)
    columns = start[:, 1, None] + torch.arange(width, device=images.device)
    padded = F.pad(images, (padding,) * 4).permute(0, 2, 3, 1)
    sample = torch.arange(batch, device=images.device)[:, None, None]
    return padded[sample, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def erase(
    images: Float[Tensor, "B C H W"], share: float, u: Float[Tensor, "B 5"]
) -> Float[Tensor, "B C H W"]:
    """Paint a rectangle in the picture's mean colour, in this share of the pictures."""
    aspect = (math.log(3.3) * (2 * u[:, 2] - 1)).exp()
    box = rectangle(images, area=0.02 + 0.31 * u[:, 1], aspect=aspect, centre=u[:, 3:5])
    box = box & _where(u[:, 0] < share)
    return torch.where(box, images.mean(dim=(2, 3), keepdim=True), images)


def rectangle(
    images: Float[Tensor, "B C H W"],
    area: Float[Tensor, " B"],
    aspect: Float[Tensor, " B"],
    centre: Float[Tensor, "B 2"],
) -> Tensor:
    """True inside a rectangle of each picture (B, 1, H, W), given by share of the area, height / width and centre.

    What would lie outside the picture is cut off, so that the area may be smaller.
    """
    height, width = images.shape[-2:]
    sides = torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()], dim=-1)
    low, high = centre - sides / 2, centre + sides / 2
    y = (torch.arange(height, device=images.device) + 0.5) / height
    x = (torch.arange(width, device=images.device) + 0.5) / width
    inside_y = (y >= low[:, :1]) & (y < high[:, :1])
    inside_x = (x >= low[:, 1:]) & (x < high[:, 1:])
    return (inside_y[:, :, None] & inside_x[:, None, :])[:, None]


def _where(condition: Tensor) -> Tensor:
    """One value a sample, spread over its pixels."""
    return condition[:, None, None, None]
