"""Mistakes with padding: which is hidden, from whom, and on which axis."""

import torch
from torch import Tensor

import plenary
from plenary.checks.exercise import Misconception
from plenary.exercises.encoder_decoder.masks_build import (
    in_masks,
    keys,
    masks,
    padding_of_target,
    queries,
    right_target,
    triangle,
)


def _padding_meant(source: Tensor, target: Tensor, pad_id: int) -> object:
    seen = ~keys(source, pad_id)
    return seen, triangle(target) & ~keys(target, pad_id), seen


def _zero_is_padding(source: Tensor, target: Tensor, pad_id: int) -> object:
    return masks()(source, target, 0)


def _counted(source: Tensor, target: Tensor, pad_id: int) -> object:
    seen = plenary.padding_mask((source != pad_id).sum(-1), source.shape[1])[:, None, None]
    own = plenary.padding_mask((target != pad_id).sum(-1), target.shape[1])
    return seen, plenary.combine_masks(plenary.causal_mask(target.shape[1]), own), seen


PADDING_MISTAKES = (
    Misconception(
        id="masks-padding-inverted",
        title="Your masks let padding be heard, and hide the words.",
        belief="tokens == pad_id finds the padding, which is what one thinks of. A mask of this course "
        "names who may be heard: the tokens that are not padding.",
        hint="Compare with pad_id the other way round.",
        anchor="dec-padding-keys",
        section="Padding is hidden as a key",
        wrong=in_masks(_padding_meant),
    ),
    Misconception(
        id="masks-target-padding-open",
        title="Your target mask has the triangle only; padding in the target can be heard.",
        belief="Padding stands at the end, and a real position never looks that far, so with the "
        "triangle the mask may seem complete. Padding positions look at padding, though, and with "
        "padding in front every position would.",
        hint="A key has to be both: not later than the query, and real.",
        anchor="dec-padding-keys",
        section="Padding is hidden as a key",
        wrong=in_masks(
            masks(of_target=lambda s, t, p: triangle(t).expand(len(t), 1, -1, -1)),
            masks(of_target=lambda s, t, p: triangle(t)[None, None]),
        ),
        evidence="https://github.com/minqukanq/transformer-pytorch/issues/1",
    ),
    Misconception(
        id="masks-source-padding-open",
        title="Your source mask and memory mask hide nothing.",
        belief="The source is known as a whole, so no mask seems needed. Its padding is no part of it: "
        "without a mask, a sentence's translation depends on how long its neighbours in the batch are.",
        hint="Mark where the source is not pad_id.",
        anchor="dec-padding-keys",
        section="Padding is hidden as a key",
        wrong=in_masks(
            masks(
                lambda s, t, p: torch.ones_like(keys(s, p)),
                right_target,
                lambda s, t, p: torch.ones_like(keys(s, p)),
            )
        ),
    ),
    Misconception(
        id="masks-or",
        title="Your target mask permits what one of its two masks permits; it takes both.",
        belief="Joining two lists of who may be heard sounds like or. But each of them is a condition: "
        "real, and not in the future.",
        hint="A position is permitted if both masks say so.",
        anchor="dec-padding-keys",
        section="Padding is hidden as a key",
        wrong=in_masks(masks(of_target=lambda s, t, p: triangle(t) | keys(t, p))),
    ),
    Misconception(
        id="masks-padding-on-queries",
        title="Your masks hide padding as a query; it should be hidden as a key.",
        belief="A padding token should take no part, and emptying its row does keep it from listening. "
        "What matters is that no one listens to it, and keys are columns, the last axis.",
        hint="The axis of length S, or T, that says which tokens are real comes last.",
        anchor="dec-padding-keys",
        section="Padding is hidden as a key",
        wrong=in_masks(
            masks(of_target=lambda s, t, p: triangle(t) & queries(t, p)),
            masks(
                lambda s, t, p: queries(s, p),
                lambda s, t, p: triangle(t) & queries(t, p),
                lambda s, t, p: queries(s, p),
            ),
        ),
        evidence="https://github.com/bentrevett/pytorch-seq2seq/issues/96",
    ),
    Misconception(
        id="masks-padding-asks-nothing",
        title="In your masks the rows of padding are empty as well as its columns.",
        belief="Padding has nothing to ask, so its row might as well be False. That makes rows without "
        "any True, which are NaN in many a softmax, and saves nothing: what padding hears, no one hears "
        "from it, and the loss skips it.",
        hint="Hide the columns of padding, and leave its rows alone.",
        anchor="dec-padding-keys",
        section="Padding is hidden as a key",
        wrong=in_masks(
            masks(of_target=lambda s, t, p: right_target(s, t, p) & queries(t, p)),
            masks(
                lambda s, t, p: keys(s, p) & queries(s, p),
                lambda s, t, p: right_target(s, t, p) & queries(t, p),
                lambda s, t, p: keys(s, p) & queries(t, p),
            ),
        ),
        evidence="https://github.com/harvardnlp/annotated-transformer/issues/137",
    ),
    Misconception(
        id="masks-memory-from-target",
        title="Your memory mask is made from the target's padding; its keys are the source's tokens.",
        belief="It is the decoder that uses this mask, so the decoder's sequence comes to mind. But a "
        "mask counts whom one may listen to, and in the memory these are the tokens of the source.",
        hint="The last axis of the memory mask has length S.",
        anchor="dec-memory-mask",
        section="The mask on the memory",
        wrong=in_masks(
            masks(of_memory=padding_of_target),
            masks(of_memory=lambda s, t, p: keys(s, p) & queries(t, p)),
        ),
        evidence="https://github.com/fchollet/deep-learning-with-python-notebooks/issues/209",
    ),
    Misconception(
        id="masks-zero-is-padding",
        title="You look for padding with id 0; it is pad_id that says which id it is.",
        belief="In many vocabularies padding is 0, and source.bool() or source > 0 finds it there. Here "
        "0 may be a word.",
        hint="Compare with pad_id.",
        anchor="dec-padding-keys",
        section="Padding is hidden as a key",
        wrong=in_masks(_zero_is_padding),
    ),
    Misconception(
        id="masks-by-counting",
        title="Your masks count the padding, and take it to stand at the end.",
        belief="Here it does, and that is all that is asked. Models that write are often fed with "
        "padding in front, so that all rows end together; then counting hides the wrong tokens.",
        hint="Comparing with pad_id finds padding wherever it stands.",
        anchor="dec-padding-keys",
        section="Padding is hidden as a key",
        wrong=in_masks(_counted),
        harmless=True,
    ),
)
