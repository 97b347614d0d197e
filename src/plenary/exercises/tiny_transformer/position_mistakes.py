"""Mistakes with the positions, and with what else the rows of a batch hear or do not hear."""

import torch
import torch.nn.functional as F
from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.tiny_transformer.transformer_reference import Attention, Layer, ReferenceTransformer
from plenary.exercises.tiny_transformer.wrong_masks import in_transformer


class _NoPositions(ReferenceTransformer):
    def placed(self, x: Tensor) -> Tensor:
        return x


class _NoSourcePositions(ReferenceTransformer):
    def embed_source(self, source: Tensor) -> Tensor:
        return self.embedding(source)


class _NoTargetPositions(ReferenceTransformer):
    def embed_target(self, target: Tensor) -> Tensor:
        return self.embedding(target)


class _PositionOfTheRow(ReferenceTransformer):
    def placed(self, x: Tensor) -> Tensor:
        return x + self.positions[: x.shape[0], None]


class _TableOfTheBatch(ReferenceTransformer):
    def placed(self, x: Tensor) -> Tensor:
        return x + self.positions[: x.shape[0]]


class _SourceLengthForBoth(ReferenceTransformer):
    def write(self, source: Tensor, target: Tensor, memory: Tensor) -> Tensor:
        x, mask = self.embedding(target) + self.positions[: source.shape[1]], self.target_mask(target)
        for layer in self.decoder:
            x = layer(x, mask, memory, self.memory_mask(source, target))
        return self.decoder_norm(x)


class _WholeTable(ReferenceTransformer):
    def placed(self, x: Tensor) -> Tensor:
        return x + self.positions


class _LastRowForAll(ReferenceTransformer):
    def placed(self, x: Tensor) -> Tensor:
        return x + self.positions[x.shape[1] - 1]


class _NextRowForAll(ReferenceTransformer):
    def placed(self, x: Tensor) -> Tensor:
        return x + self.positions[x.shape[1]]


class _AlongTheBatch(Attention):
    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        q, k, v = (x.transpose(0, 1) for x in (query, key, value))
        return super().forward(q, k, v)[0].transpose(0, 1), query


class _BatchSecond(ReferenceTransformer):
    def layer(self, crosses: bool) -> Layer:
        layer = super().layer(crosses)
        layer.own = _AlongTheBatch(self.embed_dim, self.num_heads)
        layer.across = _AlongTheBatch(self.embed_dim, self.num_heads) if crosses else None
        return layer


class _DropoutAlways(ReferenceTransformer):
    def placed(self, x: Tensor) -> Tensor:
        return F.dropout(super().placed(x), 0.1)


class _LayersMadeOnCall(ReferenceTransformer):
    def stack(self, crosses: bool) -> torch.nn.ModuleList:
        return torch.nn.ModuleList()

    def read(self, source: Tensor, target: Tensor) -> Tensor:
        x, mask = self.embed_source(source), self.source_mask(source, target)
        for _ in range(self.num_layers):
            x = self.layer(crosses=False)(x, mask)
        return self.encoder_norm(x)

    def write(self, source: Tensor, target: Tensor, memory: Tensor) -> Tensor:
        x, mask = self.embed_target(target), self.target_mask(target)
        for _ in range(self.num_layers):
            x = self.layer(crosses=True)(x, mask, memory, self.memory_mask(source, target))
        return self.decoder_norm(x)


