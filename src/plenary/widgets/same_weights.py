"""Same weights, same logits: our Vision Transformer and torchvision's, compared stage by stage.

`python -m plenary.widgets.same_weights` runs both and writes what it measures to `same_weights.json`, which the
widget shows. It takes a few seconds.
"""

import json
from collections.abc import Callable
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plenary.class_token import prepend_class_token
from plenary.norm import LayerNorm
from plenary.vision_transformer import SIZES, VisionTransformer
from plenary.widgets.base import PlenaryWidget
from plenary.widgets.settings import Asset, Choice
from plenary.widgets.still import still

FILE = "same_weights.json"
IMAGE, PATCH, CLASSES, LAYERS = 16, 4, 10, SIZES["test"].num_layers
PRECISIONS = {"float64": torch.float64, "float32": torch.float32}
SEED = 2021

Weights = Literal["random", "fresh"]
WEIGHTS: tuple[Weights, ...] = ("random", "fresh")


class Stage(NamedTuple):
    """A place where the two models can be compared, and what makes its numbers in either of them."""

    name: str
    theirs: str
    ours: str


def _layer(index: int) -> list[Stage]:
    theirs, ours = f"encoder.layers.encoder_layer_{index}", f"layers.{index}"
    return [
        Stage(f"layer {index}: norm 1", f"{theirs}.ln_1", f"{ours}.norm1"),
        Stage(f"layer {index}: + attention", f"{theirs}.self_attention", f"{ours}.attention"),
        Stage(f"layer {index}: norm 2", f"{theirs}.ln_2", f"{ours}.norm2"),
        Stage(f"layer {index}: + MLP", f"{theirs}.mlp", f"{ours}.feed_forward"),
    ]


STAGES = [
    Stage("patches", "conv_proj", "patch_embedding.projection"),
    Stage("+ class token", "class_token", "class_token"),
    Stage("+ positions", "encoder.pos_embedding", "positions"),
    *(stage for index in range(LAYERS) for stage in _layer(index)),
    Stage("last norm", "encoder.ln", "norm"),
    Stage("row for the head", "x[:, 0]", "x[:, 0]"),
    Stage("logits", "heads.head", "head"),
]

MISTAKES = {
    "none": "no mistake",
    "eps": "eps of 1e-5 in all norms",
    "conv": "kernels flattened channels first",
    "qkv": "in_proj cut into k, q, v",
    "class-token": "class token not copied (zeros)",
    "positions": "positions not copied (zeros)",
    "norms": "first and second norm exchanged",
    "gelu": "GELU by its tanh formula",
    "last-norm": "last norm's weights not copied",
    "no-last-norm": "no last norm",
    "mean": "mean of the patches, not the class token",
}


class SameWeights(PlenaryWidget):
    """Our Vision Transformer beside torchvision's with the same weights, stage by stage.

    Args:
        mistake: what went wrong in copying, one of `MISTAKES`; "none" for nothing.
        weights: "random" for weights drawn everywhere, "fresh" for those that torchvision starts with.
        precision: "float64" or "float32".
        stage: how far the two have been followed, 0 for the patches to 13 for the logits.

    Raises:
        traitlets.TraitError: a value that is not among these.
    """

    module = "same_weights.mjs"
    style = "same_weights.css"

    mistake = Choice(tuple(MISTAKES), default="eps", expected=f"one of {', '.join(MISTAKES)}")
    weights = Choice(WEIGHTS, default="random", expected="'random' or 'fresh'")
    precision = Choice(tuple(PRECISIONS), default="float64", expected="'float64' or 'float32'")
    stage = Choice(range(len(STAGES)), default=0, expected=f"a whole number from 0 to {len(STAGES) - 1}")
    measured = Asset(FILE)

    def still(self) -> str:
        """The difference at every stage, for the mistake that is set, from the same file."""
        return _still(self.mistake, self.weights, self.precision)


def torchvision_model(weights: Weights, precision: str) -> nn.Module:
    """torchvision's model of the size "test" for 16 x 16 pixels: a fresh one, or with random weights everywhere."""
    from torchvision.models import VisionTransformer as TorchvisionViT

    size = SIZES["test"]
    widths = (size.num_layers, size.num_heads, size.embed_dim, size.hidden_dim)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = TorchvisionViT(IMAGE, PATCH, *widths, num_classes=CLASSES).double().eval()
        if weights == "random":
            with torch.no_grad():
                for name, parameter in model.named_parameters():
                    drawn = torch.randn(parameter.shape, dtype=torch.float64)
                    # Matrices keep the size of what they are given; norms stay around 1.
                    scale = parameter[0].numel() ** -0.5 if parameter.ndim in (2, 4) else 0.3
                    around = 1.0 if ".ln" in name and name.endswith("weight") else 0.0
                    parameter.copy_(around + scale * drawn)
    return model.to(PRECISIONS[precision])


