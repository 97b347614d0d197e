"""Mistakes at the start of the model: class token, positions, and the dropout after them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plenary.checks.exercise import Misconception
from plenary.exercises._references import EncoderLayer
from plenary.exercises.vision_transformer.build import Reference, in_model


def _with_class(self: Reference, patches: Tensor, last: bool = False) -> Tensor:
    token = self.class_token.expand(len(patches), -1, -1)
    return torch.cat([patches, token] if last else [token, patches], 1)


class _NoPositions(Reference):
    def placed(self, patches: Tensor) -> Tensor:
        return _with_class(self, patches)


class _PatchesOnlyFromOne(Reference):
    def placed(self, patches: Tensor) -> Tensor:
        return _with_class(self, patches + self.positions[:, 1:])


class _PatchesOnlyFromZero(Reference):
    def placed(self, patches: Tensor) -> Tensor:
        return _with_class(self, patches + self.positions[:, : patches.shape[1]])


class _FewerPositions(Reference):
    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        self.positions = nn.Parameter(self.positions.detach()[:, 1:])

    def placed(self, patches: Tensor) -> Tensor:
        return _with_class(self, patches + self.positions)


class _AppendedReadFirst(Reference):
    def placed(self, patches: Tensor) -> Tensor:
        return _with_class(self, patches, last=True) + self.positions


class _AppendedReadLast(_AppendedReadFirst):
    def read(self, x: Tensor) -> Tensor:
        return x[:, -1] if self.pool == "class" else x[:, :-1].mean(1)


class _NoClassToken(Reference):
    def placed(self, patches: Tensor) -> Tensor:
        return patches + self.positions[:, 1:]

    def read(self, x: Tensor) -> Tensor:
        return x.mean(1)


class _ClassTokenOnlyForClass(Reference):
    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        if self.pool == "mean":
            self.class_token = None  # type: ignore[assignment]


class _ClassTokenBuffer(Reference):
    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        token = self.class_token.detach()
        del self.class_token
        self.register_buffer("class_token", token)


class _ClassTokenFrozen(Reference):
    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        self.class_token.requires_grad_(False)


class _PositionsBuffer(Reference):
    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        table = self.positions.detach()
        del self.positions
        self.register_buffer("positions", table)


class _ClassTokenDetached(Reference):
    def placed(self, patches: Tensor) -> Tensor:
        token = self.class_token.detach().expand(len(patches), -1, -1)
        return torch.cat([token, patches], 1) + self.positions


class _PositionsDetached(Reference):
    def placed(self, patches: Tensor) -> Tensor:
        return _with_class(self, patches) + self.positions.detach()


class _PositionsInEveryLayer(Reference):
    def encoded(self, x: Tensor) -> Tensor:
        for number, layer in enumerate(self.layers):
            x = layer(x + self.positions if number else x)
        return x


class _NoDropout(Reference):
    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        self.dropout = nn.Identity()


class _NothingDropped(_NoDropout):
    @staticmethod
    def layer(dim: int, heads: int, hidden: int, dropout: float, eps: float) -> nn.Module:
        return EncoderLayer(dim, heads, hidden, eps=eps)


class _DropsBeforeHead(Reference):
    def read(self, x: Tensor) -> Tensor:
        return self.dropout(super().read(x))


class _DropsAlways(Reference):
    def forward(self, images: Tensor) -> Tensor:
        self.look(images)
        x = F.dropout(self.placed(self.patch_embedding(images)), self.rate)
        return self.classified(self.encoded(x))


class _DropsBeforePositions(Reference):
    def placed(self, patches: Tensor) -> Tensor:
        return self.dropout(_with_class(self, patches)) + self.positions

    def forward(self, images: Tensor) -> Tensor:
        self.look(images)
        return self.classified(self.encoded(self.placed(self.patch_embedding(images))))


class _DropsPatchesOnly(_DropsBeforePositions):
    def placed(self, patches: Tensor) -> Tensor:
        return _with_class(self, self.dropout(patches)) + self.positions


EMBEDDING_MISTAKES = (
    Misconception(
        id="vit-no-positions",
        title="Your model never adds the positions.",
        belief="The patches come in order, so the order is there. But a layer treats its tokens as a set: "
        "without positions, a picture and the same picture with its patches shuffled get the same "
        "answer.",
        hint="Add them once, when the class token is in place and before the first layer.",
        anchor="vit-embed",
        section="From a picture to tokens",
        wrong=in_model(_NoPositions),
    ),
    Misconception(
        id="vit-positions-for-patches-only",
        title="You add positions to the patches only; the class token has one too.",
        belief="The class token lies nowhere in the picture, so it would seem to need no position. There "
        "are N + 1 positions all the same: the first belongs to it, and adding before the token is "
        "in place leaves it out, or shifts all others.",
        hint="First put the class token in front, then add positions to all N + 1 tokens.",
        anchor="vit-embed",
        section="From a picture to tokens",
        wrong=in_model(_PatchesOnlyFromOne, _PatchesOnlyFromZero, _FewerPositions),
        evidence="https://github.com/labmlai/annotated_deep_learning_paper_implementations/pull/221",
    ),
    Misconception(
        id="vit-class-token-last",
        title="Your class token stands behind the patches; it should stand in front.",
        belief="To attention the place in the row is the same. But the positions are handed out in order, "
        "and index 0 is where everybody, pretrained weights included, looks for the class token.",
        hint="The class token comes first; prepend_class_token does that.",
        anchor="vit-embed",
        section="From a picture to tokens",
        wrong=in_model(_AppendedReadFirst, _AppendedReadLast),
    ),
    Misconception(
        id="vit-class-token-left-out",
        title="Your model works without the class token.",
        belief='With pool="mean" the head never reads the class token, so leaving it out looks harmless. '
        "But it sits among the tokens, the patches listen to it, and that changes what they say.",
        hint='Put it in front for both pools, and for "mean" leave it out of the mean only.',
        anchor="vit-mean",
        section="The mean of the patches",
        wrong=in_model(_NoClassToken, _ClassTokenOnlyForClass),
    ),
    Misconception(
        id="vit-class-token-not-learned",
        title="Your class token cannot learn: it is no parameter, or its gradient is switched off.",
        belief="It starts as a constant and goes in like one. What makes it useful is that training turns "
        "it into a good question to put to the patches; the optimizer moves only what is an "
        "nn.Parameter that wants a gradient.",
        hint="Wrap the tensor in nn.Parameter, leave requires_grad as it is, and use it without detach or .data.",
        anchor="vit-parameters",
        section="What the model holds",
        wrong=in_model(_ClassTokenBuffer, _ClassTokenFrozen, _ClassTokenDetached),
    ),
    Misconception(
        id="vit-positions-not-learned",
        title="Your positions cannot learn: they are no parameter, or no gradient reaches them.",
        belief="The sinusoidal table of chapter 8 is a constant, and a buffer is the right place for it. "
        "The Vision Transformer learns its positions, so that nothing about rows and columns has to "
        "be told.",
        hint="positions is an nn.Parameter, used as it is, without detach or .data.",
        anchor="vit-parameters",
        section="What the model holds",
        wrong=in_model(_PositionsBuffer, _PositionsDetached),
    ),
    Misconception(
        id="vit-positions-in-every-layer",
        title="You add the positions before every layer; once is enough.",
        belief="A layer might forget them. It cannot: the residual path carries the sum of everything added "
        "so far to the end, so a second helping makes the positions louder than the patches.",
        hint="Add them before the first layer, outside the loop.",
        anchor="vit-embed",
        section="From a picture to tokens",
        wrong=in_model(_PositionsInEveryLayer),
    ),
    Misconception(
        id="vit-no-dropout-after-positions",
        title="In training, nothing is dropped after the positions are added.",
        belief="The layers drop inside, so it would seem to be taken care of. The sum of tokens and "
        "positions goes into the residual path before any layer has touched it.",
        hint="One more nn.Dropout acts on the sum of tokens and positions.",
        anchor="vit-dropout",
        section="Where dropout acts",
        wrong=in_model(_NoDropout),
    ),
    Misconception(
        id="vit-dropout-unused",
        title="Your model drops nothing in training, neither on the tokens nor in its layers.",
        belief="dropout is 0 unless it is given, and then nothing is missed. Given, it is for two places: the "
        "sum of tokens and positions, and the inside of every layer.",
        hint="Hand dropout on to the layers, and let one nn.Dropout of the model's own act before them.",
        anchor="vit-dropout",
        section="Where dropout acts",
        wrong=in_model(_NothingDropped),
    ),
    Misconception(
        id="vit-dropout-before-head",
        title="You drop features once more, between the norm and the head.",
        belief="Many classifiers have a dropout there, and it does no harm. It is another model, though: here "
        "nothing stands between what is read and the head.",
        hint="Outside the layers dropout acts once, on the sum of tokens and positions.",
        anchor="vit-dropout",
        section="Where dropout acts",
        wrong=in_model(_DropsBeforeHead),
    ),
    Misconception(
        id="vit-dropout-when-evaluating",
        title="Your model drops in evaluation as well.",
        belief="F.dropout looks like nn.Dropout, but it is a function and knows of no mode: unless it is "
        "told otherwise, it takes it that you are training.",
        hint="Use the module nn.Dropout, or pass F.dropout the model's self.training.",
        anchor="vit-dropout",
        section="Where dropout acts",
        wrong=in_model(_DropsAlways),
    ),
    Misconception(
        id="vit-dropout-before-positions",
        title="Your dropout acts before the positions are added; it belongs after.",
        belief="Dropping the tokens and keeping their positions tells the model exactly where something is "
        "missing. It also leaves the positions out of what dropout is for, which is not to lean on "
        "any one number.",
        hint="Drop what the first layer reads: tokens and positions, added.",
        anchor="vit-dropout",
        section="Where dropout acts",
        wrong=in_model(_DropsBeforePositions, _DropsPatchesOnly),
    ),
)
