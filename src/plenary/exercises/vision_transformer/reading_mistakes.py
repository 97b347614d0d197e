"""Mistakes at the end of the model: what is read from the tokens, and what is made of it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plenary.checks.exercise import Misconception
from plenary.exercises.vision_transformer.build import Reference, in_model


class _LastToken(Reference):
    def read(self, x: Tensor) -> Tensor:
        return x[:, -1] if self.pool == "class" else x[:, 1:].mean(1)


class _FirstPatch(Reference):
    def read(self, x: Tensor) -> Tensor:
        return x[:, 1] if self.pool == "class" else x[:, 1:].mean(1)


class _MeanOfAll(Reference):
    def read(self, x: Tensor) -> Tensor:
        return x[:, 0] if self.pool == "class" else x.mean(1)


class _MeanWithoutLast(Reference):
    def read(self, x: Tensor) -> Tensor:
        return x[:, 0] if self.pool == "class" else x[:, :-1].mean(1)


class _SumOfPatches(Reference):
    def read(self, x: Tensor) -> Tensor:
        return x[:, 0] if self.pool == "class" else x[:, 1:].sum(1)


class _MeanOverFeatures(Reference):
    def classified(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        return self.head(x[:, 0] if self.pool == "class" else x[:, 1:].mean(-1))


class _AlwaysClass(Reference):
    def read(self, x: Tensor) -> Tensor:
        return x[:, 0]


class _AlwaysMean(Reference):
    def read(self, x: Tensor) -> Tensor:
        return x[:, 1:].mean(1)


class _Exchanged(Reference):
    def read(self, x: Tensor) -> Tensor:
        return x[:, 0] if self.pool == "mean" else x[:, 1:].mean(1)


class _NormForgotten(Reference):
    def classified(self, x: Tensor) -> Tensor:
        return self.head(self.read(x))


class _NoNormBuilt(Reference):
    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        self.norm = nn.Identity()


class _NormAfterMean(Reference):
    def classified(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.read(x)))


class _NormAfterMeanOfAll(Reference):
    def classified(self, x: Tensor) -> Tensor:
        return self.head(self.norm(x[:, 0] if self.pool == "class" else x.mean(1)))


class _Softmax(Reference):
    def classified(self, x: Tensor) -> Tensor:
        return super().classified(x).softmax(-1)


class _LogSoftmax(Reference):
    def classified(self, x: Tensor) -> Tensor:
        return F.log_softmax(super().classified(x), -1)


class _AllTokens(Reference):
    def classified(self, x: Tensor) -> Tensor:
        return self.head(self.norm(x))


class _AllPatchesInMean(Reference):
    def read(self, x: Tensor) -> Tensor:
        return x[:, 0] if self.pool == "class" else x[:, 1:]


class _Argmax(Reference):
    def classified(self, x: Tensor) -> Tensor:
        return super().classified(x).argmax(-1)


class _TanhBeforeHead(Reference):
    def classified(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.read(self.norm(x))))


READING_MISTAKES = (
    Misconception(
        id="vit-last-token",
        title="Your model reads a patch's token, not the class token.",
        belief="In a language model the last token has heard everything before it, so that is the one to "
        "read. In an encoder everyone hears everyone, and the token that has been learning to sum up "
        "is the one that was put in front.",
        hint="The class token stands where prepend_class_token put it: at index 0 of the token axis.",
        anchor="vit-read",
        section="Reading the answer",
        wrong=in_model(_LastToken, _FirstPatch),
        evidence="https://github.com/Tencent/digitalhuman/issues/5",
    ),
    Misconception(
        id="vit-mean-with-class-token",
        title="Your mean counts in the class token.",
        belief="A mean over the token axis is the shortest thing to write, and with a class token in the "
        'row it averages N + 1 tokens. "mean" is meant as the mean of the picture, of its N patches.',
        hint="Leave out index 0 before you average, and nothing else.",
        anchor="vit-mean",
        section="The mean of the patches",
        wrong=in_model(_MeanOfAll, _MeanWithoutLast),
        evidence="https://github.com/lucidrains/vit-pytorch/issues/226",
    ),
    Misconception(
        id="vit-sum-of-patches",
        title="You add the patches up; asked for is their mean.",
        belief="Sum and mean point in the same direction, but a sum grows with the number of patches: a "
        "larger picture would get larger logits, and so a surer answer.",
        hint="Divide by the number of patches.",
        anchor="vit-mean",
        section="The mean of the patches",
        wrong=in_model(_SumOfPatches),
    ),
    Misconception(
        id="vit-mean-over-features",
        title="Your mean runs over the features of each patch, not over the patches.",
        belief="After the class token is cut off, the axes are (batch, patches, features). Averaging the "
        "last one leaves one number per patch; the head needs one vector per picture.",
        hint="The axis to average away is the one that counts the patches.",
        anchor="vit-mean",
        section="The mean of the patches",
        wrong=in_model(_MeanOverFeatures),
    ),
    Misconception(
        id="vit-pool-ignored",
        title="Your model reads the same tokens whatever pool says.",
        belief="The model works, and it works the same way both times: pool is taken in the constructor and "
        "never looked at in forward.",
        hint="Keep pool as an attribute, and choose what the head reads by it.",
        anchor="vit-read",
        section="Reading the answer",
        wrong=in_model(_AlwaysClass, _AlwaysMean),
    ),
    Misconception(
        id="vit-pool-exchanged",
        title='Your model takes the mean for "class" and the class token for "mean".',
        belief="Both branches are right, and they stand the wrong way round.",
        hint="Read the condition aloud.",
        anchor="vit-read",
        section="Reading the answer",
        wrong=in_model(_Exchanged),
    ),
    Misconception(
        id="vit-no-final-norm",
        title="Your model has no norm between the last layer and the head.",
        belief="Each layer normalises already, so the sum would be tidy. But a pre-norm layer normalises "
        "what goes into its branches; what comes out is added to a path that nothing ever "
        "normalised.",
        hint="One more LayerNorm, called norm, stands after the last layer.",
        anchor="vit-norm",
        section="The norm that stands alone",
        wrong=in_model(_NormForgotten, _NoNormBuilt),
        evidence="https://github.com/kornia/kornia/pull/2786",
    ),
    Misconception(
        id="vit-norm-after-mean",
        title='For "mean" you average first and normalise afterwards; here every token is normalised before.',
        belief="Both orders are found (timm has a fc_norm after the mean). They are not the same: "
        "normalised first, every patch has an equal say; averaged first, patches with large "
        "activations outvote the others.",
        hint="Pass all tokens through norm, then take the mean.",
        anchor="vit-mean",
        section="The mean of the patches",
        wrong=in_model(_NormAfterMean, _NormAfterMeanOfAll),
    ),
    Misconception(
        id="vit-softmax-in-forward",
        title="Your model returns probabilities; asked for are logits.",
        belief="A classifier should say how likely each class is. But cross_entropy takes the softmax "
        "itself, and a second one squeezes everything into [0, 1]: the loss cannot get near zero any "
        "more, and gradients shrink.",
        hint="Return what the head gives. Whoever wants probabilities takes the softmax outside.",
        anchor="vit-logits",
        section="Logits, not probabilities",
        wrong=in_model(_Softmax),
        evidence="https://github.com/bowang-lab/Transformer-GCN-QA/pull/32",
    ),
    Misconception(
        id="vit-log-softmax-in-forward",
        title="Your model returns log-probabilities; asked for are logits.",
        belief="With nll_loss this is the way, and cross_entropy does not mind, since the softmax of "
        "log-probabilities is the same probabilities. But what leaves the model is no longer what "
        "the head gave, and pretrained weights give other numbers.",
        hint="Return what the head gives.",
        anchor="vit-logits",
        section="Logits, not probabilities",
        wrong=in_model(_LogSoftmax),
        evidence="https://github.com/Randl/MobileNetV2-pytorch/issues/5",
    ),
    Misconception(
        id="vit-classes-returned",
        title="Your model returns the number of the best class; asked for are the logits of all.",
        belief="The answer to which class it is, is one number. No gradient flows through an argmax, so "
        "such a model could not learn.",
        hint="Return the scores of all classes, and leave the choice to whoever calls.",
        anchor="vit-logits",
        section="Logits, not probabilities",
        wrong=in_model(_Argmax),
    ),
    Misconception(
        id="vit-head-on-all-tokens",
        title="Your head classifies every token; asked for is one answer per picture.",
        belief="nn.Linear works on the last axis and takes any number of tokens without complaint. The "
        "result is a table of N + 1 opinions where one is wanted.",
        hint="Make one vector of the tokens, by pool, before or after the head.",
        anchor="vit-read",
        section="Reading the answer",
        wrong=in_model(_AllTokens, _AllPatchesInMean),
    ),
    Misconception(
        id="vit-tanh-before-head",
        title="You put a tanh between the norm and the head.",
        belief="BERT's pooler has one, and the paper's pre-training head has one behind a hidden layer. The "
        "head asked for here is one linear layer.",
        hint="Nothing stands between what is read and the head.",
        anchor="vit-logits",
        section="Logits, not probabilities",
        wrong=in_model(_TanhBeforeHead),
    ),
)
