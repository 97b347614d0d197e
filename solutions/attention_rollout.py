# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] nbgrader={"grade_id": "title", "locked": true, "grade": false, "solution": false}
# # Looking inside
#
# A trained Vision Transformer has given its answer. What did it look at? You will follow the attention through all layers
# back to the patches, and lay the result on the picture. Two short functions; they belong to chapter 16 of the book,
# *Looking inside*.
#
# **How it works.** Write your code where it says `YOUR CODE HERE`. The cell below each function checks it: run that cell as
# often as you like. If something is wrong, it says what, and where the book clears it up. The cells marked with points are
# the same checks with other random numbers; they are what is graded. Parts that are right earn their share of the points.
#
# | function | points |
# |---|---|
# | `attention_rollout` | 4 |
# | `class_attention_map` | 2 |

# %% nbgrader={"grade_id": "imports", "locked": true, "grade": false, "solution": false}
import torch
from IPython.display import display
from torch import Tensor

from plenary.checks import check

# %% [markdown] nbgrader={"grade_id": "rollout-text", "locked": true, "grade": false, "solution": false}
# ## 1. Who heard it from whom?
#
# After one round in the conference room, what you know is half what you brought and half what you heard. After two rounds it
# is more tangled: you listened to the cook, who had listened to the sailor, so something of the sailor has reached you,
# although you never listened to the sailor. Follow every such path, and you know what everybody is made of at the end.
#
# One layer mixes the tokens by a table. Let $\bar A_l$ be the mean of the heads' attention in layer $l$. The residual path
# passes each token on as it was, and rollout gives both the same say:
#
# $$M_l = \tfrac12\left(\bar A_l + I\right), \qquad R = M_L \cdots M_2 M_1$$
#
# Row $t$ of $M_l$ says what token $t$ is made of after layer $l$, in shares of the tokens before it. The last layer is
# asked first, so it stands on the left.
#
# **Shapes.** `attentions` is a list with one tensor `(B, H, N + 1, N + 1)` for each layer, first layer first; layers may have
# different numbers of heads. The result is `(B, N + 1, N + 1)` in the attention's dtype, and each of its rows sums to one.
#
# **By hand.** One head, three tokens, two layers:
#
# $$\bar A_1 = \begin{pmatrix} \tfrac12 & \tfrac12 & 0 \\ 0 & 1 & 0 \\ 0 & \tfrac12 & \tfrac12 \end{pmatrix}, \quad
# \bar A_2 = \begin{pmatrix} 0 & 0 & 1 \\ \tfrac12 & \tfrac12 & 0 \\ 1 & 0 & 0 \end{pmatrix}$$
#
# The first row of $M_1$ is $(\tfrac34, \tfrac14, 0)$, its third $(0, \tfrac14, \tfrac34)$. The first row of $M_2$ is
# $(\tfrac12, 0, \tfrac12)$: half of itself, half of token 3. So the first row of $R$ is half of each of the former two,
# $(\tfrac38, \tfrac14, \tfrac38)$.


# %% nbgrader={"grade_id": "attention_rollout", "locked": false, "grade": false, "solution": true}
def attention_rollout(attentions: list[Tensor]) -> Tensor:
    """Follow attention through all layers: a list of (B, H, N + 1, N + 1) -> (B, N + 1, N + 1)."""
    ### BEGIN SOLUTION
    first, *_ = attentions
    identity = torch.eye(first.shape[3], dtype=first.dtype)
    rollout = identity
    for attention in attentions:
        rollout = (attention.mean(dim=1) + identity) / 2 @ rollout
    return rollout
    ### END SOLUTION


# %% nbgrader={"grade_id": "attention_rollout-try", "locked": true, "grade": false, "solution": false}
check("attention_rollout")

# %% [markdown] nbgrader={"grade_id": "rollout-look-text", "locked": true, "grade": false, "solution": false}
# **Look at it.** Eight people sit in a row and listen only to their left-hand neighbour; the first listens to nobody but
# themselves. The table shows *your* rollout: a row for each listener at the end, a column for each speaker at the start.
# **Guess first:** after four layers, how far to the left does what person 8 knows reach back, and of whom is there most?
# Then move the slider. Every row should sum to 1; the dark band lies below the diagonal and wanders to the left as it
# gets wider.

