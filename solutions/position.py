# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] nbgrader={"grade_id": "title", "locked": true, "grade": false, "solution": false}
# # Words and positions
#
# You will write three functions: the table of sines and cosines that tells a Transformer where a word stands, the
# rotation that carries one position to another, and a test that finds out whether a layer sees order at all. Each is
# three to eight lines. They belong to chapter 8 of the book, *Words and positions*.
#
# **How it works.** Write your code where it says `YOUR CODE HERE`. The cell below each function checks it: run that
# cell as often as you like. If something is wrong, it says what, and where the book clears it up. The cells marked
# with points are the same checks with other random numbers; they are what is graded. Parts that are right earn their
# share of the points.
#
# | function | points |
# |---|---|
# | `sinusoidal_encoding` | 3 |
# | `rotation_matrix` | 3 |
# | `is_permutation_equivariant` | 4 |

# %% nbgrader={"grade_id": "imports", "locked": true, "grade": false, "solution": false}
import math
from collections.abc import Callable

import torch
from IPython.display import display
from torch import Tensor

from plenary.checks import check

# %% [markdown] nbgrader={"grade_id": "encoding-text", "locked": true, "grade": false, "solution": false}
# ## 1. The table: many clocks at once
#
# In the conference room nobody has a seat number: attention treats what is said as a set. So each token is told its
# place by a row of numbers, added to it once, before the first layer.
#
# Think of $D/2$ clocks, each with one hand. The first hand turns by one radian from each position to the next, the
# others turn more and more slowly. The row of position $t$ writes down where all hands point, as sine and cosine of
# their angles:
#
# $$\operatorname{PE}(t)_{2i} = \sin\frac{t}{10000^{2i/D}}, \qquad \operatorname{PE}(t)_{2i+1} = \cos\frac{t}{10000^{2i/D}}$$
#
# Here $i = 0, 1, \dots, D/2 - 1$ counts the pairs of columns, and both columns of a pair have the same angle.
#
# **Shapes.** The result is `(length, embed_dim)`, one row for each position, beginning with position 0, in torch's
# default dtype (float32). An odd `embed_dim` leaves a sine without its cosine: raise a `ValueError`.
#
# **By hand.** For $D = 4$ there are two pairs, with the divisors $10000^0 = 1$ and $10000^{2/4} = 100$. Row 0 is
# $(0, 1, 0, 1)$. Row 2 is $(\sin 2, \cos 2, \sin 0.02, \cos 0.02)$, about $(0.909, -0.416, 0.020, 1.000)$.


# %% nbgrader={"grade_id": "sinusoidal_encoding", "locked": false, "grade": false, "solution": true}
def sinusoidal_encoding(length: int, embed_dim: int) -> Tensor:
    """Encode the positions 0 to length - 1: (length, embed_dim), sines on even columns, cosines on odd ones."""
    ### BEGIN SOLUTION
    if embed_dim % 2:
        raise ValueError(f"embed_dim is {embed_dim}; sines and cosines come in pairs, so it must be even")
    pairs = torch.arange(embed_dim // 2)
    angles = torch.arange(length)[:, None] / 10000.0 ** (2 * pairs / embed_dim)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "sinusoidal_encoding-try", "locked": true, "grade": false, "solution": false}
check("sinusoidal_encoding")

# %% nbgrader={"grade_id": "sinusoidal_encoding-points", "locked": true, "grade": true, "solution": false, "points": 3}
# 3 points
report = check("sinusoidal_encoding", seed=311)
display(report)
report.points(3)

# %% [markdown] nbgrader={"grade_id": "rotation-text", "locked": true, "grade": false, "solution": false}
# ## 2. A shift is a rotation
#
# Why sines *and* cosines? Because then, going ahead by `offset` positions means turning every hand by an angle that
# does not depend on where you start. For one pair, with $\alpha$ its angle at $t$ and $\beta$ the angle of the
# offset:
#
# $$\begin{aligned}
# \sin(\alpha + \beta) &= \sin\alpha\cos\beta + \cos\alpha\sin\beta \\
# \cos(\alpha + \beta) &= \cos\alpha\cos\beta - \sin\alpha\sin\beta
# \end{aligned}$$
#
# Both lines are linear in $\sin\alpha$ and $\cos\alpha$. So there is one matrix $R$, the same for every $t$, with
# $\operatorname{PE}(t + \text{offset}) = R\,\operatorname{PE}(t)$, where $\operatorname{PE}(t)$ is a column. It
# consists of $2 \times 2$ blocks on the diagonal, one for each pair.
#
# **Shapes.** The result is `(embed_dim, embed_dim)`, in float32. The offset may be negative or 0; `embed_dim` is
# even. For the whole table at once, with positions in rows, it is `table @ R.T`.
#
# **By hand.** For $D = 2$ and an offset of 1, the one pair turns by 1 radian, with $\cos 1 \approx 0.540$ and
# $\sin 1 \approx 0.841$. $R$ has to carry $\operatorname{PE}(0) = (0, 1)$ to $\operatorname{PE}(1) = (0.841, 0.540)$:
# that fixes its second column.


