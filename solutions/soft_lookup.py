# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] nbgrader={"grade_id": "title", "locked": true, "grade": false, "solution": false}
# # Soft lookup
#
# You will write two functions: the softmax, along any axis and for numbers of any size, and the lookup that is built on
# it. Together they are about six lines. They belong to chapter 2 of the book, *Soft lookup*.
#
# **How it works.** Write your code where it says `YOUR CODE HERE`. The cell below each function checks it: run that
# cell as often as you like. If something is wrong, it says what, and where the book clears it up. The cells marked
# with points are the same checks with other random numbers; they are what is graded. Parts that are right earn their
# share of the points.
#
# | function | points |
# |---|---|
# | `softmax` | 4 |
# | `soft_lookup` | 4 |

# %% nbgrader={"grade_id": "imports", "locked": true, "grade": false, "solution": false}
import torch
from IPython.display import display
from torch import Tensor

from plenary.checks import check

# %% [markdown] nbgrader={"grade_id": "softmax-text", "locked": true, "grade": false, "solution": false}
# ## 1. Softmax: numbers into shares
#
# You have one hour at the conference and several people to hear. You have noted for each how much you would like to:
# numbers of any size and sign. What you need is shares of the hour, which are positive and add up to one. The
# exponential makes every number positive, and dividing by the sum of the exponentials makes the shares:
#
# $$\operatorname{softmax}(x)_i = \frac{e^{x_i}}{\sum_j e^{x_j}}$$
#
# **Along an axis.** In a table there is one softmax for every row, or one for every column. `dim` says along which axis
# the shares add up to one, counted from the front or, if negative, from the back, as everywhere in torch.
#
# **Large numbers.** In floating point $e^{1000}$ is infinite and $e^{-1000}$ is zero, and both lead to NaN. The shares
# themselves are harmless: subtract one and the same number from all the $x_i$ in a sum, and no share changes. Choose that
# number well.
#
# **Shapes.** `x` has any number of axes, the result has its shape and its dtype. In float64 the shares add up to one to
# twelve digits. Leave `x` as it is, and stay within torch, so that a gradient can flow through. Write it with `exp` and
# sums; torch's own softmax is what yours is compared with. (`amax` along an axis gives the largest values; `max` along an
# axis gives a pair, the values and where they stand.)
#
# **By hand.** For $x = (0, \ln 3, \ln 4)$ the exponentials are 1, 3 and 4, so the shares are $\tfrac18, \tfrac38, \tfrac12$.
# For $x = (1000, 1000)$ they are $\tfrac12$ and $\tfrac12$.


# %% nbgrader={"grade_id": "softmax", "locked": false, "grade": false, "solution": true}
def softmax(x: Tensor, dim: int) -> Tensor:
    """Turn numbers into shares that add up to one along axis dim; the shape stays as it is."""
    ### BEGIN SOLUTION
    exponentials = (x - x.amax(dim=dim, keepdim=True)).exp()
    return exponentials / exponentials.sum(dim=dim, keepdim=True)
    ### END SOLUTION


# %% nbgrader={"grade_id": "softmax-try", "locked": true, "grade": false, "solution": false}
check("softmax")

# %% nbgrader={"grade_id": "softmax-points", "locked": true, "grade": true, "solution": false, "points": 4}
# 4 points
report = check("softmax", seed=201)
display(report)
report.points(4)

# %% [markdown] nbgrader={"grade_id": "lookup-text", "locked": true, "grade": false, "solution": false}
# ## 2. Soft lookup: a mean in which the near count more
#
# A dictionary answers if your question is one of its keys, and is silent otherwise. At the conference you would not accept
# that: nobody wears the badge *rain in May*, and still you would get a fair answer from those who wear *weather*, a little
# from those who wear *gardening*, and next to nothing from the rest. A soft lookup does this: it returns a mean of **all** the
# values, and a value counts the more, the nearer its key is to the query.
#
# 1. **How near?** The squared distance of the query to each key: differences, squared, added up over the features.
# 2. **How undecided?** Divide by twice the temperature $\tau$, and put a minus in front, so that near means large. A low
#    temperature hears the nearest only, a high one hears everybody alike.
# 3. **Shares.** The softmax over the keys.
# 4. **The answer.** The mean of the values in these shares.
#
# $$p_s = \operatorname{softmax}\!\left(-\frac{\lVert q - k_s\rVert^2}{2\tau}\right), \qquad o = \sum_s p_s\, v_s$$
#
# **Shapes.** `query` is `(d,)`, `keys` is `(n, d)`, `values` is `(n, v)`, and the result is `(v,)`. `temperature` is a
# positive number. Use your own `softmax`: then temperatures near zero do no harm.
#
# **By hand.** The query is $(1, 1)$, the keys are $(1, 1)$, $(0, 1)$ and $(0, 2)$: squared distances 0, 1, 2. Let
# $\tau = 1/(2\ln 2) \approx 0.72$, so that $1/(2\tau) = \ln 2$ and each unit of squared distance halves a weight. The
# exponentials are $1, \tfrac12, \tfrac14$ and the shares $\tfrac47, \tfrac27, \tfrac17$. With the values $(7, 0)$, $(0, 7)$
# and $(7, 7)$ the answer is $(5, 3)$.


