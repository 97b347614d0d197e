# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] nbgrader={"grade_id": "title", "locked": true, "grade": false, "solution": false}
# # Class token and positions
#
# The patches of a picture have become tokens. Two things are missing before they can enter a Transformer: somebody who
# speaks for the picture as a whole, and a way to tell where each patch was. You will write three functions, about twelve
# lines together. They belong to chapter 13 of the book, *Class token and positions*.
#
# **How it works.** Write your code where it says `YOUR CODE HERE`. The cell below each function checks it: run that
# cell as often as you like. If something is wrong, it says what, and where the book clears it up. The cells marked
# with points are the same checks with other random numbers; they are what is graded. Parts that are right earn their
# share of the points.
#
# | function | points |
# |---|---|
# | `prepend_class_token` | 2 |
# | `add_positions` | 2 |
# | `interpolate_positions` | 4 |

# %% nbgrader={"grade_id": "imports", "locked": true, "grade": false, "solution": false}
import torch
import torch.nn.functional as F
from IPython.display import display
from torch import Tensor

from plenary.checks import check

# %% [markdown] nbgrader={"grade_id": "class-token-text", "locked": true, "grade": false, "solution": false}
# ## 1. Somebody who takes the minutes
#
# In the room sit the patches, and each knows its own square. At the end the picture needs one answer. So one more guest is
# let in, who has no square and nothing to say at first: the **class token**. It listens to everybody, layer after layer, and
# what it has gathered at the end is what the classifier reads.
#
# The class token is a parameter, one vector of width $D$, and it is the same for every picture: whoever comes in, the
# same question is put to them. It sits in front, as token 0.
#
# **Shapes.** `x` is `(B, N, D)`, `class_token` is `(1, 1, D)`, the result is `(B, N+1, D)` in the same dtype. `torch.cat` joins
# tensors along one axis and wants all the others to agree; it does not stretch an axis of length 1 as a sum does.
#
# **By hand.** Two pictures of two patches each, $D = 3$, and the class token $(7, 8, 9)$:
#
# $$\begin{pmatrix} 11 & 12 & 13 \\ 21 & 22 & 23 \end{pmatrix},
# \begin{pmatrix} 31 & 32 & 33 \\ 41 & 42 & 43 \end{pmatrix}
# \quad\text{become}\quad
# \begin{pmatrix} 7 & 8 & 9 \\ 11 & 12 & 13 \\ 21 & 22 & 23 \end{pmatrix},
# \begin{pmatrix} 7 & 8 & 9 \\ 31 & 32 & 33 \\ 41 & 42 & 43 \end{pmatrix}$$


# %% nbgrader={"grade_id": "prepend_class_token", "locked": false, "grade": false, "solution": true}
def prepend_class_token(x: Tensor, class_token: Tensor) -> Tensor:
    """Put the same class token in front of every sequence: (B, N, D), (1, 1, D) -> (B, N+1, D)."""
    ### BEGIN SOLUTION
    batch, _, width = x.shape
    first = class_token.expand(batch, 1, width)
    return torch.cat((first, x), dim=1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "prepend_class_token-try", "locked": true, "grade": false, "solution": false}
check("prepend_class_token")

# %% nbgrader={"grade_id": "prepend_class_token-points", "locked": true, "grade": true, "solution": false, "points": 2}
# 2 points
report = check("prepend_class_token", seed=411)
display(report)
report.points(2)

