"""Mistakes with the mask of several heads."""

import math

import torch
from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.multi_head.build import Stepwise, in_module


class _Ignored(Stepwise):
    def weigh(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        return super().weigh(scores, None)


class _FirstHeadOnly(Stepwise):
    def weigh(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        if mask is None:
            return super().weigh(scores, None)
        first = super().weigh(scores, mask)[:, :1]
        return torch.cat([first, super().weigh(scores, None)[:, 1:]], dim=1)


class _FirstHeadsMask(Stepwise):
    """Every head gets the mask of head 0, or of sample 0."""

    def weigh(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        if mask is not None and mask.ndim == 4:
            mask = mask[:, :1]
        return super().weigh(scores, mask)


class _RepeatedInTheWrongOrder(Stepwise):
    """The heads are folded into the batch sample by sample; the mask is laid down H times as a whole."""

    def weigh(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        if mask is not None and mask.ndim == 4 and mask.shape[1] == 1:
            batch, heads, length, keys = scores.shape
            tiled = mask.expand(batch, 1, length, keys)[:, 0].repeat(heads, 1, 1)
            mask = tiled.reshape(batch, heads, length, keys)
        return super().weigh(scores, mask)


class _OneAxisMore(Stepwise):
    def weigh(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        return super().weigh(scores, None if mask is None else mask.unsqueeze(1))


class _Inverted(Stepwise):
    def weigh(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        return super().weigh(scores, None if mask is None else ~mask)


class _InvertedAndUndefined(Stepwise):
    def weigh(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        return (scores if mask is None else scores.masked_fill(mask, -math.inf)).softmax(-1)


class _InvertedAndUniform(Stepwise):
    def weigh(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        return (scores if mask is None else scores.masked_fill(mask, -1e9)).softmax(-1)


class _Undefined(Stepwise):
    def weigh(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        return (scores if mask is None else scores.masked_fill(~mask, -math.inf)).softmax(-1)


class _Uniform(Stepwise):
    def weigh(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        return (scores if mask is None else scores.masked_fill(~mask, -1e9)).softmax(-1)


class _Zeroed(Stepwise):
    def weigh(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        weights = scores.softmax(-1)
        return weights if mask is None else weights * mask


MASK_MISTAKES = (
    Misconception(
        id="mh-mask-ignored",
        title="Your module takes a mask and does not use it.",
        belief="Without a mask everything is right, and the argument looks like an option. A decoder that "
        "trains without its mask reads the answer it is to predict.",
        hint="Hand the mask on to the attention.",
        anchor="mh-mask",
        section="One mask for all heads",
        wrong=in_module(_Ignored),
    ),
    Misconception(
        id="mh-mask-inverted",
        title="Your mask is inverted: keys marked True are shut out.",
        belief="nn.MultiheadAttention reads its boolean masks so: True means that a key may not be attended "
        "to. In this course, as in F.scaled_dot_product_attention, True means that it may.",
        hint="Read the mask as permission; where another convention comes in, translate with ~mask once, at "
        "the door.",
        anchor="mh-mask",
        section="One mask for all heads",
        wrong=in_module(_Inverted, _InvertedAndUndefined, _InvertedAndUniform),
        evidence="https://github.com/rasbt/LLMs-from-scratch/issues/1061",
    ),
    Misconception(
        id="mh-mask-on-one-head",
        title="Your mask binds the first head only; the other heads see everything.",
        belief="One mask, one table of scores: that was so before there were heads. Now there are H tables, "
        "and a single one that is left open tells the token all that the mask was to hide.",
        hint="Let the mask broadcast over the axis of the heads.",
        anchor="mh-mask",
        section="One mask for all heads",
        wrong=in_module(_FirstHeadOnly),
    ),
    Misconception(
        id="mh-mask-of-one-head",
        title="All your heads use the mask of head 0.",
        belief="Most masks are the same for all heads, and then it makes no difference. But a mask may be (B, "
        "H, T, S), with a table for each head, and then each head keeps to its own.",
        hint="Do not pick a head from the mask; broadcasting takes care of both cases.",
        anchor="mh-mask",
        section="One mask for all heads",
        wrong=in_module(_FirstHeadsMask),
    ),
    Misconception(
        id="mh-mask-repeated-in-wrong-order",
        title="Your masks reach the wrong samples: they are repeated in another order than the heads are "
        "folded.",
        belief="With heads folded into the batch, the mask is needed H times for each sample. repeat lays down "
        "the whole batch H times, and repeat_interleave each sample H times. Only one of them matches "
        "the fold, and the shapes are the same.",
        hint="Keep heads and batch on axes of their own, and nothing has to be repeated.",
        anchor="mh-mask",
        section="One mask for all heads",
        wrong=in_module(_RepeatedInTheWrongOrder),
        evidence="https://github.com/lsdefine/attention-is-all-you-need-keras/issues/36",
    ),
    Misconception(
        id="mh-mask-one-axis-more",
        title="You give the mask one more axis for the heads; it broadcasts to (B, H, T, S) as it comes.",
        belief="Where masks come as (B, T, S), an axis for the heads has to be put in. Here a mask is (T, S), "
        "which broadcasts by itself, or has four axes already; one more puts its tokens where the heads "
        "are.",
        hint="Use the mask as it comes.",
        anchor="mh-mask",
        section="One mask for all heads",
        wrong=in_module(_OneAxisMore),
    ),
    Misconception(
        id="mh-mask-zeroes-weights",
        title="Your mask zeroes weights after the softmax; what is left no longer adds up to one.",
        belief="A weight of zero is not heard, so this seems to do it. But the forbidden key has already had "
        "its share in the sum below the fraction, and that share is lost.",
        hint="The mask works on the scores, before the softmax.",
        anchor="mh-mask",
        section="One mask for all heads",
        wrong=in_module(_Zeroed),
    ),
    Misconception(
        id="mh-nan-on-empty-row",
        title="A query that may attend to nothing gets NaN, and out_proj spreads it over the whole token.",
        belief="With every score at minus infinity, the softmax is 0 / 0. nn.MultiheadAttention gives NaN here "
        "too, when weights are asked for. In this course such a query hears nothing: its weights are "
        "zero.",
        hint="scaled_dot_product_attention takes care of it; code of your own has to set these rows to zero.",
        anchor="mh-empty-row",
        section="A token that may listen to nobody",
        wrong=in_module(_Undefined),
        evidence="https://github.com/pytorch/pytorch/issues/160064",
    ),
    Misconception(
        id="mh-empty-row-uniform",
        title="A query that may attend to nothing attends to everything alike.",
        belief="A large negative number in place of minus infinity avoids NaN. But a softmax sees differences "
        "only: if all scores of a row are the same number, however low, all weights are alike, and "
        "forbidden keys are heard.",
        hint="Set the weights of such rows to zero after the softmax.",
        anchor="mh-empty-row",
        section="A token that may listen to nobody",
        wrong=in_module(_Uniform),
    ),
)
