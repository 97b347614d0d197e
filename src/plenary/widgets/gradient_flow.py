"""Where the loss's gradient goes: through one chosen score into queries, keys and values, and what a push does."""

from typing import NamedTuple

import torch
from torch import Tensor

from plenary.widgets.base import PlenaryWidget
from plenary.widgets.settings import Choice, Number
from plenary.widgets.still import still

# A small room in which row 1 is nearly settled on key 3. The same numbers stand in gradient_flow.mjs.
QUERY = ((-2.5, 0, 0.5, 0.5), (-1.5, 1, -0.5, 1.5), (1.5, 0, -0.5, 0.5))
KEY = ((1, 2, -0.5, -0.5), (1, 1, -1, -1.5), (-0.5, -1, 1.5, -1), (0.5, 2.5, -2, -0.5))
VALUE = ((-2, 0.5, -1.5), (-2, 1.5, 0.5), (-0.5, 0.5, 1), (0.5, -2, -1))
GRAD_OUTPUT = ((-0.5, 1, 1), (1, 0, 0.5), (-0.5, 0, -1.5))
MOST = 10.0


class GradientFlow(PlenaryWidget):
    """Gradients of attention for 3 queries and 4 keys, in total and through one score that can be pushed up.

    Args:
        query: the row of the chosen score, 1 to 3.
        key: its column, 1 to 4.
        push: what is added to the chosen score before the softmax, 0 to 10.

    Raises:
        traitlets.TraitError: a value that is not among these.
    """

    module = "gradient_flow.mjs"
    style = "gradient_flow.css"

    query = Choice((1, 2, 3), default=1, expected="1, 2 or 3, the number of a query")
    key = Choice((1, 2, 3, 4), default=3, expected="1, 2, 3 or 4, the number of a key")
    push = Number(0, MOST, 0)

    def still(self) -> str:
        """The norms against the push, and the chosen row as a table, computed here with torch."""
        return _still(self.query, self.key, self.push)


class Flow(NamedTuple):
    """What one setting does; names and shapes are those of `measure` in gradient_flow.mjs."""

    scores: Tensor
    weights: Tensor
    grad_weights: Tensor
    grad_scores: Tensor
    grad_query: Tensor
    grad_key: Tensor
    grad_value: Tensor
    part_query: Tensor
    """What the chosen query gets through the chosen score."""
    part_key: Tensor
    """What the chosen key gets through it."""
    part_value: Tensor
    """What the chosen key's value gets through the weight."""
    norms: tuple[float, float, float]
    """Of what the chosen row sends to its query, to all keys and to all values."""


def _room() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    query, key, value, grad_output = (
        torch.tensor(rows, dtype=torch.float64) for rows in (QUERY, KEY, VALUE, GRAD_OUTPUT)
    )
    return query, key, value, grad_output


def measure(query: int, key: int, push: float) -> Flow:
    """All gradients, with `push` added to one score; `query` and `key` count from 1."""
    q, k, v, incoming = _room()
    t, s, root = query - 1, key - 1, q.shape[-1] ** 0.5
    scores = q @ k.mT / root
    scores[t, s] += push
    weights = scores.softmax(-1)
    grad_weights = incoming @ v.mT
    grad_scores = weights * (grad_weights - (weights * grad_weights).sum(-1, keepdim=True))
    grad_query = grad_scores @ k / root
    return Flow(
        scores=scores,
        weights=weights,
        grad_weights=grad_weights,
        grad_scores=grad_scores,
        grad_query=grad_query,
        grad_key=grad_scores.mT @ q / root,
        grad_value=weights.mT @ incoming,
        part_query=grad_scores[t, s] * k[s] / root,
        part_key=grad_scores[t, s] * q[t] / root,
        part_value=weights[t, s] * incoming[t],
        norms=(
            grad_query[t].norm().item(),
            torch.outer(grad_scores[t], q[t] / root).norm().item(),
            torch.outer(weights[t], incoming[t]).norm().item(),
        ),
    )


def _still(query: int, key: int, push: float) -> str:
    """The still picture and the table for one setting."""
    # Here and not above: matplotlib takes half a second, which only a widget that is shown should cost.
    from matplotlib import rc_context

    from plenary.plotting import colour, figure, show

    t, s = query - 1, key - 1
    pushes = torch.linspace(0, MOST, 81).tolist()
    curves = list(zip(*(measure(query, key, one).norms for one in pushes), strict=True))
    now, start, end = (measure(query, key, one) for one in (push, 0.0, MOST))
    # The style of the book is for this picture; the reader's own plots keep theirs.
    with rc_context():
        fig, ax = figure(height=2.8)
        names = (
            ("query", "-", f"to query {query}"),
            ("key", "--", "to the keys"),
            ("value", "-.", "to the values"),
        )
        for curve, (ink, dash, _) in zip(curves, names, strict=True):
            ax.plot(pushes, curve, dash, color=colour(ink))
        ax.axvline(push, color=colour("muted"), linestyle=":")
        top = 1.1 * max(map(max, curves))
        for at, (norm, (ink, dash, name)) in enumerate(zip(now.norms, names, strict=True)):
            height = top * (0.72 - 0.13 * at)
            ax.plot((5.0, 5.8), (height, height), dash, color=colour(ink))
            ax.text(6.0, height, f"{name}: {norm:.2f}", color=colour(ink), va="center")
        ax.set(xlabel="push on the chosen score", ylabel="norm of the gradient", xlim=(0, MOST))
        ax.set_ylim(0, top)
        picture = show(
            fig,
            alt=f"Pushing up the score of query {query} with key {key} from 0 to {MOST:.0f} takes its "
            f"weight from {start.weights[t, s]:.2f} to {end.weights[t, s]:.4f}. The "
            f"gradient that this row sends to its query goes from {start.norms[0]:.2f} to {end.norms[0]:.4f} "
            f"in norm, that to the keys from {start.norms[1]:.2f} to {end.norms[1]:.4f}, and to the values from "
            f"{start.norms[2]:.2f} to {end.norms[2]:.2f}.",
        )
    return still(
        picture.svg,
        "Computed in Python, by the same steps.",
        f"Row {query} with {push:.2f} added to the score of key {key}",
        ("key", "score E", "weight A", "dA", "dE"),
        [
            (
                f"key {at + 1}",
                f"{now.scores[t, at]:.2f}",
                f"{now.weights[t, at]:.4f}",
                f"{now.grad_weights[t, at]:+.2f}",
                f"{now.grad_scores[t, at]:+.4f}",
            )
            for at in range(len(KEY))
        ],
    )
