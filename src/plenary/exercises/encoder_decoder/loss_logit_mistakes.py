"""Mistakes in what one token costs: softmax, logarithm, axes, and which target belongs to which logits."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from plenary.checks.exercise import Function, Misconception
from plenary.exercises.encoder_decoder.loss_build import averaged, in_loss, right_loss


def _of(change: Callable[[Tensor], Tensor]) -> Function:
    """Build the loss of changed logits."""
    return lambda logits, targets, pad_id: right_loss(change(logits), targets, pad_id)


def _chosen(share: Callable[[Tensor], Tensor]) -> Function:
    """Build the loss from another idea of what a word costs."""

    def loss(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
        each = share(logits).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
        return averaged(-each, targets != pad_id)

    return loss


def _exponentials(logits: Tensor) -> Tensor:
    return (logits.exp() / logits.exp().sum(-1, keepdim=True)).log()


def _shifted_again(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
    return right_loss(logits[:, :-1], targets[:, 1:], pad_id)


def _errors(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
    return averaged((logits.argmax(-1) != targets).to(logits.dtype), targets != pad_id)


def _distance(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
    return averaged((logits.argmax(-1) - targets).abs().to(logits.dtype), targets != pad_id)


def _no_transpose(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
    return F.cross_entropy(logits, targets, ignore_index=pad_id)


def _reshaped(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
    return right_loss(logits.reshape(len(logits), -1, logits.shape[1]).mT, targets, pad_id)


LOGIT_MISTAKES = (
    Misconception(
        id="loss-softmax-first",
        title="You take a softmax before the cross-entropy, which takes one of its own.",
        belief="Cross-entropy is defined on probabilities, so making them first seems right. "
        "F.cross_entropy is made for logits. The softmax of a softmax is nearly flat: with V words the "
        "loss cannot fall below ln(1 + (V - 1)/e).",
        hint="Hand over the logits as they are.",
        anchor="dec-loss-logits",
        section="Logits go in",
        wrong=in_loss(_of(lambda logits: logits.softmax(-1))),
        evidence="https://github.com/bkitano/llama-from-scratch/issues/5",
    ),
    Misconception(
        id="loss-without-logarithm",
        title="Your loss is minus the probability; the logarithm is missing.",
        belief="F.nll_loss is named after a logarithm and does not take one: it picks the target's "
        "number and turns its sign. It expects logarithms of probabilities.",
        hint="Use a log-softmax in front of it, or cross_entropy for both.",
        anchor="dec-loss-logits",
        section="Logits go in",
        wrong=in_loss(_chosen(lambda logits: logits.softmax(-1))),
    ),
    Misconception(
        id="loss-of-raw-logits",
        title="Your loss is minus the target's logit; nothing is normalised.",
        belief="F.nll_loss picks a number and turns its sign, softmax or not. Without one the loss "
        "falls for ever: let all logits grow.",
        hint="The target's share among all words is what counts: a log-softmax.",
        anchor="dec-loss-logits",
        section="Logits go in",
        wrong=in_loss(_chosen(lambda logits: logits)),
    ),
    Misconception(
        id="loss-overflows",
        title="Your loss is not finite for large logits.",
        belief="ln(softmax) is right on paper. A share below 1e-45 is 0 in float32, and its logarithm "
        "minus infinity; an exponential of 100 is infinite. A log-softmax subtracts the maximum and "
        "never forms the share.",
        hint="Take logarithm and softmax in one step.",
        anchor="dec-loss-logits",
        section="Logits go in",
        wrong=in_loss(_chosen(lambda logits: logits.softmax(-1).log()), _chosen(_exponentials)),
    ),
    Misconception(
        id="loss-log-with-epsilon",
        title="Your loss adds a small number inside the logarithm.",
        belief="ln(p + 1e-9) is never infinite, but no word can cost more than 21 nats then, and one "
        "that costs so much has no gradient any more: where the model is most wrong, it stops learning.",
        hint="Take logarithm and softmax in one step; nothing has to be added.",
        anchor="dec-loss-logits",
        section="Logits go in",
        wrong=in_loss(
            _chosen(lambda logits: (logits.softmax(-1) + 1e-9).log()),
            _chosen(lambda logits: logits.softmax(-1).clamp(min=1e-9).log()),
            _chosen(lambda logits: (logits.softmax(-1) + 1e-8).log()),
            _chosen(lambda logits: (logits.softmax(-1) + 1e-12).log()),
        ),
    ),
    Misconception(
        id="loss-shifts-again",
        title="Your loss compares position t with target t + 1: that is one shift too many.",
        belief="logits[:, :-1] against targets[:, 1:] is right where input and target are the same row. "
        "Here the input was shifted by shift_right, so logits and targets stand side by side.",
        hint="Position t of the logits belongs to position t of the targets.",
        anchor="dec-loss-aligned",
        section="No second shift",
        wrong=in_loss(_shifted_again),
        evidence="https://github.com/huggingface/transformers/pull/46898",
    ),
    Misconception(
        id="loss-classes-on-time-axis",
        title="You hand (B, T, V) to the cross-entropy, which expects the words on axis 1.",
        belief="With one axis in front, words last is right. With more, F.cross_entropy wants (B, V, "
        "T), as for images. It raises an error as long as T and V differ; where they are equal it "
        "returns a number that means nothing.",
        hint="Move the words to axis 1, or make one long list of tokens.",
        anchor="dec-loss-axes",
        section="Where the words go",
        wrong=in_loss(_no_transpose),
        evidence="https://github.com/markhliu/DGAI/issues/7",
    ),
    Misconception(
        id="loss-softmax-over-time",
        title="Your shares are taken over the positions, not over the words.",
        belief="dim=1 is the words in a table of tokens by words. In (B, T, V) it is time: the "
        "positions would compete with each other.",
        hint="The words are the last axis.",
        anchor="dec-loss-axes",
        section="Where the words go",
        wrong=in_loss(
            _chosen(lambda logits: logits.log_softmax(1)), _chosen(lambda logits: logits.log_softmax(0))
        ),
        evidence="https://github.com/weirme/FCSN/issues/32",
    ),
    Misconception(
        id="loss-reshaped-not-transposed",
        title="You reshape (B, T, V) to (B, V, T); that mixes words and positions.",
        belief="The shape is what F.cross_entropy asks for, and nothing crashes. reshape keeps the "
        "order in memory and cuts it elsewhere: what were the words of one position become pieces of "
        "several.",
        hint="Exchange the two axes: transpose.",
        anchor="dec-loss-axes",
        section="Where the words go",
        wrong=in_loss(_reshaped),
    ),
    Misconception(
        id="loss-error-rate",
        title="Your loss counts wrong guesses: nothing can be learned from that.",
        belief="The share of wrong words is what one cares about in the end. argmax jumps from one word "
        "to another and is flat in between, so its gradient is zero wherever there is one.",
        hint="Ask for the probability of the right word, not for the most likely word.",
        anchor="dec-loss-logits",
        section="Logits go in",
        wrong=in_loss(_errors, _distance),
    ),
)
