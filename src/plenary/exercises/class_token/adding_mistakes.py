"""Mistakes in adding positions to tokens."""

import math

import torch
from torch import Tensor

from plenary.checks.exercise import Function, Misconception

NAME = "add_positions"


def checked(add: Function) -> Function:
    """Refuse lengths that differ, for mistakes that are made elsewhere."""

    def checked(x: Tensor, positions: Tensor) -> object:
        if x.shape[1] != positions.shape[1]:
            raise ValueError("there are not as many positions as tokens")
        return add(x, positions)

    return checked


def _whole_shape(x: Tensor, positions: Tensor) -> Tensor:
    if x.shape != positions.shape:
        raise ValueError("the shapes differ")
    return x + positions


def _batches_compared(x: Tensor, positions: Tensor) -> Tensor:
    if len(x) != len(positions):
        raise ValueError("the batches differ")
    return x + positions


def _too_many_refused(x: Tensor, positions: Tensor) -> Tensor:
    if positions.shape[1] > x.shape[1]:
        raise ValueError("too many positions")
    return x + positions


def _too_few_refused(x: Tensor, positions: Tensor) -> Tensor:
    if positions.shape[1] < x.shape[1]:
        raise ValueError("too few positions")
    return x + positions


def _in_place(x: Tensor, positions: Tensor) -> Tensor:
    x += positions
    return x


