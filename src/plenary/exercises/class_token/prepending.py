"""``prepend_class_token``: how to ask for it, and what people get wrong."""

import numpy as np
import torch
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Misconception, Property
from plenary.checks.probe import Probe, call_probe, gradient_probe, normal, shown_probe

NAME, PAGE = "prepend_class_token", "vision_transformer/class_token"
ALL = ("tokens",)

_PATCHES = torch.tensor([[[11.0, 12, 13], [21, 22, 23]], [[31, 32, 33], [41, 42, 43]]], dtype=torch.float64)
_TOKEN = torch.tensor([[[7.0, 8, 9]]], dtype=torch.float64)


def probes(seed: int) -> list[Probe]:
    """Ask for one picture and for two by hand, then at random sizes; once where N, D and B are equal."""
    generator = torch.Generator().manual_seed(seed)

    def pair(batch: int, count: int, width: int) -> dict[str, Tensor]:
        return {"x": normal(generator, batch, count, width), "class_token": normal(generator, 1, 1, width)}

    single = {name: tensor.float() for name, tensor in pair(2, 5, 7).items()}
    return [
        shown_probe("one picture", x=_PATCHES[:1], class_token=_TOKEN),
        shown_probe("two pictures", x=_PATCHES, class_token=_TOKEN),
        call_probe("alone", **pair(1, 5, 4)),
        call_probe("batch", **pair(3, 5, 7)),
        call_probe("one patch", **pair(3, 1, 4)),
        call_probe("square", **pair(4, 4, 4)),
        call_probe("float32", **single),
        gradient_probe("gradient", "tokens", normal(generator, 3, 6, 4), **pair(3, 5, 4)),
    ]


def reference(x: Tensor, class_token: Tensor) -> Tensor:
    """Start from an empty table and write both parts into it."""
    tokens = x.new_empty(x.shape[0], x.shape[1] + 1, x.shape[2])
    tokens[:, 0] = class_token[0, 0]
    tokens[:, 1:] = x
    return tokens


def every_sequence_starts_alike(_probe: Probe, answer: Answer) -> str | None:
    """Token 0 is the same in every picture."""
    first = answer.arrays["tokens"][:, 0]
    other = next((b for b in range(len(first)) if not np.array_equal(first[b], first[0])), None)
    return None if other is None else f"token 0 of picture {other} is not the one of picture 0"


def _float32_buffer(x: Tensor, class_token: Tensor) -> Tensor:
    tokens = torch.zeros(x.shape[0], x.shape[1] + 1, x.shape[2])
    tokens[:, :1], tokens[:, 1:] = class_token, x
    return tokens


