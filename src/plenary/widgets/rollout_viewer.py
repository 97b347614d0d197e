"""What a trained Vision Transformer listens to in a digit, and what its answer is with patches covered."""

import json
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from plenary.widgets.base import PlenaryWidget
from plenary.widgets.settings import Asset, Choice
from plenary.widgets.still import still

VIEWS = ("head", "mean", "rollout")
LAYERS, HEADS, SIDE = (1, 2, 3), (1, 2, 3, 4), 4
RIGHT, WRONG = 10, 4
PATCHES = SIDE**2
LOTS = tuple(range(1, 101))
INK = "0123456789abcdefg"  # a pixel in sixteenths


class Shown(NamedTuple):
    """A picture of the strip."""

    number: int
    """Its place in the test split."""
    label: int
    answer: int
    """What the model reads."""
    pixels: Tensor
    """(8, 8), from 0, paper, to 1, ink."""


@cache
def pictures() -> tuple[Shown, ...]:
    """Of each digit the first test picture that the model reads rightly; then the first four read wrongly.

    The split is in a fixed order, so the choice follows from the model's file alone. Where the model errs more than
    four times, the others are not shown; where it errs less, the strip is shorter.
    """
    # Here and not above: the training package takes half a second.
    from plenary.data import digits
    from plenary.training import digit_reader

    images, labels = (test := digits().test)[torch.arange(len(test))]
    answers = digit_reader.look(images).logits.argmax(-1)
    right = [int(((labels == digit) & (answers == digit)).nonzero()[0]) for digit in range(RIGHT)]
    wrong = (labels != answers).nonzero().flatten().tolist()[:WRONG]
    return tuple(Shown(n, int(labels[n]), int(answers[n]), images[n, 0]) for n in right + wrong)


class _Strip(Asset):
    """The strip's pictures as JSON. Like the file of an asset, it cannot be set."""

    def make_dynamic_default(self) -> str:
        """Choose the pictures when a widget is first asked for them."""
        return _strip()

    def __init__(self) -> None:
        super().__init__("digits.safetensors")
        self.expected = "nothing: the pictures are chosen by a rule"


@cache
def _strip() -> str:
    return json.dumps(
        [
            [
                one.number,
                one.label,
                one.answer,
                "".join(INK[round(16 * x)] for x in one.pixels.flatten().tolist()),
            ]
            for one in pictures()
        ]
    )


class RolloutViewer(PlenaryWidget):
    """The class token's row of a head, of a layer or of the rollout, and the test of it: covering patches.

    Args:
        picture: which of the strip, 0 to 13: ten digits read rightly, 0 to 9, then four read wrongly.
        view: "head", one head of the layer; "mean", the mean of its heads; "rollout", up to the layer.
        layer: 1 to 3.
        head: 1 to 4, for the view "head".
        identity: whether the rollout has the residual path in it.
        covered: how many patches are covered, 0 to 16.
        lot: which lot is drawn for the patches covered by lot, 1 to 100.

    Raises:
        traitlets.TraitError: a value that is not among these.
    """

    module = "rollout_viewer.mjs"
    uses = ("layers.mjs", "vit.mjs")
    style = "rollout_viewer.css"

    picture = Choice(range(RIGHT + WRONG), 9, f"a whole number from 0 to {RIGHT + WRONG - 1}")
    view = Choice(VIEWS, "rollout", '"head", "mean" or "rollout"')
    layer = Choice(LAYERS, 3, "1, 2 or 3")
    head = Choice(HEADS, 1, "a whole number from 1 to 4")
    identity = Choice((True, False), True, "True or False")
    covered = Choice(range(PATCHES + 1), 0, f"a whole number from 0 to {PATCHES}")
    lot = Choice(LOTS, 1, "a whole number from 1 to 100")
    weights = Asset("digits.safetensors")
    strip = _Strip()

    def still(self) -> str:
        """The digit, the map, and the probability of the answer as patches are covered."""
        return _still(self)


def shares(
    picture: int, view: str = "rollout", layer: int = 3, head: int = 1, identity: bool = True
) -> Tensor:
    """The class token's row, (17,): its own share first, then the patches'. Layers and heads count from 1."""
    from plenary.training import digit_reader

    shown = pictures()[min(picture, len(pictures()) - 1)]
    tables = [one[0].double() for one in digit_reader.look(shown.pixels[None, None]).attentions[:layer]]
    if view == "head":
        return tables[-1][head - 1, 0]
    if view == "mean":
        return tables[-1].mean(0)[0]
    eye = torch.eye(PATCHES + 1, dtype=torch.float64)
    rolled = eye
    for table in tables:
        rolled = ((table.mean(0) + eye) / 2 if identity else table.mean(0)) @ rolled
    return rolled[0]


def orders(row: Tensor, lot: int = 1) -> dict[str, list[int]]:
    """In which order patches are covered: "most" share first, "least" first, or by "lot"; 16 numbers each."""
    most = row[1:].argsort(descending=True, stable=True).tolist()
    drawn = torch.tensor(_uniforms(lot, PATCHES)).argsort(stable=True).tolist()
    return {"most": most, "least": most[::-1], "lot": drawn}


