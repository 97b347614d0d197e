"""Why the root of d_k: the spread of the scores, the entropy of the weights and the gradient of their softmax."""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from plenary.widgets.base import PlenaryWidget
from plenary.widgets.settings import Choice
from plenary.widgets.still import still

SEED = 2017
SEQUENCES = 16
LENGTH = 16
WIDTHS = tuple(2**i for i in range(10))


class Scaling(PlenaryWidget):
    """Scores, entropy and gradient norm for a width d_k, with and without division by its root.

    Args:
        d_k: width of a query and of a key, a power of two from 1 to 512.
        scaled: whether the scores are divided by the root of d_k.

    Raises:
        traitlets.TraitError: a value that is not among these.
    """

    module = "scaling.mjs"
    style = "scaling.css"

    d_k = Choice(WIDTHS, default=64, expected="a power of two from 1 to 512")
    scaled = Choice((False, True), default=False, expected="True or False")

    def still(self) -> str:
        """Two curves against d_k, computed here with torch from the numbers that the page draws in JavaScript."""
        return _still()


def normals(seed: int, count: int) -> Tensor:
    """The numbers of `normals` in shared.mjs, mulberry32 and Box-Muller: `(count,)`, float64, `count` even."""
    low = 0xFFFFFFFF  # the generator lives in 32 bits; a product keeps its low ones when int64 overflows
    state = (seed + 0x6D2B79F5 * torch.arange(1, count + 1)) & low
    t = ((state ^ (state >> 15)) * (state | 1)) & low
    t = (t + ((t ^ (t >> 7)) * (t | 61) & low)) & low ^ t
    radius, angle = ((t ^ (t >> 14)).double() / 2**32).view(-1, 2).unbind(-1)
    radius, angle = (-2 * torch.log(1 - radius)).sqrt(), 2 * torch.pi * angle
    return torch.stack((radius * angle.cos(), radius * angle.sin()), dim=-1).flatten()


class Measured(NamedTuple):
    """What one setting does, as `measure` in scaling.mjs gives it; entropy in nats."""

    sd: float
    entropy: float
    norm: float
    median: float


@cache
def _vectors() -> tuple[Tensor, Tensor]:
    """Queries and keys of full width, each `(sequences, length, 512)`."""
    query, key = normals(SEED, 2 * SEQUENCES * LENGTH * WIDTHS[-1]).view(2, SEQUENCES, LENGTH, -1)
    return query, key


def measure(d_k: int, scaled: bool) -> Measured:
    """Spread of the scores, mean entropy of the weights, mean and median Frobenius norm of the softmax Jacobian."""
    query, key = (vectors[..., :d_k] for vectors in _vectors())
    scores = query @ key.mT / (d_k**0.5 if scaled else 1)
    p = scores.softmax(-1)
    squares, cubes = p.square().sum(-1), p.pow(3).sum(-1)
    # Squares of the diagonal p - p^2 and of all p_i p_j off it, added up.
    norms = (squares - 2 * cubes + squares.square()).clamp(min=0).sqrt()
    return Measured(
        sd=scores.std(correction=0).item(),
        entropy=torch.special.entr(p).sum(-1).mean().item(),
        norm=norms.mean().item(),
        median=norms.quantile(0.5).item(),
    )


@cache
def _still() -> str:
    """The still picture, drawn once; it is the same for all settings."""
    # Here and not above: matplotlib takes half a second, which only a widget that is shown should cost.
    from matplotlib import rc_context

    from plenary.plotting import colour, figure, show

    curves = {scaled: [measure(d_k, scaled) for d_k in WIDTHS] for scaled in (False, True)}
    most = torch.tensor(LENGTH).log().item()
    # The style of the book is for this picture; the reader's own plots keep theirs.
    with rc_context():
        fig, _ = figure(height=4.4, nrows=2, sharex=True)
        top, bottom = fig.axes
        for ax, name in ((top, "entropy"), (bottom, "norm")):
            for scaled, label in ((False, "not divided"), (True, r"divided by $\sqrt{d_k}$")):
                values = [getattr(measured, name) for measured in curves[scaled]]
                ink, dash = (colour("accent"), "-") if scaled else (colour("wrong"), "--")
                ax.plot(WIDTHS, values, dash, color=ink)
                ax.annotate(
                    label,
                    (WIDTHS[-1], max(values[-3:])),
                    (0, 5),
                    textcoords="offset points",
                    color=ink,
                    ha="right",
                )
        top.axhline(most, color=colour("muted"), linestyle=":")
        top.annotate(
            "log 16: all keys alike", (1, most), (0, 4), textcoords="offset points", color=colour("muted")
        )
        top.set(ylabel="entropy (nats)", ylim=(0, 3.2))
        bottom.set(ylabel="gradient norm", ylim=(0, 0.4), xlabel="$d_k$", xscale="log")
        bottom.set_xticks(WIDTHS[::2], [str(d_k) for d_k in WIDTHS[::2]], minor=False)
        bottom.minorticks_off()
        before, after, kept = curves[False][0], curves[False][-1], curves[True][-1]
        picture = show(
            fig,
            alt=f"Without scaling, the mean entropy of the weights falls from {before.entropy:.1f} nats at d_k = 1 "
            f"to {after.entropy:.1f} at d_k = 512, and the mean gradient norm of the softmax from "
            f"{before.norm:.2f} to {after.norm:.2f}. Divided by the root of d_k, both stay where they were: at "
            f"d_k = 512 they are {kept.entropy:.1f} nats and {kept.norm:.2f}.",
        )
    head = [
        "d_k",
        *(f"{what}, {how}" for what in ("entropy", "gradient norm") for how in ("not divided", "divided")),
    ]
    rows = [
        [str(d_k), *(f"{getattr(one, name):.3g}" for name in ("entropy", "norm") for one in pair)]
        for d_k, *pair in zip(WIDTHS, curves[False], curves[True], strict=True)
    ]
    note = (
        "Computed in Python from the same 4,096 scores (256 queries with 16 keys each) by the same formulas."
    )
    return still(picture.svg, note, "Mean entropy in nats and mean gradient norm of the softmax", head, rows)
