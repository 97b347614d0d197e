"""Mistakes inside the heads: the scale, the axes, dropout, and what is returned."""

import math

import torch.nn.functional as F
from torch import Tensor, nn

from plenary.checks.exercise import Misconception
from plenary.exercises.multi_head.build import Layer, Stepwise, in_module


class _RootOfModelWidth(Stepwise):
    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        return q @ k.mT / math.sqrt(self.embed_dim)


class _ScaledTwice(Stepwise):
    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        return q @ k.mT / q.shape[-1]


class _NotScaled(Stepwise):
    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        return q @ k.mT


class _AcrossHeads(Stepwise):
    """The heads stay behind the tokens, so that the matrix product pairs head with head inside each token."""

    def split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.num_heads, -1)

    def merge(self, x: Tensor) -> Tensor:
        return x.flatten(2)


class _AcrossHeadsMergedBack(_AcrossHeads):
    def merge(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).reshape(x.shape[0], x.shape[1], -1)


class _SoftmaxOverHeads(Stepwise):
    def weigh(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        weights = scores.softmax(1) if mask is None else scores.masked_fill(~mask, -1e9).softmax(1)
        return weights if mask is None else weights * mask


class _Averaged(Stepwise):
    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        output, weights = super().forward(query, key, value, mask)
        return output, weights.mean(1)


class _Swapped(Stepwise):
    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        output, weights = super().forward(query, key, value, mask)
        return weights, output


class _AlwaysDrops(Stepwise):
    def drop(self, weights: Tensor) -> Tensor:
        return F.dropout(weights, self.dropout)


class _AlwaysDropsAndTells(_AlwaysDrops):
    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        weights = self.drop(self.weigh(self.scores(q, k), mask))
        return weights @ v, weights


class _NeverDrops(Stepwise):
    def drop(self, weights: Tensor) -> Tensor:
        return weights


class _DropsInEvaluation(Stepwise):
    def drop(self, weights: Tensor) -> Tensor:
        return F.dropout(weights, self.dropout, not self.training)


class _DropsTheOutput(_NeverDrops):
    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        output, weights = super().forward(query, key, value, mask)
        return F.dropout(output, self.dropout, self.training), weights


class _DropsTheHeads(_NeverDrops):
    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        output, weights = super().attend(q, k, v, mask)
        return F.dropout(output, self.dropout, self.training), weights


class _DropsTheValues(_NeverDrops):
    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        return super().attend(q, k, F.dropout(v, self.dropout, self.training), mask)


class _DropsTheScores(_NeverDrops):
    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        return F.dropout(super().scores(q, k), self.dropout, self.training)


class _NeverRefuses(Stepwise):
    def __init__(self, embed_dim: int, num_heads: int, bias: bool = True, dropout: float = 0.0) -> None:
        nn.Module.__init__(self)
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            setattr(self, name, Layer(embed_dim, embed_dim, bias))


ATTENTION_MISTAKES = (
    Misconception(
        id="mh-root-of-model-width",
        title="Your scores are divided by the root of the model's width D; each head is only D / H wide.",
        belief="Before there were heads, the width of a query was D, and the formula stayed. What the root has "
        "to undo is the spread of one dot product, and inside a head that is a sum of D / H terms. Too "
        "large a divisor makes all weights alike.",
        hint="Take the last axis of the queries after the split.",
        anchor="mh-scale",
        section="The root of the head's width",
        wrong=in_module(_RootOfModelWidth),
        evidence="https://github.com/lucidrains/vit-pytorch/issues/65",
    ),
    Misconception(
        id="mh-scaled-twice",
        title="Your scores are divided by the root of the head's width twice.",
        belief="The scale belongs to attention, and it is a good habit to see to it. But "
        "scaled_dot_product_attention has it inside, so a query that was scaled beforehand is scaled "
        "again.",
        hint="Let one place do the scaling.",
        anchor="mh-scale",
        section="The root of the head's width",
        wrong=in_module(_ScaledTwice),
        evidence="https://github.com/huggingface/transformers/pull/38290",
    ),
    Misconception(
        id="mh-not-scaled",
        title="Your scores are not divided by the root of the head's width.",
        belief="Narrow heads have smaller dot products, and the scale seems less pressing. Its place in the "
        "formula is the same: without it the spread of the scores grows with the width, and the softmax "
        "picks one key.",
        hint="Scale by the width of one head, before the softmax.",
        anchor="mh-scale",
        section="The root of the head's width",
        wrong=in_module(_NotScaled),
    ),
    Misconception(
        id="mh-attends-across-heads",
        title="Your heads attend to each other inside each token; tokens never hear other tokens.",
        belief="The cut (B, T, H, d) is right, and a product of the last two axes runs. But it pairs head with "
        "head: a table of H by H for every token. Attention is between tokens, so tokens have to be "
        "next to the features.",
        hint="Exchange tokens and heads before the scores, and back after the values.",
        anchor="mh-axes",
        section="A head is one more batch axis",
        wrong=in_module(_AcrossHeads, _AcrossHeadsMergedBack),
    ),
    Misconception(
        id="mh-softmax-over-heads",
        title="Your softmax runs over the heads; it should run over the keys.",
        belief="Axis 1 was an axis of tokens before the split. Now it is the heads, and they compete for each "
        "pair of tokens. Each head shares out one unit of attention among the keys, whatever the others "
        "do.",
        hint="Count axes from the back: the keys are the last one.",
        anchor="mh-axes",
        section="A head is one more batch axis",
        wrong=in_module(_SoftmaxOverHeads),
        evidence="https://github.com/CAMMA-public/rendezvous-in-time/issues/3",
    ),
    Misconception(
        id="mh-weights-averaged",
        title="You return the mean of the heads' weights, (B, T, S); asked for is every head's, (B, H, T, S).",
        belief="nn.MultiheadAttention does this unless it is told not to. The mean hides what heads are for: "
        "one may look back, another ahead, and their mean looks everywhere.",
        hint="Return the weights as attention gives them.",
        anchor="mh-weights",
        section="Keep the weights of every head",
        wrong=in_module(_Averaged),
        evidence="https://github.com/pytorch/pytorch/issues/34537",
    ),
    Misconception(
        id="mh-returns-swapped",
        title="You return (weights, output); the output comes first.",
        belief="Both orders are found in libraries. Here, as in nn.MultiheadAttention and in chapter 3, it is "
        "the output and then the weights.",
        hint="Exchange the two in the return line.",
        anchor="mh-weights",
        section="Keep the weights of every head",
        wrong=in_module(_Swapped),
    ),
    Misconception(
        id="mh-dropout-in-evaluation",
        title="Your dropout goes on in evaluation.",
        belief="A call of model.eval() is meant to end it, and for an nn.Dropout made in __init__ it does. The "
        "function F.dropout, a layer made inside forward and F.scaled_dot_product_attention know "
        "nothing of the mode, and drop whenever p is not 0.",
        hint="Either keep an nn.Dropout as a submodule, or let self.training decide.",
        anchor="mh-dropout",
        section="Dropout takes weights, and in training only",
        wrong=in_module(_AlwaysDrops, _AlwaysDropsAndTells, _DropsInEvaluation),
        evidence="https://github.com/huggingface/pytorch-image-models/pull/1978",
    ),
    Misconception(
        id="mh-dropout-not-used",
        title="Your module never drops anything.",
        belief="The argument is stored, and scaled_dot_product_attention has no place for it, so it is easily "
        "forgotten. It acts between the weights and the values.",
        hint="Take the weights, drop some in training, and multiply with the values yourself.",
        anchor="mh-dropout",
        section="Dropout takes weights, and in training only",
        wrong=in_module(_NeverDrops),
    ),
    Misconception(
        id="mh-dropout-on-the-output",
        title="Your dropout acts on features, of the values or of the output; here it acts on the weights.",
        belief="Dropping features is a regulariser as well, and the layer around attention does it to what "
        "attention returns (chapter 9). Dropping weights is something else: for once a listener does not hear a "
        "speaker, all of what that speaker says to this head.",
        hint="Dropout comes between the softmax and the product with the values.",
        anchor="mh-dropout",
        section="Dropout takes weights, and in training only",
        wrong=in_module(_DropsTheOutput, _DropsTheHeads, _DropsTheValues),
    ),
    Misconception(
        id="mh-dropout-on-the-scores",
        title="Your dropout acts on the scores, before the softmax; here it acts on the weights.",
        belief="A dropped number is a number set to zero, and zero looks like silence. As a weight it is; as a "
        "score it is not: the softmax makes 1 of it before it normalises, and the key is heard all the "
        "same.",
        hint="First the softmax, then dropout, then the values.",
        anchor="mh-dropout",
        section="Dropout takes weights, and in training only",
        wrong=in_module(_DropsTheScores),
    ),
    Misconception(
        id="mh-no-error",
        title="Your module accepts a width that does not divide by the number of heads.",
        belief="D // H rounds down without a word, so the module is built, and fails only when it is called, "
        "with a message about shapes that does not say why.",
        hint="Look at the remainder in __init__, and raise a ValueError that names both numbers.",
        anchor="mh-divides",
        section="H has to divide D",
        wrong=in_module(_NeverRefuses),
        evidence="https://github.com/yandexdataschool/nlp_course/pull/131",
    ),
)