def probabilities(picture: int, order: Sequence[int]) -> Tensor:
    """What the model says with the first 0, 1, ..., 16 patches of an order covered with paper, (17, 10)."""
    from plenary.training import digit_reader

    pixels = pictures()[min(picture, len(pictures()) - 1)].pixels
    steps = pixels.repeat(PATCHES + 1, 1, 1, 1)
    for step, patch in enumerate(order, start=1):
        top, left = 2 * (patch // SIDE), 2 * (patch % SIDE)
        steps[step:, 0, top : top + 2, left : left + 2] = 0
    return digit_reader.look(steps).logits.softmax(-1)


def ink(picture: int) -> Tensor:
    """How much of each patch is ink, (16,), from 0 to 1."""
    pixels = pictures()[min(picture, len(pictures()) - 1)].pixels
    return pixels.unflatten(0, (SIDE, 2)).unflatten(2, (SIDE, 2)).mean((1, 3)).flatten()


def _uniforms(seed: int, count: int) -> list[float]:
    """The numbers of `uniforms` in shared.mjs: mulberry32."""
    low, drawn = 0xFFFFFFFF, []
    for n in range(1, count + 1):
        state = (seed + 0x6D2B79F5 * n) & low
        t = ((state ^ (state >> 15)) * (state | 1)) & low
        t = (t + ((t ^ (t >> 7)) * (t | 61) & low)) & low ^ t
        drawn.append((t ^ (t >> 14)) / 2**32)
    return drawn


def place(patch: int) -> str:
    """Where a patch lies, in words; rows and columns count from 1."""
    return f"row {patch // SIDE + 1}, column {patch % SIDE + 1}"


def named(view: str, layer: int, head: int, identity: bool) -> str:
    """What is shown, in words."""
    if view == "head":
        return f"head {head} of layer {layer}"
    if view == "mean":
        return f"the mean of the heads of layer {layer}"
    return f"the rollout up to layer {layer}" + ("" if identity else ", without the identity")


def _still(widget: RolloutViewer) -> str:
    # Here and not above: matplotlib takes half a second, which only a widget that is shown should cost.
    from matplotlib import rc_context

    from plenary.plotting import colour, figure, show

    picture, view, layer, head = widget.picture, widget.view, widget.layer, widget.head
    row = shares(picture, view, layer, head, widget.identity)
    shown, inked, order = pictures()[min(picture, len(pictures()) - 1)], ink(picture), orders(row, widget.lot)
    curves = {how: probabilities(picture, one)[:, shown.answer] for how, one in order.items()}
    names = {"most": "most first", "least": "least first", "lot": "by lot"}
    styles = {"most": ("accent", "-"), "least": ("key", "--"), "lot": ("muted", ":")}
    what, first, four = named(view, layer, head, widget.identity), order["most"][0], 4
    said = (
        f"A {shown.label} that the model reads as a {shown.answer}, with probability {curves['most'][0]:.2f}."
    )
    # The style of the book is for this picture; the reader's own plots keep theirs.
    with rc_context():
        fig, _ = figure(height=2.7, ncols=3, gridspec_kw={"width_ratios": [1, 1, 1.6]})
        left, middle, right = fig.axes
        left.imshow(shown.pixels.numpy(), cmap="Greys", vmin=0, vmax=1)
        middle.imshow(row[1:].view(SIDE, SIDE).numpy(), cmap="Greys", vmin=0, vmax=1.6 * float(row[1:].max()))
        for patch, share in enumerate(row[1:].tolist()):
            middle.text(
                patch % SIDE, patch // SIDE, f"{100 * share:.1f}", ha="center", va="center", fontsize=7
            )
        for ax, title in ((left, f"a {shown.label}"), (middle, "shares, %")):
            ax.set_title(title)
            ax.set(xticks=[], yticks=[])
            ax.grid(visible=False)
        for how, values in curves.items():
            name, dash = styles[how]
            right.plot(range(PATCHES + 1), values, dash, color=colour(name), label=names[how])
        right.set(xlabel="patches covered", ylabel=f"probability of {shown.answer}", ylim=(0, 1.02))
        right.legend(fontsize=7)
        alt = (
            f"{said} In {what}, the class token's largest share, {100 * row[1 + first]:.1f} %, falls on "
            f"the patch in {place(first)}, of which {100 * inked[first]:.0f} % is ink. With {four} patches "
            f"covered the probability is {curves['most'][four]:.2f} where those with most share are covered, "
            f"{curves['least'][four]:.2f} with least, {curves['lot'][four]:.2f} by lot."
        )
        drawn = show(fig, alt=alt)
    rows = [["0", "–", "–", "–", *(f"{values[0]:.3f}" for values in curves.values())]]
    for step, patch in enumerate(order["most"], start=1):
        rows.append(
            [
                str(step),
                place(patch),
                f"{100 * row[1 + patch]:.1f}",
                f"{100 * inked[patch]:.0f}",
                *(f"{values[step]:.3f}" for values in curves.values()),
            ]
        )
    return still(
        drawn.svg,
        f"{said} Computed in Python by the trained model of the page; the map is {what}.",
        f"Patches by their share, and the probability of {shown.answer} when so many are covered",
        ["covered", "the next by share", "its share, %", "its ink, %", *names.values()],
        rows,
    )
