# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] nbgrader={"grade_id": "title", "locked": true, "grade": false, "solution": false}
# # Lab: catch the bug
#
# So far checks have been put to your code. Now you write the check. You get black boxes, functions that claim to be
# attention. Most of them have one thing wrong with them, some have nothing wrong, and you cannot look inside. It
# belongs to chapter 6 of the book, *Catch the bug*.
#
# **How it works.** Write your code where it says `YOUR CODE HERE`. The check below it puts your test to 32 boxes,
# 24 wrong and 8 right, in an order that changes. It says afterwards which bugs were found and which were not. The
# cell marked with points is the same with another order; it is what is graded.
#
# | function | points |
# |---|---|
# | `find_bug` | 6 |
#
# **What earns and what costs.** The score is the share of the wrong boxes that you find, less the share of the
# right ones that you accuse, and never less than zero. A test that says *wrong* to everything earns nothing, and so
# does one that says *right* to everything.

# %% nbgrader={"grade_id": "imports", "locked": true, "grade": false, "solution": false}
import torch
from IPython.display import display
from torch import Tensor

from plenary import scaled_dot_product_attention
from plenary.checks import check

# %% [markdown] nbgrader={"grade_id": "boxes-text", "locked": true, "grade": false, "solution": false}
# ## The contract
#
# A box is called as the function of chapter 3 is: `candidate(query, key, value, mask=None)` returns the pair
# `(output, weights)`. It is wrong if anything of this does not hold:
#
# - the weights are $\operatorname{softmax}(QK^\top/\sqrt{d_k})$ along the keys, and the output is the weights times
#   the values;
# - shapes are `(..., T, d_k)`, `(..., S, d_k)`, `(..., S, d_v)`, with any number of axes in front, and $T$, $S$,
#   $d_k$, $d_v$ may all differ;
# - a boolean mask that broadcasts to `(..., T, S)` says with True who may attend. Forbidden keys get weight zero,
#   exactly. A query that may attend to nothing gets weights and output of zero, never NaN;
# - scores may be large, and the weights stay finite;
# - float32 gives float32 and float64 gives float64, with that dtype's accuracy;
# - on inputs like these it returns. **A box that raises is wrong.**
#
# Nothing else is asked. How a box does it is its own affair: with loops, with einsum, with a fused kernel, with a
# mask that is added or filled in. Two right boxes agree up to rounding, and not to the last digit.
#
# You have something to measure against: `scaled_dot_product_attention` of the package, which is right. (Boxes
# answer with plain numbers, so their gradients cannot be asked for.)
#
# ## Where to look
#
# A bug that shows on every input has been found long ago by somebody else. Those that are left show *somewhere*:
# with a mask but not without, in the second room of the batch but not in the first. So a test is a list of places,
# and the question is which. Two habits help:
#
# 1. Take the contract line by line, and for each line ask which input would make a box break it.
# 2. Use sizes of which no two are equal. Then nothing can be taken for something else without a shape going wrong.
#    Here are six:

# %% nbgrader={"grade_id": "sizes-given", "locked": true, "grade": false, "solution": false}
B, H, T, S, D_K, D_V = 2, 3, 5, 7, 4, 6
BIG = 1000.0  # a query this many times as large makes scores whose exponentials overflow

# %% [markdown] nbgrader={"grade_id": "practice-text", "locked": true, "grade": false, "solution": false}
# ## Three open boxes to practise on
#
# One of these is right. Read them, decide which, and think of one input for each of the other two that gives it
# away.


# %% nbgrader={"grade_id": "open-given", "locked": true, "grade": false, "solution": false}
def open_box_1(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None):
    scores = query @ key.mT / key.shape[-2] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


def open_box_2(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None):
    scores = torch.einsum("...td,...sd->...ts", query * query.shape[-1] ** -0.5, key)
    if mask is not None:
        scores = scores + torch.zeros(mask.shape, dtype=scores.dtype).masked_fill(~mask, float("-inf"))
    weights = scores.softmax(dim=-1).nan_to_num(0.0)
    return torch.einsum("...ts,...sv->...tv", weights, value), weights


def open_box_3(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None):
    weights = (query @ key.mT / query.shape[-1] ** 0.5).softmax(dim=-1)
    if mask is not None:
        weights = weights * mask
        weights = weights / weights.sum(dim=-1, keepdim=True).clamp_min(1e-9)
    return weights @ value, weights


# %% [markdown] nbgrader={"grade_id": "find-text", "locked": true, "grade": false, "solution": false}
# ## Your test
#
# **By hand.** Two keys, $d_k = 4$, the scores $(0, \ln 3)$: the weights are $(\tfrac14, \tfrac34)$. A box that
# forgets the root sees the scores $(0, 2\ln 3)$ and returns $(\tfrac1{10}, \tfrac9{10})$; any comparison tells them
# apart. Forbid the second key, and the weights are $(1, 0)$; a box that zeroes weights after the softmax returns
# $(\tfrac14, 0)$, and only somebody who passes a mask gets to see it.
#
# **Comparing.** `torch.testing.assert_close(actual=..., expected=...)` compares pairs of tensors in shape, dtype
# and numbers, with a tolerance that fits the dtype, and raises if they differ. `torch.allclose` returns True or
# False; its tolerance is made for float64, so in float32 give it `atol=1e-5`, and it too raises where dtypes or
# shapes do not fit. Your function has to *return* its verdict, whatever is raised.
#
# **What to return.** `True` if the candidate is wrong, `False` if nothing was found.


