# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] nbgrader={"grade_id": "title", "locked": true, "grade": false, "solution": false}
# # Gradients by hand
#
# You will write one function, the backward pass of attention: what `loss.backward()` does when it comes to this
# layer. It is about six lines, and you come to it in four steps. It belongs to chapter 5 of the book, *Gradients by
# hand*.
#
# **How it works.** Write your code where it says `YOUR CODE HERE`. The check below the function says which of the
# three gradients is right and which is not, so you can begin with one of them, return zeros for the other two, and
# go on from there. The cell marked with points is the same check with other random numbers; it is what is graded.
# Parts that are right earn their share of the points.
#
# | function | points |
# |---|---|
# | `gradient_of_scores` | practice |
# | `attention_backward` | 6 |

# %% nbgrader={"grade_id": "imports", "locked": true, "grade": false, "solution": false}
import math

import torch
from IPython.display import display
from torch import Tensor

from plenary import scaled_dot_product_attention
from plenary.checks import check

# %% [markdown] nbgrader={"grade_id": "chain-text", "locked": true, "grade": false, "solution": false}
# ## What comes in, what goes out
#
# On the way forward everyone in the room heard a blend of values. Later, somewhere in the network, a loss $L$ is
# computed, and what it depends on is now traced back. What arrives here is $dO$, `grad_output`: for every
# entry of the output, how much the loss would rise if that entry rose a little. What has to leave is the same for
# the inputs, $dQ$, $dK$ and $dV$. A gradient always has the shape of the thing it belongs to.
#
# The way back passes the stations of the way forward in reverse:
#
# $$E = \frac{QK^\top}{\sqrt{d_k}} \;\to\; A = \operatorname{softmax}(E) \;\to\; O = AV
# \qquad\qquad dO \;\to\; dV,\, dA \;\to\; dE \;\to\; dQ,\, dK$$
#
# The weights $A$ are needed again, exactly as they were, mask included. Your function of chapter 3 is at hand:
# `scaled_dot_product_attention(query, key, value, mask)` returns the output and the weights.
#
# ## 1. Values and weights: two matrix products
#
# **The value.** Value $s$ is heard by query $t$ in the share $A_{ts}$. So whatever query $t$ wants changed, value
# $s$ is asked for that share of it, and it adds up what all queries ask: down column $s$ of the weights. As a
# product of matrices, $dV = A^\top dO$.
#
# **The weights.** If query $t$ listened a little more to key $s$, its output would move along value $s$. Whether
# that is good for the loss is a dot product, $dA_{ts} = dO_t \cdot v_s$, so $dA = dO\,V^\top$.
#
# **By hand.** One query, two keys, weights $A = (\tfrac14, \tfrac34)$, values $(8, 0)$ and $(0, 4)$, and
# $dO = (1, 0)$. Then
#
# $$dV = \begin{pmatrix} \tfrac14 & 0 \\ \tfrac34 & 0 \end{pmatrix}, \qquad dA = (8, 0).$$
#
# ## 2. Scores: back through the softmax
#
# This is the step that people get wrong. A score acts on *every* weight of its row: if it rises, its own key gains
# and the others pay. The book multiplies $dA$ with the Jacobian of the softmax, and what is left is short:
#
# $$dE_{ts} = A_{ts}\,\Big(dA_{ts} - \sum_r A_{tr}\, dA_{tr}\Big)$$
#
# The sum is what query $t$ gets on average, over keys, in the shares it listens. A key better than this average is
# to be heard more, a key worse than it less, and nobody moves further than their weight allows.
#
# **By hand.** With $A = (\tfrac14, \tfrac34)$ and $dA = (8, 0)$ the average is
# $\tfrac14\cdot 8 + \tfrac34\cdot 0 = 2$, so $dE = (\tfrac14\cdot 6,\; \tfrac34\cdot(-2)) = (\tfrac32, -\tfrac32)$.
# Each row adds up to zero.
#
# **Shapes.** Both arguments and the result are `(..., T, S)`. This function is for practice, without points.


