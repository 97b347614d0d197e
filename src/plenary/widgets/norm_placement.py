"""Pre-norm and post-norm: the gradient in every layer of a fresh encoder, measured beforehand.

`python -m plenary.widgets.norm_placement` measures it and writes the numbers to `norm_placement.json`, which the
widget shows. It takes a few seconds.
"""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plenary.encoder import Encoder
from plenary.widgets.base import PlenaryWidget
from plenary.widgets.settings import Asset, Choice
from plenary.widgets.still import still

FILE = "norm_placement.json"
DEPTHS = (2, 4, 6, 8, 12, 16, 24, 32)
DEEP = 24
"""The depth of the still picture, whatever the widget is set to: with two layers there would be little to see."""
SEEDS = range(5)
BATCH, LENGTH, WIDTH, HEADS, CLASSES = 8, 16, 64, 4, 32

Kind = Literal["pre", "post"]
What = Literal["weights", "input"]
KINDS: tuple[Kind, ...] = ("pre", "post")
WHATS: tuple[What, ...] = ("weights", "input")


class NormPlacement(PlenaryWidget):
    """How large the gradient is in every layer of a fresh encoder, with the norm in either place.

    Args:
        depth: how many layers: 2, 4, 6, 8, 12, 16, 24 or 32.
        what: whose gradient is shown, that of a layer's "weights" or that of its "input".

    Raises:
        traitlets.TraitError: a value that is not among these.
    """

    module = "norm_placement.mjs"
    style = "norm_placement.css"

    depth = Choice(DEPTHS, default=6, expected=f"{', '.join(map(str, DEPTHS[:-1]))} or {DEPTHS[-1]}")
    what = Choice(WHATS, default="weights", expected="'weights' or 'input'")
    measured = Asset(FILE)

    def still(self) -> str:
        """The gradients by layer, and the last layer's against the depth, from the same file."""
        return _still(self.what)


def encoder(kind: Kind, depth: int, seed: int) -> Encoder:
    """A fresh encoder with Xavier weights and no biases, in float64; one seed gives both kinds the same weights."""
    built = Encoder(depth, WIDTH, HEADS, 4 * WIDTH, norm_first=kind == "pre")
    torch.manual_seed(seed)
    for part in built.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)
    return built.double()


def gradients(kind: Kind, depth: int, seed: int) -> dict[What, list[float]]:
    """For every layer, the norm of the gradient of its six weight matrices, and of its input.

    The batch is the same for all: 8 sequences of 16 standard normal tokens, 64 wide. So is the loss, the mean
    cross-entropy of a random readout into 32 classes, with a random class for every token.
    """
    numbers = torch.Generator().manual_seed(1)
    x = torch.randn(BATCH, LENGTH, WIDTH, generator=numbers).double().requires_grad_()
    readout = torch.randn(WIDTH, CLASSES, generator=numbers).double() / WIDTH**0.5
    classes = torch.randint(CLASSES, (BATCH * LENGTH,), generator=numbers)

    model = encoder(kind, depth, seed)
    inputs: list[Tensor] = []
    for layer in model.layers:
        layer.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    loss = F.cross_entropy((model(x) @ readout).flatten(0, 1), classes)
    weights = [[p for p in layer.parameters() if p.ndim == 2] for layer in model.layers]
    found = iter(torch.autograd.grad(loss, [*inputs, *(p for own in weights for p in own)]))
    by_input = [next(found).norm().item() for _ in inputs]
    by_weights = [torch.stack([next(found).norm() for _ in own]).norm().item() for own in weights]
    return {"weights": by_weights, "input": by_input}


def over_seeds(kind: Kind, depth: int) -> dict[What, list[list[float]]]:
    """For every layer, the smallest, the median and the largest gradient of the seeds, to four digits."""
    runs = [gradients(kind, depth, seed) for seed in SEEDS]
    return {
        what: [
            [float(f"{one:.4g}") for one in (min(layer), median(layer), max(layer))]
            for layer in zip(*(run[what] for run in runs), strict=True)
        ]
        for what in WHATS
    }


