"""Mistakes with the layers: how many there are, whose weights they have, and in which order they are used."""

from torch import Tensor, nn

from plenary.checks.exercise import Misconception
from plenary.exercises.tiny_transformer.transformer_reference import Layer, ReferenceTransformer
from plenary.exercises.tiny_transformer.wrong_masks import in_transformer


class _PlainLists(ReferenceTransformer):
    def stack(self, crosses: bool) -> nn.ModuleList:
        return [self.layer(crosses) for _ in range(self.num_layers)]  # type: ignore[return-value]


class _PlainList(ReferenceTransformer):
    def stack(self, crosses: bool) -> nn.ModuleList:
        layers = super().stack(crosses)
        return list(layers) if crosses else layers  # type: ignore[return-value]


class _OneLayer(ReferenceTransformer):
    def stack(self, crosses: bool) -> nn.ModuleList:
        layer = self.layer(crosses)
        return nn.ModuleList(layer for _ in range(self.num_layers))


class _OneDecoderLayer(ReferenceTransformer):
    def stack(self, crosses: bool) -> nn.ModuleList:
        return nn.ModuleList(self.layer(crosses) for _ in range(1 if crosses else self.num_layers))


class _OneEncoderLayer(ReferenceTransformer):
    def stack(self, crosses: bool) -> nn.ModuleList:
        return nn.ModuleList(self.layer(crosses) for _ in range(self.num_layers if crosses else 1))


class _ChainBroken(ReferenceTransformer):
    def read(self, source: Tensor, target: Tensor) -> Tensor:
        x, mask = self.embed_source(source), self.source_mask(source, target)
        memory = x
        for layer in self.encoder:
            memory = layer(x, mask)
        return self.encoder_norm(memory)


class _DecoderChainBroken(ReferenceTransformer):
    def write(self, source: Tensor, target: Tensor, memory: Tensor) -> Tensor:
        x, mask = self.embed_target(target), self.target_mask(target)
        written = x
        for layer in self.decoder:
            written = layer(x, mask, memory, self.memory_mask(source, target))
        return self.decoder_norm(written)


class _Wide(ReferenceTransformer):
    def layer(self, crosses: bool) -> Layer:
        return Layer(self.embed_dim, self.num_heads, crosses, hidden_dim=2048)


class _Narrow(ReferenceTransformer):
    def layer(self, crosses: bool) -> Layer:
        return Layer(self.embed_dim, self.num_heads, crosses, hidden_dim=self.embed_dim)


class _TwiceAsWide(ReferenceTransformer):
    def layer(self, crosses: bool) -> Layer:
        return Layer(self.embed_dim, self.num_heads, crosses, hidden_dim=2 * self.embed_dim)


class _OneHead(ReferenceTransformer):
    def layer(self, crosses: bool) -> Layer:
        return Layer(self.embed_dim, 1, crosses)


STACK_MISTAKES = (
    Misconception(
        id="tiny-plain-list",
        title="Your layers are kept in a plain list, where neither the optimiser nor .to() finds them.",
        belief="A list holds modules as well as anything else, and forward runs through it without "
        "trouble. But a module knows only what is assigned to it as a module: parameters() walks past "
        "the list, and what it does not return is never trained, moved to a device, or saved.",
        hint="Let nn.ModuleList hold them.",
        anchor="tiny-layers",
        section="As many layers as asked for",
        evidence="https://github.com/maruya24/pytorch_robotics_transformer/issues/3",
        wrong=in_transformer(_PlainLists, _PlainList),
    ),
    Misconception(
        id="tiny-one-layer-shared",
        title="Your model uses one layer again and again; more layers bring no more weights.",
        belief="To make one layer and repeat it looks like a stack. [layer] * n, or a loop over the same "
        "self.layer, holds one set of weights n times. (There are models that share them on purpose; "
        "this is not one.)",
        hint="Make a new layer for each place.",
        anchor="tiny-layers",
        section="As many layers as asked for",
        wrong=in_transformer(_OneLayer),
    ),
    Misconception(
        id="tiny-one-side-deep",
        title="Only one side of your model has num_layers layers.",
        belief="The stack of one side is easily taken for the whole. num_layers counts the layers of the "
        "encoder, and also those of the decoder.",
        hint="Both rooms have the same number of floors.",
        anchor="tiny-layers",
        section="As many layers as asked for",
        wrong=in_transformer(_OneDecoderLayer, _OneEncoderLayer),
    ),
    Misconception(
        id="tiny-chain-broken",
        title="Your layers do not build on each other: each gets the embedded words, and only the last "
        "one counts.",
        belief="In the loop two names look alike, the one that goes in and the one that comes out. When "
        "every layer starts from the first, the results of all but the last are thrown away, and their "
        "weights get no gradient.",
        hint="What a layer returns is what the next one gets.",
        anchor="tiny-layers",
        section="As many layers as asked for",
        wrong=in_transformer(_ChainBroken, _DecoderChainBroken),
    ),
    Misconception(
        id="tiny-hidden-width",
        title="Your feed-forward networks are not 4 D wide.",
        belief="Of a layer's weights most are in its feed-forward network, so its width is part of the "
        "recipe. torch's layers are 2048 wide unless they are told otherwise, made for D = 512.",
        hint="The hidden width is four times embed_dim.",
        anchor="tiny-layers",
        section="As many layers as asked for",
        wrong=in_transformer(_Wide, _Narrow, _TwiceAsWide),
    ),
    Misconception(
        id="tiny-heads-ignored",
        title="Your model does not pass num_heads on: a number that does not divide embed_dim is not "
        "refused.",
        belief="One head is always right in shape, so that nothing else tells. With one head, each word "
        "has one blend to hear; with several it can listen to several others for different reasons.",
        hint="Give num_heads to every layer of both sides; the parts raise the error themselves.",
        anchor="tiny-layers",
        section="As many layers as asked for",
        wrong=in_transformer(_OneHead),
    ),
)
