"""Mistakes in what flows where: the source, the memory, the target, and the parts that take no part."""

import torch
from torch import Tensor, nn

from plenary.checks.exercise import Misconception
from plenary.exercises.tiny_transformer.transformer_reference import ReferenceTransformer
from plenary.exercises.tiny_transformer.wrong_masks import as_handed_out, in_transformer


class _NoMemory(ReferenceTransformer):
    def write(self, source: Tensor, target: Tensor, memory: Tensor) -> Tensor:
        x, mask = self.embed_target(target), self.target_mask(target)
        for layer in self.decoder:
            x = layer(x, mask)
        return self.decoder_norm(x)


class _MemoryIsTheTarget(ReferenceTransformer):
    def write(self, source: Tensor, target: Tensor, memory: Tensor) -> Tensor:
        x, mask = self.embed_target(target), self.target_mask(target)
        for layer in self.decoder:
            x = layer(x, mask, x, mask)
        return self.decoder_norm(x)


class _MemoryIsTheTargetUnderTheSourcesMask(ReferenceTransformer):
    def write(self, source: Tensor, target: Tensor, memory: Tensor) -> Tensor:
        x, mask = self.embed_target(target), self.target_mask(target)
        for layer in self.decoder:
            x = layer(x, mask, x, self.memory_mask(source, target))
        return self.decoder_norm(x)


class _LastOfTheMemory(ReferenceTransformer):
    def read(self, source: Tensor, target: Tensor) -> Tensor:
        return super().read(source, target)[:, -1:]

    def memory_mask(self, source: Tensor, target: Tensor) -> Tensor | None:
        return None


class _MeanOfTheMemory(_LastOfTheMemory):
    def read(self, source: Tensor, target: Tensor) -> Tensor:
        return ReferenceTransformer.read(self, source, target).mean(1, keepdim=True)


class _EncoderReadsTarget(ReferenceTransformer):
    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return super().forward(target, target)


class _EncoderReadsTargetUnderTheSourcesMask(ReferenceTransformer):
    def read(self, source: Tensor, target: Tensor) -> Tensor:
        x, mask = self.embed_source(target), self.source_mask(source, target)
        for layer in self.encoder:
            x = layer(x, mask)
        return self.encoder_norm(x)


class _EncoderSkipped(ReferenceTransformer):
    def read(self, source: Tensor, target: Tensor) -> Tensor:
        return self.encoder_norm(self.embed_source(source))


class _NormUnused(ReferenceTransformer):
    decoder_norm: nn.Module

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        memory, norm = self.read(source, target), self.decoder_norm
        self.decoder_norm = nn.Identity()
        logits = self.head(self.write(source, target, memory))
        self.decoder_norm = norm
        return logits


class _Exchanged(ReferenceTransformer):
    def write(self, source: Tensor, target: Tensor, memory: Tensor) -> Tensor:
        x = self.embed_target(target)
        for layer in self.decoder:
            memory = layer(memory, None, x, None)
        return self.decoder_norm(memory)


class _ShiftedAgain(ReferenceTransformer):
    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return super().forward(source, torch.cat([target[:, :1], target[:, :-1]], 1))


class _ShiftedAgainWithOne(ReferenceTransformer):
    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return super().forward(source, torch.cat([torch.ones_like(target[:, :1]), target[:, :-1]], 1))


class _CutInside(ReferenceTransformer):
    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return super().forward(source, target[:, :-1])


