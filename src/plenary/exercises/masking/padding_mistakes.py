"""Mistakes in the padding mask."""

import torch
from torch import Tensor

from plenary.checks.exercise import Function, Misconception
from plenary.exercises.masking.kinds import additive


def _in_padding(*wrong: Function) -> dict[str, tuple[Function, ...]]:
    return {"padding_mask": wrong}


def _right(lengths: Tensor, max_length: int) -> Tensor:
    return torch.arange(max_length) < lengths.unsqueeze(-1)


def _position_against(lengths: Tensor, max_length: int) -> tuple[Tensor, Tensor]:
    return torch.arange(max_length).unsqueeze(0), lengths.unsqueeze(-1)


def _too_long(lengths: Tensor, max_length: int) -> Tensor:
    position, length = _position_against(lengths, max_length)
    return position <= length


def _too_short(lengths: Tensor, max_length: int) -> Tensor:
    position, length = _position_against(lengths, max_length)
    return position < length - 1


def _counted_from_one(lengths: Tensor, max_length: int) -> Tensor:
    return torch.arange(1, max_length + 1) < lengths.unsqueeze(-1)


def _on_the_left(lengths: Tensor, max_length: int) -> Tensor:
    position, length = _position_against(lengths, max_length)
    return position >= max_length - length


def _longest(lengths: Tensor, max_length: int) -> Tensor:
    return torch.arange(int(lengths.max())) < lengths.unsqueeze(-1)


def _last_only(lengths: Tensor, max_length: int) -> Tensor:
    position, length = _position_against(lengths, max_length)
    return position == length - 1


def _entry_by_entry(lengths: Tensor, max_length: int) -> Tensor:
    return torch.arange(max_length) < lengths


PADDING_MISTAKES = (
    Misconception(
        id="padding-inverted",
        title="Your mask is True at the padding; True marks a real token.",
        belief="A padding mask sounds like a mask of the padding, and for nn.MultiheadAttention it is one: "
        "its key_padding_mask is True where a key is to be ignored. Here True means may attend.",
        hint="Turn the comparison round.",
        anchor="mask-true",
        section='True means "may attend"',
        wrong=_in_padding(lambda lengths, max_length: ~_right(lengths, max_length)),
        evidence="https://github.com/lucidrains/feedback-transformer-pytorch/issues/6",
    ),
    Misconception(
        id="padding-one-too-long",
        title="Your mask counts one padding token as real.",
        belief="Positions start at 0. A sequence of length 3 has its tokens at 0, 1 and 2, and position 3 "
        "is padding already.",
        hint="A position is real if it is smaller than the length, not if it is equal to it.",
        anchor="mask-padding",
        section="Shorter than the batch",
        wrong=_in_padding(_too_long),
        evidence="https://github.com/ajhalthor/Transformer-Neural-Network/issues/15",
    ),
    Misconception(
        id="padding-one-too-short",
        title="Your mask counts the last real token as padding.",
        belief="A sequence of length 3 has its last token at position 2, so something is off by one. Once "
        "is enough: comparing with < takes care of it, and subtracting 1 as well (or counting positions "
        "from 1) takes a token away.",
        hint="Compare positions 0, 1, 2, ... with the length itself.",
        anchor="mask-padding",
        section="Shorter than the batch",
        wrong=_in_padding(_too_short, _counted_from_one),
    ),
    Misconception(
        id="padding-on-the-left",
        title="Your mask has the padding on the left; it stands on the right.",
        belief="Some libraries do pad on the left, so that all sequences end together. Here a sequence "
        "starts at position 0 and the padding comes after it.",
        hint="The first lengths[b] entries of row b are True.",
        anchor="mask-padding",
        section="Shorter than the batch",
        wrong=_in_padding(_on_the_left),
    ),
    Misconception(
        id="padding-last-token-only",
        title="Your mask marks the last real token alone.",
        belief="The length does point at where the sequence ends. All the tokens before that are real as "
        "well.",
        hint="Compare for smaller, not for equal.",
        anchor="mask-padding",
        section="Shorter than the batch",
        wrong=_in_padding(_last_only),
    ),
    Misconception(
        id="padding-transposed",
        title="Your mask is (S, B); asked for is (B, S), a row for each sequence.",
        belief="Comparing a column with a row gives every pair once, whichever of the two is the column. "
        "The one that stands upright makes the rows.",
        hint="Stand the lengths upright, and lay the positions flat.",
        anchor="mask-padding",
        section="Shorter than the batch",
        wrong=_in_padding(lambda lengths, max_length: _right(lengths, max_length).mT),
    ),
    Misconception(
        id="padding-entry-by-entry",
        title="You compare the first position with the first length, the second with the second, and so on.",
        belief="Two vectors meet entry by entry, which fails where they differ in length and, where they do "
        "not, gives a single row. Every length has to meet every position.",
        hint="Stand the lengths upright, as a column: against the row of positions that makes a table.",
        anchor="mask-padding",
        section="Shorter than the batch",
        wrong=_in_padding(_entry_by_entry),
    ),
    Misconception(
        id="padding-width-of-longest",
        title="Your mask is as wide as the longest sequence; asked for is max_length.",
        belief="Mostly the batch is padded to its longest sequence, and the two agree. Where it is padded "
        "further (to a fixed length, or because the batch was split) the mask is then narrower than the "
        "scores.",
        hint="The positions run up to max_length, whatever the lengths are.",
        anchor="mask-padding",
        section="Shorter than the batch",
        wrong=_in_padding(_longest),
        evidence="https://github.com/speechbrain/speechbrain/issues/2344",
    ),
    Misconception(
        id="padding-additive",
        title="You return a mask to add to scores, 0 and minus infinity; asked for is a boolean one.",
        belief="Both kinds exist, and this one is right where a mask is added. Here masks are combined "
        "with & and read by masked_softmax, and for both an entry is True or False.",
        hint="Return the comparison itself, before any number is filled in.",
        anchor="mask-true",
        section='True means "may attend"',
        wrong=_in_padding(
            lambda lengths, max_length: additive(_right(lengths, max_length)),
            lambda lengths, max_length: additive(_right(lengths, max_length), -1e9),
        ),
    ),
    Misconception(
        id="padding-extra-axes",
        title="Your mask has axes of size 1 for heads and queries; asked for is (B, S).",
        belief="Those axes will be needed, and this is where many programs put them. Here combine_masks "
        "adds them, so that a padding mask stays a plain table: a row for each sequence.",
        hint="Leave the axes to combine_masks.",
        anchor="mask-shapes",
        section="Four axes",
        wrong=_in_padding(
            lambda lengths, max_length: _right(lengths, max_length)[:, None],
            lambda lengths, max_length: _right(lengths, max_length)[:, None, None],
        ),
    ),
    Misconception(
        id="padding-not-boolean",
        title="The entries are right, but they are numbers, not True and False.",
        belief="1 for a token and 0 for padding is how tokenisers write it. But ~ and & do not work on "
        "floats, on integers they work bit by bit (~1 is -2), and a mask of floats is added to the scores "
        "by torch's own attention.",
        hint="A comparison is boolean by itself; leave it so.",
        anchor="mask-true",
        section='True means "may attend"',
        wrong=_in_padding(
            lambda lengths, max_length: _right(lengths, max_length).float(),
            lambda lengths, max_length: _right(lengths, max_length).double(),
            lambda lengths, max_length: _right(lengths, max_length).long(),
            lambda lengths, max_length: _right(lengths, max_length).int(),
            lambda lengths, max_length: _right(lengths, max_length).byte(),
        ),
        evidence="https://github.com/huggingface/transformers/pull/1120",
    ),
)
