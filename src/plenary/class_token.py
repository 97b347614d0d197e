"""The class token, and positions for it and the patches: what stands between the patches and the first layer."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def prepend_class_token(
    x: Float[Tensor, "B N D"], class_token: Float[Tensor, "1 1 D"]
) -> Float[Tensor, "B N1 D"]:
    """Put the same class token in front of every sequence: (B, N, D) to (B, N + 1, D)."""
    return torch.cat([class_token.expand(len(x), -1, -1), x], dim=1)


def add_positions(x: Float[Tensor, "B N1 D"], positions: Float[Tensor, "1 M1 D"]) -> Float[Tensor, "B N1 D"]:
    """Add a position to every token, the class token's included.

    Raises:
        ValueError: there are not as many positions as tokens.
    """
    if x.shape[-2:] != positions.shape[-2:]:
        raise ValueError(
            f"add_positions: {x.shape[-2]} tokens of width {x.shape[-1]} need as many positions; there are "
            f"{positions.shape[-2]} of width {positions.shape[-1]}. For a picture of another size, "
            "interpolate_positions makes them."
        )
    return x + positions


def interpolate_positions(
    positions: Float[Tensor, "1 _ D"], old_grid: tuple[int, int], new_grid: tuple[int, int]
) -> Float[Tensor, "1 _ D"]:
    """Stretch learned positions to another grid of patches: (1, 1 + h w, D) to (1, 1 + h' w', D).

    The patches' positions are treated as a picture with D channels and resized bicubically (align_corners=False,
    antialias=False); the class token's position is kept.

    Raises:
        ValueError: there are not 1 + h w positions, or a side of the new grid is less than 1.

    Source: Dosovitskiy et al. (2021), An Image is Worth 16x16 Words, section 3.2.
    """
    height, width = old_grid
    if positions.shape[1] != 1 + height * width:
        raise ValueError(
            f"interpolate_positions: a grid of {height} x {width} has 1 + {height * width} positions with the "
            f"class token's; {positions.shape[1]} came."
        )
    if min(new_grid) < 1:
        raise ValueError(f"interpolate_positions: the new grid is {new_grid}; both sides must be 1 or more.")
    of_class, of_patches = positions[:, :1], positions[:, 1:]
    picture = of_patches.unflatten(1, (height, width)).permute(0, 3, 1, 2)
    resized = F.interpolate(picture, size=new_grid, mode="bicubic", align_corners=False, antialias=False)
    return torch.cat([of_class, resized.flatten(2).mT], dim=1)
