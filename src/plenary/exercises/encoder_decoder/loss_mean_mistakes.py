"""Mistakes in what is added up, and by how much the sum is divided."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from plenary.checks.exercise import Function, Misconception
from plenary.exercises.encoder_decoder.loss_build import averaged, each_token, flat, in_loss, right_loss


def _reduced(reduce: Callable[[Tensor, Tensor], Tensor]) -> Function:
    """Build the loss from another way of adding up -ln p; what is padding has been set to zero."""

    def loss(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
        real = targets != pad_id
        return reduce(torch.where(real, each_token(logits, targets), 0.0), real)

    return loss


def _logits_silenced(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
    return each_token(logits * (targets != pad_id).unsqueeze(-1), targets).mean()


def _pad_class_removed(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
    pad = torch.arange(logits.shape[-1]) == pad_id
    return averaged(each_token(logits.masked_fill(pad, -1e9), targets), targets != pad_id)


def _nan_when_empty(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
    return F.cross_entropy(*flat(logits, targets), ignore_index=pad_id)


def _zero_ignored(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
    return right_loss(logits, targets, 0)


MEAN_MISTAKES = (
    Misconception(
        id="loss-counts-padding",
        title="Padding counts in your loss like a word.",
        belief="F.cross_entropy skips targets of -100 by itself, and may be trusted to know padding. It "
        "does not know your pad_id: the model is then taught to write padding, which is easy, and the "
        "loss looks better than it is.",
        hint="Say which target is to be ignored, or leave those positions out.",
        anchor="dec-loss",
        section="The mean over real tokens",
        wrong=in_loss(
            lambda logits, targets, pad_id: F.cross_entropy(*flat(logits, targets)),
            lambda logits, targets, pad_id: averaged(
                each_token(logits, targets), torch.ones_like(targets).bool()
            ),
        ),
        evidence="https://github.com/EleutherAI/gpt-neo/pull/45",
    ),
    Misconception(
        id="loss-divides-by-all",
        title="Your loss leaves padding out of the sum, and counts it in the number that it divides by.",
        belief="Setting padding to zero and taking the mean looks like a mean without padding. It "
        "divides by B times T all the same, so a batch with much padding seems to be learned well.",
        hint="Divide by the number of tokens that are in the sum.",
        anchor="dec-loss",
        section="The mean over real tokens",
        wrong=in_loss(
            _reduced(lambda each, real: each.mean()), _reduced(lambda each, real: each.sum() / real.numel())
        ),
        evidence="https://github.com/IBM/pytorch-seq2seq/issues/125",
    ),
    Misconception(
        id="loss-divides-by-batch",
        title="Your loss divides by the number of sentences; it should divide by the number of real tokens.",
        belief="A mean over the batch is what most losses are. Here each sentence is a sum over its "
        "words, so long ones weigh more, and twice the length gives twice the loss and twice the "
        "gradient.",
        hint="Every real token is one example.",
        anchor="dec-loss",
        section="The mean over real tokens",
        wrong=in_loss(
            _reduced(lambda each, real: each.sum() / len(each)),
            _reduced(lambda each, real: each.sum(1).mean()),
        ),
    ),
    Misconception(
        id="loss-mean-of-sentences",
        title="Your loss averages each sentence first, and then the sentences.",
        belief="It treats sentences alike, and so treats words unlike: a word in a sentence of two "
        "counts five times as much as one in a sentence of ten. And the loss depends on how sentences "
        "were put into batches.",
        hint="One sum over all real tokens of the batch, one division.",
        anchor="dec-loss-sentences",
        section="Not the mean of the sentences' means",
        wrong=in_loss(_reduced(lambda each, real: (each.sum(1) / real.sum(1).clamp(min=1)).mean())),
    ),
    Misconception(
        id="loss-mean-over-time-steps",
        title="Your loss averages each position over the batch first, and then the positions.",
        belief="A loop over time steps does this by itself. Late positions, where few sentences are "
        "still going on, then count as much as early ones.",
        hint="One sum over all real tokens of the batch, one division.",
        anchor="dec-loss-sentences",
        section="Not the mean of the sentences' means",
        wrong=in_loss(
            _reduced(lambda each, real: (each.sum(0) / real.sum(0).clamp(min=1)).mean()),
            _reduced(
                lambda each, real: (
                    (each.sum(0) / real.sum(0).clamp(min=1)).sum() / real.any(0).sum().clamp(min=1)
                )
            ),
        ),
    ),
    Misconception(
        id="loss-sum",
        title="Your loss is the sum over the tokens; asked for is the mean.",
        belief="A sum has its minimum where the mean has it. But its gradient grows with the batch, so "
        "a learning rate that suits one batch is too large for a longer one.",
        hint="Divide by the number of real tokens.",
        anchor="dec-loss",
        section="The mean over real tokens",
        wrong=in_loss(_reduced(lambda each, real: each.sum())),
    ),
    Misconception(
        id="loss-per-token",
        title="Your loss is a table, one number for each token; asked for is one number.",
        belief="reduction='none' is a good first step, since padding can be taken out by hand. What is "
        "left is to add up and to divide.",
        hint="Sum over the real tokens, and divide by how many there are.",
        anchor="dec-loss",
        section="The mean over real tokens",
        wrong=in_loss(
            _reduced(lambda each, real: each),
            _reduced(lambda each, real: each.flatten()),
            lambda logits, targets, pad_id: each_token(logits, targets),
        ),
    ),
    Misconception(
        id="loss-ignores-zero",
        title="Your loss leaves out the target 0; it is pad_id that says which one is padding.",
        belief="Padding is 0 in many vocabularies, so 0 stands in many programs. Here 0 may be a word, "
        "and another id padding.",
        hint="Ignore pad_id.",
        anchor="dec-loss",
        section="The mean over real tokens",
        wrong=in_loss(_zero_ignored),
    ),
    Misconception(
        id="loss-silences-logits",
        title="You set the logits of padding to zero, and padding still counts.",
        belief="Logits of zero look like nothing. They are a forecast, that all V words are equally "
        "likely, and each of them costs ln V.",
        hint="Take padding out of the sum of costs, not out of the logits.",
        anchor="dec-loss",
        section="The mean over real tokens",
        wrong=in_loss(_logits_silenced),
    ),
    Misconception(
        id="loss-pad-class-removed",
        title="You take padding out of the words that can be chosen.",
        belief="Padding is never a right answer, so its logit may seem to be in the way. Ignoring a "
        "target leaves out the positions where it is the target; at the others all V logits stay in the "
        "sum.",
        hint="Choose among the positions, not among the words.",
        anchor="dec-loss",
        section="The mean over real tokens",
        wrong=in_loss(_pad_class_removed),
        evidence="https://github.com/pytorch/pytorch/issues/63004",
    ),
    Misconception(
        id="loss-sign",
        title="Your loss has the opposite sign.",
        belief="The logarithm of a probability is negative, and larger is better. A loss is made "
        "smaller, so it is turned round.",
        hint="Minus the logarithm.",
        anchor="dec-loss",
        section="The mean over real tokens",
        wrong=in_loss(lambda logits, targets, pad_id: -right_loss(logits, targets, pad_id)),
    ),
    Misconception(
        id="loss-perplexity",
        title="You return the perplexity, exp of the loss.",
        belief="Perplexity is easier to read: among how many words the model hesitates. The loss is its "
        "logarithm, and is what adds up over words.",
        hint="Leave out the exponential.",
        anchor="dec-loss",
        section="The mean over real tokens",
        wrong=in_loss(lambda logits, targets, pad_id: right_loss(logits, targets, pad_id).exp()),
    ),
    Misconception(
        id="loss-nan-without-tokens",
        title="Your loss is NaN when all targets are padding.",
        belief="A mean of nothing is 0/0, and PyTorch says NaN. One such batch is enough: with the next "
        "step of the optimiser every weight is NaN.",
        hint="Never divide by less than one token.",
        anchor="dec-loss-empty",
        section="A batch without words",
        wrong=in_loss(_nan_when_empty),
        evidence="https://github.com/pytorch/pytorch/issues/70348",
    ),
)
