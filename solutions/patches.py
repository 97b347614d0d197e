# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] nbgrader={"grade_id": "title", "locked": true, "grade": false, "solution": false}
# # Patches
#
# A Transformer takes a sequence of vectors. You will turn a picture into one: cut it into square patches, put it together
# again, find out what a convolution has to do with it, and write every patch as a token. That is three functions and a
# small class, about fifteen lines. They belong to chapter 12 of the book, *Patches*.
#
# **How it works.** Write your code where it says `YOUR CODE HERE`. The cell below each function checks it: run that
# cell as often as you like. If something is wrong, it says what, and where the book clears it up. The cells marked
# with points are the same checks with other random numbers; they are what is graded. Parts that are right earn their
# share of the points.
#
# | function or class | points |
# |---|---|
# | `patchify` | 4 |
# | `unpatchify` | 3 |
# | `linear_weight_from_conv` | 2 |
# | `PatchEmbedding` | 3 |

# %% nbgrader={"grade_id": "imports", "locked": true, "grade": false, "solution": false}
import torch
from IPython.display import display
from torch import Tensor, nn

from plenary.checks import check

# %% [markdown] nbgrader={"grade_id": "patchify-text", "locked": true, "grade": false, "solution": false}
# ## 1. Cut the picture
#
# So far everyone in the room was a word. Now the guests are squares of a picture: each holds one piece of it, $P$ pixels
# high and $P$ wide, and has not seen any other. A picture of height $H$ and width $W$ seats
#
# $$N = \frac{H}{P} \cdot \frac{W}{P} = \frac{HW}{P^2}$$
#
# of them. Each brings its square as one long row of numbers, because a token is a vector.
#
# Two orders have to be agreed on, and both are the order of reading:
#
# - **The patches** come row by row: the top row of patches from left to right, then the row below.
# - **Inside a patch** the order is (row, column, channel): the numbers of the first pixel, one for each channel, then those
#   of the pixel to its right, and so on; then the next line of the patch.
#
# A way to get there is to give every axis a name of its own before anything moves. The height is (grid row, row in the
# patch), the width is (grid column, column in the patch): split them so, bring the six axes into the order that you want,
# and flatten. Keep in mind that `reshape` never moves a number; it only counts them off differently.
#
# **Shapes.** `images` is `(B, C, H, W)`, the result is `(B, N, P*P*C)`, in the dtype of the pictures.
#
# **Sizes that do not divide.** If the height or the width leaves a remainder, raise a `ValueError` that says so.
#
# **By hand.** A picture of $2 \times 4$ pixels with one channel, whose numbers say their row and column, and $P = 2$:
#
# $$\begin{pmatrix} 11 & 12 & 13 & 14 \\ 21 & 22 & 23 & 24 \end{pmatrix}$$
#
# The first patch is $(11, 12, 21, 22)$ and the second $(13, 14, 23, 24)$. With a second channel, whose numbers are written
# $11', 12', \dots$, the first patch is $(11, 11', 12, 12', 21, 21', 22, 22')$.


# %% nbgrader={"grade_id": "patchify", "locked": false, "grade": false, "solution": true}
def patchify(images: Tensor, patch_size: int) -> Tensor:
    """Cut pictures into patches: (B, C, H, W) -> (B, N, P*P*C), in the order (row, column, channel) inside a patch."""
    ### BEGIN SOLUTION
    batch, channels, height, width = images.shape
    if height % patch_size or width % patch_size:
        raise ValueError(f"a picture of {height} x {width} does not divide into patches of {patch_size}")
    rows, columns = height // patch_size, width // patch_size
    split = images.reshape(batch, channels, rows, patch_size, columns, patch_size)
    return split.permute(0, 2, 4, 3, 5, 1).reshape(batch, rows * columns, -1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "patchify-try", "locked": true, "grade": false, "solution": false}
check("patchify")

