"""A picture cut into patches: the grid, one patch as a row of numbers, the sequence, and what a wrong cut does."""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from plenary.patches import patchify, unpatchify
from plenary.widgets.base import PlenaryWidget
from plenary.widgets.settings import Asset, Choice
from plenary.widgets.still import still

SIDE = 96
SIZES = tuple(size for size in range(4, SIDE) if SIDE % size == 0)
CHANNELS = ("red", "green", "blue")
CUTS = {
    "right": "patchify: row, column, channel",
    "reshape alone": "reshape alone",
    "strips": "split without the swap",
    "every n-th pixel": "both splits the other way round",
    "channel first": "channel, row, column",
    "pixels by columns": "column, row, channel",
    "patches by columns": "patches down the columns",
}
"""The ways to cut: the right one, and six that give the right shape."""
SEED = 12
FILE = "cut_picture.json"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
CROP = (50, 20, 450, 420)
"""Left, top, right and bottom of the square that is taken from scikit-learn's china.jpg."""


class CutPicture(PlenaryWidget):
    """A picture of 96 x 96 pixels, the reader's own or a temple, cut into patches.

    The reader's picture stays in the browser: it is no setting, and Python never sees it.

    Args:
        patch_size: the side of a patch in pixels, a divisor of 96 from 4 to 48.
        row: the row of the chosen pixel in the picture, from 0; its patch is the one that is shown.
        column: its column.
        cut: how the picture is cut: "right", or one of six mistakes that give the right shape.
        shuffled: whether the patches are put into another order.

    Raises:
        traitlets.TraitError: a value that is not among these.
    """

    module = "cut_picture.mjs"
    style = "cut_picture.css"

    patch_size = Choice(SIZES, default=16, expected=f"one of {', '.join(map(str, SIZES))}")
    row = Choice(tuple(range(SIDE)), default=36, expected=f"a row from 0 to {SIDE - 1}")
    column = Choice(tuple(range(SIDE)), default=37, expected=f"a column from 0 to {SIDE - 1}")
    cut = Choice(tuple(CUTS), default="right", expected=f"one of {', '.join(CUTS)}")
    shuffled = Choice((False, True), default=False, expected="True or False")
    picture = Asset(FILE)

    def still(self) -> str:
        """The picture with its grid and what is put together from the sequence, with a table of the counts."""
        return _still(self.patch_size, self.cut, self.shuffled)


@cache
def _file() -> dict[str, Any]:
    return json.loads(files("plenary.widgets").joinpath(FILE).read_text(encoding="ascii"))


def picture() -> Tensor:
    """The picture that is there before the reader brings one: `(1, 3, 96, 96)`, whole numbers from 0 to 255."""
    colours = torch.tensor([list(bytes.fromhex(one)) for one in _file()["palette"]])
    rows = torch.tensor([[LETTERS.index(letter) for letter in row] for row in _file()["rows"]])
    return colours[rows].permute(2, 0, 1).unsqueeze(0).double()