# %% nbgrader={"grade_id": "soft_lookup", "locked": false, "grade": false, "solution": true}
def soft_lookup(query: Tensor, keys: Tensor, values: Tensor, temperature: float) -> Tensor:
    """Average the values, the near ones more: query (d,), keys (n, d), values (n, v) -> (v,)."""
    ### BEGIN SOLUTION
    squared_distances = (keys - query).square().sum(dim=1)
    weights = softmax(-squared_distances / (2 * temperature), dim=-1)
    return weights @ values
    ### END SOLUTION


# %% nbgrader={"grade_id": "soft_lookup-try", "locked": true, "grade": false, "solution": false}
check("soft_lookup")

# %% [markdown] nbgrader={"grade_id": "lookup-look-text", "locked": true, "grade": false, "solution": false}
# **Look at it.** Twelve points were measured along a line, with some noise: their places are the keys, their heights the
# values. The curve asks *your* function at every place in between, and the slider is the logarithm of the temperature.
#
# **Guess first.** What will the curve be at a very low temperature, and at a very high one? At no temperature should it
# leave the grey band between the lowest and the highest point.

# %% nbgrader={"grade_id": "lookup-look", "locked": true, "grade": false, "solution": false}
from ipywidgets import FloatSlider, interact

from plenary.plotting import colour, figure, show

_numbers = torch.Generator().manual_seed(2)
_places = torch.tensor([-3.0, -2.6, -2.1, -1.7, -0.8, -0.3, 0.2, 0.7, 1.5, 1.9, 2.4, 3.0]).unsqueeze(-1)
_heights = torch.sin(1.6 * _places) + 0.25 * torch.randn(12, 1, generator=_numbers)
_between = torch.linspace(-3.5, 3.5, 141).unsqueeze(-1)


def draw_lookup(log10: float):
    temperature = 10.0**log10
    try:
        found = [soft_lookup(query, _places, _heights, temperature) for query in _between]
        curve = torch.stack(found).detach().reshape(-1)
        if len(curve) != len(_between):
            return print(
                "soft_lookup should return one number here, of shape (1,). The check above says more."
            )
    except NotImplementedError:
        return print("Write softmax and soft_lookup above, then run this cell again.")
    except Exception as error:
        return print(f"No picture yet: {type(error).__name__}: {error} The check above says more.")
    low, high = float(_heights.min()), float(_heights.max())
    inside = bool(((curve > low - 1e-4) & (curve < high + 1e-4)).all())
    fig, ax = figure(height=2.6)
    ax.axhspan(low, high, color=colour("grid"), alpha=0.6, linewidth=0)
    ax.plot(_between[:, 0].numpy(), curve.clamp(-4, 4).numpy(), color=colour("accent" if inside else "wrong"))
    ax.plot(_places[:, 0].numpy(), _heights[:, 0].numpy(), "o", color=colour("value"))
    ax.set(
        xlabel="place: query and keys",
        ylabel="height: values",
        ylim=(-2.2, 2.2),
        title=f"temperature {temperature:.3g}",
    )
    kept = (
        "stays between the lowest and the highest point" if inside else "leaves the band, or is not a number"
    )
    return show(
        fig, alt=f"Soft lookup among twelve points at temperature {temperature:.3g}: the curve {kept}."
    )


_ = interact(draw_lookup, log10=FloatSlider(value=-1.0, min=-4, max=3, step=0.25, description="log10 of τ"))
# %% nbgrader={"grade_id": "soft_lookup-points", "locked": true, "grade": true, "solution": false, "points": 4}
# 4 points
report = check("soft_lookup", seed=202)
display(report)
report.points(4)

# %% [markdown] nbgrader={"grade_id": "end", "locked": true, "grade": false, "solution": false}
# ## Done
#
# If both checks are right, you have written an attention with a single query. In chapter 3 the squared distance turns into
# a dot product, and many queries are asked at once; the softmax stays as you wrote it. The *Validate* button of nbgrader runs
# the notebook from top to bottom, as grading does; a check that passes only because of cells run in another order will show
# there.
