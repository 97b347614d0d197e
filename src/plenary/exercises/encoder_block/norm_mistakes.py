"""Mistakes in layer norm. Each is one belief, written out as code."""

import torch
from torch import Tensor

from plenary.checks.exercise import Function, Misconception
from plenary.exercises.encoder_block.affine_mistakes import AFFINE_MISTAKES
from plenary.exercises.encoder_block.build import Normalise, layer_with, norm_with


def _in_norm(*normalise: Normalise) -> dict[str, tuple[Function, ...]]:
    return {"LayerNorm": tuple(norm_with(one) for one in normalise)}


def _also_in_layer(normalise: Normalise) -> dict[str, tuple[Function, ...]]:
    """Say that a mistake is met again in the layer that is built with this norm."""
    wrong = norm_with(normalise)
    return {"LayerNorm": (wrong,), "EncoderLayer": (layer_with(norm=wrong),)}


def _over(*axes: int) -> Normalise:
    """Normalise along other axes."""

    def normalise(x: Tensor, eps: float) -> Tensor:
        centred = x - x.mean(axes, keepdim=True)
        return centred / torch.sqrt(centred.square().mean(axes, keepdim=True) + eps)

    return normalise


def _all_but_the_first(x: Tensor, eps: float) -> Tensor:
    return _over(*range(1, max(x.ndim, 2)))(x, eps) if x.ndim > 1 else _over(0)(x, eps)


def _everything(x: Tensor, eps: float) -> Tensor:
    return (x - x.mean()) / torch.sqrt(x.var(correction=0) + eps)


def _unbiased(x: Tensor, eps: float) -> Tensor:
    return (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, keepdim=True) + eps)


def _unbiased_and_outside(x: Tensor, eps: float) -> Tensor:
    return (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + eps)


def _eps_outside(x: Tensor, eps: float) -> Tensor:
    return (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True, correction=0) + eps)


def _no_eps(x: Tensor, eps: float) -> Tensor:
    return (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True, correction=0)


def _fixed_eps(eps: float) -> Normalise:
    return lambda x, _: _over(-1)(x, eps)


def _no_root(x: Tensor, eps: float) -> Tensor:
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, correction=0) + eps)


def _no_mean(x: Tensor, eps: float) -> Tensor:
    return x / torch.sqrt(x.square().mean(-1, keepdim=True) + eps)


def _second_moment(x: Tensor, eps: float) -> Tensor:
    return (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.square().mean(-1, keepdim=True) + eps)


def _no_keepdim(x: Tensor, eps: float) -> Tensor:
    return (x - x.mean(-1)) / torch.sqrt(x.var(-1, correction=0) + eps)


def _detached(x: Tensor, eps: float) -> Tensor:
    mean, variance = x.mean(-1, keepdim=True).detach(), x.var(-1, keepdim=True, correction=0).detach()
    return (x - mean) / torch.sqrt(variance + eps)


def _variance_detached(x: Tensor, eps: float) -> Tensor:
    variance = x.var(-1, keepdim=True, correction=0).detach()
    return (x - x.mean(-1, keepdim=True)) / torch.sqrt(variance + eps)


def _in_place(x: Tensor, eps: float) -> Tensor:
    x -= x.mean(-1, keepdim=True)
    return x / torch.sqrt(x.square().mean(-1, keepdim=True) + eps)