def measure() -> dict[str, Any]:
    """All that the widget shows: `["weights"]["pre"]["24"][layer]` is smallest, median and largest."""
    runs = {(kind, depth): over_seeds(kind, depth) for kind in KINDS for depth in DEPTHS}
    return {
        what: {kind: {str(depth): runs[kind, depth][what] for depth in DEPTHS} for kind in KINDS}
        for what in WHATS
    }


@cache
def load() -> dict[str, Any]:
    """What was measured, as `measure` returns it."""
    return json.loads(files("plenary.widgets").joinpath(FILE).read_text(encoding="utf-8"))


def medians(what: What, kind: Kind, depth: int) -> list[float]:
    """The median gradient in every layer of a stack, from the input to the output."""
    return [middle for _, middle, _ in load()[what][kind][str(depth)]]


@cache
def _still(what: What) -> str:
    """The still picture: a deep stack layer by layer, and below it the last layer against the depth."""
    depth = DEEP
    # Here and not above: matplotlib takes half a second, which only a widget that is shown should cost.
    from matplotlib import rc_context

    from plenary.plotting import colour, figure, show

    whose = f"gradient of a layer's {what}"
    # The style of the book is for this picture; the reader's own plots keep theirs.
    with rc_context():
        fig, _ = figure(height=4.8, nrows=2)
        top, bottom = fig.axes
        for kind in KINDS:
            ink, dash, away = ("accent", "-", -1) if kind == "pre" else ("ink", "--", 1)
            low, middle, high = zip(*load()[what][kind][str(depth)], strict=True)
            last = [medians(what, kind, each)[-1] for each in DEPTHS]
            top.fill_between(range(depth), low, high, color=colour(ink), alpha=0.15, linewidth=0)
            top.plot(range(depth), middle, dash, color=colour(ink))
            bottom.plot(DEPTHS, last, dash, color=colour(ink), marker="o")
            for ax, at, height in ((top, depth - 1, middle[-1]), (bottom, DEPTHS[-1], last[-1])):
                ax.annotate(
                    f"{kind}-norm",
                    (at, height),
                    (0, 12 * away),
                    textcoords="offset points",
                    color=colour(ink),
                    ha="right",
                    va="center",
                )
        top.set(xlabel="layer, from input to output", ylabel="gradient", yscale="log")
        bottom.set(xlabel="number of layers", ylabel="last layer's gradient", xscale="log", yscale="log")
        bottom.set_xticks(DEPTHS, [str(each) for each in DEPTHS], minor=False)
        for ax in (top, bottom):
            ticks = (0.3, 0.6, 1, 2) if what == "weights" else (0.02, 0.05, 0.1, 0.2)
            ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
            ax.minorticks_off()
            ax.margins(y=0.22)
        ratio = {kind: _first_to_last(what, kind, depth) for kind in KINDS}
        ends = {kind: [medians(what, kind, each)[-1] for each in (DEPTHS[0], DEPTHS[-1])] for kind in KINDS}
        picture = show(
            fig,
            alt=f"The {whose} in a fresh encoder of {depth} layers: the first layer's is {ratio['pre']:.1f} times "
            f"the last's in pre-norm and {ratio['post']:.1f} times in post-norm. From 2 to 32 layers the last "
            f"layer's goes from {ends['pre'][0]:.2g} to {ends['pre'][1]:.2g} in pre-norm, and from "
            f"{ends['post'][0]:.2g} to {ends['post'][1]:.2g} in post-norm.",
        )
    head = ["layers", *(f"{kind}-norm, {which}" for kind in KINDS for which in ("first", "last"))]
    rows = [
        [str(each), *(f"{medians(what, kind, each)[at]:.3g}" for kind in KINDS for at in (0, -1))]
        for each in DEPTHS
    ]
    note = (
        "Measured on encoders of this package at the start of training; lines are the median of five seeds."
    )
    caption = f"The {whose}: first and last layer at every depth"
    return still(picture.svg, note, caption, head, rows)


def _first_to_last(what: What, kind: Kind, depth: int) -> float:
    first, *_, last = medians(what, kind, depth)
    return first / last


if __name__ == "__main__":
    text = json.dumps(measure(), separators=(",", ":")) + "\n"
    Path(__file__).with_name(FILE).write_text(text, encoding="utf-8")
