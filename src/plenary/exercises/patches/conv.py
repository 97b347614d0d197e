"""``linear_weight_from_conv``: how to ask for it, and what people get wrong."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Misconception, Property
from plenary.checks.probe import Probe, call_probe, gradient_probe, normal, shown_probe
from plenary.exercises.patches import correct
from plenary.exercises.patches.build import CONV as NAME
from plenary.exercises.patches.build import PAGE, labelled

ALL = ("linear",)


def probes(seed: int) -> list[Probe]:
    """Ask with a weight whose numbers say where they stand, and with random ones of several sizes."""
    generator = torch.Generator().manual_seed(seed)
    return [
        shown_probe("one channel", weight=labelled(2, 1, 2, 2)),
        shown_probe("two channels", weight=labelled(1, 2, 2, 2)),
        shown_probe("patch of three", weight=labelled(1, 2, 3, 3)),
        call_probe("random", weight=normal(generator, 5, 3, 4, 4)),
        call_probe("as many outputs as channels", weight=normal(generator, 3, 3, 3, 3)),
        call_probe("one output", weight=normal(generator, 1, 5, 2, 2)),
        call_probe("patch of one", weight=normal(generator, 5, 3, 1, 1)),
        call_probe("float32", weight=normal(generator, 7, 3, 4, 4).float()),
        gradient_probe("gradient", "linear", normal(generator, 5, 12), weight=normal(generator, 5, 3, 2, 2)),
    ]


def reference(weight: Tensor) -> Tensor:
    """Show the convolution every patch that is 1 in one place and 0 elsewhere, and note what it answers."""
    _, channels, size, _ = weight.shape
    one_hot = torch.eye(size * size * channels, dtype=weight.dtype).reshape(-1, size, size, channels)
    return F.conv2d(one_hot.permute(0, 3, 1, 2), weight).flatten(1).mT


def rows_keep_their_numbers(probe: Probe, answer: Answer) -> str | None:
    """Row d holds the numbers of filter d, in some order."""
    for d, (row, kernel) in enumerate(
        zip(answer.arrays["linear"], np.asarray(probe.arguments["weight"]), strict=True)
    ):
        if not np.allclose(np.sort(row), np.sort(kernel, None), rtol=1e-3, atol=1e-3):
            return f"row {d} does not hold the numbers of filter {d}"
    right = reference(torch.as_tensor(probe.arguments["weight"])).numpy()
    if np.allclose(answer.arrays["linear"], right, rtol=1e-3, atol=1e-3):
        return None
    return "every row holds the numbers of its filter, in another order than (row, column, channel)"


MISTAKES = (
    Misconception(
        id="conv-weight-flattened",
        title="You flatten the convolution's weight as it is: order (channel, row, column).",
        belief="A convolution and a linear layer on patches are the same sum, so the same weight should do. It "
        "does, once its numbers stand in the patch's order; a convolution keeps the channel first, a "
        "patch of ours has it last.",
        hint="Move the channel's axis behind row and column before you flatten.",
        anchor="pat-conv",
        section="A linear layer on patches is a strided convolution",
        wrong={
            NAME: (
                lambda weight: weight.flatten(1),
                lambda weight: weight.reshape(len(weight), *weight.shape[2:], weight.shape[1]).flatten(1),
            )
        },
        evidence="https://github.com/lucidrains/vit-pytorch/issues/352",
    ),
    Misconception(
        id="conv-weight-kernel-transposed",
        title="Your rows are in the order (column, row, channel): every filter is transposed.",
        belief="permute(0, 3, 2, 1) turns the axes round, and does bring the channel to the end; it also "
        "exchanges row and column, which a square filter does not show in its shape.",
        hint="Only the channel moves. Row and column stay in their order.",
        anchor="pat-conv",
        section="A linear layer on patches is a strided convolution",
        wrong={NAME: (lambda weight: weight.permute(0, 3, 2, 1).flatten(1),)},
    ),
    Misconception(
        id="conv-weight-channel-in-the-middle",
        title="Your rows are in the order (row, channel, column): the channel has moved one place too few.",
        belief="One transpose exchanges the channel with the row. The channel has two axes to pass.",
        hint="Row, column, channel: three axes, and the first of the weight's goes last.",
        anchor="pat-conv",
        section="A linear layer on patches is a strided convolution",
        wrong={NAME: (lambda weight: weight.transpose(1, 2).flatten(1),)},
    ),
    Misconception(
        id="conv-weight-flipped",
        title="You turn the filters round, by 180 degrees.",
        belief="In mathematics a convolution runs through its filter backwards. What deep learning calls so is "
        "the cross-correlation: the filter is laid on the patch as it stands.",
        hint="No flip: number (row, column) of the filter meets pixel (row, column) of the patch.",
        anchor="pat-conv",
        section="A linear layer on patches is a strided convolution",
        wrong={NAME: (lambda weight: weight.flip(-2, -1).permute(0, 2, 3, 1).flatten(1),)},
    ),
    Misconception(
        id="conv-weight-transposed",
        title="You return the weight transposed, (P * P * C, D).",
        belief="On paper a row vector is multiplied by a matrix (in, out). nn.Linear keeps its weight the other "
        "way round, (out, in), and transposes it when it is used.",
        hint="One row for every output: D rows.",
        anchor="pat-conv",
        section="A linear layer on patches is a strided convolution",
        wrong={NAME: (lambda weight: weight.permute(0, 2, 3, 1).flatten(1).mT,)},
    ),
    Misconception(
        id="conv-weight-channels-as-outputs",
        title="You take the second axis for the outputs; the outputs are the first.",
        belief="(in, out) would be the natural order to read. torch writes a convolution's weight as (out, in, "
        "rows, columns), so D comes first.",
        hint="The first axis stays where it is.",
        anchor="pat-conv",
        section="A linear layer on patches is a strided convolution",
        wrong={NAME: (lambda weight: weight.permute(1, 2, 3, 0).flatten(1),)},
    ),
    Misconception(
        id="conv-weight-channels-summed",
        title="You add up the channels of each filter.",
        belief="A convolution does add over channels, but after multiplying each with its own weight. Adding the "
        "weights first would treat red, green and blue alike.",
        hint="Every one of the P * P * C numbers is kept.",
        anchor="pat-conv",
        section="A linear layer on patches is a strided convolution",
        wrong={NAME: (lambda weight: weight.sum(1).flatten(1),)},
    ),
)

CONV = Exercise(
    name=NAME,
    signature="linear_weight_from_conv(weight) -> linear",
    page=PAGE,
    outputs=ALL,
    probes=probes,
    reference=reference,
    properties=(
        Property("one row for every filter", 1, ("one channel", "patch of one"), ALL),
        Property(
            "each row in the patch's order",
            4,
            ("two channels", "patch of three", "random", "as many outputs as channels", "one output"),
            ALL,
        ),
        Property("gradients and float32", 1, ("gradient", "float32"), (*ALL, "grad_weight")),
    ),
    laws=(rows_keep_their_numbers,),
    misconceptions=MISTAKES,
    correct=correct.CONV,
)
