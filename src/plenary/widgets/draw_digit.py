"""Draw a digit: a trained Vision Transformer reads it at every stroke, shows how, and can have parts taken away."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from plenary.widgets.base import PlenaryWidget
from plenary.widgets.settings import Asset, Choice, Numbers, Picks
from plenary.widgets.still import still

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from torch import Tensor

WEIGHTS = "digits.safetensors"
SIDE, PATCHES = 8, 16
LAYERS, HEADS = (1, 2, 3), (1, 2, 3, 4)
NAMES = tuple(f"{layer}.{head}" for layer in LAYERS for head in HEADS)
VIEWS = ("attention", "similarity", "rollout", "journey")

# The 3 that strokes.mjs writes, in sixteenths of ink, g for 16.
THREE = "008fe50003e58e0000005e00002cf80000179f2000000c8006d57g20008fd500"


def pixels_of(text: str) -> list[list[float]]:
    """The 8 x 8 numbers of a text of 64 letters, each a number of sixteenths from 0 to 9, then a to g."""
    ink = [int(letter, 17) / 16 for letter in text]
    return [ink[row * SIDE : (row + 1) * SIDE] for row in range(SIDE)]


class DrawDigit(PlenaryWidget):
    """Draw a digit with mouse, finger, pen or keyboard, and look into the Vision Transformer that reads it.

    Args:
        pixels: the 8 x 8 numbers that the model reads, 0 for paper and 1 for ink; what is drawn becomes these.
        positions: whether the position embeddings are added.
        off: the heads that say nothing, such as ["1.2", "3.4"] (layer 1, head 2; layer 3, head 4).
        skipped: the layers that pass on what they read, such as [2].
        token: the one that is asked about: 0 is the class token, then come the 16 patches, row by row.
        view: "attention", "similarity" of the states, "rollout", or the class token's "journey" through the layers.
        layer: of which layer; similarity and journey have 0 too, before the first one. The others take 1 for it.
        head: which head of it, counted from 1.

    Raises:
        traitlets.TraitError: a value that is not among these.
    """

    module = "draw_digit.mjs"
    uses = ("layers.mjs", "vit.mjs", "strokes.mjs", "drawing_field.mjs")
    style = "draw_digit.css"

    pixels = Numbers((SIDE, SIDE), 0, 1, pixels_of(THREE))
    positions = Choice((True, False), True, "True or False")
    off = Picks(NAMES, [])
    skipped = Picks(LAYERS, [])
    token = Choice(range(PATCHES + 1), 0, f"a whole number from 0, the class token, to {PATCHES}")
    view = Choice(VIEWS, "attention", '"attention", "similarity", "rollout" or "journey"')
    layer = Choice((0, *LAYERS), 2, f"a whole number from 0 to {LAYERS[-1]}")
    head = Choice(HEADS, 1, f"a whole number from 1 to {HEADS[-1]}")
    weights = Asset(WEIGHTS)

    def still(self) -> str:
        """The digit, the chances of all ten, and of which patches the class token is made."""
        return _still(self)


class Read(NamedTuple):
    """How the model reads one picture: 17 tokens, the class token first."""

    chances: "Tensor"
    """(10,): what it says."""
    logits: "Tensor"
    """(10,): the same before the softmax."""
    attention: "Tensor"
    """(3, 4, 17, 17): layer, head, who listens, who is listened to; what is off has weights as well."""
    rollouts: "Tensor"
    """(3, 17, 17): through layer 1, through 1 and 2, through all; what is off has no part in it."""
    journey: "Tensor"
    """(4, 10): what the head would say of the class token before the first layer, and after each."""
    likeness: "Tensor"
    """(4, 17, 17): cosine of every two states, before the first layer and after each."""


def read(
    pixels: Sequence[Sequence[float]],
    positions: bool = True,
    off: Iterable[str] = (),
    skipped: Iterable[int] = (),
) -> Read:
    """Read a picture with PyTorch, and everything that the page shows of it.

    Args:
        pixels: 8 x 8 numbers from 0 (paper) to 1 (ink).
        positions: False leaves the position embeddings out.
        off: heads that say nothing, see `NAMES`.
        skipped: layers that pass on what they read.

    Raises:
        ValueError: there is no such head or layer.
    """
    # Here and not above: the training package takes half a second.
    import torch
    from torch.nn.functional import normalize

    from plenary.introspection import attention_rollout
    from plenary.training import digit_reader

    off, skipped = list(off), list(skipped)
    for what, names, allowed in (("off", off, NAMES), ("skipped", skipped, LAYERS)):
        if strange := [name for name in names if name not in allowed]:
            raise ValueError(f"read: {what} has {strange[0]!r}; expected {', '.join(map(str, allowed))}.")
    pairs = [(int(name[0]) - 1, int(name[2]) - 1) for name in off]
    images = torch.tensor(pixels, dtype=torch.float32)[None, None]
    seen = digit_reader.look(images, positions, pairs, [layer - 1 for layer in skipped])
    rollouts, heard = [], []
    for layer, weights in enumerate(seen.attentions):
        works = [head for head in range(len(HEADS)) if (layer, head) not in pairs]
        if works and layer + 1 not in skipped:
            heard.append(weights[:, works])
        rollouts.append(attention_rollout(heard)[0] if heard else torch.eye(PATCHES + 1))
    model = digit_reader.model()
    with torch.no_grad():
        journey = [model.head(model.norm(state))[0, 0].softmax(-1) for state in seen.states]
    states = normalize(torch.cat(seen.states), dim=-1)
    return Read(
        seen.logits[0].softmax(-1),
        seen.logits[0],
        torch.cat(seen.attentions),
        torch.stack(rollouts),
        torch.stack(journey),
        states @ states.mT,
    )


def percent(share: float) -> str:
    """A share in whole per cent, as the page writes it: what is not all is not called all, nor nothing."""
    if 0.995 <= share < 1 - 1e-9:
        return "> 99 %"
    return "< 1 %" if 1e-9 < share < 0.005 else f"{int(100 * share + 0.5)} %"


def _squares(ax: "Axes", shades: Sequence[float], side: int, colour: str) -> None:
    """Squares of one shade as one outline: few bytes."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path
    from matplotlib.transforms import Affine2D

    across = SIDE // side
    for shade in sorted({round(shade, 2) for shade in shades} - {0}):
        outline = Path.make_compound_path(
            *(
                Path.unit_rectangle().transformed(
                    Affine2D().scale(side).translate(at % across * side, at // across * side)
                )
                for at, own in enumerate(shades)
                if round(own, 2) == shade
            )
        )
        ax.add_patch(PathPatch(outline, facecolor=colour, edgecolor="none", alpha=shade))


def _still(widget: DrawDigit) -> str:
    # Here and not above: matplotlib takes half a second, which only a widget that is shown should cost.
    from matplotlib import rc_context

    from plenary.plotting import colour, figure, show

    found = read(widget.pixels, widget.positions, widget.off, widget.skipped)
    chances = found.chances.tolist()
    best = max(range(10), key=chances.__getitem__)
    shares = found.rollouts[-1][0, 1:].tolist()
    most = max(range(PATCHES), key=shares.__getitem__)
    place = f"row {most // 4 + 1}, column {most % 4 + 1}"
    with rc_context():
        fig, (left, right) = figure(2.5, ncols=2)  # type: ignore[misc]
        _squares(left, [0.7 * ink for line in widget.pixels for ink in line], 1, colour("ink"))
        _squares(left, [0.7 * min(share / 0.15, 1) for share in shares], 2, colour("accent"))
        left.set(xlim=(0, SIDE), ylim=(SIDE, 0), aspect="equal", title="rollout: what it is made of")
        left.set_axis_off()
        right.barh(range(10), chances, color=colour("value"), height=0.7)
        right.set(xlim=(0, 1), ylim=(9.6, -0.6), yticks=range(10), xticks=(0, 0.5, 1))
        right.set_xticklabels(("0 %", "50 %", "100 %"))
        right.set_title(f"it reads {best} ({percent(chances[best])})")
        right.grid(False)
        picture = show(
            fig,
            alt=f"A Vision Transformer reads a drawing of 8 by 8 pixels as {best} ({percent(chances[best])}). By "
            f"the rollout, the class token is made most of the patch in {place}, with "
            f"{percent(shares[most])}; it keeps {percent(found.rollouts[-1][0, 0].item())} of its own.",
        )
    taken = [
        *([] if widget.positions else ["positions"]),
        *(f"layer {layer}" for layer in widget.skipped),
        *(f"head {name[2]} of layer {name[0]}" for name in widget.off),
    ]
    without = f" Taken away: {', '.join(taken)}." if taken else ""
    return still(
        picture.svg,
        "In it one draws a digit, and a trained Vision Transformer reads it at every stroke. Here it reads one "
        f"that was drawn, as {best}.{without} Computed in Python with the weights that run in the page.",
        "The chance of each digit, were the head to read the class token before the first layer, and after each.",
        ["digit", "before", *(f"layer {layer}" for layer in LAYERS)],
        [
            [str(digit), *(percent(chance) for chance in found.journey[:, digit].tolist())]
            for digit in range(10)
        ],
    )