def picture(precision: str) -> Tensor:
    """The picture: `(1, 3, 16, 16)`, standard normal numbers."""
    generator = torch.Generator().manual_seed(SEED)
    drawn = torch.randn(1, 3, IMAGE, IMAGE, generator=generator, dtype=torch.float64)
    return drawn.to(PRECISIONS[precision])


@torch.no_grad()
def copied(theirs: nn.Module, mistake: str) -> VisionTransformer:
    """Our model with their weights, copied with this mistake."""
    ours = VisionTransformer.from_torchvision(theirs)
    layers: list[Any] = list(ours.layers)
    if mistake == "eps":
        for module in ours.modules():
            if isinstance(module, LayerNorm):
                module.eps = 1e-5
    elif mistake == "conv":
        ours.patch_embedding.projection.weight.copy_(theirs.state_dict()["conv_proj.weight"].flatten(1))
    elif mistake == "qkv":
        for layer in layers:
            layer.attention.q_proj, layer.attention.k_proj = layer.attention.k_proj, layer.attention.q_proj
    elif mistake == "class-token":
        ours.class_token.zero_()
    elif mistake == "positions":
        ours.positions.zero_()
    elif mistake == "norms":
        for layer in layers:
            layer.norm1, layer.norm2 = layer.norm2, layer.norm1
    elif mistake == "gelu":
        for layer in layers:
            layer.feed_forward.forward = partial(_tanh_feed_forward, layer.feed_forward)
    elif mistake == "last-norm":
        ours.norm = LayerNorm(SIZES["test"].embed_dim, eps=1e-6).to(ours.positions)
    elif mistake == "no-last-norm":
        ours.norm = nn.Identity()
    elif mistake == "mean":
        ours.pool = "mean"
    return ours


def _tanh_feed_forward(network: Any, x: Tensor) -> Tensor:
    return network.linear2(F.gelu(network.linear1(x), approximate="tanh"))


@torch.no_grad()
def stages_of(model: nn.Module, image: Tensor) -> list[Tensor]:
    """What a model, theirs or ours, holds at each of the `STAGES`, heard while it runs."""
    mine = isinstance(model, VisionTransformer)
    parts = dict(model.named_modules())
    heard: dict[str, Tensor] = {}

    def keep(name: str, tensor: Any) -> None:
        heard[name] = tensor

    def hear(name: str, part: str, before: bool = False) -> Callable[[], None]:
        if before:
            return parts[part].register_forward_pre_hook(lambda _, given: keep(name, given[0])).remove
        return parts[part].register_forward_hook(lambda _, __, result: keep(name, result)).remove

    layer_of = "layers.{}" if mine else "encoder.layers.encoder_layer_{}"
    norms = ("norm1", "norm2") if mine else ("ln_1", "ln_2")
    stops = [
        hear("patches", "patch_embedding" if mine else "conv_proj"),
        hear("+ positions", layer_of.format(0), before=True),
        hear("last norm", "norm" if mine else "encoder.ln"),
        hear("row for the head", "head" if mine else "heads", before=True),
        hear("logits", "head" if mine else "heads"),
    ]
    if not mine:
        stops.append(hear("+ class token", "encoder", before=True))
    for index in range(LAYERS):
        layer = layer_of.format(index)
        stops += [
            hear(f"layer {index}: norm 1", f"{layer}.{norms[0]}"),
            hear(f"layer {index}: + attention", f"{layer}.{norms[1]}", before=True),
            hear(f"layer {index}: norm 2", f"{layer}.{norms[1]}"),
            hear(f"layer {index}: + MLP", layer),
        ]
    model(image)
    for stop in stops:
        stop()
    if isinstance(model, VisionTransformer):
        heard["+ class token"] = prepend_class_token(heard["patches"], model.class_token)
    else:  # (1, D, rows, columns) -> (1, N, D)
        heard["patches"] = heard["patches"].flatten(2).mT
    return [heard[stage.name] for stage in STAGES]


class Measured(NamedTuple):
    """At every stage: our shape, the norm of both over the rows that both have, their greatest difference."""

    shapes: list[list[int]]
    theirs: list[float]
    ours: list[float]
    differences: list[float]


def measure(mistake: str, weights: Weights, precision: str) -> Measured:
    """Run both models on the picture and compare them."""
    theirs = torchvision_model(weights, precision)
    image = picture(precision)
    found = Measured([], [], [], [])
    for a, b in zip(stages_of(theirs, image), stages_of(copied(theirs, mistake), image), strict=True):
        # Ours computes in its last layer only what the head reads.
        a = a if a.shape == b.shape else a[:, 0] if b.ndim == 2 else a[:, : b.shape[1]]
        found.shapes.append(list(b.shape))
        found.theirs.append(a.norm().item())
        found.ours.append(b.norm().item())
        found.differences.append((a - b).abs().max().item())
    return found