# %% [markdown] nbgrader={"grade_id": "positions-text", "locked": true, "grade": false, "solution": false}
# ## 2. A seat for everyone
#
# Shuffle the patches, and attention gives the same answers in shuffled order: it does not see where anybody sits. A sky above
# a meadow and a meadow above a sky would be one picture. So each token gets its position added: a vector for the first
# seat, another for the second, and so on, learned along with everything else. The class token has a seat too, number 0.
#
# Positions are added once, before the first layer, and the same ones serve every picture of the batch.
#
# There must be exactly as many positions as tokens. If there are not, the picture has another size than the one that the
# positions were learned for, and no sum of the two makes sense. Raise a `ValueError` that names both lengths. Do not leave
# it to torch: an axis of length 1 it stretches without a word.
#
# **Shapes.** `x` is `(B, N+1, D)` with the class token in front, `positions` is `(1, N+1, D)`, the result is `(B, N+1, D)`: a
# new tensor, since `x` may still be wanted as it was.
#
# **By hand.** The tokens $(1, 2), (10, 20), (30, 40)$ and the positions $(3, 5), (100, 200), (300, 400)$ make
# $(4, 7), (110, 220), (330, 440)$.


# %% nbgrader={"grade_id": "add_positions", "locked": false, "grade": false, "solution": true}
def add_positions(x: Tensor, positions: Tensor) -> Tensor:
    """Add to every token its position: (B, N+1, D), (1, N+1, D) -> (B, N+1, D)."""
    ### BEGIN SOLUTION
    if x.shape[1] != positions.shape[1]:
        raise ValueError(f"{x.shape[1]} tokens need as many positions; there are {positions.shape[1]}")
    return x + positions
    ### END SOLUTION


# %% nbgrader={"grade_id": "add_positions-try", "locked": true, "grade": false, "solution": false}
check("add_positions")

# %% nbgrader={"grade_id": "add_positions-points", "locked": true, "grade": true, "solution": false, "points": 2}
# 2 points
report = check("add_positions", seed=412)
display(report)
report.points(2)

# %% [markdown] nbgrader={"grade_id": "interpolate-text", "locked": true, "grade": false, "solution": false}
# ## 3. The same hall, other seats
#
# A model that learned on pictures of $224 \times 224$ is to look at larger ones. Its patches stay as they are, and there are
# more of them: where there were $14 \times 14$ seats there are now, say, $24 \times 18$. The learned positions know what is
# left and right, above and below; that knowledge need not be thrown away. Neighbouring seats have similar vectors, so look
# at the positions as a small picture with $D$ channels, and enlarge it as one enlarges a picture.
#
# In steps:
#
# 1. Set the class token's position aside. It has no place in the picture, and must come out as it went in.
# 2. Give the other positions their rows and columns back, and bring the features to where `F.interpolate` expects channels:
#    `(1, D, h, w)`.
# 3. Resize to the new grid, bicubically, with `align_corners=False` and `antialias=False`. Tell `F.interpolate` the size
#    that you want; a factor may be rounded to one seat too few.
# 4. Back to a sequence, row by row, and the class token's position in front again.
#
# **Shapes.** `positions` is `(1, 1 + h*w, D)`; `old_grid` is `(h, w)` and `new_grid` is `(h', w')`, rows first. The result is
# `(1, 1 + h'*w', D)`, in the dtype of `positions`. The model may go on learning, so a gradient has to get back to them.
#
# **By hand.** Let each position hold the number of its row and of its column. In a grid of $2 \times 3$ the row numbers are
# 1 and 2. Enlarged to $4 \times 3$ there are four rows, whose centres lie at $\tfrac14, \tfrac34, \tfrac54, \tfrac74$ of an
# old row's height from the top. The column numbers stay 1, 2, 3, and the row numbers become about $0.89, 1.23, 1.77, 2.11$.
# The cubic curve runs a little beyond both ends, where a straight line would have stayed within.


# %% nbgrader={"grade_id": "interpolate_positions", "locked": false, "grade": false, "solution": true}
def interpolate_positions(positions: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]) -> Tensor:
    """Fit learned positions to another grid of patches: (1, 1 + h*w, D) -> (1, 1 + h'*w', D)."""
    ### BEGIN SOLUTION
    of_class, of_patches = positions[:, :1], positions[:, 1:]
    picture = of_patches.mT.unflatten(2, old_grid)
    resized = F.interpolate(picture, size=new_grid, mode="bicubic", align_corners=False)
    return torch.cat((of_class, resized.flatten(2).mT), dim=1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "interpolate_positions-try", "locked": true, "grade": false, "solution": false}
