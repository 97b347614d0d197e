# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] nbgrader={"grade_id": "title", "locked": true, "grade": false, "solution": false}
# # Scaled dot-product attention
#
# You will write three functions: the scores, the attention that is built on them, and the Jacobian of the softmax.
# Together they are about fifteen lines. They belong to chapter 3 of the book, *Scaled dot-product attention*.
#
# **How it works.** Write your code where it says `YOUR CODE HERE`. The cell below each function checks it: run that
# cell as often as you like. If something is wrong, it says what, and where the book clears it up. The cells marked
# with points are the same checks with other random numbers; they are what is graded. Parts that are right earn their
# share of the points.
#
# | function | points |
# |---|---|
# | `attention_scores` | 3 |
# | `scaled_dot_product_attention` | 5 |
# | `softmax_jacobian` | 3 |

# %% nbgrader={"grade_id": "imports", "locked": true, "grade": false, "solution": false}
import math

import torch
from IPython.display import display
from torch import Tensor

from plenary.checks import check

# %% [markdown] nbgrader={"grade_id": "scores-text", "locked": true, "grade": false, "solution": false}
# ## 1. Scores: every query with every key
#
# Everyone in the room has a question, the query, and wears a badge that says what they know about, the key. The score
# of a question and a badge is their dot product. With $T$ questions and $S$ badges that makes a table of $T \times S$
# numbers, and dividing by $\sqrt{d_k}$ keeps their spread near 1 however wide the vectors are:
#
# $$E = \frac{Q K^\top}{\sqrt{d_k}}$$
#
# **Shapes.** `query` is `(..., T, d_k)`, `key` is `(..., S, d_k)`, the result is `(..., T, S)`. The dots stand for any
# number of batch axes: none, one, or several.
#
# **By hand.** One query $(2, 0, 0, 0)$ and two keys, $(1, 0, 1, 0)$ and $(3, 1, 0, 1)$. The dot products are 2 and 6,
# $\sqrt{d_k} = 2$, so the scores are $1$ and $3$.


# %% nbgrader={"grade_id": "attention_scores", "locked": false, "grade": false, "solution": true}
def attention_scores(query: Tensor, key: Tensor) -> Tensor:
    """Score every query against every key: (..., T, d_k), (..., S, d_k) -> (..., T, S), scaled."""
    ### BEGIN SOLUTION
    d_k = query.shape[-1]
    return query @ key.mT / math.sqrt(d_k)
    ### END SOLUTION


# %% nbgrader={"grade_id": "attention_scores-try", "locked": true, "grade": false, "solution": false}
check("attention_scores")

# %% [markdown] nbgrader={"grade_id": "scores-look-text", "locked": true, "grade": false, "solution": false}
# **Look at it.** This draws scores of random queries and keys with *your* function. Move the slider: if the spread
# grows with $d_k$, something is missing.

# %% nbgrader={"grade_id": "scores-look", "locked": true, "grade": false, "solution": false}
from ipywidgets import IntSlider, interact

from plenary.plotting import colour, figure, show


def draw_scores(d_k: int):
    numbers = torch.Generator().manual_seed(3)
    query = torch.randn(40, d_k, generator=numbers)
    key = torch.randn(40, d_k, generator=numbers)
    try:
        scores = attention_scores(query, key).detach().flatten()
    except NotImplementedError:
        return print("Write attention_scores above, then run this cell again.")
    fig, ax = figure(height=2.2)
    ax.hist(scores.clamp(-24, 24).numpy(), bins=49, range=(-24, 24), color=colour("query"))
    ax.set(xlabel="score", yticks=[], title=f"d_k = {d_k}: standard deviation {scores.std():.2f}")
    return show(fig, alt=f"Histogram of scores for d_k = {d_k}: standard deviation {scores.std():.2f}")


_ = interact(draw_scores, d_k=IntSlider(value=64, min=1, max=256, description="d_k"))
# %% nbgrader={"grade_id": "attention_scores-points", "locked": true, "grade": true, "solution": false, "points": 3}
# 3 points
report = check("attention_scores", seed=101)
display(report)
report.points(3)

