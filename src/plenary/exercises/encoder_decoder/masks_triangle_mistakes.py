"""Mistakes with the triangle that hides the future, and with what True means."""

import torch
from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.encoder_decoder.masks_build import (
    each_mask,
    in_masks,
    keys,
    masks,
    padding_of_target,
    right_target,
    triangle,
)


def _memory_triangle(source: Tensor, target: Tensor, pad_id: int) -> Tensor:
    lower = torch.ones(target.shape[1], source.shape[1], dtype=torch.bool).tril()
    return lower & keys(source, pad_id)


def _full_target(source: Tensor, target: Tensor, pad_id: int) -> Tensor:
    return keys(target, pad_id).expand(-1, 1, target.shape[1], -1)


TRIANGLE_MISTAKES = (
    Misconception(
        id="masks-inverted",
        title="Your masks are inverted: True stands where nobody may listen.",
        belief="In nn.MultiheadAttention and nn.Transformer True means hidden, so this is right "
        "elsewhere. In this course, as in F.scaled_dot_product_attention, True means may attend.",
        hint="Real tokens are True, and in the target those up to the position itself.",
        anchor="dec-three-masks",
        section="Three masks",
        wrong=in_masks(each_mask(torch.logical_not)),
    ),
    Misconception(
        id="masks-no-triangle",
        title="Your target mask hides padding only; the future is open.",
        belief="The target was treated like the source. But the source is read, and the target is being "
        "written: a position that sees the next word has nothing left to predict.",
        hint="In the target a position may listen to itself and to earlier ones.",
        anchor="dec-causal",
        section="The target must not look ahead",
        wrong=in_masks(masks(of_target=padding_of_target), masks(of_target=_full_target)),
        evidence="https://github.com/pytorch/tutorials/issues/2478",
    ),
    Misconception(
        id="masks-strict-triangle",
        title="In your target mask a position may not listen to itself.",
        belief="Position t writes token t, so it may seem that it must not hear what stands at t. After "
        "the shift that is token t - 1, the best clue it has; and without it row 0 is empty.",
        hint="The diagonal is part of the triangle.",
        anchor="dec-causal",
        section="The target must not look ahead",
        wrong=in_masks(masks(of_target=lambda s, t, p: triangle(t, -1) & keys(t, p))),
    ),
    Misconception(
        id="masks-triangle-too-wide",
        title="In your target mask each position sees one position ahead.",
        belief="Off by one, in the direction that looks best: the loss falls at once, since the next "
        "word is on the table.",
        hint="Row t permits positions 0 to t, and row 0 a single one.",
        anchor="dec-causal",
        section="The target must not look ahead",
        wrong=in_masks(masks(of_target=lambda s, t, p: triangle(t, 1) & keys(t, p))),
    ),
    Misconception(
        id="masks-upper-triangle",
        title="Your triangle points the wrong way: positions listen to what comes after them.",
        belief="triu keeps the part above the diagonal. It is what is hidden, so it is right only "
        "together with a negation.",
        hint="Rows are queries: row 0, the first word, has a single True.",
        anchor="dec-causal",
        section="The target must not look ahead",
        wrong=in_masks(
            masks(of_target=lambda s, t, p: triangle(t).mT & keys(t, p)),
            masks(of_target=lambda s, t, p: ~triangle(t) & keys(t, p)),
        ),
    ),
    Misconception(
        id="masks-memory-causal",
        title="Your memory mask is causal; the source is no secret.",
        belief="The decoder must not look ahead, so its every mask might need the triangle. Ahead in "
        "the target, that is. Of the source, each word may be heard from the start.",
        hint="The memory mask hides the source's padding and nothing else.",
        anchor="dec-memory-mask",
        section="The mask on the memory",
        wrong=in_masks(
            masks(of_memory=_memory_triangle),
            masks(of_memory=right_target),
        ),
        evidence="https://github.com/keras-team/keras-io/pull/1046",
    ),
    Misconception(
        id="masks-source-causal",
        title="Your source mask is causal; an encoder reads in both directions.",
        belief="Words are read from left to right, so a triangle looks natural. But the source is there "
        "as a whole, and what a word means often depends on the words behind it.",
        hint="The triangle belongs to the target alone.",
        anchor="dec-three-masks",
        section="Three masks",
        wrong=in_masks(masks(of_source=lambda s, t, p: triangle(s) & keys(s, p))),
    ),
)