check("interpolate_positions")

# %% [markdown] nbgrader={"grade_id": "interpolate-look-text", "locked": true, "grade": false, "solution": false}
# **Look at it.** Four features of a set of positions on a grid of $6 \times 9$, as a trained model might have them, and below
# them what *your* function makes of them. Guess first: what will the waves look like on a grid of $12 \times 9$, and on one of
# $4 \times 16$? Then move the sliders. However you stretch the grid, the waves have to go on running in their direction
# and stay smooth; stripes, steps or a smear along the rows say that something was moved to a wrong place. The square on
# the left of each is the class token's position, which should never change.

# %% nbgrader={"grade_id": "interpolate-look", "locked": true, "grade": false, "solution": false}
from ipywidgets import IntSlider, interact

from plenary.plotting import figure, show


def waves(height: int, width: int) -> Tensor:
    """Four smooth features over a grid, and the class token's position in front: (1, 1 + height * width, 4)."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    features = [
        torch.sin(6 * x),
        torch.cos(5 * y),
        torch.sin(5 * (x + y)),
        torch.cos(7 * ((x - 0.5) ** 2 + (y - 0.5) ** 2)),
    ]
    of_patches = torch.stack(features, dim=-1).flatten(0, 1)
    of_class = torch.tensor([[1.0, -1.0, 1.0, -1.0]])
    return torch.cat([of_class, of_patches]).unsqueeze(0)


def stretch(rows: int, columns: int):
    positions = waves(6, 9)
    expected = (1, 1 + rows * columns, 4)
    try:
        stretched = interpolate_positions(positions, (6, 9), (rows, columns)).detach()
    except NotImplementedError:
        return print("Write interpolate_positions above, then run this cell again.")
    except Exception as error:
        return print(f"Your interpolate_positions raised {type(error).__name__}: {error}")
    if tuple(stretched.shape) != expected:
        return print(f"Your positions have the shape {tuple(stretched.shape)}; it should be {expected}.")
    fig, axes = figure(height=2.5, nrows=2, ncols=4)
    style = {"cmap": "viridis", "vmin": -1.2, "vmax": 1.2, "interpolation": "none"}
    for line, table, (height, width) in zip(
        axes, (positions, stretched), ((6, 9), (rows, columns)), strict=True
    ):
        for d, ax in enumerate(line):
            # Both grids are drawn in the same hall of 9 by 6, with the class token outside of it.
            ax.imshow(table[0, 1:, d].reshape(height, width), extent=(0, 9, 6, 0), **style)
            ax.imshow(table[0, :1, d : d + 1], extent=(-2, -0.5, 3.75, 2.25), **style)
            ax.set(xlim=(-2, 9), ylim=(6, 0), title=f"{height} x {width}")
            ax.set_axis_off()
    return show(
        fig,
        alt=f"Four features of the positions on a grid of 6 x 9, and below them on {rows} x {columns} as your function makes them",
    )


_ = interact(
    stretch,
    rows=IntSlider(value=12, min=1, max=24, description="rows"),
    columns=IntSlider(value=9, min=1, max=24, description="columns"),
)
# %% nbgrader={"grade_id": "interpolate_positions-points", "locked": true, "grade": true, "solution": false, "points": 4}
# 4 points
report = check("interpolate_positions", seed=413)
display(report)
report.points(4)

# %% [markdown] nbgrader={"grade_id": "end", "locked": true, "grade": false, "solution": false}
# ## Done
#
# If every check is right, you can turn any picture into a sequence that a Transformer can read: cut, embedded, with a class
# token in front and a position for everyone. The next notebook puts the whole Vision Transformer together. The *Validate*
# button of nbgrader runs the notebook from top to bottom, as grading does.
