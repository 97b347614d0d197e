"""Who may hear whom, done wrong: models in which a mask is missing, inverted or in the wrong place."""

import math

import torch
from torch import Tensor

from plenary.checks.exercise import Function
from plenary.exercises.tiny_transformer.transformer_reference import ReferenceTransformer


def in_transformer(*wrong: Function) -> dict[str, tuple[Function, ...]]:
    """Say that these are wrong ways of writing the model."""
    return {"TinyTransformer": wrong}


def as_handed_out(model: type[ReferenceTransformer]) -> type[ReferenceTransformer]:
    """Refuse a mask that does not fit with a ValueError, as the parts do that the notebook hands out."""

    class Refusing(model):
        def forward(self, source: Tensor, target: Tensor) -> Tensor:
            try:
                return super().forward(source, target)
            except RuntimeError as error:
                raise ValueError(str(error)) from None

    return Refusing


class _NoTargetMask(ReferenceTransformer):
    """Hide nothing of the target."""

    def target_mask(self, target: Tensor) -> Tensor | None:
        return None


class _TargetPaddingOnly(ReferenceTransformer):
    """Hide the target's padding, and not its future."""

    def target_mask(self, target: Tensor) -> Tensor | None:
        return (target != self.pad_id)[:, None, None, :]


class _FutureOnly(ReferenceTransformer):
    """Hide the past."""

    def target_mask(self, target: Tensor) -> Tensor | None:
        return torch.ones(target.shape[1], target.shape[1]).triu().bool()


class _TargetMaskInverted(ReferenceTransformer):
    """Hide what should be heard of the target."""

    def target_mask(self, target: Tensor) -> Tensor | None:
        return torch.ones(target.shape[1], target.shape[1]).triu(1).bool()


class _NoPaddingMask(ReferenceTransformer):
    """Hide nothing of the source."""

    def source_mask(self, source: Tensor, target: Tensor) -> Tensor | None:
        return None

    memory_mask = source_mask


class _NoMasks(_NoTargetMask, _NoPaddingMask):
    """Hide nothing at all."""


class _EncoderHearsPadding(ReferenceTransformer):
    """Hide padding from the decoder only."""

    def source_mask(self, source: Tensor, target: Tensor) -> Tensor | None:
        return None


class _DecoderHearsPadding(ReferenceTransformer):
    """Hide padding from the encoder only."""

    def memory_mask(self, source: Tensor, target: Tensor) -> Tensor | None:
        return None


class _PadIsZero(ReferenceTransformer):
    """Take 0 for padding."""

    def source_mask(self, source: Tensor, target: Tensor) -> Tensor | None:
        return (source != 0)[:, None, None, :]

    memory_mask = source_mask


class _SourceMaskInverted(ReferenceTransformer):
    """Hide all but padding."""

    def source_mask(self, source: Tensor, target: Tensor) -> Tensor | None:
        return (source == self.pad_id)[:, None, None, :]

    memory_mask = source_mask


class _AddedMaskInverted(ReferenceTransformer):
    """The same with scores of minus infinity, which end in NaN where nothing is left."""

    def source_mask(self, source: Tensor, target: Tensor) -> Tensor | None:
        real = source != self.pad_id
        scores = torch.zeros(source.shape).masked_fill(real, -math.inf)[:, None, None, :]
        return scores.masked_fill(real.all(-1)[:, None, None, None], math.nan)

    memory_mask = source_mask


class _AllInverted(_SourceMaskInverted, _TargetMaskInverted):
    """Hide all that should be heard."""


class _ExchangedInTheDecoder(ReferenceTransformer):
    """Give the decoder's two masks in the other order."""

    def target_mask(self, target: Tensor) -> Tensor | None:
        return self.of_source

    def memory_mask(self, source: Tensor, target: Tensor) -> Tensor | None:
        return super().target_mask(target)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        self.of_source = (source != self.pad_id)[:, None, None, :]
        return super().forward(source, target)


class _UnpackedInAnotherOrder(_ExchangedInTheDecoder):
    """Take the first two of the three masks for each other."""

    def source_mask(self, source: Tensor, target: Tensor) -> Tensor | None:
        return ReferenceTransformer.target_mask(self, target)

    def memory_mask(self, source: Tensor, target: Tensor) -> Tensor | None:
        return ReferenceTransformer.memory_mask(self, source, target)


class _ExchangedUnderMasks(ReferenceTransformer):
    """Let the memory ask and the target answer, under the masks for the opposite."""

    def write(self, source: Tensor, target: Tensor, memory: Tensor) -> Tensor:
        x, mask = self.embed_target(target), self.target_mask(target)
        for layer in self.decoder:
            memory = layer(memory, mask, x, self.memory_mask(source, target))
        return self.decoder_norm(memory)


class _CausalMemory(ReferenceTransformer):
    """Read the memory under the target's mask."""

    def memory_mask(self, source: Tensor, target: Tensor) -> Tensor | None:
        return self.target_mask(target)


class _CausalEncoder(ReferenceTransformer):
    """Read the source under the target's mask."""

    def source_mask(self, source: Tensor, target: Tensor) -> Tensor | None:
        return self.target_mask(target)


NO_MASKS = in_transformer(_NoMasks)
FUTURE_SEEN = in_transformer(_NoTargetMask, _TargetPaddingOnly)
PAST_HIDDEN = in_transformer(_FutureOnly, _TargetMaskInverted)
PADDING_HEARD = in_transformer(_NoPaddingMask, _EncoderHearsPadding, _DecoderHearsPadding)
PAD_IS_ZERO = in_transformer(_PadIsZero)
SOURCE_MASK_INVERTED = in_transformer(_SourceMaskInverted, _AddedMaskInverted)
CAUSAL_SOURCE = in_transformer(
    _CausalMemory,
    _CausalEncoder,
    as_handed_out(_CausalMemory),
    as_handed_out(_CausalEncoder),
)
ARGUMENTS_EXCHANGED = in_transformer(
    _ExchangedInTheDecoder,
    _UnpackedInAnotherOrder,
    _ExchangedUnderMasks,
    as_handed_out(_ExchangedInTheDecoder),
    as_handed_out(_UnpackedInAnotherOrder),
    as_handed_out(_ExchangedUnderMasks),
)
ALL_INVERTED = in_transformer(_AllInverted)
