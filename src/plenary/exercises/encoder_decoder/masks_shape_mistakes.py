"""Mistakes in what is returned: order, axes and dtype."""

import torch
from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.encoder_decoder.masks_build import (
    each_mask,
    in_masks,
    keys,
    masks,
    right_source,
    right_target,
)


def _additive(mask: Tensor) -> Tensor:
    return torch.zeros(mask.shape).masked_fill(~mask, float("-inf"))


SHAPE_MISTAKES = (
    Misconception(
        id="masks-order",
        title="You return the three masks in another order.",
        belief="Each mask is right. The order is that of the attentions which use them: the encoder's, "
        "the decoder's own, the decoder's on the memory.",
        hint="(source, target, memory).",
        anchor="dec-three-masks",
        section="Three masks",
        wrong=in_masks(
            masks(right_source, right_source, right_target),
            masks(right_target, right_source, right_source),
        ),
    ),
    Misconception(
        id="masks-no-axis-for-heads",
        title="Your masks have no axis for the heads.",
        belief="(B, T, S) is the shape of one head's scores. With heads the scores are (B, H, T, S), "
        "and a mask of three axes is lined up from the back: its B stands at the place of H.",
        hint="An axis of size 1 after the batch stands for all heads.",
        anchor="dec-mask-shape",
        section="Four axes",
        wrong=in_masks(
            each_mask(lambda mask: mask[:, 0]),
            masks(
                lambda s, t, p: s != p, lambda s, t, p: right_target(s, t, p)[:, 0], lambda s, t, p: s != p
            ),
            masks(lambda s, t, p: s != p, right_target, lambda s, t, p: s != p),
        ),
        evidence="https://github.com/bentrevett/pytorch-seq2seq/issues/138",
    ),
    Misconception(
        id="masks-expanded",
        title="Your source and memory masks are written out for every query; one row for all is asked for.",
        belief="(B, 1, S, S) and (B, 1, T, S) say the same as (B, 1, 1, S), with equal rows. An axis of "
        "size 1 is read for all queries, and takes no memory for them.",
        hint="Leave the axis of the queries at size 1.",
        anchor="dec-mask-shape",
        section="Four axes",
        wrong=in_masks(
            masks(
                lambda s, t, p: keys(s, p).expand(-1, -1, s.shape[1], -1),
                right_target,
                lambda s, t, p: keys(s, p).expand(-1, -1, t.shape[1], -1),
            ),
            masks(of_memory=lambda s, t, p: keys(s, p).expand(-1, -1, t.shape[1], -1)),
        ),
    ),
    Misconception(
        id="masks-additive",
        title="Your masks hold 0 and minus infinity; here a mask is boolean.",
        belief="Such masks are added to the scores, and some libraries take them. Here a mask says may "
        "attend, True or False, and attention makes of it what it needs.",
        hint="Stop where you know which positions are permitted.",
        anchor="dec-mask-shape",
        section="Four axes",
        wrong=in_masks(each_mask(_additive)),
    ),
    Misconception(
        id="masks-as-numbers",
        title="Your masks hold the numbers 1 and 0; here a mask is boolean.",
        belief="torch.ones gives numbers, and 1 reads like True. But ~mask of a number is no negation, "
        "and F.scaled_dot_product_attention adds a mask of numbers to the scores.",
        hint="Make the triangle boolean, and join masks with &.",
        anchor="dec-mask-shape",
        section="Four axes",
        wrong=in_masks(
            each_mask(lambda mask: mask.float()),
            each_mask(lambda mask: mask.long()),
            masks(of_target=lambda s, t, p: torch.ones(t.shape[1], t.shape[1]).tril() * keys(t, p)),
            masks(of_target=lambda s, t, p: torch.ones(t.shape[1], t.shape[1]).tril().long() & keys(t, p)),
        ),
    ),
)