# %% nbgrader={"grade_id": "rollout-look", "locked": true, "grade": false, "solution": false}
from ipywidgets import IntSlider, interact

from plenary.plotting import figure, show


def draw_rollout(layers: int):
    neighbour = torch.zeros(8, 8)
    neighbour[torch.arange(8), (torch.arange(8) - 1).clamp(min=0)] = 1
    try:
        rollout = attention_rollout([neighbour.reshape(1, 1, 8, 8)] * layers).reshape(8, 8).detach()
        sums = rollout.sum(dim=-1)
    except NotImplementedError:
        return print("Write attention_rollout above, then run this cell again.")
    except Exception as error:
        return print(f"Your function raised {type(error).__name__}: {error}\nThe check above says more.")
    fig, ax = figure(height=2.8)
    ax.imshow(rollout, cmap="Greys", vmin=0, vmax=max(0.5, float(rollout.max())))
    ax.grid(visible=False)
    ends = f"row sums from {sums.min():.2f} to {sums.max():.2f}"
    ax.set(xticks=range(8), xticklabels=range(1, 9), yticks=range(8), yticklabels=range(1, 9))
    ax.set(xlabel="speaker at the start", ylabel="listener at the end", title=ends)
    return show(
        fig, alt=f"Rollout after {layers} layers, {ends}; person 8 keeps {rollout[7, 7]:.2f} of themselves"
    )


_ = interact(draw_rollout, layers=IntSlider(value=1, min=1, max=8, description="layers"))

# %% nbgrader={"grade_id": "attention_rollout-points", "locked": true, "grade": true, "solution": false, "points": 4}
# 4 points
report = check("attention_rollout", seed=441)
display(report)
report.points(4)

# %% [markdown] nbgrader={"grade_id": "map-text", "locked": true, "grade": false, "solution": false}
# ## 2. Back onto the picture
#
# The head reads the class token, so the question is what the class token is made of. That is its row of the rollout. The first
# entry of that row is what the class token kept of itself, and has no place in the picture. The others are the patches, in
# the order in which `patchify` cut them: along the first row of patches, then along the second.
#
# **Shapes.** `rollout` is `(B, N + 1, N + 1)`, `grid` is `(h, w)` with $h \cdot w = N$, the result is `(B, h, w)`. The numbers stay
# as they are: shares of the class token, which need not add up to one.
#
# **By hand.** If the class token's row is $(0.2, 0.05, 0.1, 0.15, 0, 0.2, 0.3)$ and the grid $(2, 3)$, the map is
#
# $$\begin{pmatrix} 0.05 & 0.1 & 0.15 \\ 0 & 0.2 & 0.3 \end{pmatrix}$$


# %% nbgrader={"grade_id": "class_attention_map", "locked": false, "grade": false, "solution": true}
def class_attention_map(rollout: Tensor, grid: tuple[int, int]) -> Tensor:
    """Lay out what the class token is made of as the patches lie: (B, N + 1, N + 1) -> (B, h, w)."""
    ### BEGIN SOLUTION
    return rollout[:, 0, 1:].unflatten(1, grid)
    ### END SOLUTION


# %% nbgrader={"grade_id": "class_attention_map-try", "locked": true, "grade": false, "solution": false}
check("class_attention_map")

# %% nbgrader={"grade_id": "class_attention_map-points", "locked": true, "grade": true, "solution": false, "points": 2}
# 2 points
report = check("class_attention_map", seed=442)
display(report)
report.points(2)

# %% [markdown] nbgrader={"grade_id": "end", "locked": true, "grade": false, "solution": false}
# ## Done
#
# With `plenary.record_attention` you get the attention of every layer of a real model, and with these two functions a map
# of it. The section *What it does not explain* says what such a map does not explain; read it before you show one to anybody. The
# *Validate* button of nbgrader runs the notebook from top to bottom, as grading does.