MISTAKES = (
    Misconception(
        id="cls-not-expanded",
        title="Your class token is not expanded over the batch; it works for a single picture only.",
        belief="Addition broadcasts an axis of length 1, so concatenation should, too. torch.cat does not: along "
        "every axis but the one it joins, the lengths have to agree, and 1 is not B.",
        hint="Give the class token B rows first: expand or repeat along axis 0.",
        anchor="cls-shared",
        section="One token, shared by all pictures",
        wrong={
            NAME: (
                lambda x, class_token: torch.cat([class_token, x], dim=1),
                lambda x, class_token: torch.hstack([class_token, x]),
            )
        },
    ),
    Misconception(
        id="cls-appended-last",
        title="Your class token stands last; asked for is first.",
        belief="Attention does not care, and at the end it is as easy to read. Two conventions meet here: the "
        "head reads token 0, and position 0 belongs to the class token. Last, it would get the position "
        "of a patch.",
        hint="Exchange the two parts that you join.",
        anchor="cls-first",
        section="In front",
        wrong={NAME: (lambda x, class_token: torch.cat([x, class_token.expand(len(x), -1, -1)], dim=1),)},
    ),
    Misconception(
        id="cls-on-the-features",
        title="You join along the features: every token gets the class token attached, and is twice as wide.",
        belief="Attached to each patch, the class token would be known to all of them. It is to be a guest of "
        "its own, one more row, as wide as the others.",
        hint="The axis that grows by one is the axis of the tokens.",
        anchor="cls-first",
        section="In front",
        wrong={
            NAME: (
                lambda x, class_token: torch.cat([class_token.expand_as(x), x], dim=-1),
                lambda x, class_token: torch.cat([x, class_token.expand_as(x)], dim=-1),
            )
        },
    ),
    Misconception(
        id="cls-one-for-every-patch",
        title="You put in as many class tokens as there are patches; one is enough.",
        belief="expand_as(x) is a quick way to make the shapes agree. It stretches both axes of length 1, the "
        "batch and the tokens, and the result has 2 N tokens.",
        hint="Expand along the batch only; the token's own axis stays 1.",
        anchor="cls-shared",
        section="One token, shared by all pictures",
        wrong={
            NAME: (
                lambda x, class_token: torch.cat([class_token.expand_as(x), x], dim=1),
                lambda x, class_token: torch.cat([class_token.expand(x.shape[0], x.shape[1], -1), x], dim=1),
            )
        },
    ),
    Misconception(
        id="cls-as-another-picture",
        title="You put the class token into the batch, as one more picture.",
        belief="dim=0 is the front of the tensor. But axis 0 counts the pictures, and every picture needs a "
        "class token in its own sequence.",
        hint="The tokens of one picture lie along axis 1.",
        anchor="cls-first",
        section="In front",
        wrong={NAME: (lambda x, class_token: torch.cat([class_token.expand(1, x.shape[1], -1), x], dim=0),)},
    ),
    Misconception(
        id="cls-replaces-a-patch",
        title="Your class token overwrites the first patch.",
        belief="With N tokens in and N tokens out the shapes stay as they were. But the upper left corner of "
        "every picture is lost.",
        hint="The result has N + 1 tokens.",
        anchor="cls-first",
        section="In front",
        wrong={
            NAME: (lambda x, class_token: torch.cat([class_token.expand(len(x), -1, -1), x[:, 1:]], dim=1),)
        },
    ),
    Misconception(
        id="cls-added",
        title="You add the class token to every patch; it should be a token of its own.",
        belief="Positions are added, and the class token comes in the same line of most programs. Added, it "
        "would be one more bias, and nobody would be there to listen for the whole picture.",
        hint="Join, with torch.cat, and the sequence becomes one token longer.",
        anchor="cls-query",
        section="A question that is learned",
        wrong={NAME: (lambda x, class_token: x + class_token,)},
    ),
    Misconception(
        id="cls-argument-unused",
        title="You make a class token of your own inside; the one that is passed is not used.",
        belief="It starts as zeros or as random numbers, so any will do. It is a parameter: it learns, and what "
        "is made anew in every call has forgotten everything.",
        hint="Take the second argument.",
        anchor="cls-shared",
        section="One token, shared by all pictures",
        wrong={
            NAME: (
                lambda x, class_token: torch.cat([torch.zeros_like(x[:, :1]), x], dim=1),
                lambda x, class_token: torch.cat([torch.ones_like(x[:, :1]), x], dim=1),
                lambda x, class_token: torch.cat([torch.randn(len(x), 1, x.shape[2]), x], dim=1),
            )
        },
    ),
    Misconception(
        id="cls-mean-of-the-patches",
        title="Your class token is the mean of the patches.",
        belief="It is to stand for the whole picture, and the mean does. But it does so only after the layers: "
        "it enters with nothing of the picture in it, and collects by attention.",
        hint="What is put in front is the same for every picture.",
        anchor="cls-query",
        section="A question that is learned",
        wrong={NAME: (lambda x, class_token: torch.cat([x.mean(dim=1, keepdim=True), x], dim=1),)},
    ),
    Misconception(
        id="cls-detached",
        title="No gradient reaches your class token: it is copied out of torch's sight.",
        belief="detach, .data and torch.tensor give the right numbers, and the forward pass cannot tell. "
        "Learning goes the other way, and the class token would keep its first values for ever.",
        hint="expand and repeat pass the gradient on: the token gets the sum of what all pictures send back.",
        anchor="cls-shared",
        section="One token, shared by all pictures",
        wrong={
            NAME: (lambda x, class_token: torch.cat([class_token.detach().expand(len(x), -1, -1), x], dim=1),)
        },
    ),
    Misconception(
        id="cls-float32-buffer",
        title="Your tokens come back in float32, whatever the patches' dtype.",
        belief="torch.zeros and torch.empty make float32 when nothing is said, and what is written into such a "
        "table is rounded to seven digits. For float32 tokens nothing shows.",
        hint="Give the table the dtype of x (x.new_zeros does), or do without one.",
        anchor="cls-shared",
        section="One token, shared by all pictures",
        wrong={NAME: (_float32_buffer,)},
    ),
)


def _by_loop(x: Tensor, class_token: Tensor) -> Tensor:
    return torch.stack([torch.cat([class_token[0], picture]) for picture in x])


def _by_einops(x: Tensor, class_token: Tensor) -> Tensor:
    from einops import pack, repeat

    return pack([repeat(class_token, "1 1 d -> b 1 d", b=len(x)), x], "b * d")[0]


def _by_padding(x: Tensor, class_token: Tensor) -> Tensor:
    first = torch.zeros(x.shape[1] + 1, 1, dtype=x.dtype)
    first[0] = 1
    return torch.nn.functional.pad(x, (0, 0, 1, 0)) + first * class_token


CORRECT = (
    lambda x, class_token: torch.cat([class_token.expand(len(x), -1, -1), x], dim=1),
    lambda x, class_token: torch.cat((class_token.repeat(x.shape[0], 1, 1), x), 1),
    lambda x, class_token: torch.cat([class_token + torch.zeros_like(x[:, :1]), x], dim=-2),
    _by_loop,
    _by_einops,
    _by_padding,
    reference,
)

PREPENDING = Exercise(
    name=NAME,
    signature="prepend_class_token(x, class_token) -> tokens",
    page=PAGE,
    outputs=ALL,
    probes=probes,
    reference=reference,
    properties=(
        Property("one picture", 1, ("one picture", "alone"), ALL),
        Property("a batch of pictures", 3, ("two pictures", "batch", "one patch", "square", "float32"), ALL),
        Property(
            "gradients of the patches and of the token",
            1,
            ("gradient",),
            (*ALL, "grad_x", "grad_class_token"),
        ),
    ),
    laws=(every_sequence_starts_alike,),
    misconceptions=MISTAKES,
    correct=CORRECT,
)