def _short(number: float) -> float:
    return float(f"{number:.3g}")


def measure_all() -> dict[str, Any]:
    """All that the widget shows: `["runs"]["random"]["float64"]["eps"]` has "theirs", "ours", "differences"."""
    theirs = stages_of(torchvision_model("random", "float64"), picture("float64"))
    runs: dict[str, Any] = {}
    for weights in WEIGHTS:
        runs[weights] = {}
        for precision in PRECISIONS:
            runs[weights][precision] = {}
            for mistake in MISTAKES:
                found = measure(mistake, weights, precision)
                runs[weights][precision][mistake] = {
                    name: [_short(one) for one in getattr(found, name)]
                    for name in ("theirs", "ours", "differences")
                }
    return {
        "stages": [stage._asdict() for stage in STAGES],
        "mistakes": MISTAKES,
        "shapes": {
            "theirs": [list(one.shape) for one in theirs],
            "ours": measure("none", "random", "float64").shapes,
            "mean": measure("mean", "random", "float64").shapes,
        },
        "runs": runs,
    }


@cache
def load() -> dict[str, Any]:
    """What was measured, as `measure_all` returns it."""
    return json.loads(files("plenary.widgets").joinpath(FILE).read_text(encoding="utf-8"))


def run(mistake: str, weights: Weights = "random", precision: str = "float64") -> dict[str, list[float]]:
    """What was measured for one setting: "theirs", "ours" and "differences" by stage."""
    return load()["runs"][weights][precision][mistake]


def rounding(weights: Weights = "random", precision: str = "float64") -> float:
    """The greatest difference at any stage with no mistake at all."""
    return max(run("none", weights, precision)["differences"])


def parted(mistake: str, weights: Weights = "random", precision: str = "float64") -> int | None:
    """The first stage where the two differ by more than ten times what rounding does; None if there is none."""
    bound = 10 * rounding(weights, precision)
    differences = run(mistake, weights, precision)["differences"]
    return next((at for at, one in enumerate(differences) if one > bound), None)


@cache
def _still(mistake: str, weights: Weights, precision: str) -> str:
    """The still picture: the difference at every stage, and what rounding alone does."""
    # Here and not above: matplotlib takes half a second, which only a widget that is shown should cost.
    from matplotlib import rc_context

    from plenary.plotting import colour, figure, show

    found, right = run(mistake, weights, precision), run("none", weights, precision)
    first = parted(mistake, weights, precision)
    floor = 1e-18
    # The style of the book is for this picture; the reader's own plots keep theirs.
    with rc_context():
        fig, ax = figure(height=4.4)
        names, places = [stage.name for stage in STAGES], range(len(STAGES))
        bound = 10 * rounding(weights, precision)
        inks = [colour("wrong" if one > bound else "muted") for one in found["differences"]]
        ax.barh(places, [max(0, one - floor) for one in found["differences"]], left=floor, color=inks)
        ax.plot([max(one, floor) for one in right["differences"]], places, "o", color=colour("accent"))
        ax.set(xscale="log", xlim=(floor, 1e2), xlabel="greatest difference (dots: no mistake)")
        ax.set_yticks(list(places), names)
        ax.invert_yaxis()
        where = (
            "They do not part" if first is None else f"They part at stage {first + 1}, {STAGES[first].name}"
        )
        image = show(
            fig,
            alt=f"Greatest difference between our model and torchvision's at {len(STAGES)} stages, {precision}, "
            f"{weights} weights, {MISTAKES[mistake]}. {where}; at the logits they differ by "
            f"{found['differences'][-1]:.2g}. With no mistake it is at most {max(right['differences']):.2g}.",
        )
    head = ["stage", "in torchvision", "in ours", "norm, theirs", "norm, ours", "greatest difference"]
    rows = [
        [stage.name, stage.theirs, stage.ours, f"{a:.3g}", f"{b:.3g}", f"{difference:.2g}"]
        for stage, a, b, difference in zip(
            STAGES, found["theirs"], found["ours"], found["differences"], strict=True
        )
    ]
    note = "Measured on both models with one picture and one set of weights."
    return still(image.svg, note, f"Stage by stage: {MISTAKES[mistake]}", head, rows)


if __name__ == "__main__":
    text = json.dumps(measure_all(), separators=(",", ":")) + "\n"
    Path(__file__).with_name(FILE).write_text(text, encoding="utf-8")