PATH_MISTAKES = (
    Misconception(
        id="tiny-source-unheard",
        title="Your decoder never reads the memory: no word of the source changes the logits.",
        belief="A decoder that listens to itself is a whole model, one that continues texts. It trains "
        "without complaint, and writes fluent answers to no question at all. What ties it to the source "
        "is the second attention of each layer, whose keys and values come from the encoder.",
        hint="Follow the memory from where it is made: it has to go into every layer of the decoder.",
        anchor="tiny-two-rooms",
        section="Two rooms",
        wrong=in_transformer(
            _NoMemory,
            _MemoryIsTheTarget,
            _MemoryIsTheTargetUnderTheSourcesMask,
            as_handed_out(_MemoryIsTheTargetUnderTheSourcesMask),
        ),
    ),
    Misconception(
        id="tiny-memory-of-one-vector",
        title="Your decoder reads one vector of the memory, or its mean; it should read a vector for each word.",
        belief="A recurrent encoder hands over its last state, since everything has to fit in there. Here the "
        "memory has one vector for each word of the source, and attention chooses among them. With one "
        "there is nothing to choose, and behind a short source it may be that of padding.",
        hint="Hand over all of what the encoder returns.",
        anchor="tiny-two-rooms",
        section="Two rooms",
        wrong=in_transformer(_LastOfTheMemory, _MeanOfTheMemory),
    ),
    Misconception(
        id="tiny-encoder-reads-target",
        title="Your encoder reads the target; the source is not used.",
        belief="Both are called with ids and masks, and one line is quickly copied from the other. The "
        "encoder is not causal, so this hands the whole answer to the decoder through the back door.",
        hint="Look at what the encoder is called with.",
        anchor="tiny-two-rooms",
        section="Two rooms",
        wrong=in_transformer(
            _EncoderReadsTarget,
            _EncoderReadsTargetUnderTheSourcesMask,
            as_handed_out(_EncoderReadsTargetUnderTheSourcesMask),
        ),
    ),
    Misconception(
        id="tiny-encoder-skipped",
        title="Your encoder takes no part: some weights get no gradient, also in a model of one layer.",
        belief="The embedded source has the memory's shape, so the decoder takes it without a word. Then "
        "each source word is known by itself only, and what it means beside the others is lost. The "
        "encoder stands there with its weights, and nothing ever teaches them.",
        hint="What the decoder reads has to come out of the encoder.",
        anchor="tiny-two-rooms",
        section="Two rooms",
        wrong=in_transformer(_EncoderSkipped),
    ),
    Misconception(
        id="tiny-norm-unused",
        title="You make a norm, and its weights get no gradient: it is never used.",
        belief="In layers whose norms come first, what runs along the residual path is never normalised, "
        "and grows from layer to layer. So a norm stands after the last one. To make it in __init__ is "
        "half of it.",
        hint="Follow the decoder's output to the last linear layer: what does it pass on its way?",
        anchor="tiny-layers",
        section="As many layers as asked for",
        wrong=in_transformer(_NormUnused),
    ),
    Misconception(
        id="tiny-decoder-exchanged",
        title="Your decoder has source and target exchanged: the memory asks, and the target answers.",
        belief="A layer takes two sequences, and the result is as long as the first one, since each query "
        "gets one row. The logits are wanted one per target word, so it is the target that asks.",
        hint="Check the order of the layer's arguments: x is the target, memory comes second.",
        anchor="tiny-two-rooms",
        section="Two rooms",
        wrong=in_transformer(_Exchanged),
    ),
    Misconception(
        id="tiny-shifted-again",
        title="You shift the target inside the model; it starts with BOS already.",
        belief="Somewhere the decoder's input has to be moved by one, or each position would be shown the "
        "word that it should write. That is done once, by whoever prepares the target. Moved again, "
        "position t no longer sees word t, and has to guess two words ahead.",
        hint="Embed the target as it comes.",
        anchor="tiny-shift",
        section="One shift, outside",
        wrong=in_transformer(_ShiftedAgain, _ShiftedAgainWithOne),
    ),
    Misconception(
        id="tiny-cut-inside",
        title="You drop the target's last word inside the model, so there is one row of logits too few.",
        belief="Dropping the last word belongs to preparing the pair: target[:, :-1] goes in, target[:, "
        "1:] is to come out. Whoever calls your model has done it. When the model writes by itself, the "
        "last word is the very one that it has to go on from.",
        hint="T words in, T rows out.",
        anchor="tiny-shift",
        section="One shift, outside",
        wrong=in_transformer(_CutInside),
    ),
)
