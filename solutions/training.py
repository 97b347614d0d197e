# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] nbgrader={"grade_id": "title", "locked": true, "grade": false, "solution": false}
# # Training
#
# A model is half of the work. The other half is a loop around it, and three of its parts are easily a little wrong without
# anybody noticing: which parameters decay, how the learning rate goes up and down, and how a finished model is measured.
# You will write these three. They belong to chapter 15 of the book, *Training*.
#
# **How it works.** Write your code where it says `YOUR CODE HERE`. The cell below each function checks it: run that cell as
# often as you like. If something is wrong, it says what, and where the book clears it up. The cells marked with points are
# the same checks with other random numbers; they are what is graded. Parts that are right earn their share of the points.
#
# | function | points |
# |---|---|
# | `parameter_groups` | 4 |
# | `warmup_cosine` | 3 |
# | `evaluate` | 4 |

# %% nbgrader={"grade_id": "imports", "locked": true, "grade": false, "solution": false}
import math

import torch
import torch.nn.functional as F
from IPython.display import display
from torch import nn

from plenary.checks import check

# %% [markdown] nbgrader={"grade_id": "groups-text", "locked": true, "grade": false, "solution": false}
# ## 1. What decays, and what does not
#
# Weight decay pulls every weight a little towards zero at each step, so that a weight has to earn its size. For the
# matrices of a model that is wholesome: small matrices make a smooth function. Other parameters are no matrices. A norm's
# weight starts at 1 and is a scale, a bias is an offset, a position is an address, the class token is a question. Pulled to
# zero they make nothing smoother; they say less.
#
# An optimizer takes such wishes as a list of *groups*:
#
# ```python
# [{"params": [...], "weight_decay": 0.05}, {"params": [...], "weight_decay": 0.0}]
# ```
#
# **What to return.** A list of two such dictionaries, in either order: one group decays with `weight_decay`, the other with 0.
#
# - **No decay** for biases and for the weights of norms, whatever the norms are called: they are the parameters with fewer than
#   two axes. And none for what is called `positions` or `class_token`, at whatever depth it stands.
# - **Decay** for the rest: the weights of linear layers, convolutions and embeddings.
# - Each parameter stands in one group, once, also where two modules share it. Frozen ones (`requires_grad` is False) stand in none.
#
# **By hand.** The small model of the check has six parameters. In the order of `named_parameters()`:
#
# | `class_token` | `positions` | `linear.weight` | `linear.bias` | `ln_1.weight` | `ln_1.bias` |
# |---|---|---|---|---|---|
# | (1, 1, 2) | (1, 3, 2) | (3, 2) | (3,) | (3,) | (3,) |
#
# With `weight_decay=0.1` they decay by 0, 0, 0.1, 0, 0 and 0. Those of a second small model decay by 0, 0.1, 0, 0.1, 0 and 0:
#
# | `encoder.positions` | `patches.weight` | `patches.bias` | `embedding.weight` | `norm.weight` | `norm.bias` |
# |---|---|---|---|---|---|
# | (1, 3, 2) | (2, 1, 2, 2) | (2,) | (4, 2) | (2,) | (2,) |
#
# The check's reports list `decay`, and `times`, how often each
# stands in your groups, in this order.