def cut(images: Tensor, patch_size: int, way: str = "right") -> Tensor:
    """Cut square pictures `(B, C, S, S)` into patches `(B, N, P P C)`, rightly or by a mistake of CUTS."""
    if way == "right":
        return patchify(images, patch_size)
    count = (images.shape[-1] // patch_size) ** 2
    if way == "reshape alone":
        return images.reshape(len(images), count, -1)
    if way == "strips":
        return images.permute(0, 2, 3, 1).reshape(len(images), count, -1)
    pattern = {
        "every n-th pixel": "b c (p h) (q w) -> b (h w) (p q c)",
        "channel first": "b c (h p) (w q) -> b (h w) (c p q)",
        "pixels by columns": "b c (h p) (w q) -> b (h w) (q p c)",
        "patches by columns": "b c (h p) (w q) -> b (w h) (p q c)",
    }[way]
    return rearrange(images, pattern, p=patch_size, q=patch_size)


def order(count: int) -> list[int]:
    """Which patch stands at each place of the shuffled sequence, as the page's JavaScript has it."""
    found, state, low = list(range(count)), SEED, 0xFFFFFFFF
    for last in range(count - 1, 0, -1):
        # mulberry32, as `uniforms` in shared.mjs has it: 32 bits of state, a number from 0 up to 1.
        state = (state + 0x6D2B79F5) & low
        t = ((state ^ (state >> 15)) * (1 | state)) & low
        t = ((t + ((t ^ (t >> 7)) * (61 | t) & low)) & low) ^ t
        other = int((t ^ (t >> 14)) / 2**32 * (last + 1))
        found[last], found[other] = found[other], found[last]
    return found


def sequence(images: Tensor, patch_size: int, way: str = "right", shuffled: bool = False) -> Tensor:
    """What the model gets: the patches in their order, `(B, N, P P C)`."""
    patches = cut(images, patch_size, way)
    return patches[:, order(patches.shape[1])] if shuffled else patches


def put_together(patches: Tensor, patch_size: int) -> Tensor:
    """The picture that `unpatchify` makes of a sequence, which has no say in how it was cut."""
    return unpatchify(patches, patch_size, SIDE, SIDE)


def kept(patch_size: int, way: str, shuffled: bool) -> int:
    """How many of the 9,216 pixels are what they were, all channels, when the picture is put together again."""
    before = picture()
    after = put_together(sequence(before, patch_size, way, shuffled), patch_size)
    return int((before == after).all(dim=1).sum())


@cache
def _still(patch_size: int, way: str, shuffled: bool) -> str:
    """The still picture of these settings, drawn once."""
    # Here and not above: matplotlib takes half a second, which only a widget that is shown should cost.
    from matplotlib import rc_context

    from plenary.plotting import colour, figure, show

    before = picture()
    after = put_together(sequence(before, patch_size, way, shuffled), patch_size)
    count, length = (SIDE // patch_size) ** 2, 3 * patch_size**2
    same = kept(patch_size, way, shuffled)
    said = "the picture again" if same == SIDE**2 else f"{same:,} of {SIDE**2:,} pixels as they were"
    # The style of the book is for this picture; the reader's own plots keep theirs.
    with rc_context():
        fig, _ = figure(height=2.7, ncols=2)
        for ax, shown, title in zip(
            fig.axes, (before, after), (f"cut into {count} patches", "put together again"), strict=True
        ):
            ax.imshow(
                shown[0].permute(1, 2, 0).byte().numpy(), interpolation="none", extent=(0, SIDE, SIDE, 0)
            )
            ax.set_title(title, fontsize=9)
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
        for line in range(0, SIDE + 1, patch_size):
            fig.axes[0].axhline(line, color=colour("paper"), linewidth=0.8)
            fig.axes[0].axvline(line, color=colour("paper"), linewidth=0.8)
        drawn = show(
            fig,
            alt=f"A temple of {SIDE} x {SIDE} pixels under a grid of {count} patches of {patch_size} x "
            f"{patch_size}, {length} numbers each; cut by {CUTS[way]}"
            f"{', shuffled,' if shuffled else ''} and put together by unpatchify: {said}.",
        )
    rows = [[str(P), f"{(SIDE // P) ** 2}", f"{3 * P**2:,}", f"{(SIDE // P) ** 4:,}"] for P in SIZES]
    head = ["side P of a patch", "patches N", "numbers in a patch", "weights in a table of attention, N * N"]
    note = f"Cut in Python by plenary.patches. {_file()['about']}"
    return still(drawn.svg, note, f"A picture of {SIDE} x {SIDE} pixels with three channels", head, rows)


def make(path: Path) -> None:
    """Write the default picture: a square of scikit-learn's china.jpg in 64 colours, a letter for each pixel."""
    from PIL import Image
    from sklearn.datasets import load_sample_image

    square = (
        Image.fromarray(load_sample_image("china.jpg"))
        .crop(CROP)
        .resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    )
    few = square.quantize(len(LETTERS), method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
    colours = few.getpalette() or []
    content = {
        "about": "The picture is a part of china.jpg by danielbuechele (flickr.com/photos/danielbuechele), as it "
        "comes with scikit-learn, licence CC BY 2.0, scaled to 96 x 96 pixels and 64 colours.",
        "palette": [bytes(colours[3 * i : 3 * i + 3]).hex() for i in range(len(LETTERS))],
        "rows": ["".join(LETTERS[few.getpixel((x, y))] for x in range(SIDE)) for y in range(SIDE)],  # type: ignore[index]
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="ascii")


if __name__ == "__main__":
    make(Path(__file__).with_name(FILE))