# %% [markdown] nbgrader={"grade_id": "patchify-look-text", "locked": true, "grade": false, "solution": false}
# **Look at it.** This cuts a small landscape with *your* function and lays your patches out in the order in which they
# come, row by row, with a gap between them. Guess first: how many patches are there for $P = 6$, if the picture is 24
# pixels high and 36 wide? Then move the slider. If the cut is right you see the landscape through a lattice; if the order
# is wrong, in a patch or among them, it falls to pieces.

# %% nbgrader={"grade_id": "patchify-look", "locked": true, "grade": false, "solution": false}
from ipywidgets import Checkbox, SelectionSlider, interact

from plenary.plotting import figure, show


def landscape() -> Tensor:
    """Paint a sun, a hill and a house: (1, 3, 24, 36), numbers from 0 to 1."""
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(36.0), indexing="ij")
    sky = torch.stack([0.45 + 0.02 * y, 0.65 + 0.012 * y, torch.full_like(y, 0.95)])

    def paint(where: Tensor, *rgb: float) -> None:
        sky[:, where] = torch.tensor(rgb)[:, None]

    paint((y - 6) ** 2 + (x - 28) ** 2 < 16, 1.0, 0.85, 0.2)
    paint(y > 17 + 3 * torch.sin(x / 6), 0.3, 0.6, 0.3)
    paint((y > 11) & (y < 20) & (x > 5) & (x < 15), 0.8, 0.35, 0.25)
    paint((y > 5) & (y < 12) & ((x - 10).abs() < y - 5), 0.45, 0.2, 0.2)
    paint((y > 14) & (y < 20) & (x > 8) & (x < 12), 0.3, 0.2, 0.15)
    return sky.clamp(0, 1).unsqueeze(0)


def tiles(patches: Tensor, size: int, columns: int) -> Tensor:
    """Lay patches out row by row with a gap of one pixel, which is transparent: (height, width, 4)."""
    rows = len(patches) // columns
    canvas = torch.zeros(rows * (size + 1) - 1, columns * (size + 1) - 1, 4)
    for n, patch in enumerate(patches):
        y, x = n // columns * (size + 1), n % columns * (size + 1)
        canvas[y : y + size, x : x + size, :3] = patch.reshape(size, size, 3)
        canvas[y : y + size, x : x + size, 3] = 1.0
    return canvas


def enlarged(picture: Tensor, times: int = 10) -> Tensor:
    return picture.repeat_interleave(times, 0).repeat_interleave(times, 1)


