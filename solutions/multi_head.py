# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] nbgrader={"grade_id": "title", "locked": true, "grade": false, "solution": false}
# # Many heads
#
# You will write two functions that move numbers about, `split_heads` and `merge_heads`, and between them a module,
# `MultiHeadAttention`. The functions are one or two lines each, the module about fifteen. They belong to chapter 7 of
# the book, *Many heads*.
#
# **How it works.** Write your code where it says `YOUR CODE HERE`. The cell below each function checks it: run that
# cell as often as you like. If something is wrong, it says what, and where the book clears it up. The cells marked
# with points are the same checks with other random numbers; they are what is graded. Parts that are right earn their
# share of the points.
#
# | function | points |
# |---|---|
# | `split_heads` | 2 |
# | `merge_heads` | 2 |
# | `MultiHeadAttention` | 6 |

# %% nbgrader={"grade_id": "imports", "locked": true, "grade": false, "solution": false}
import torch
from IPython.display import display
from torch import Tensor, nn

from plenary import scaled_dot_product_attention
from plenary.checks import check

# %% [markdown] nbgrader={"grade_id": "split-text", "locked": true, "grade": false, "solution": false}
# ## 1. Split: several small conversations
#
# In one conversation, a listener has one unit of attention to share out. Whoever wants to know who spoke *and* what
# was meant has to blend the two. So the room holds $H$ conversations at the same time, called heads. Nobody gets
# longer vectors for it: the $D$ features of each person are cut into $H$ stretches of $d = D / H$ neighbours, and
# head $h$ works with stretch $h$.
#
# A head is then handled like one more sample in the batch, so its axis moves to the front, behind the batch. The two
# steps are: cut the last axis in two, and exchange two axes.
#
# **Shapes.** `x` is `(B, T, D)`, the result `(B, H, T, D/H)`. You may rely on `num_heads` dividing $D$; refusing
# other sizes is the module's task.
#
# **By hand.** One sample with two tokens of four features, $(1, 2, 3, 4)$ and $(5, 6, 7, 8)$, and two heads. Head 0
# holds $(1, 2)$ of the first token and $(5, 6)$ of the second; head 1 holds $(3, 4)$ and $(7, 8)$.


# %% nbgrader={"grade_id": "split_heads", "locked": false, "grade": false, "solution": true}
def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """Cut the width into heads: (B, T, D) -> (B, H, T, D / H)."""
    ### BEGIN SOLUTION
    return x.unflatten(-1, (num_heads, -1)).permute(0, 2, 1, 3)
    ### END SOLUTION


# %% nbgrader={"grade_id": "split_heads-try", "locked": true, "grade": false, "solution": false}
check("split_heads")

# %% [markdown] nbgrader={"grade_id": "split-look-text", "locked": true, "grade": false, "solution": false}
# **Look at it.** Four tokens, one to a row, with twelve features each. The cell asks *your* function for one of three
# heads, and paints the numbers that ended up in it. Guess first: which shape do the painted cells have, and how does it
# move with the slider? Then look. A head should reach every token, and take a stretch of features from each.

# %% nbgrader={"grade_id": "split-look", "locked": true, "grade": false, "solution": false}
from ipywidgets import IntSlider, interact

from plenary.plotting import colour, figure, show


def draw_head(head: int):
    x = torch.arange(48.0).reshape(1, 4, 12)
    try:
        held = torch.isin(x[0], split_heads(x, 3)[0, head].flatten())
    except NotImplementedError:
        return print("Write split_heads above, then run this cell again.")
    except Exception as error:
        return print(f"Your split_heads stopped with {type(error).__name__}: {error}")
    fig, ax = figure(height=2.2)
    for token in range(4):
        for feature in range(12):
            fill = colour("key") if held[token, feature] else "none"
            ax.barh(
                token, 1, left=feature - 0.5, height=1, color=fill, edgecolor=colour("muted"), linewidth=0.8
            )
    ax.set(xlim=(-0.5, 11.5), ylim=(3.5, -0.5), xticks=range(12), yticks=range(4))
    ax.set(xlabel="feature", ylabel="token", title=f"What head {head} holds")
    ax.grid(False)
    rows = "; ".join(
        f"token {token}: {', '.join(str(int(i)) for i in held[token].nonzero()) or 'none'}"
        for token in range(4)
    )
    return show(fig, alt=f"Features that head {head} holds. {rows}.")


_ = interact(draw_head, head=IntSlider(value=0, min=0, max=2, description="head"))

# %% nbgrader={"grade_id": "split_heads-points", "locked": true, "grade": true, "solution": false, "points": 2}
# 2 points
report = check("split_heads", seed=301)
display(report)
report.points(2)

# %% [markdown] nbgrader={"grade_id": "merge-text", "locked": true, "grade": false, "solution": false}
# ## 2. Merge: back to one vector each
#
# When the conversations are over, each person puts together what they heard in all of them: the $d$ features from
# head 0, then those from head 1, and so on, side by side. It is the way of the split, walked backwards, and the order
# of the steps turns round as well.
#
# **Shapes.** `x` is `(B, H, T, d)`, the result `(B, T, H * d)`. For every `x` and every number of heads that divides
# its width, `merge_heads(split_heads(x, num_heads))` is `x` again.
#
# **By hand.** Two heads with two tokens each: head 0 holds $(1, 2)$ and $(5, 6)$, head 1 holds $(3, 4)$ and $(7, 8)$.
# Merged, the tokens are $(1, 2, 3, 4)$ and $(5, 6, 7, 8)$.


