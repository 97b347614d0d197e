"""What people get wrong in the rollout."""

from collections.abc import Callable

from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.attention_rollout import rollout_ways as ways
from plenary.exercises.attention_rollout.rollout_ways import NAME, identity, mixed, rollout_by, with_heads


def _mistake(
    name: str,
    title: str,
    belief: str,
    hint: str,
    place: str,
    *wrong: Callable[..., Tensor],
    seen: str | None = None,
) -> Misconception:
    anchor, section = {
        "residual": ("roll-residual", "Half of everything passes by"),
        "half": ("roll-half", "Why the half"),
        "heads": ("roll-heads", "One table for all heads"),
        "order": ("roll-order", "Later layers multiply from the left"),
    }[place]
    return Misconception(
        f"rollout-{name}", title, belief, hint, anchor, section, {NAME: wrong}, evidence=seen
    )


ROLLOUT_MISTAKES = (
    _mistake(
        "no-identity",
        "Your rollout multiplies the attention alone; the residual path is missing.",
        "Attention is what mixes the tokens, so its tables would say it all. But each layer adds what is "
        "heard to what was there: a token that listens elsewhere is still, to a good part, itself.",
        "Add the identity to each layer's table, and share out.",
        "residual",
        rollout_by(lambda attention: attention.mean(1)),
        seen="https://github.com/google-research/vision_transformer/issues/18",
    ),
    _mistake(
        "first-without-identity",
        "Your first layer goes in without its residual path.",
        "A product has to start somewhere, and the first table is at hand. The first layer has a residual "
        "path like all others.",
        "Start from the identity and take all layers alike, or treat the first table as the loop treats the "
        "rest.",
        "residual",
        ways.first_without_residual,
    ),
    _mistake(
        "identity-at-the-end",
        "You add the identity once, to the product; every layer has a residual path.",
        "One residual path around everything would be that. There is one around each layer, and so there "
        "are ways that take some layers' attention and pass the others by.",
        "Add the identity inside the loop.",
        "residual",
        ways.identity_at_the_end,
    ),
    _mistake(
        "identity-dtype",
        "Your identity is in float32, whatever the attention is in.",
        "torch.eye makes a float32 table unless it is told otherwise. Added to a float64 table it is "
        "promoted without a word; a matrix product of the two raises.",
        "torch.eye takes a dtype; take the attention's.",
        "residual",
        ways.default_identity,
    ),
    _mistake(
        "in-float32",
        "You compute in float32, whatever the attention's dtype.",
        "torch.eye makes a float32 table, and turning everything into float32 lets the product run. It also cuts float64 "
        "down to seven digits.",
        "Bring the identity to the attention's dtype, not the attention to the identity's.",
        "residual",
        ways.in_float32,
    ),
    _mistake(
        "not-halved",
        "You add the identity and do not share out: every row grows with each layer.",
        "A + I says that both count alike, which is right. Its rows sum to 2, though: after L layers every "
        "row sums to 2 to the L, and nothing reads as a share any more.",
        "Bring each row back to a sum of one.",
        "half",
        rollout_by(lambda attention: attention.mean(1) + identity(attention)),
    ),
    _mistake(
        "half-of-one-part",
        "You halve one part of the sum, attention or identity, and not the other.",
        "The factor stands in front of the bracket, and multiplies both.",
        "Check that each row of a layer's table sums to one.",
        "half",
        rollout_by(lambda attention: attention.mean(1) / 2 + identity(attention)),
        rollout_by(lambda attention: attention.mean(1) + identity(attention) / 2),
    ),
    _mistake(
        "columns-normalised",
        "You divide by the sums of the columns; it is the rows that sum to one.",
        "A row says what one token is made of, and that is one whole. A column says where one token went; "
        "it may be everywhere or nowhere.",
        "Sum along the last axis.",
        "half",
        rollout_by(ways.columns_normalised),
    ),
    _mistake(
        "order-reversed",
        "Your product runs the wrong way round: later layers have to multiply from the left.",
        "The layers come in order, and reading from left to right the first would stand first. But row t of "
        "a table says what token t takes in, so the last layer asks, and what it asks for is made by the "
        "layers before.",
        "What is new goes on the left of what is there.",
        "order",
        rollout_by(join=lambda later, sofar: sofar @ later),
    ),
    _mistake(
        "elementwise",
        "You multiply the tables entry by entry; asked for is the matrix product.",
        "* multiplies, and the shapes fit. A way through two layers may change its token in between, and "
        "only a sum over all tokens in between counts those ways.",
        "Use the product that sums over the token in the middle.",
        "order",
        rollout_by(join=lambda later, sofar: later * sofar),
    ),
    _mistake(
        "transposed",
        "Your rollout is the right one with rows and columns exchanged.",
        "The columns of attention say who is listened to, and it is tempting to turn the table. Row t is "
        "token t at the end here, as in every table of this course.",
        "Leave the tables as they come.",
        "order",
        rollout_by(lambda attention: mixed(attention).mT, lambda later, sofar: sofar @ later),
    ),
    _mistake(
        "tables-transposed",
        "You transpose each layer's table before you multiply.",
        "Weights times values is written with a transpose in some books. Here row t of the weights already "
        "belongs to token t, so the table acts from the left as it is.",
        "Leave the tables as they come.",
        "order",
        rollout_by(lambda attention: mixed(attention).mT),
    ),
    _mistake(
        "layers-averaged",
        "You average or add up the layers; what one layer mixed, the next mixes again.",
        "A mean of all tables is a fair summary of who listens to whom. It treats the layers as if they "
        "stood side by side; they stand one upon another.",
        "Multiply them.",
        "order",
        ways.mean_of_layers,
        ways.attention_averaged,
        ways.running_mean,
        rollout_by(join=lambda later, sofar: later + sofar),
    ),
    _mistake(
        "last-layer-only",
        "You return the last layer's attention alone.",
        "The last layer is what the answer is read from. But its tokens are no longer the patches: every "
        "one has taken in others, layer by layer.",
        "Go through all layers.",
        "order",
        ways.last_layer,
        ways.last_attention,
    ),
    _mistake(
        "first-layer-only",
        "You return after the first layer.",
        "A return that stands one step too far to the right belongs to the loop, and ends it in its first turn.",
        "Go through all layers, and return after the loop.",
        "order",
        ways.first_layer,
    ),
    _mistake(
        "first-layer-twice",
        "Your product holds the first layer twice.",
        "Starting from attentions[0] is right if the loop goes on with attentions[1:]. A loop over all of them meets the "
        "first one again.",
        "Count how many tables go into your product.",
        "order",
        ways.first_twice,
    ),
    _mistake(
        "first-layer-skipped",
        "Your product leaves out the first layer.",
        "attentions[1:] is right if the product starts from attentions[0]. Starting from the identity, it "
        "has to take them all.",
        "Count how many tables go into your product.",
        "order",
        ways.first_skipped,
    ),
    _mistake(
        "heads-maximum",
        "You take the maximum (or minimum) of the heads; asked for is their mean.",
        "One head that looks hard at a patch drowns in a mean of twelve, and other tools offer the maximum "
        "for sharper pictures. Its rows no longer sum to one.",
        "Average over the head axis.",
        "heads",
        with_heads(lambda attention: attention.amax(1)),
        with_heads(lambda attention: attention.amin(1)),
        ways.fused_and_normalised(lambda attention: attention.amax(1)),
        ways.fused_and_normalised(lambda attention: attention.amin(1)),
    ),
    _mistake(
        "heads-summed",
        "You add up the heads; asked for is their mean.",
        "Their outputs are added up, after the last projection, so their weights could be as well. But then "
        "a row sums to the number of heads, and the residual path hardly counts beside it.",
        "Average over the head axis.",
        "heads",
        with_heads(ways.sum_of_heads),
        ways.fused_and_normalised(ways.sum_of_heads),
    ),
    _mistake(
        "first-head-only",
        "You look at the first head alone.",
        "[:, 0] takes away the head axis, and the result looks like attention, since it is. The other heads "
        "look elsewhere.",
        "Average over the head axis.",
        "heads",
        with_heads(lambda attention: attention[:, 0]),
    ),
    _mistake(
        "layers-stacked",
        "You stack the layers' attention, which needs the same number of heads in each.",
        "In most models all layers have as many heads. A list is passed because they need not: in another layer the room "
        "may be divided into other groups.",
        "Average over the heads first, layer by layer; then all tables have one shape.",
        "heads",
        ways.stacked,
    ),
    _mistake(
        "head-by-head",
        "You roll out each head by itself and average at the end.",
        "Head 1 of one layer has nothing to do with head 1 of the next: between the layers all heads are "
        "mixed. And the mean of products is not the product of means.",
        "Average the heads in every layer, before you multiply.",
        "heads",
        ways.head_by_head,
    ),
    _mistake(
        "mean-over-batch",
        "You average over the batch; the heads are the next axis.",
        "Axis 0 is the pictures. Each of them has a rollout of its own.",
        "The axes are (batch, heads, tokens, tokens).",
        "heads",
        ways.mean_over_batch,
        ways.mean_over_everything,
    ),
)