POSITION_MISTAKES = (
    Misconception(
        id="tiny-no-positions",
        title="Your model adds no positions: words can change places, and nothing moves.",
        belief="A sequence is in order when it goes in, so it seems that the model must know the order. "
        "Attention takes it as a bag: whoever sits where, the same people are heard. Place has to be "
        "said, in numbers, in the word's own vector.",
        hint="Add the rows of the table to the embedded words, for the source and for the target, before "
        "the first layer.",
        anchor="tiny-positions",
        section="Positions, once, on the right axis",
        wrong=in_transformer(_NoPositions),
    ),
    Misconception(
        id="tiny-no-source-positions",
        title="Your source has no positions: its words can change places, and nothing moves.",
        belief="The target's positions are there, and a decoder that knows where it is may seem to be "
        "enough. But it asks the memory, and the memory cannot tell which of its words came first.",
        hint="Treat the source as you treat the target.",
        anchor="tiny-positions",
        section="Positions, once, on the right axis",
        wrong=in_transformer(_NoSourcePositions),
    ),
    Misconception(
        id="tiny-no-target-positions",
        title="Your target has no positions: its words can change places, and the last logits do not move.",
        belief="The mask lets each position hear one word more than the one before, so order seems to be "
        "in it. In one layer it is not: the last word hears all the others, and in which order they "
        "stand is not said anywhere.",
        hint="Treat the target as you treat the source.",
        anchor="tiny-positions",
        section="Positions, once, on the right axis",
        wrong=in_transformer(_NoTargetPositions),
    ),
    Misconception(
        id="tiny-position-of-the-row",
        title="Your positions run along the batch: they say which row it is, not which word.",
        belief="Much code on the web has the sequence on the first axis, and takes the length from "
        "x.size(0). Here the batch comes first, (B, T, D), and x.size(0) counts sequences. All words of "
        "one sentence then get the same position.",
        hint="Cut the table to the length of axis 1; what is added to (B, T, D) has shape (T, D).",
        anchor="tiny-positions",
        section="Positions, once, on the right axis",
        evidence="https://github.com/songyangco/GETNext/issues/2",
        wrong=in_transformer(_PositionOfTheRow, _TableOfTheBatch),
    ),
    Misconception(
        id="tiny-whole-table",
        title="You add all of the table of positions; only sequences of exactly max_length fit.",
        belief="The table is made for the longest sequence. A shorter one needs its first rows only.",
        hint="Take as many rows as the sequence has words.",
        anchor="tiny-positions",
        section="Positions, once, on the right axis",
        wrong=in_transformer(_WholeTable),
    ),
    Misconception(
        id="tiny-one-position-for-all",
        title="All words of your sequence get one and the same position.",
        belief="positions[T] looks much like positions[:T]. The first is a single row, which broadcasting adds "
        "to every word alike: that says how long the sequence is, and not which word is where.",
        hint="What is added to (B, T, D) has T rows.",
        anchor="tiny-positions",
        section="Positions, once, on the right axis",
        wrong=in_transformer(_LastRowForAll, _NextRowForAll),
    ),
    Misconception(
        id="tiny-one-length",
        title="Your target gets as many positions as the source has words.",
        belief="Where source and target have one length, as in many small tests, S and T are the same "
        "number. A translation is seldom as long as its original, and a decoder that begins to write "
        "has one word.",
        hint="Each sequence gets its own number of rows.",
        anchor="tiny-positions",
        section="Positions, once, on the right axis",
        wrong=in_transformer(_SourceLengthForBoth),
    ),
    Misconception(
        id="tiny-batch-second",
        title="Your layers take the batch for the sequence: words hear other rows, and not their own.",
        belief="torch's Transformer layers expect (T, B, D) unless they are told otherwise, and run "
        "without a complaint on (B, T, D). Then the words at one position of different sentences listen "
        "to each other.",
        hint="torch's layers take batch_first=True.",
        anchor="tiny-positions",
        section="Positions, once, on the right axis",
        evidence="https://github.com/songyangco/GETNext/issues/2",
        wrong=in_transformer(_BatchSecond),
    ),
    Misconception(
        id="tiny-dropout-always",
        title="Your model draws random numbers in evaluation mode: the same question gets another answer each time.",
        belief="Dropout is for training, and model.eval() switches it off where a module knows of it. The "
        "function F.dropout does not: it drops whatever the mode, unless it is told.",
        hint="This model needs no dropout. Where you want it, take the module nn.Dropout.",
        anchor="tiny-same-answer",
        section="The same question, the same answer",
        wrong=in_transformer(_DropoutAlways),
    ),
    Misconception(
        id="tiny-layers-made-on-call",
        title="Your layers are made inside forward: each call starts from new random weights.",
        belief="forward is where the layers are used, so it seems a good place to make them. What is made "
        "there is forgotten there: the optimiser never hears of it, and two calls are two different "
        "models.",
        hint="Make all layers in __init__, use them in forward.",
        anchor="tiny-same-answer",
        section="The same question, the same answer",
        wrong=in_transformer(_LayersMadeOnCall),
    ),
)