# %% nbgrader={"grade_id": "rotation_matrix", "locked": false, "grade": false, "solution": true}
def rotation_matrix(offset: int, embed_dim: int) -> Tensor:
    """Build R with PE(t + offset) = R @ PE(t) for every position t: (embed_dim, embed_dim)."""
    ### BEGIN SOLUTION
    R = torch.zeros(embed_dim, embed_dim)
    for i in range(embed_dim // 2):
        angle = offset / 10000.0 ** (2 * i / embed_dim)
        block = [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]
        R[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = torch.tensor(block)
    return R
    ### END SOLUTION


# %% nbgrader={"grade_id": "rotation_matrix-try", "locked": true, "grade": false, "solution": false}
check("rotation_matrix")

# %% [markdown] nbgrader={"grade_id": "rotation-look-text", "locked": true, "grade": false, "solution": false}
# **Look at it.** The line is row 20 of *your* table, carried on by *your* matrix; the dots are the row where it
# should arrive. Guess first: as the offset grows, which end of the row changes quickly, and which hardly at all? Then
# move the slider, also below zero. If dots and line part, one of the two functions is wrong.

# %% nbgrader={"grade_id": "rotation-look", "locked": true, "grade": false, "solution": false}
from ipywidgets import IntSlider, interact

from plenary.plotting import colour, figure, show


def draw_shift(offset: int):
    try:
        table = sinusoidal_encoding(41, 16)
        carried, target = table[20] @ rotation_matrix(offset, 16).T, table[20 + offset]
        off = float((carried - target).abs().max())
    except NotImplementedError:
        return print("Write sinusoidal_encoding and rotation_matrix above, then run this cell again.")
    except Exception as error:
        return print(f"This stopped with {type(error).__name__}: {error}")
    fig, ax = figure(height=2.4)
    ax.plot(carried.tolist(), color=colour("query"))
    ax.plot(target.tolist(), "o", color=colour("key"))
    ax.set(xlabel="feature", ylim=(-1.25, 1.25), xticks=range(0, 16, 2))
    ax.set(title=f"from position 20 to {20 + offset}: off by at most {off:.2f}")
    return show(
        fig, alt=f"Row 20 carried on by {offset}, and row {20 + offset}: they differ by at most {off:.2f}"
    )


_ = interact(draw_shift, offset=IntSlider(value=3, min=-20, max=20, description="offset"))

# %% nbgrader={"grade_id": "rotation_matrix-points", "locked": true, "grade": true, "solution": false, "points": 3}
# 3 points
report = check("rotation_matrix", seed=312)
display(report)
report.points(3)

# %% [markdown] nbgrader={"grade_id": "equivariance-text", "locked": true, "grade": false, "solution": false}
# ## 3. Does a layer see order?
#
# Let everyone in the room change seats. If nobody's place matters, each person takes what they heard along to the new
# seat, and nothing else changes. There are two ways to get there: first change seats and then listen, or first listen
# and then change seats. A layer for which both give the same, here for these tokens and this permutation, is called
# permutation-equivariant:
#
# $$\operatorname{layer}(x_\pi) = \operatorname{layer}(x)_\pi$$
#
# **Shapes.** `x` is `(B, T, D)`, `layer` maps it to `(B, T, D)`, and `permutation` holds the numbers 0 to $T - 1$ in
# some order, as integers: after permuting, place $t$ holds token `permutation[t]`. Return one `bool`.
#
# **Equal up to rounding.** Sums in another order differ in their last digits, so compare as `torch.allclose` does,
# with its default tolerances or a little more. In the check, layers that are blind to order differ by less than
# 0.00001, and those that see it by more than 0.01.
#
# **By hand.** One sample, three tokens of width 1: $x = (5, 7, 9)$, and the permutation $(1, 2, 0)$, so
# $x_\pi = (7, 9, 5)$. A layer that adds the positions $(0, 1, 2)$ gives $(7, 10, 7)$ for $x_\pi$. For $x$ it gives
# $(5, 8, 11)$, permuted $(8, 11, 5)$. They differ: the answer is `False`. A layer that adds the mean, 7, to every
# token gives $(14, 16, 12)$ both times: `True`.


# %% nbgrader={"grade_id": "is_permutation_equivariant", "locked": false, "grade": false, "solution": true}
def is_permutation_equivariant(layer: Callable[[Tensor], Tensor], x: Tensor, permutation: Tensor) -> bool:
    """Say whether permuting the tokens before the layer is the same as permuting them after it, up to rounding."""
    ### BEGIN SOLUTION
    before = layer(x[:, permutation])
    after = layer(x)[:, permutation]
    return torch.allclose(before, after)
    ### END SOLUTION


# %% nbgrader={"grade_id": "is_permutation_equivariant-try", "locked": true, "grade": false, "solution": false}
check("is_permutation_equivariant")

# %% nbgrader={"grade_id": "is_permutation_equivariant-points", "locked": true, "grade": true, "solution": false, "points": 4}
# 4 points
report = check("is_permutation_equivariant", seed=313)
display(report)
report.points(4)

# %% [markdown] nbgrader={"grade_id": "end", "locked": true, "grade": false, "solution": false}
# ## Done
#
# If every check is right, you have shown both halves of the chapter: attention alone cannot tell first from last, and
# a row of sines and cosines gives it a clock to read. One question to take along: is a layer with causal attention
# equivariant, although no position is ever added to its tokens? Try it with your function.