# %% nbgrader={"grade_id": "gradient_of_scores", "locked": false, "grade": false, "solution": true}
def gradient_of_scores(weights: Tensor, grad_weights: Tensor) -> Tensor:
    """Go back through the softmax: weights A and their gradient dA to the gradient dE of the scores."""
    ### BEGIN SOLUTION
    average = (weights * grad_weights).sum(dim=-1, keepdim=True)
    return weights * (grad_weights - average)
    ### END SOLUTION


# %% nbgrader={"grade_id": "gradient_of_scores-compare", "locked": true, "grade": false, "solution": false}
# Your numbers beside those found by hand: first one query, then two, for which the sums must not get mixed up.
def beside(weights: list, grad_weights: list, by_hand: list) -> None:
    try:
        yours = gradient_of_scores(torch.tensor(weights), torch.tensor(grad_weights))
    except NotImplementedError:
        return print("Write gradient_of_scores above, then run this cell again.")
    except Exception as error:
        return print(f"gradient_of_scores raised {type(error).__name__}: {error}")
    print("yours  ", [[round(x, 3) for x in row] for row in yours.tolist()] if yours.ndim == 2 else yours)
    return print("by hand", by_hand)


beside([[0.25, 0.75]], [[8.0, 0.0]], by_hand=[[1.5, -1.5]])
beside([[0.25, 0.75], [0.5, 0.5]], [[8.0, 0.0], [2.0, 6.0]], by_hand=[[1.5, -1.5], [-1.0, 1.0]])

# %% [markdown] nbgrader={"grade_id": "backward-text", "locked": true, "grade": false, "solution": false}
# ## 3. Queries and keys
#
# The score of query $t$ and key $s$ is $q_t\cdot k_s / \sqrt{d_k}$. Move $q_t$, and the score moves by
# $k_s/\sqrt{d_k}$; move $k_s$, and it moves by $q_t/\sqrt{d_k}$. A query adds up over all keys, along its row of
# $dE$. A key adds up over all queries, down its column:
#
# $$dQ = \frac{dE\, K}{\sqrt{d_k}}, \qquad dK = \frac{dE^\top Q}{\sqrt{d_k}}$$
#
# **By hand.** Take $d_k = 4$, so that the root is 2, with $q = (2, 0, 0, 0)$, $k_1 = (0, 2, 0, 0)$ and
# $k_2 = (\ln 3, 0, 0, 2)$. The scores are $0$ and $\ln 3$, the weights $\tfrac14$ and $\tfrac34$: it is the example
# from above. With $dE = (\tfrac32, -\tfrac32)$,
#
# $$dQ = \tfrac12\big(\tfrac32 k_1 - \tfrac32 k_2\big) = \big(-\tfrac34\ln 3,\; \tfrac32,\; 0,\; -\tfrac32\big), \qquad
# dK = \begin{pmatrix} \tfrac32 & 0 & 0 & 0 \\ -\tfrac32 & 0 & 0 & 0 \end{pmatrix}.$$
#
# ## 4. All together
#
# **Shapes.** `grad_output` is `(..., T, d_v)`, `query` `(..., T, d_k)`, `key` `(..., S, d_k)`, `value`
# `(..., S, d_v)`. Return `(grad_query, grad_key, grad_value)`, each in the shape and the dtype of its input. The dots
# stand for any number of batch axes; nothing is summed over these. Leave the inputs as they are.
#
# **The mask** is boolean and broadcasts to `(..., T, S)`; True means "may attend". A forbidden key has weight zero,
# and look where the weights stand in $dV$ and $dE$: its part in every gradient is zero as well, by itself. The same
# goes for a query that may attend to nothing.
#
# You may call `gradient_of_scores`, or write its lines again. Autograd is for checking, not for writing: it passes
# the check, and the report says so.