# %% nbgrader={"grade_id": "parameter_groups", "locked": false, "grade": false, "solution": true}
def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Make two groups for the optimizer: the parameters that decay, and those that do not."""
    ### BEGIN SOLUTION
    decay, no_decay = [], []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        spared = parameter.ndim < 2 or name.split(".")[-1] in {"positions", "class_token"}
        (no_decay if spared else decay).append(parameter)
    return [{"params": decay, "weight_decay": weight_decay}, {"params": no_decay, "weight_decay": 0.0}]
    ### END SOLUTION


# %% nbgrader={"grade_id": "parameter_groups-try", "locked": true, "grade": false, "solution": false}
check("parameter_groups")

# %% nbgrader={"grade_id": "parameter_groups-points", "locked": true, "grade": true, "solution": false, "points": 4}
# 4 points
report = check("parameter_groups", seed=431)
display(report)
report.points(4)

# %% [markdown] nbgrader={"grade_id": "schedule-text", "locked": true, "grade": false, "solution": false}
# ## 2. Up in a straight line, down along a cosine
#
# At the first step nobody in the room knows anything, and Adam, which scales each step by the gradients it has seen, has
# seen none. So the first steps are small, and grow. Later the model is near something good, and large steps would only
# carry it to and fro: the steps shrink again, slowly at first, quickly in the middle, and slowly at the end.
#
# The schedule is a factor that the learning rate is multiplied with. With $w$ warm-up steps out of $n$ in all,
#
# $$f(t) = \begin{cases} t / w & t < w \\[2pt] \tfrac12\left(1 + \cos \dfrac{\pi\,(t - w)}{n - w}\right) & w \le t \le n \\[2pt] 0 & t > n \end{cases}$$
#
# **The edges.** Step 0 gives 0. Step $w$ gives 1, from either side. Past the last step the factor stays 0. Without a warm-up,
# $w = 0$, step 0 gives 1. You may take it that $0 \le w < n$. Return a `float`.
#
# **By hand.** Four warm-up steps out of twelve. Step 1 gives $\tfrac14$. At step 8 the cosine is half-way, $\cos\tfrac\pi2 = 0$, and the
# factor is $\tfrac12$. At step 6 it is a quarter of the way: $\tfrac12(1 + \cos\tfrac\pi4) = 0.854$.


# %% nbgrader={"grade_id": "warmup_cosine", "locked": false, "grade": false, "solution": true}
def warmup_cosine(step: int, warmup_steps: int, total_steps: int) -> float:
    """Return the factor of the learning rate: a straight line up to 1, then half a cosine down to 0."""
    ### BEGIN SOLUTION
    if step < warmup_steps:
        return step / warmup_steps
    progress = min(1.0, (step - warmup_steps) / (total_steps - warmup_steps))
    return (1 + math.cos(math.pi * progress)) / 2
    ### END SOLUTION


# %% nbgrader={"grade_id": "warmup_cosine-try", "locked": true, "grade": false, "solution": false}
check("warmup_cosine")

# %% [markdown] nbgrader={"grade_id": "schedule-look-text", "locked": true, "grade": false, "solution": false}
# **Look at it.** *Your* schedule, over 100 steps and a little past the end. **Guess first:** if the warm-up takes half of
# all steps, where does the curve cross one half on its way down? Then move the slider. The curve should touch the top
# once, have no jump, and lie on the floor after step 100.

# %% nbgrader={"grade_id": "schedule-look", "locked": true, "grade": false, "solution": false}
from ipywidgets import IntSlider, interact

from plenary.plotting import colour, figure, show


def draw_schedule(warmup_steps: int):
    steps = range(131)
    try:
        factors = [float(warmup_cosine(step, warmup_steps, 100)) for step in steps]
    except NotImplementedError:
        return print("Write warmup_cosine above, then run this cell again.")
    except Exception as error:
        return print(f"Your function raised {type(error).__name__}: {error}\nThe check above says more.")
    fig, ax = figure(height=2.2)
    ax.axvspan(100, 130, color=colour("grid"))
    ax.plot(steps, factors, color=colour("accent"))
    ax.set(
        xlabel="step (past the end: shaded)",
        ylabel="factor",
        title=f"highest {max(factors):.2f}, at the end {factors[100]:.2f}",
    )
    return show(
        fig,
        alt=f"The factor rises to {max(factors):.2f} and is {factors[100]:.2f} at step 100, {factors[-1]:.2f} at step 130",
    )


_ = interact(draw_schedule, warmup_steps=IntSlider(value=20, min=0, max=90, description="warm-up"))

# %% nbgrader={"grade_id": "warmup_cosine-points", "locked": true, "grade": true, "solution": false, "points": 3}
# 3 points
report = check("warmup_cosine", seed=432)
display(report)
report.points(3)

# %% [markdown] nbgrader={"grade_id": "evaluate-text", "locked": true, "grade": false, "solution": false}
# ## 3. How good is it?
#
# Evaluating is asking a model questions and not letting it learn from them. Two switches are on for training and have to be
# off here. One is the model's mode: in training mode dropout drops, and batch norm looks at the other pictures of the
# batch. The other is torch's: it records every step for a backward pass that will not come.
#
# **What to do.** `loader` gives batches `(images, labels)`, and `model(images)` gives logits `(batch, classes)`. Return
#
# ```python
# {"loss": ..., "accuracy": ...}
# ```
#
# - the loss is the cross-entropy in nats, the accuracy the share of pictures whose largest logit is the label's;
# - both are **means over samples**. Batches need not be equal: often the last one is smaller. A loader may also leave samples of its
#   dataset out, so count what comes;
# - the model is in eval mode meanwhile, and afterwards in the mode in which it came, whichever that was;
# - no gradients are recorded;
# - the two numbers are Python floats, no tensors.
#
# **By hand.** Five pictures in batches of three and two. In the first batch two are right, in the second one. The accuracy is
# $3 / 5 = 0.6$; the mean of the two batches' accuracies, $\tfrac12 (\tfrac23 + \tfrac12) = 0.583$, is another number.
# The logits are $(2, 0)$ or $(0, 2)$, so a right answer costs $\ln(1 + e^{-2}) = 0.127$ and a wrong one
# $\ln(1 + e^{2}) = 2.127$: the loss is $(3 \cdot 0.127 + 2 \cdot 2.127) / 5 = 0.927$.


# %% nbgrader={"grade_id": "evaluate", "locked": false, "grade": false, "solution": true}
def evaluate(model: nn.Module, loader) -> dict[str, float]:
    """Return the mean loss and the accuracy over all samples that the loader gives."""
    ### BEGIN SOLUTION
    was_training = model.training
    model.eval()
    loss = right = count = 0
    with torch.no_grad():
        for images, labels in loader:
            logits = model(images)
            loss += F.cross_entropy(logits, labels, reduction="sum").item()
            right += (logits.argmax(dim=1) == labels).sum().item()
            count += len(labels)
    model.train(was_training)
    return {"loss": loss / count, "accuracy": right / count}
    ### END SOLUTION


# %% nbgrader={"grade_id": "evaluate-try", "locked": true, "grade": false, "solution": false}
check("evaluate")

# %% nbgrader={"grade_id": "evaluate-points", "locked": true, "grade": true, "solution": false, "points": 4}
# 4 points
report = check("evaluate", seed=433)
display(report)
report.points(4)

# %% [markdown] nbgrader={"grade_id": "end", "locked": true, "grade": false, "solution": false}
# ## Done
#
# These three and a loop of ten lines are what trains the models of this course. The *Validate* button of nbgrader runs the
# notebook from top to bottom, as grading does; a check that passes only because of cells run in another order will show
# there.
