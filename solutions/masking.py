# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] nbgrader={"grade_id": "title", "locked": true, "grade": false, "solution": false}
# # Masks
#
# You will write four functions: two that make masks, one that joins them, and the softmax that obeys. Together they are about
# six lines. They belong to chapter 4 of the book, *Masks*.
#
# **How it works.** Write your code where it says `YOUR CODE HERE`. The cell below each function checks it: run that
# cell as often as you like. If something is wrong, it says what, and where the book clears it up. The cells marked
# with points are the same checks with other random numbers; they are what is graded. Parts that are right earn their
# share of the points.
#
# | function | points |
# |---|---|
# | `causal_mask` | 2 |
# | `padding_mask` | 2 |
# | `combine_masks` | 2 |
# | `masked_softmax` | 4 |
#
# **One rule for all of them.** A mask is boolean, and **True means "may attend"**. Rows are queries, those who listen;
# columns are keys, those who are listened to.

# %% nbgrader={"grade_id": "imports", "locked": true, "grade": false, "solution": false}
import math

import torch
from IPython.display import display
from torch import Tensor

from plenary.checks import check

# %% [markdown] nbgrader={"grade_id": "causal-text", "locked": true, "grade": false, "solution": false}
# ## 1. Causal: nobody hears the future
#
# A speech is being written down word by word, and each word is to be guessed from those before. While the network learns,
# the whole speech lies on the table, so it could look the answer up. The causal mask forbids that: position $t$ may listen
# to the positions $0$ to $t$. Itself included: what has been said so far ends with its own word, and the word to be guessed is
# the next.
#
# **Shapes.** `length` is a whole number $T$; the result is boolean, `(T, T)`.
#
# **By hand.** For three positions, with a dot for False:
#
# |  | key 0 | key 1 | key 2 |
# |---|---|---|---|
# | **query 0** | True | · | · |
# | **query 1** | True | True | · |
# | **query 2** | True | True | True |


# %% nbgrader={"grade_id": "causal_mask", "locked": false, "grade": false, "solution": true}
def causal_mask(length: int) -> Tensor:
    """Let every position attend to itself and to what came before: bool (T, T)."""
    ### BEGIN SOLUTION
    return torch.ones(length, length, dtype=torch.bool).tril()
    ### END SOLUTION


# %% nbgrader={"grade_id": "causal_mask-try", "locked": true, "grade": false, "solution": false}
check("causal_mask")

# %% nbgrader={"grade_id": "causal_mask-points", "locked": true, "grade": true, "solution": false, "points": 2}
# 2 points
report = check("causal_mask", seed=211)
display(report)
report.points(2)

# %% [markdown] nbgrader={"grade_id": "padding-text", "locked": true, "grade": false, "solution": false}
# ## 2. Padding: nobody hears an empty chair
#
# Sentences differ in length, and a batch is one rectangular tensor. So short sentences are filled up at the end with padding:
# empty chairs at the end of the row. `lengths` says for each sentence how many of its places are real.
#
# **Shapes.** `lengths` holds $B$ whole numbers from 0 to `max_length`. The result is boolean, `(B, max_length)`: row $b$ is
# True at the real tokens of sentence $b$. The batch may be padded further than its longest sentence.
#
# **By hand.** For lengths 3 and 1 and `max_length` 4 the rows are (True, True, True, False) and (True, False, False, False).


# %% nbgrader={"grade_id": "padding_mask", "locked": false, "grade": false, "solution": true}
def padding_mask(lengths: Tensor, max_length: int) -> Tensor:
    """Mark the real tokens of padded sequences: int (B,) -> bool (B, S), True = real token."""
    ### BEGIN SOLUTION
    return torch.arange(max_length) < lengths[:, None]
    ### END SOLUTION


# %% nbgrader={"grade_id": "padding_mask-try", "locked": true, "grade": false, "solution": false}
check("padding_mask")

