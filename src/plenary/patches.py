"""Pictures as sequences: cut into patches, and each patch written as a token."""

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from plenary import expect


def patch_grid(owner: str, height: int, width: int, patch_size: int) -> tuple[int, int]:
    """How many patches fit, down and across.

    Raises:
        ValueError: the height or the width does not divide by the patch size; `owner` begins the message.
    """
    expect.divides(owner, "patch_size", patch_size, "the image's height", height)
    expect.divides(owner, "patch_size", patch_size, "the image's width", width)
    return height // patch_size, width // patch_size


def patchify(images: Float[Tensor, "B C height width"], patch_size: int) -> Float[Tensor, "B N PPC"]:
    """Cut images into N = (H / P) (W / P) patches, row by row, each flattened to P P C numbers.

    Inside a patch the order is (row, column, channel).

    Raises:
        ValueError: the height or the width does not divide by patch_size.

    Source: Dosovitskiy et al. (2021), An Image is Worth 16x16 Words, section 3.1.
    """
    patch_grid("patchify", images.shape[-2], images.shape[-1], patch_size)
    return rearrange(images, "b c (h p) (w q) -> b (h w) (p q c)", p=patch_size, q=patch_size)


def unpatchify(
    patches: Float[Tensor, "B N PPC"], patch_size: int, height: int, width: int
) -> Float[Tensor, "B C {height} {width}"]:
    """Put patches together again: the inverse of `patchify`.

    Raises:
        ValueError: height or width does not divide by patch_size, or the patches are not that many, or not P P C
            numbers each.
    """
    rows, columns = patch_grid("unpatchify", height, width, patch_size)
    if patches.shape[-2] != rows * columns:
        raise ValueError(
            f"unpatchify: a picture of {height} x {width} has {rows} x {columns} = {rows * columns} patches of "
            f"{patch_size} x {patch_size}; {patches.shape[-2]} came."
        )
    expect.divides(
        "unpatchify", "patch_size * patch_size", patch_size**2, "a patch's length", patches.shape[-1]
    )
    return rearrange(
        patches, "b (h w) (p q c) -> b c (h p) (w q)", h=rows, w=columns, p=patch_size, q=patch_size
    )


def linear_weight_from_conv(weight: Float[Tensor, "D C P P"]) -> Float[Tensor, "D PPC"]:
    """The weight of the linear layer on patches that does what this strided convolution does on the picture."""
    return rearrange(weight, "d c p q -> d (p q c)")


class PatchEmbedding(nn.Module):
    """Writes every patch as a token: patchify, then one linear layer, `projection`.

    Raises:
        ValueError: in the forward pass, when the picture does not divide into patches or has other channels.
    """

    def __init__(self, in_channels: int, patch_size: int, embed_dim: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.patch_size = patch_size
        self.projection = nn.Linear(patch_size * patch_size * in_channels, embed_dim)

    def forward(self, images: Float[Tensor, "B C height width"]) -> Float[Tensor, "B N D"]:
        """(B, C, H, W) to (B, N, D)."""
        if images.ndim != 4 or images.shape[1] != self.in_channels:
            raise ValueError(
                f"PatchEmbedding: expected images (B, {self.in_channels}, H, W), got {tuple(images.shape)}."
            )
        return self.projection(patchify(images, self.patch_size))
