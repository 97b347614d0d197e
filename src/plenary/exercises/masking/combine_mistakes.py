"""Mistakes in joining two masks."""

from torch import Tensor

from plenary.checks.exercise import Function, Misconception
from plenary.exercises.masking.kinds import additive


def _in_combine(*wrong: Function) -> dict[str, tuple[Function, ...]]:
    return {"combine_masks": wrong}


def _right(causal: Tensor, padding: Tensor) -> Tensor:
    return causal & padding[:, None, None, :]


def _also_rows(causal: Tensor, padding: Tensor) -> Tensor:
    return causal & padding[:, None, None, :] & padding[:, None, :, None]


def _causal_only(causal: Tensor, padding: Tensor) -> Tensor:
    return causal.expand(len(padding), 1, *causal.shape)


def _padding_only(causal: Tensor, padding: Tensor) -> Tensor:
    return padding[:, None, None, :].expand(-1, 1, len(causal), -1)


def _first_for_all(causal: Tensor, padding: Tensor) -> Tensor:
    return (causal & padding[0]).expand(len(padding), 1, *causal.shape)


COMBINE_MISTAKES = (
    Misconception(
        id="combine-or",
        title="Your mask permits what either of the two permits; it should be what both permit.",
        belief="With True for forbidden the two are joined by an or: forbidden by one is forbidden. With "
        "True for permitted it is the other way round: a key has to be permitted by both. (Adding two "
        "boolean masks is an or, too.)",
        hint="One False is enough to forbid: join with and.",
        anchor="mask-and",
        section="Permitted by both",
        wrong=_in_combine(
            lambda causal, padding: causal | padding[:, None, None, :],
            lambda causal, padding: causal + padding[:, None, None, :],
        ),
        evidence="https://github.com/lucidrains/local-attention/issues/5",
    ),
    Misconception(
        id="combine-causal-only",
        title="Your mask does not use the padding.",
        belief="Padding stands at the end, and a causal mask keeps real tokens from looking there, so for "
        "them it seems to be enough. But it says nothing of padding that stands earlier, and nothing where "
        "there is no triangle.",
        hint="Both masks have their say in every entry.",
        anchor="mask-and",
        section="Permitted by both",
        wrong=_in_combine(_causal_only, lambda causal, padding: causal[None, None]),
    ),
    Misconception(
        id="combine-padding-only",
        title="Your mask does not use the causal mask.",
        belief="The padding is left out as it should be. What is still permitted is the future.",
        hint="Both masks have their say in every entry.",
        anchor="mask-and",
        section="Permitted by both",
        wrong=_in_combine(_padding_only, lambda causal, padding: padding[:, None, None, :]),
    ),
    Misconception(
        id="combine-padding-on-queries",
        title="Your padding forbids queries; it should forbid keys.",
        belief="(B, 1, S, 1) and (B, 1, 1, S) differ in one place, and where T is S both broadcast. With "
        "the first a padding token may not listen, and everyone may still listen to it: empty rows, and "
        "the leak is still open.",
        hint="The padding's own axis has to end up last, where the keys are.",
        anchor="mask-keys",
        section="Padding forbids keys",
        wrong=_in_combine(lambda causal, padding: causal & padding[:, None, :, None]),
        evidence="https://github.com/bentrevett/pytorch-seq2seq/issues/96",
    ),
    Misconception(
        id="combine-padding-on-both",
        title="Your padding forbids keys, which is right, and queries as well, which makes empty rows.",
        belief="What a padding token hears is never used, so its row might as well be empty. Nobody asked "
        "for that: it needs the lengths to agree, and an empty row is the hardest one to get right (0 / "
        "0).",
        hint="Leave the queries alone; their outputs at padding are thrown away later.",
        anchor="mask-keys",
        section="Padding forbids keys",
        wrong=_in_combine(_also_rows),
        evidence="https://github.com/bentrevett/pytorch-seq2seq/issues/119",
    ),
    Misconception(
        id="combine-no-head-axis",
        title="Your mask is (B, T, S); the axis for the heads is missing.",
        belief="For attention without heads that is right. Scores with heads are (B, H, T, S), and "
        "broadcasting counts from the right: the batch of a (B, T, S) mask would be taken for heads.",
        hint="Two axes of size 1 go between the batch and the keys: one for heads, one for queries.",
        anchor="mask-shapes",
        section="Four axes",
        wrong=_in_combine(lambda causal, padding: causal & padding[:, None, :]),
        evidence="https://github.com/hyunwoongko/transformer/issues/32",
    ),
    Misconception(
        id="combine-batch-as-heads",
        title="Your mask is (1, B, T, S): the batch stands where the heads should.",
        belief="A new axis in front of everything is the natural place for one. But the batch has to stay "
        "first; the axis for the heads comes after it.",
        hint="Put the new axes behind the first axis of the padding.",
        anchor="mask-shapes",
        section="Four axes",
        wrong=_in_combine(lambda causal, padding: causal & padding[None, :, None, :]),
    ),
    Misconception(
        id="combine-no-new-axes",
        title="You join the two tables as they are; the batch is then taken for the queries.",
        belief="(T, S) and (B, S) are both tables with keys on the right, and where B is T, or 1, the & "
        "even runs. But row b of the padding is about a sequence, row t of the causal mask about a query.",
        hint="Give the padding axes of size 1 for the heads and for the queries, so that the batch stays "
        "apart.",
        anchor="mask-shapes",
        section="Four axes",
        wrong=_in_combine(lambda causal, padding: causal & padding),
    ),
    Misconception(
        id="combine-inverted",
        title="Your mask is True where attention is forbidden; True means may attend.",
        belief="Both masks came in with True for permitted, and what goes out is read the same way. Negate "
        "a mask where it is used, if at all.",
        hint="Leave out the last negation.",
        anchor="mask-true",
        section='True means "may attend"',
        wrong=_in_combine(lambda causal, padding: ~_right(causal, padding)),
    ),
    Misconception(
        id="combine-negated-before",
        title="You negate a mask before you join it; both come in with True for permitted.",
        belief="Where True marks the padding, as nn.MultiheadAttention has it, ~padding is what may be heard. "
        "Here True marks a real token already, so ~padding leaves the padding and nothing else.",
        hint="Join the two masks as they come.",
        anchor="mask-true",
        section='True means "may attend"',
        wrong=_in_combine(
            lambda causal, padding: causal & ~padding[:, None, None, :],
            lambda causal, padding: ~causal & padding[:, None, None, :],
            lambda causal, padding: ~causal & ~padding[:, None, None, :],
        ),
    ),
    Misconception(
        id="combine-first-for-all",
        title="You use the padding of the first sequence for the whole batch.",
        belief="padding[0] has the right length and joins with the causal table without any new axes. But "
        "the sequences of a batch differ in length, so each has a table of its own.",
        hint="Keep the batch axis of the padding, and put new axes of size 1 behind it.",
        anchor="mask-shapes",
        section="Four axes",
        wrong=_in_combine(_first_for_all),
    ),
    Misconception(
        id="combine-additive",
        title="You return a mask to add to scores, 0 and minus infinity; asked for is a boolean one.",
        belief="Both kinds exist, and this one is right where a mask is added. masked_softmax reads a "
        "boolean one.",
        hint="Return the joined mask itself, before any number is filled in.",
        anchor="mask-true",
        section='True means "may attend"',
        wrong=_in_combine(
            lambda causal, padding: additive(_right(causal, padding)),
            lambda causal, padding: additive(_right(causal, padding), -1e9),
        ),
    ),
    Misconception(
        id="combine-not-boolean",
        title="The entries are right, but they are numbers, not True and False.",
        belief="A product of ones and zeros is an and. The result should stay boolean all the same: ~ does "
        "not work on floats, and a mask of floats is added to the scores by torch's own attention.",
        hint="Two boolean masks joined with & stay boolean.",
        anchor="mask-true",
        section='True means "may attend"',
        wrong=_in_combine(
            lambda causal, padding: causal.float() * padding[:, None, None, :].float(),
            lambda causal, padding: causal.int() * padding[:, None, None, :].int(),
            lambda causal, padding: causal.long() * padding[:, None, None, :].long(),
        ),
    ),
)