# %% nbgrader={"grade_id": "padding_mask-points", "locked": true, "grade": true, "solution": false, "points": 2}
# 2 points
report = check("padding_mask", seed=212)
display(report)
report.points(2)

# %% [markdown] nbgrader={"grade_id": "combine-text", "locked": true, "grade": false, "solution": false}
# ## 3. Both at once
#
# The causal mask is the same for every sentence, the padding mask is the same for every query. Joined they say for each
# sentence, each query and each key whether the one may listen to the other: if **both** permit it.
#
# **Padding is about keys.** Nobody may listen to an empty chair. What the empty chair itself hears is of no interest; its
# output is thrown away later. So padding forbids columns, in every row, and leaves rows alone.
#
# **Shapes.** `causal` is `(T, S)`, `padding` is `(B, S)`, both boolean. The result is boolean, `(B, 1, T, S)`: attention with
# several heads has scores `(B, H, T, S)`, and the axis of size 1 says "the same for all heads". Recall how broadcasting
# lines axes up: from the right, and a size of 1 fits anything.
#
# **By hand.** With the causal mask for three positions, a sentence of length 2 gets the rows (True, False, False),
# (True, True, False) and (True, True, False).


# %% nbgrader={"grade_id": "combine_masks", "locked": false, "grade": false, "solution": true}
def combine_masks(causal: Tensor, padding: Tensor) -> Tensor:
    """Permit what both masks permit: (T, S), (B, S) -> bool (B, 1, T, S)."""
    ### BEGIN SOLUTION
    return causal.logical_and(padding[:, None, None, :])
    ### END SOLUTION


# %% nbgrader={"grade_id": "combine_masks-try", "locked": true, "grade": false, "solution": false}
check("combine_masks")

# %% nbgrader={"grade_id": "combine_masks-points", "locked": true, "grade": true, "solution": false, "points": 2}
# 2 points
report = check("combine_masks", seed=213)
display(report)
report.points(2)

# %% [markdown] nbgrader={"grade_id": "masked-text", "locked": true, "grade": false, "solution": false}
# ## 4. The softmax that obeys
#
# A forbidden key must be as good as absent: the shares are to be what they would be had that key never been in the room. So it
# has to leave the sum under the fraction bar too, not only the result. What score does a key need for its exponential to be
# zero, exactly and in every company?
#
# **The empty row.** A query that may attend to nothing has nothing to share out, and gets weights of exactly zero. Watch
# out: its softmax as you write it first will be 0 / 0.
#
# **Shapes.** `scores` is `(..., T, S)`; `mask` is boolean and broadcasts to that shape: it may have fewer axes, or axes of
# size 1. The result has the shape and the dtype of `scores`. Leave `scores` as it is; a gradient has to flow back to it, so
# stay within torch. `torch.softmax` is there for you to use: writing it
# was the exercise of chapter 2.
#
# **By hand.** Scores $(0, \ln 3, \ln 4)$, the third key forbidden: the exponentials are 1, 3 and nothing, the weights
# $\tfrac14, \tfrac34, 0$. (Without the mask they were $\tfrac18, \tfrac38, \tfrac12$: the half is shared out anew, in
# proportion.) All three forbidden: $0, 0, 0$. Subtract 30000 from all three scores, and nothing changes.