# %% [markdown] nbgrader={"grade_id": "attention-text", "locked": true, "grade": false, "solution": false}
# ## 2. Attention: listen in proportion
#
# Along each row of the table, the softmax turns scores into weights: how much of its attention this query gives to each
# key. The output is what is heard, the values mixed by those weights:
#
# $$\operatorname{Attention}(Q, K, V) = \operatorname{softmax}\!\left(\frac{Q K^\top}{\sqrt{d_k}}\right) V$$
#
# **Shapes.** `value` is `(..., S, d_v)`. Return the pair `(output, weights)`: `(..., T, d_v)` and `(..., T, S)`.
#
# **The mask.** `mask` is boolean and broadcasts to `(..., T, S)`. **True means "may attend".** A key that is not
# permitted has to be out of the sum, as if it were not in the room. A query that may attend to nothing gets weights and
# output of exactly zero, never NaN.
#
# **By hand.** For the scores $(0, \ln 3)$ the exponentials are 1 and 3, so the weights are $\tfrac14$ and $\tfrac34$. With
# the values $(8, 0)$ and $(0, 4)$ the output is $(2, 3)$. Forbid the second key: the weights become $(1, 0)$ and the output
# $(8, 0)$.


# %% nbgrader={"grade_id": "scaled_dot_product_attention", "locked": false, "grade": false, "solution": true}
def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Attend: returns the output (..., T, d_v) and the weights (..., T, S). True in the mask means "may attend"."""
    ### BEGIN SOLUTION
    scores = attention_scores(query, key)
    if mask is None:
        weights = scores.softmax(dim=-1)
    else:
        # A row without a True would be 0/0. It stays unmasked here and is set to zero afterwards.
        empty = ~mask.any(dim=-1, keepdim=True)
        weights = scores.masked_fill(~(mask | empty), -math.inf).softmax(dim=-1).masked_fill(empty, 0.0)
    return weights @ value, weights
    ### END SOLUTION


# %% nbgrader={"grade_id": "scaled_dot_product_attention-try", "locked": true, "grade": false, "solution": false}
check("scaled_dot_product_attention")

# %% nbgrader={"grade_id": "scaled_dot_product_attention-points", "locked": true, "grade": true, "solution": false, "points": 5}
# 5 points
report = check("scaled_dot_product_attention", seed=102)
display(report)
report.points(5)

# %% [markdown] nbgrader={"grade_id": "jacobian-text", "locked": true, "grade": false, "solution": false}
# ## 3. The Jacobian of the softmax
#
# Learning goes backwards through the softmax, so its derivative decides how much a score can still be changed. For
# $p = \operatorname{softmax}(x)$ the entry in row $i$ and column $j$ of the Jacobian is $\partial p_i / \partial x_j$. The
# book derives it; what makes it pleasant is that it needs only $p$, not $x$.
#
# **Shapes.** `p` is `(..., n)`, each row a softmax's output. The result is `(..., n, n)`.
#
# **By hand.** For $p = (\tfrac12, \tfrac12)$ it is $\begin{pmatrix} \tfrac14 & -\tfrac14 \\ -\tfrac14 & \tfrac14 \end{pmatrix}$:
# what one key gains, the other loses.


# %% nbgrader={"grade_id": "softmax_jacobian", "locked": false, "grade": false, "solution": true}
def softmax_jacobian(p: Tensor) -> Tensor:
    """Differentiate the softmax at its output p: (..., n) -> (..., n, n)."""
    ### BEGIN SOLUTION
    return torch.diag_embed(p) - p.unsqueeze(-1) * p.unsqueeze(-2)
    ### END SOLUTION


# %% nbgrader={"grade_id": "softmax_jacobian-try", "locked": true, "grade": false, "solution": false}
check("softmax_jacobian")

# %% nbgrader={"grade_id": "softmax_jacobian-points", "locked": true, "grade": true, "solution": false, "points": 3}
# 3 points
report = check("softmax_jacobian", seed=103)
display(report)
report.points(3)

# %% [markdown] nbgrader={"grade_id": "end", "locked": true, "grade": false, "solution": false}
# ## Done
#
# If every check is right, you have written the function that every Transformer is made of. The *Validate* button of
# nbgrader runs the notebook from top to bottom, as grading does; a check that passes only because of cells run in another
# order will show there.