def cut(P: int):
    try:
        patches = patchify(landscape(), P).detach()
    except NotImplementedError:
        return print("Write patchify above, then run this cell again.")
    except Exception as error:
        return print(f"Your patchify raised {type(error).__name__} for P = {P}: {error}")
    expected = (1, 24 // P * (36 // P), P * P * 3)
    if tuple(patches.shape) != expected:
        return print(
            f"Your patches have the shape {tuple(patches.shape)}; for P = {P} it should be {expected}."
        )
    fig, ax = figure(height=3.2)
    ax.imshow(enlarged(tiles(patches[0], P, 36 // P)).clamp(0, 1), interpolation="none")
    ax.set_title(f"P = {P}: {24 // P} x {36 // P} = {expected[1]} patches of {expected[2]} numbers")
    ax.set_axis_off()
    return show(fig, alt=f"Your {expected[1]} patches of {P} x {P} pixels, laid out row by row with gaps")


_ = interact(cut, P=SelectionSlider(options=[2, 3, 4, 6, 12], value=6, description="P"))
# %% nbgrader={"grade_id": "patchify-points", "locked": true, "grade": true, "solution": false, "points": 4}
# 4 points
report = check("patchify", seed=401)
display(report)
report.points(4)

# %% [markdown] nbgrader={"grade_id": "unpatchify-text", "locked": true, "grade": false, "solution": false}
# ## 2. And back
#
# A model that paints, or one that fills in missing patches, has to go the other way. The same six axes, in the other
# direction: split, reorder, flatten. Which two axes make up the height, and which of them is the slower one?
#
# $N$ alone does not say how the patches were laid out: 35 of them may be 5 rows of 7, or 7 rows of 5. That is why the
# function is given the height and the width. How many channels there are it can work out, from the length of a patch.
#
# **Shapes.** `patches` is `(B, N, P*P*C)`, the result is `(B, C, height, width)` in the same dtype, and
# `unpatchify(patchify(images, P), P, H, W)` is `images` again. You may take it that the sizes fit.
#
# **By hand.** With $P = 2$, height 2 and width 4, the patches $(1, 2, 3, 4)$ and $(5, 6, 7, 8)$ make
#
# $$\begin{pmatrix} 1 & 2 & 5 & 6 \\ 3 & 4 & 7 & 8 \end{pmatrix}$$


# %% nbgrader={"grade_id": "unpatchify", "locked": false, "grade": false, "solution": true}
def unpatchify(patches: Tensor, patch_size: int, height: int, width: int) -> Tensor:
    """Put patches together again: (B, N, P*P*C) -> (B, C, height, width)."""
    ### BEGIN SOLUTION
    rows, columns = height // patch_size, width // patch_size
    split = patches.reshape(len(patches), rows, columns, patch_size, patch_size, -1)
    return split.permute(0, 5, 1, 3, 2, 4).reshape(len(patches), -1, height, width)
    ### END SOLUTION


# %% nbgrader={"grade_id": "unpatchify-try", "locked": true, "grade": false, "solution": false}
check("unpatchify")

# %% [markdown] nbgrader={"grade_id": "unpatchify-look-text", "locked": true, "grade": false, "solution": false}
# **Look at it.** Your `patchify` cuts the landscape, your `unpatchify` joins it, and in between the patches may be shuffled.
# Guess first: for which $P$ can you still tell what it is when the patches are shuffled? Attention alone, without
# positions, cannot tell the two pictures apart; the next chapter mends that.


# %% nbgrader={"grade_id": "unpatchify-look", "locked": true, "grade": false, "solution": false}
def join(P: int, shuffled: bool):
    try:
        patches = patchify(landscape(), P).detach()
        if shuffled:
            order = torch.randperm(patches.shape[1], generator=torch.Generator().manual_seed(3))
            patches = patches[:, order]
        picture = unpatchify(patches, P, 24, 36).detach()
    except NotImplementedError:
        return print("Write patchify and unpatchify above, then run this cell again.")
    except Exception as error:
        return print(f"Your functions raised {type(error).__name__} for P = {P}: {error}")
    if tuple(picture.shape) != (1, 3, 24, 36):
        return print(f"Your picture has the shape {tuple(picture.shape)}; it should be (1, 3, 24, 36).")
    same = bool(torch.equal(picture, landscape()))
    said = (
        "the picture is back" if same else "shuffled" if shuffled else "this is not the picture that was cut"
    )
    fig, axes = figure(height=2.0, ncols=2)
    for ax, shown, title in zip(axes, (landscape(), picture), ("before", f"P = {P}: {said}"), strict=True):
        ax.imshow(enlarged(shown[0].permute(1, 2, 0)).clamp(0, 1), interpolation="none")
        ax.set_title(title)
        ax.set_axis_off()
    return show(fig, alt=f"The landscape, and what your functions make of it with patches of {P}: {said}")


_ = interact(
    join,
    P=SelectionSlider(options=[2, 3, 4, 6, 12], value=6, description="P"),
    shuffled=Checkbox(value=False, description="shuffle the patches"),
)
# %% nbgrader={"grade_id": "unpatchify-points", "locked": true, "grade": true, "solution": false, "points": 3}
# 3 points
report = check("unpatchify", seed=402)
display(report)
report.points(3)

# %% [markdown] nbgrader={"grade_id": "conv-text", "locked": true, "grade": false, "solution": false}
# ## 3. The convolution in disguise
#
# A linear layer on patches takes $D$ weighted sums over each square. A convolution whose window is $P$ wide and moves on by
# $P$ does the same: it lays $D$ filters on each square, without overlap. So the two have the same weights, and models that
# were trained with the one can be loaded into the other. But the numbers stand in another order. torch keeps a
# convolution's weight as $(D, C, P, P)$: for every filter, channel by channel. A row of the linear layer's weight has to
# meet a patch as `patchify` makes it: row, column, channel.
#
# **Shapes.** `weight` is `(D, C, P, P)`, the result is `(D, P*P*C)`, as the `weight` of an `nn.Linear`.
#
# **By hand.** One filter for two channels and $P = 2$:
# $\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}$ for the first channel and
# $\begin{pmatrix} 5 & 6 \\ 7 & 8 \end{pmatrix}$ for the second. The row of the linear layer is $(1, 5, 2, 6, 3, 7, 4, 8)$.


# %% nbgrader={"grade_id": "linear_weight_from_conv", "locked": false, "grade": false, "solution": true}
def linear_weight_from_conv(weight: Tensor) -> Tensor:
    """Give a strided convolution's weight to a linear layer on patches: (D, C, P, P) -> (D, P*P*C)."""
    ### BEGIN SOLUTION
    return weight.permute(0, 2, 3, 1).flatten(1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "linear_weight_from_conv-try", "locked": true, "grade": false, "solution": false}
check("linear_weight_from_conv")

# %% nbgrader={"grade_id": "linear_weight_from_conv-points", "locked": true, "grade": true, "solution": false, "points": 2}
# 2 points
report = check("linear_weight_from_conv", seed=403)
display(report)
report.points(2)

# %% [markdown] nbgrader={"grade_id": "embedding-text", "locked": true, "grade": false, "solution": false}
# ## 4. Every patch a token
#
# The patches are $P^2 C$ numbers long, and the model is $D$ wide. One linear layer, the same for every patch, leads from
# the one to the other. It is for pictures what the embedding table is for words: after it a square of pixels is a token
# like any other.
#
# Write a module with one layer, an `nn.Linear` named `projection`; it has no other parameters. In `forward`, cut with
# `patchify` and let the layer do the rest; a picture that does not divide is refused by `patchify` already.
#
# **Shapes.** `PatchEmbedding(in_channels, patch_size, embed_dim)` has `projection.weight` of shape `(D, P*P*C)` and
# `projection.bias` of shape `(D,)`. It takes `images`, `(B, C, H, W)`, and returns `(B, N, D)`.
#
# **By hand.** The picture of $2 \times 4$ pixels from section 1 again, and $D = 2$. Let the weight's first row be
# $(1, 1, -1, -1)$, the upper half of the patch minus the lower, its second row $(1, -1, 1, -1)$, left minus right, and the
# bias $(5, 7)$. The first patch, $(11, 12, 21, 22)$, becomes $(-20 + 5, -2 + 7) = (-15, 5)$; so does the second.
#
# In the small examples of a report the weight is the identity and the bias is zero, so that the tokens are the patches
# themselves, or it is the one above.


# %% nbgrader={"grade_id": "PatchEmbedding", "locked": false, "grade": false, "solution": true}
class PatchEmbedding(nn.Module):
    """Write every patch as a token: one linear layer, ``projection``, on what ``patchify`` gives."""

    def __init__(self, in_channels: int, patch_size: int, embed_dim: int):
        super().__init__()
        ### BEGIN SOLUTION
        self.patch_size = patch_size
        self.projection = nn.Linear(patch_size * patch_size * in_channels, embed_dim)
        ### END SOLUTION

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, N, D)."""
        ### BEGIN SOLUTION
        return self.projection(patchify(images, self.patch_size))
        ### END SOLUTION


# %% nbgrader={"grade_id": "PatchEmbedding-try", "locked": true, "grade": false, "solution": false}
check("PatchEmbedding")

# %% nbgrader={"grade_id": "PatchEmbedding-points", "locked": true, "grade": true, "solution": false, "points": 3}
# 3 points
report = check("PatchEmbedding", seed=404)
display(report)
report.points(3)

# %% [markdown] nbgrader={"grade_id": "end", "locked": true, "grade": false, "solution": false}
# ## Done
#
# If every check is right, a picture is a sequence for you now, and any Transformer can read it. What it cannot tell yet is
# where each patch came from, and nobody in the room speaks for the picture as a whole: that is the next notebook. The
# *Validate* button of nbgrader runs the notebook from top to bottom, as grading does.