# %% nbgrader={"grade_id": "masked_softmax", "locked": false, "grade": false, "solution": true}
def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Weigh the permitted keys: (..., T, S), broadcastable bool -> (..., T, S). True means "may attend"."""
    ### BEGIN SOLUTION
    # A row without a True would be 0/0. It stays unmasked here and is set to zero afterwards.
    empty = ~mask.any(dim=-1, keepdim=True)
    weights = scores.masked_fill(~(mask | empty), -math.inf).softmax(dim=-1)
    return weights.masked_fill(empty, 0.0)
    ### END SOLUTION


# %% nbgrader={"grade_id": "masked_softmax-try", "locked": true, "grade": false, "solution": false}
check("masked_softmax")

# %% [markdown] nbgrader={"grade_id": "masked-look-text", "locked": true, "grade": false, "solution": false}
# **Look at it.** Six positions, and random scores that you can shift all at once. The picture runs *your* four functions: on
# the left the mask (filled: may attend), on the right the weights, the darker the more. A cell that is crossed out in red is
# wrong: a weight where the mask forbids it, or not a number.
#
# **Guess first.** Make the sentence shorter: which rows change, and which stay as they were? Then shift all scores by $-40$:
# what should happen to the weights? At length 0 nobody may listen to anybody.

# %% nbgrader={"grade_id": "masked-look", "locked": true, "grade": false, "solution": false}
from ipywidgets import IntSlider, interact

from plenary.plotting import colour, figure, show

_positions = 6
_scores = torch.randn(1, 1, _positions, _positions, generator=torch.Generator().manual_seed(4))


def draw_masked(length: int, shift: int):
    try:
        padding = padding_mask(torch.tensor([length]), _positions)
        mask = combine_masks(causal_mask(_positions), padding)
        weights = masked_softmax(_scores + shift, mask).detach()
        allowed = mask.expand(_scores.shape)[0, 0].bool().tolist()
        table = weights.reshape(_positions, _positions)
    except NotImplementedError:
        return print("Write the four functions above, then run this cell again.")
    except Exception as error:
        return print(f"No picture yet: {type(error).__name__}: {error} The checks above say more.")
    fig, (left, right) = figure(height=2.6, ncols=2, sharey=True)
    wrong = 0
    for t in range(_positions):
        for s in range(_positions):
            weight = float(table[t, s])
            filled = 0.75 if allowed[t][s] else 0.0
            left.fill_between([s, s + 1], t, t + 1, color=colour("key"), alpha=filled, linewidth=0)
            if not 0 <= weight <= 1.001 or (weight > 1e-6 and not allowed[t][s]):
                wrong += 1
                right.plot(
                    [s, s + 1, s + 0.5, s, s + 1], [t, t + 1, t + 0.5, t + 1, t], color=colour("wrong")
                )
            if 0 < weight <= 1.001:
                right.fill_between(
                    [s, s + 1], t, t + 1, color=colour("accent"), alpha=min(weight, 1), linewidth=0
                )
    for ax, title in ((left, "mask"), (right, "weights")):
        ax.grid(False)
        ax.set(xlim=(0, _positions), ylim=(_positions, 0), xlabel="key", title=title, aspect="equal")
        ax.set_xticks([s + 0.5 for s in range(_positions)], labels=[str(s) for s in range(_positions)])
        ax.set_yticks([t + 0.5 for t in range(_positions)], labels=[str(t) for t in range(_positions)])
    left.set_ylabel("query")
    seen = f"{wrong} cells are wrong" if wrong else "no weight lies outside the mask"
    return show(
        fig, alt=f"Mask and weights for a sentence of length {length} of {_positions}, causal: {seen}."
    )


_ = interact(
    draw_masked,
    length=IntSlider(value=4, min=0, max=_positions, description="length"),
    shift=IntSlider(value=0, min=-40, max=40, step=10, description="shift"),
)
# %% nbgrader={"grade_id": "masked_softmax-points", "locked": true, "grade": true, "solution": false, "points": 4}
# 4 points
report = check("masked_softmax", seed=214)
display(report)
report.points(4)

# %% [markdown] nbgrader={"grade_id": "end", "locked": true, "grade": false, "solution": false}
# ## Done
#
# If every check is right, your masks and your softmax are those that the Transformer of week 2 uses: the encoder needs the
# padding, the decoder both. The *Validate* button of nbgrader runs the notebook from top to bottom, as grading does; a check
# that passes only because of cells run in another order will show there.