NORM_MISTAKES = (
    Misconception(
        id="norm-unbiased-variance",
        title="Your variance divides by dim - 1; layer norm divides by dim.",
        belief="Dividing by n - 1 is right for guessing a variance from a sample. Here nothing is guessed: the"
        " dim features are all there are, and they are to have variance exactly 1. (x.var and x.std "
        "divide by n - 1 unless they are told otherwise.)",
        hint="Look up the argument correction of torch.var, or take the mean of the squared deviations.",
        anchor="enc-norm-variance",
        section="All the features there are",
        wrong=_also_in_layer(_unbiased),
        evidence="https://github.com/harvardnlp/annotated-transformer/issues/122",
    ),
    Misconception(
        id="norm-eps-outside",
        title="You add eps to the standard deviation; it belongs under the root, with the variance.",
        belief="Either place prevents a division by zero, and for large rows the difference is invisible. But "
        "under the root eps is compared with a variance, outside with a standard deviation: for eps = "
        "0.00001 the first takes effect below 0.003, the second below 0.00001.",
        hint="Add eps before you take the root.",
        anchor="enc-norm-eps",
        section="Why eps, and where",
        wrong=_in_norm(_eps_outside),
        evidence="https://github.com/hkproj/pytorch-transformer/pull/31",
    ),
    Misconception(
        id="norm-std-plus-eps",
        title="You divide by x.std(...) + eps: the n - 1 inside std and the place of eps both differ from "
        "layer norm.",
        belief="This line is in much-copied code, and a model can be trained with it. It is another function "
        "all the same: weights that were trained with the one do not fit the other.",
        hint="Take the variance that divides by dim, add eps to it, and take the root of the sum.",
        anchor="enc-norm-eps",
        section="Why eps, and where",
        wrong=_also_in_layer(_unbiased_and_outside),
        evidence="https://github.com/codertimo/BERT-pytorch/issues/30",
    ),
    Misconception(
        id="norm-no-eps",
        title="Your layer norm leaves eps out.",
        belief="As long as a row varies, eps is a trifle. A row that is constant has variance 0, and 0 / 0 is "
        "NaN, which spreads through the whole model.",
        hint="The variance plus eps is never zero.",
        anchor="enc-norm-eps",
        section="Why eps, and where",
        wrong=_in_norm(_no_eps),
    ),
    Misconception(
        id="norm-fixed-eps",
        title="Your layer norm uses an eps of its own, not the one that it was built with.",
        belief="0.00001 is the default, so the number looks safe in the formula. Other models ask for another "
        "one (the Vision Transformer for 0.000001), and they pass it to __init__.",
        hint="Keep eps in __init__, and read it in forward.",
        anchor="enc-norm-eps",
        section="Why eps, and where",
        wrong=_in_norm(_fixed_eps(1e-5), _fixed_eps(1e-6), _fixed_eps(1e-8), _fixed_eps(1e-12)),
    ),
    Misconception(
        id="norm-no-root",
        title="You divide by the variance; it should be the standard deviation, its root.",
        belief="The variance measures the spread, but in squared units. Dividing by it turns a row of spread 2"
        " into one of spread 1/2.",
        hint="Check on a row doubled: the output must not change.",
        anchor="enc-layer-norm",
        section="Every token on one scale",
        wrong=_in_norm(_no_root),
    ),
    Misconception(
        id="norm-mean-kept",
        title="Your layer norm does not subtract the mean.",
        belief="Dividing by the root of the mean square is a norm too; it is called RMSNorm, and newer models "
        "use it. Layer norm brings every row to mean 0 first.",
        hint="Two steps: take away the mean, then divide by the spread that is left.",
        anchor="enc-layer-norm",
        section="Every token on one scale",
        wrong=_in_norm(_no_mean),
    ),
    Misconception(
        id="norm-square-of-x",
        title="Your variance is the mean of x squared; it should be the mean of the squared deviations.",
        belief="The two agree where the mean is 0. You subtract the mean in the numerator, so it looks as if "
        "it were 0 everywhere; in the variance the old x is still used.",
        hint="Square what is left after the mean is taken away.",
        anchor="enc-norm-variance",
        section="All the features there are",
        wrong=_in_norm(_second_moment),
    ),
    Misconception(
        id="norm-over-batch",
        title="You normalise over the first axis; layer norm works along the last, within one token.",
        belief="Over the batch is where batch norm looks. There a token's output depends on who else is in the"
        " batch, and on one example alone it does not work at all.",
        hint="Each token is brought to mean 0 by its own features and by nobody else's.",
        anchor="enc-norm-axis",
        section="Along the features of one token",
        wrong=_in_norm(_over(0)),
    ),
    Misconception(
        id="norm-over-tokens",
        title="You normalise over the tokens; layer norm works along the last axis, within one token.",
        belief="Counted from the front, axis 1 holds the features of a table (B, D), but the tokens of a batch"
        " (B, T, D). Then what one token gets depends on all others, those of the future included.",
        hint="Count from the back: whatever stands in front, the features are the last axis.",
        anchor="enc-norm-axis",
        section="Along the features of one token",
        wrong=_in_norm(_over(1), _over(-2)),
        evidence="https://github.com/jadore801120/attention-is-all-you-need-pytorch/pull/17",
    ),
    Misconception(
        id="norm-over-everything",
        title="You take one mean over several tokens at once; each token has a mean of its own.",
        belief="Without an axis, mean and variance run over the whole tensor. On average the numbers are then "
        "fine; but a loud token stays loud and a quiet one quiet, and to put them on one scale was the "
        "purpose.",
        hint="Name the one axis that mean and variance run over, and keep it with keepdim=True.",
        anchor="enc-norm-axis",
        section="Along the features of one token",
        wrong=_in_norm(_everything, _all_but_the_first),
        evidence="https://github.com/Qualcomm-AI-research/geometric-algebra-transformer/pull/8",
    ),
    Misconception(
        id="norm-no-keepdim",
        title="Your mean has lost its axis, and is subtracted along the wrong one.",
        belief="Without keepdim=True the mean of (T, D) has shape (T,). Broadcasting lines shapes up from the "
        "back, so row t's mean meets column t. Where T and D differ that raises an error; where they "
        "are equal, nothing warns you.",
        hint="The mean should have shape (..., 1), so that it is stretched along its own row.",
        anchor="enc-norm-axis",
        section="Along the features of one token",
        wrong=_in_norm(_no_keepdim),
    ),
    Misconception(
        id="norm-detached",
        title="Your mean or variance is cut off from the gradient.",
        belief="Mean and variance look like constants that are measured. But they are computed from x: "
        "changing one feature changes both, and with them every number of the row.",
        hint="Leave out detach, no_grad and .item(): autograd knows these derivatives.",
        anchor="enc-norm-gradient",
        section="Mean and spread depend on x",
        wrong=_in_norm(_detached, _variance_detached),
    ),
    Misconception(
        id="norm-in-place",
        title="Your layer norm changes its input.",
        belief="x -= mean is no shorter way of writing x = x - mean: it writes into the tensor that the caller"
        " still holds, here the one on the residual path.",
        hint="Give the difference a name of its own.",
        anchor="enc-residual",
        section="The residual path",
        wrong=_in_norm(_in_place),
    ),
    *AFFINE_MISTAKES,
)