ADDING_MISTAKES = (
    Misconception(
        id="add-pos-checked-one-way",
        title="You refuse too few positions or too many, and not both.",
        belief="A picture that has grown is what one thinks of first, and then there are too few positions. A "
        "smaller picture has too many. And a single token or a single position is stretched in silence.",
        hint="Refuse whenever the two lengths are not equal.",
        anchor="cls-lengths",
        section="As many positions as tokens",
        wrong={NAME: (_too_many_refused, _too_few_refused)},
    ),
    Misconception(
        id="add-pos-cut-to-length",
        title="You cut the positions to the number of tokens and go on.",
        belief="positions[:, :n] is found in many programs, and for a smaller picture it runs. But the first n "
        "positions are those of another grid: the second row of a smaller picture gets what belongs to "
        "the first row's right end.",
        hint="Raise a ValueError when the lengths differ; fitting positions are what interpolate_positions "
        "makes.",
        anchor="cls-lengths",
        section="As many positions as tokens",
        wrong={
            NAME: (
                lambda x, positions: x + positions[:, : x.shape[1]],
                lambda x, positions: x + positions[:, -x.shape[1] :],
            )
        },
        evidence="https://github.com/lucidrains/vit-pytorch/pull/145",
    ),
    Misconception(
        id="add-pos-error-left-to-torch",
        title="You leave it to torch to complain about the lengths; it does not always.",
        belief="Tensors of different lengths cannot be added, so a check seems to be double work. But an axis of "
        "length 1 is stretched without a word: a single position would be given to every token. And where "
        "torch does complain, its message speaks of axes, not of positions.",
        hint="Compare the two lengths first, and raise a ValueError with both numbers in it.",
        anchor="cls-lengths",
        section="As many positions as tokens",
        wrong={NAME: (lambda x, positions: x + positions,)},
    ),
    Misconception(
        id="add-pos-whole-shape-compared",
        title="You refuse every batch of more than one picture.",
        belief="Shapes that differ are a bad sign, so they are compared as a whole, or axis 0 is. Here axis 0 is "
        "meant to differ: one set of positions serves all pictures of the batch.",
        hint="Compare the lengths only, axis 1 of both.",
        anchor="cls-lengths",
        section="As many positions as tokens",
        wrong={NAME: (_whole_shape, _batches_compared)},
    ),
    Misconception(
        id="add-pos-concatenated",
        title="You attach the positions to the tokens; they are to be added.",
        belief="Side by side nothing is mixed up, and the first layer could keep the two apart. The model is D "
        "wide, though, and the next layer expects D numbers. Adding leaves the width alone, and learns to "
        "use directions of its own.",
        hint="The result has the shape of x.",
        anchor="cls-add",
        section="A place, added",
        wrong={
            NAME: (
                checked(lambda x, positions: torch.cat([x, positions.expand_as(x)], dim=-1)),
                checked(lambda x, positions: torch.cat([positions.expand_as(x), x], dim=-1)),
                checked(lambda x, positions: torch.cat([x, positions.expand_as(x)], dim=1)),
            )
        },
    ),
    Misconception(
        id="add-pos-multiplied",
        title="You multiply by the positions.",
        belief="A product also makes a token depend on its place. But a position near zero, as all are at the "
        "start, would wipe the token out.",
        hint="x plus position.",
        anchor="cls-add",
        section="A place, added",
        wrong={NAME: (checked(lambda x, positions: x * positions),)},
    ),
    Misconception(
        id="add-pos-class-token-left-out",
        title="Your class token gets no position.",
        belief="It has no place in the picture, so it seems to need none. ViT gives it one all the same: there "
        "are N + 1 positions, and the first is the class token's.",
        hint="Token n gets position n, beginning with 0.",
        anchor="cls-add",
        section="A place, added",
        wrong={
            NAME: (checked(lambda x, positions: torch.cat([x[:, :1], x[:, 1:] + positions[:, 1:]], dim=1)),)
        },
        evidence="https://github.com/labmlai/annotated_deep_learning_paper_implementations/pull/221",
    ),
    Misconception(
        id="add-pos-shifted",
        title="Your patches get the positions of their neighbours: patch 0 takes position 0, which is the class "
        "token's.",
        belief="That is what comes of adding positions before the class token is put in front: the patches are "
        "counted from 0. With the class token there, patch 0 is token 1.",
        hint="First the class token, then the positions; token n gets position n.",
        anchor="cls-add",
        section="A place, added",
        wrong={
            NAME: (
                checked(lambda x, positions: torch.cat([x[:, :1], x[:, 1:] + positions[:, :-1]], dim=1)),
                checked(lambda x, positions: x + positions.roll(1, dims=1)),
            )
        },
        evidence="https://github.com/lucidrains/vit-pytorch/pull/173",
    ),
    Misconception(
        id="add-pos-one-for-all",
        title="You add one and the same position to every token.",
        belief="An index takes one row where a slice would have taken them all, and the sum broadcasts without a "
        "word. Every token is moved by the same vector, so their order is as invisible as before.",
        hint="All N + 1 positions are added at once, each to its own token.",
        anchor="cls-add",
        section="A place, added",
        wrong={
            NAME: (
                checked(lambda x, positions: x + positions[:, 0]),
                checked(lambda x, positions: x + positions[:, -1:]),
            )
        },
        evidence="https://github.com/labmlai/annotated_deep_learning_paper_implementations/issues/133",
    ),
    Misconception(
        id="add-pos-tokens-scaled",
        title="You multiply the tokens by the root of D first.",
        belief="The Transformer of 2017 scales its word embeddings by sqrt(D) before it adds the positions. A "
        "ViT does not: its projection and its positions learn their own sizes.",
        hint="The tokens go in as they are.",
        anchor="cls-add",
        section="A place, added",
        wrong={NAME: (checked(lambda x, positions: x * math.sqrt(x.shape[-1]) + positions),)},
    ),
    Misconception(
        id="add-pos-in-place",
        title="You add in place, and so change the tokens that were passed.",
        belief="x += positions reads like x = x + positions. It writes into the caller's tensor, and where a "
        "gradient is wanted torch may refuse.",
        hint="Make a new tensor: x + positions without the =.",
        anchor="cls-add",
        section="A place, added",
        wrong={NAME: (checked(_in_place), checked(lambda x, positions: x.add_(positions)))},
    ),
    Misconception(
        id="add-pos-detached",
        title="No gradient reaches your positions.",
        belief="Sinusoids are fixed, and a fixed table may be detached. The positions of a ViT are learned, and "
        "without a gradient they stay the random numbers they began as.",
        hint="Use the tensor as it was passed, without detach or .data.",
        anchor="cls-add",
        section="A place, added",
        wrong={NAME: (checked(lambda x, positions: x + positions.detach()),)},
    ),
)
