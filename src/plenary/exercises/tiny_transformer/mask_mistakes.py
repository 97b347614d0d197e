"""Mistakes in who may hear whom: the future, padding, and masks that are given to the wrong attention."""

from plenary.checks.exercise import Misconception
from plenary.exercises.tiny_transformer import wrong_masks

MASK_MISTAKES = (
    Misconception(
        id="tiny-no-masks",
        title="Your model uses no masks: the future can be heard, and so can padding.",
        belief="Without masks everything fits and runs, and training goes down faster than with them. The "
        "decoder reads off the words that it should guess, and sentences hear each other's padding. "
        "When it writes, the future is not there.",
        hint="make_masks makes three masks, one for each of the three attentions.",
        anchor="tiny-three-masks",
        section="Three attentions, three masks",
        wrong=wrong_masks.NO_MASKS,
    ),
    Misconception(
        id="tiny-future-seen",
        title="Your decoder sees the future: a later target word changes earlier logits.",
        belief="In training the whole answer is there, so it seems harmless to let the decoder read it. "
        "It is asked for word t + 1 while word t + 1 lies before its eyes, and it learns to copy it. "
        "When it writes, that word is not there yet. The loss in training looks splendid, and nothing "
        "has been learned.",
        hint="The target's attention to itself needs the second of the three masks, which hides what "
        "stands later.",
        anchor="tiny-future",
        section="The future stays hidden",
        evidence="https://github.com/alex-matton/causal-transformer-decoder/issues/1",
        wrong=wrong_masks.FUTURE_SEEN,
    ),
    Misconception(
        id="tiny-past-hidden",
        title="Your target mask is the wrong way round: each position hears what comes later, and not "
        "what came before.",
        belief="A triangle of ones is quickly drawn on the wrong side, and libraries differ: True means "
        '"may attend" here, and "may not" in torch.nn.Transformer. Row t of the mask belongs to the '
        "listener t, and its True entries are columns up to t.",
        hint="Write the mask for three words down and read its first row: the first word may hear only "
        "itself.",
        anchor="tiny-future",
        section="The future stays hidden",
        wrong=wrong_masks.PAST_HIDDEN,
    ),
    Misconception(
        id="tiny-padding-heard",
        title="Padding behind the source changes your logits.",
        belief="Padding is there to make the rows of a batch equally long, and its embedding looks like "
        "nothing. But it is a word like others to the attention, with a key that collects weight. It "
        "has to be hidden twice: from the encoder's words, and from the decoder when it reads the "
        "memory.",
        hint="Two of the three masks hide the source's padding; check that each of the two attentions "
        "gets its own.",
        anchor="tiny-padding",
        section="Padding is hidden twice",
        wrong=wrong_masks.PADDING_HEARD,
    ),
    Misconception(
        id="tiny-pad-is-zero",
        title="Your model takes id 0 for padding, whatever pad_id says.",
        belief="Padding is 0 nearly everywhere, and here by default. Somebody who builds the model with "
        "another pad_id has a real word 0, which you silence, and padding that you listen to.",
        hint="Keep pad_id in __init__ and compare with that.",
        anchor="tiny-padding",
        section="Padding is hidden twice",
        wrong=wrong_masks.PAD_IS_ZERO,
    ),
    Misconception(
        id="tiny-source-mask-inverted",
        title="Your source mask is inverted: only padding can be heard.",
        belief='In torch.nn.Transformer a True in a mask means "may not attend"; in this course, and in '
        'F.scaled_dot_product_attention, it means "may". A mask that is carried from one to the other '
        "has to be turned over, or a source without padding has nobody left to listen to.",
        hint="Ask of one real word whether its column is True, and what True means to the layer that gets "
        "the mask.",
        anchor="tiny-padding",
        section="Padding is hidden twice",
        wrong=wrong_masks.SOURCE_MASK_INVERTED,
    ),
    Misconception(
        id="tiny-causal-source",
        title="You give the target's mask to an attention over the source's words.",
        belief="The decoder must not look ahead, so it is tempting to mask all that it does; and the "
        "three masks come in a row, quickly mixed up. But the source is complete from the beginning, "
        "and the first word of a reversed sentence stands at the source's end. The target's mask is T x "
        "T: over S words it does not even fit, unless both lengths are equal.",
        hint="make_masks returns the encoder's mask first, then the target's for itself, then the one for "
        "the memory. The first and the third know of padding only.",
        anchor="tiny-three-masks",
        section="Three attentions, three masks",
        wrong=wrong_masks.CAUSAL_SOURCE,
    ),
    Misconception(
        id="tiny-arguments-exchanged",
        title="You call the decoder's layers with arguments exchanged: one that belongs to the source "
        "stands where the target's belongs, or masks are in another order.",
        belief="A layer takes two sequences and two masks by position, and make_masks returns three masks "
        "with names that are much alike. Where source and target have one length, any order runs, and "
        "the future is open. Where they differ, nothing fits.",
        hint="The target comes first, since it asks, then the memory; then the target's mask and the "
        "memory's. make_masks returns the encoder's mask first, then these two.",
        anchor="tiny-three-masks",
        section="Three attentions, three masks",
        wrong=wrong_masks.ARGUMENTS_EXCHANGED,
    ),
    Misconception(
        id="tiny-all-masks-inverted",
        title="All your masks are inverted: what should be heard is hidden, and the rest is heard.",
        belief='True means "may attend" in this course and in F.scaled_dot_product_attention; in '
        'torch.nn.Transformer it means "may not". Masks that are made for one and given to the other '
        "say the opposite of what they should.",
        hint="Turn each mask over where it goes from one convention to the other.",
        anchor="tiny-future",
        section="The future stays hidden",
        wrong=wrong_masks.ALL_INVERTED,
    ),
)