# %% nbgrader={"grade_id": "find_bug", "locked": false, "grade": false, "solution": true}
def find_bug(candidate) -> bool:
    """Test a function that claims to be scaled_dot_product_attention: True if it is wrong, False if nothing was found."""
    ### BEGIN SOLUTION
    query, key, value = torch.randn(B, H, T, D_K), torch.randn(B, H, S, D_K), torch.randn(B, H, S, D_V)
    mask = torch.rand(B, 1, T, S).round().bool()
    for q, k, v in [(query, key, value), (query.double() * BIG, key.double(), value.double())]:
        for permitted in [None, mask, torch.zeros_like(mask)]:
            expected = scaled_dot_product_attention(q, k, v, permitted)
            try:
                torch.testing.assert_close(actual=candidate(q, k, v, permitted), expected=expected)
            except Exception:
                return True
    return False
    ### END SOLUTION


# %% nbgrader={"grade_id": "find_bug-practice", "locked": true, "grade": false, "solution": false}
def say(box, truth: str) -> None:
    try:
        verdict = {True: "wrong", False: "right"}.get(find_bug(box), "neither True nor False")
    except NotImplementedError:
        return print("Write find_bug above, then run this cell again.")
    except Exception as error:
        verdict = f"nothing, it raised {type(error).__name__}: {error}"
    return print(f"{box.__name__}: your test says {verdict}; it is {truth}.")


say(open_box_1, "wrong: it divides by the root of the number of keys")
say(open_box_2, "right")
say(open_box_3, "wrong: where a forbidden key has by far the largest score, the rest has rounded to zero")

# %% nbgrader={"grade_id": "find_bug-try", "locked": true, "grade": false, "solution": false}
check("find_bug")

# %% [markdown] nbgrader={"grade_id": "find-look-text", "locked": true, "grade": false, "solution": false}
# **Look at it.** Five wrong boxes and a right one, and this time the mistakes have a size that you can turn down.
# Every row is *your* verdict on one box. Guess first: down to which size will your test find them all? And what
# should happen below one in ten million, where float32 cannot tell a mistake from rounding? The last row has to say
# *acquitted* at every size.

# %% nbgrader={"grade_id": "find-look", "locked": true, "grade": false, "solution": false}
from ipywidgets import IntSlider, interact

from plenary.plotting import colour, figure, show


def box_with(place: str, size: float):
    """Make an attention with a mistake of this size in one place."""

    def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None):
        factor = 1 + size if place == "scale" else 1.0
        output, weights = scaled_dot_product_attention(query * factor, key, value, mask)
        if place == "mask" and mask is not None:
            weights = weights + size * ~mask.expand_as(weights) * mask.any(dim=-1, keepdim=True)
        if place == "empty row" and mask is not None:
            weights = weights + size * ~mask.any(dim=-1, keepdim=True).expand_as(weights)
        if place == "output alone":
            output = output * (1 + size)
        if place in ("mask", "empty row"):
            output = weights @ value
        if place == "weights alone":
            weights = weights * (1 + size)
        return output, weights

    return attend


def draw_verdicts(digits: int):
    places = ["scale", "mask", "empty row", "output alone", "weights alone", "none: it is right"]
    torch.manual_seed(0)
    try:
        verdicts = [bool(find_bug(box_with(place, 10.0**-digits))) for place in places]
    except NotImplementedError:
        return print("Write find_bug above, then run this cell again.")
    except Exception as error:
        return print(f"find_bug gave no verdict to draw: it raised {type(error).__name__}: {error}")
    wrong = [place != places[-1] for place in places]
    missed = "missed" if digits < 7 else "too small to tell"
    words = {
        (True, True): "found",
        (True, False): missed,
        (False, True): "accused",
        (False, False): "acquitted",
    }
    said = [words[pair] for pair in zip(wrong, verdicts, strict=True)]
    fig, ax = figure(height=2.4)
    for row, word in enumerate(said):
        bad = word in ("missed", "accused")
        shade = "wrong" if bad else "muted" if word == missed else "accent"
        ax.barh(-row, 0.5 if bad else 1, color=colour(shade), height=0.7)
        ax.text(0.03, -row, word, color=colour("paper"), va="center")
    ax.set(xlim=(0, 1), xticks=[], title=f"mistakes of size 1e-{digits}: {said.count('found')} of 5 found")
    ax.set_yticks([-row for row in range(len(places))], labels=places)
    ax.set_ylabel("place of the mistake")
    told = ", ".join(f"{place}: {word}" for place, word in zip(places, said, strict=True))
    return show(fig, alt=f"Verdicts on six boxes with mistakes of size 1e-{digits}. {told}")


_ = interact(draw_verdicts, digits=IntSlider(value=2, min=0, max=12, description="digits"))
# %% nbgrader={"grade_id": "find_bug-points", "locked": true, "grade": true, "solution": false, "points": 6}
# 6 points
report = check("find_bug", seed=231)
display(report)
report.points(6)

# %% [markdown] nbgrader={"grade_id": "end", "locked": true, "grade": false, "solution": false}
# ## Done
#
# A test that finds all of these is worth keeping: put it beside the next attention that you write. The *Validate*
# button of nbgrader runs the notebook from top to bottom, as grading does; a check that passes only because of
# cells run in another order will show there.
