"""Mistakes at the end of the model: what is returned, and in which shape."""

from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.tiny_transformer.transformer_reference import ReferenceTransformer
from plenary.exercises.tiny_transformer.wrong_masks import in_transformer


class _Softmax(ReferenceTransformer):
    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return super().forward(source, target).softmax(-1)


class _LogSoftmax(ReferenceTransformer):
    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return super().forward(source, target).log_softmax(-1)


class _NoHead(ReferenceTransformer):
    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return self.write(source, target, self.read(source, target))


class _LastOnly(ReferenceTransformer):
    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return super().forward(source, target)[:, -1]


class _WordsSecond(ReferenceTransformer):
    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return super().forward(source, target).mT


class _Words(ReferenceTransformer):
    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return super().forward(source, target).argmax(-1)


OUTPUT_MISTAKES = (
    Misconception(
        id="tiny-softmax-at-the-end",
        title="Your model returns probabilities; asked for are logits.",
        belief="Probabilities are what one wants in the end. But the loss takes the softmax itself, in a "
        "form that cannot overflow. On top of yours it becomes a softmax of numbers between 0 and 1: "
        "even a perfect answer leaves a large loss, and gradients are small.",
        hint="End with the linear layer.",
        anchor="tiny-logits",
        section="Logits, a row for each target word",
        evidence="https://github.com/bowang-lab/Transformer-GCN-QA/pull/32",
        wrong=in_transformer(_Softmax),
    ),
    Misconception(
        id="tiny-log-softmax-at-the-end",
        title="Your model returns logarithms of probabilities; the linear layer's numbers are enough.",
        belief="It does no harm here: a log-softmax of a log-softmax is the same again, and the likeliest "
        'word stays the likeliest. It is work done twice, and whoever reads "logits" does not expect '
        "it.",
        hint="Leave it to the loss.",
        anchor="tiny-logits",
        section="Logits, a row for each target word",
        evidence="https://github.com/hkproj/pytorch-transformer/issues/7",
        wrong=in_transformer(_LogSoftmax),
        harmless=True,
    ),
    Misconception(
        id="tiny-no-head",
        title="Your model returns vectors of width D; a score for each of the V words is missing.",
        belief="The decoder's output is a vector that means the next word. Which word that is, the last "
        "linear layer has to say: one number for each in the vocabulary.",
        hint="One more layer, from embed_dim to vocab_size.",
        anchor="tiny-logits",
        section="Logits, a row for each target word",
        wrong=in_transformer(_NoHead),
    ),
    Misconception(
        id="tiny-last-only",
        title="You return the logits of the last position only.",
        belief="When the model writes, the last row is all that is wanted. In training every row is a "
        "question of its own, all answered in one pass; that is where a Transformer gains its speed.",
        hint="Return all rows. Whoever decodes takes the last one.",
        anchor="tiny-logits",
        section="Logits, a row for each target word",
        wrong=in_transformer(_LastOnly),
    ),
    Misconception(
        id="tiny-words-second",
        title="Your logits have the vocabulary on axis 1; asked for is (B, T, V).",
        belief="torch's cross_entropy likes its classes on axis 1. That is the loss's affair: "
        "sequence_loss takes care of it, and whoever decodes expects the words last.",
        hint="Return what the linear layer gives.",
        anchor="tiny-logits",
        section="Logits, a row for each target word",
        wrong=in_transformer(_WordsSecond),
    ),
    Misconception(
        id="tiny-returns-words",
        title="Your model returns the likeliest words; asked for are the logits.",
        belief="To choose a word is what a decoder is for, in the end. But a choice cannot be "
        "differentiated, and there is nothing left to learn from: the loss needs to know how near the "
        "other words were.",
        hint="The choice is made by greedy_decode, later on.",
        anchor="tiny-logits",
        section="Logits, a row for each target word",
        wrong=in_transformer(_Words),
    ),
)