# %% nbgrader={"grade_id": "merge_heads", "locked": false, "grade": false, "solution": true}
def merge_heads(x: Tensor) -> Tensor:
    """Put the heads side by side again: (B, H, T, d) -> (B, T, H * d)."""
    ### BEGIN SOLUTION
    return x.permute(0, 2, 1, 3).flatten(2)
    ### END SOLUTION


# %% nbgrader={"grade_id": "merge_heads-try", "locked": true, "grade": false, "solution": false}
check("merge_heads")

# %% nbgrader={"grade_id": "merge_heads-points", "locked": true, "grade": true, "solution": false, "points": 2}
# 2 points
report = check("merge_heads", seed=302)
display(report)
report.points(2)

# %% [markdown] nbgrader={"grade_id": "module-text", "locked": true, "grade": false, "solution": false}
# ## 3. The module
#
# What makes one conversation differ from another? Before the cut, the tokens go through three linear layers of the
# full width, one for queries, one for keys, one for values. So head $h$ does not get features $hd$ to $hd + d - 1$ of
# the token, but $d$ numbers of its own making, drawn from all $D$ features. After the merge comes a fourth layer,
# which lets every head speak to every feature:
#
# $$\operatorname{head}_h = \operatorname{Attention}(Q_h, K_h, V_h), \qquad
# \operatorname{output} = [\operatorname{head}_0, \dots, \operatorname{head}_{H-1}]\, W_O$$
#
# **The layers.** Four `nn.Linear` from $D$ to $D$, called `q_proj`, `k_proj`, `v_proj` and `out_proj`. The argument
# `bias` says whether they have biases, all four alike. `__init__` raises a `ValueError` if $D$ does not divide by
# $H$.
#
# **Shapes.** `query` is `(B, T, D)`, `key` and `value` are `(B, S, D)`. Return the pair `(output, weights)`:
# `(B, T, D)` and `(B, H, T, S)`, the weights of every head.
#
# **The mask** is boolean and broadcasts to `(B, H, T, S)`. **True means "may attend".** A query that may attend to
# nothing has weights of zero and hears nothing, so `out_proj` gives its bias there. `scaled_dot_product_attention` of
# chapter 3 is handed out in the first cell: it returns output and weights for any number of axes in front, and takes
# care of such rows.
#
# **Dropout** acts on the weights, between the softmax and the values, in training only. What comes back as `weights`
# while it acts is up to you.
#
# **By hand.** The small examples of the check have $D = 4$ and $H = 2$, so $d = 2$, and whole numbers for weights:
# `q_proj` leaves its input as it is, `k_proj` exchanges features 0 and 1 as well as 2 and 3, `v_proj` doubles,
# `out_proj` exchanges the two heads and adds $(1, 2, 3, 4)$. Take one query $(1, 0, 2, 1)$ and one key, whose value
# is $(1, 2, 0, 4)$. With a single key all weights are 1, so the heads hear $(2, 4)$ and $(0, 8)$. Exchanged,
# $(0, 8, 2, 4)$; with the bias added, $(1, 10, 5, 8)$.


# %% nbgrader={"grade_id": "MultiHeadAttention", "locked": false, "grade": false, "solution": true}
class MultiHeadAttention(nn.Module):
    """H attentions side by side, each of width D / H, mixed by one last linear layer."""

    def __init__(self, embed_dim: int, num_heads: int, bias: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        if embed_dim % num_heads:
            raise ValueError(f"embed_dim {embed_dim} does not divide by num_heads {num_heads}")
        self.num_heads = num_heads
        self.q_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.k_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.v_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.out_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        self.dropout = nn.Dropout(dropout)
        ### END SOLUTION

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Attend: returns the output (B, T, D) and the weights (B, H, T, S). True in the mask means "may attend"."""
        ### BEGIN SOLUTION
        q = split_heads(self.q_proj(query), self.num_heads)
        k = split_heads(self.k_proj(key), self.num_heads)
        v = split_heads(self.v_proj(value), self.num_heads)
        _, weights = scaled_dot_product_attention(q, k, v, mask)
        heard = self.dropout(weights) @ v
        return self.out_proj(merge_heads(heard)), weights
        ### END SOLUTION


# %% nbgrader={"grade_id": "MultiHeadAttention-try", "locked": true, "grade": false, "solution": false}
check("MultiHeadAttention")

# %% nbgrader={"grade_id": "MultiHeadAttention-points", "locked": true, "grade": true, "solution": false, "points": 6}
# 6 points
report = check("MultiHeadAttention", seed=303)
display(report)
report.points(6)

# %% [markdown] nbgrader={"grade_id": "end", "locked": true, "grade": false, "solution": false}
# ## Done
#
# If every check is right, you have the layer that all of week 2 and week 3 is built around. One question to take
# along: exchange head 0 and head 1 everywhere, in the rows of the three layers and in the columns of `out_proj`. What
# does the module return then? (The book's section on the output projection has the answer.)