# %% nbgrader={"grade_id": "attention_backward", "locked": false, "grade": false, "solution": true}
def attention_backward(
    grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Go back through attention: from the gradient of the output to those of query, key and value, in this order."""
    ### BEGIN SOLUTION
    output, weights = scaled_dot_product_attention(query, key, value, mask)
    grad_weights = grad_output @ value.mT
    # The average of dA in the shares A is the same as dO . O, row by row.
    average = (grad_output * output).sum(dim=-1, keepdim=True)
    grad_scores = weights * (grad_weights - average) / math.sqrt(key.shape[-1])
    return grad_scores @ key, grad_scores.mT @ query, weights.mT @ grad_output
    ### END SOLUTION


# %% nbgrader={"grade_id": "attention_backward-try", "locked": true, "grade": false, "solution": false}
check("attention_backward")

# %% [markdown] nbgrader={"grade_id": "backward-look-text", "locked": true, "grade": false, "solution": false}
# **Look at it.** A gradient is a slope, so it can be seen. The curve is a loss, as one number of the input is moved
# away from where it is; it comes from the forward pass alone. The straight line has the slope that *your* function
# claims. It has to follow the curve where it passes the dot, whichever input and whichever number you pick. Guess
# first: if the row sum were left out, which of the three inputs would still look right?

# %% nbgrader={"grade_id": "backward-look", "locked": true, "grade": false, "solution": false}
from ipywidgets import Dropdown, IntSlider, interact

from plenary.plotting import colour, figure, show

numbers = torch.Generator().manual_seed(8)
room = {
    name: torch.randn(*shape, generator=numbers, dtype=torch.float64)
    for name, shape in {"query": (3, 4), "key": (5, 4), "value": (5, 4)}.items()
}
wanted = torch.randn(
    3, 4, generator=numbers, dtype=torch.float64
)  # dO: the loss is the sum of wanted * output


def draw_tangent(name: str, entry: int):
    try:
        gradients = dict(zip(room, attention_backward(wanted, **room), strict=True))
        slope = float(gradients[name].flatten()[entry])
    except NotImplementedError:
        return print("Write attention_backward above, then run this cell again.")
    except Exception as error:
        return print(f"attention_backward gives no slope to draw: {type(error).__name__}: {error}")
    steps = torch.linspace(-2, 2, 81, dtype=torch.float64)
    losses = []
    for step in steps:
        moved = {key: tensor.clone() for key, tensor in room.items()}
        moved[name].view(-1)[entry] += step
        losses.append(float((wanted * scaled_dot_product_attention(**moved)[0]).sum()))
    fig, ax = figure(height=2.6)
    ax.plot(steps, losses, color=colour("muted"))
    ax.plot(steps, losses[40] + slope * steps, color=colour(name), linestyle="--")
    ax.plot(0, losses[40], "o", color=colour("ink"))
    space = 0.3 * (max(losses) - min(losses)) + 1e-3
    ax.set(xlabel=f"change in number {entry} of the {name}", ylabel="loss")
    ax.set_ylim(min(losses) - space, max(losses) + space)
    measured = (losses[41] - losses[39]) / float(steps[41] - steps[39])
    ax.set_title(f"your slope {slope:.3f}, the curve's {measured:.3f}")
    alt = f"A loss against number {entry} of the {name}, and a line with your slope {slope:.3f}; the curve's is {measured:.3f}"
    return show(fig, alt=alt)


_ = interact(
    draw_tangent,
    name=Dropdown(options=["query", "key", "value"], description="input"),
    entry=IntSlider(value=1, min=0, max=11, description="number"),
)
# %% nbgrader={"grade_id": "attention_backward-points", "locked": true, "grade": true, "solution": false, "points": 6}
# 6 points
report = check("attention_backward", seed=221)
display(report)
report.points(6)

# %% [markdown] nbgrader={"grade_id": "end", "locked": true, "grade": false, "solution": false}
# ## Done
#
# If the check is right, there is no step in the training of a Transformer's attention that you could not do with a
# pencil. The *Validate* button of nbgrader runs the notebook from top to bottom, as grading does; a check that
# passes only because of cells run in another order will show there.
