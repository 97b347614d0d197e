"""Mistakes between the patches and the tokens: the linear layer."""

import torch.nn.functional as F
from torch import Tensor, nn

from plenary.checks.exercise import Misconception
from plenary.exercises.patches.build import EMBED, Embedding, right_cut


class _Convolution(nn.Module):
    def __init__(self, in_channels: int, patch_size: int, embed_dim: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(in_channels, embed_dim, patch_size, stride=patch_size)

    def forward(self, images: Tensor) -> Tensor:
        return self.projection(images).flatten(2).mT


class _ChannelsForgotten(Embedding):
    def __init__(self, in_channels: int, patch_size: int, embed_dim: int) -> None:
        super().__init__(in_channels, patch_size, embed_dim)
        self.projection = nn.Linear(patch_size * patch_size, embed_dim)


class _SideNotSquared(Embedding):
    def __init__(self, in_channels: int, patch_size: int, embed_dim: int) -> None:
        super().__init__(in_channels, patch_size, embed_dim)
        self.projection = nn.Linear(patch_size * in_channels, embed_dim)


class _Turned(Embedding):
    def __init__(self, in_channels: int, patch_size: int, embed_dim: int) -> None:
        super().__init__(in_channels, patch_size, embed_dim)
        self.projection = nn.Linear(embed_dim, patch_size * patch_size * in_channels)


class _NoBias(Embedding):
    def __init__(self, in_channels: int, patch_size: int, embed_dim: int) -> None:
        super().__init__(in_channels, patch_size, embed_dim)
        self.projection = nn.Linear(patch_size * patch_size * in_channels, embed_dim, bias=False)


class _MadeInForward(nn.Module):
    def __init__(self, in_channels: int, patch_size: int, embed_dim: int) -> None:
        super().__init__()
        self.patch_size, self.embed_dim = patch_size, embed_dim

    def forward(self, images: Tensor) -> Tensor:
        patches = right_cut(images, self.patch_size)
        return nn.Linear(patches.shape[-1], self.embed_dim)(patches)


class _Gelu(Embedding):
    def forward(self, images: Tensor) -> Tensor:
        return F.gelu(super().forward(images))


class _Relu(Embedding):
    def forward(self, images: Tensor) -> Tensor:
        return F.relu(super().forward(images))


class _FeaturesFirst(Embedding):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).mT


class _PlacesFirst(Embedding):
    """The last two axes of a convolution's output, reshaped instead of exchanged."""

    def forward(self, images: Tensor) -> Tensor:
        tokens = super().forward(images)
        return tokens.mT.reshape(tokens.shape)


class _BiasTwice(Embedding):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) + self.projection.bias


class _Averaged(Embedding):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).mean(dim=1)


EMBEDDING_MISTAKES = (
    Misconception(
        id="embed-convolution",
        title="Your projection is a convolution; asked for is an nn.Linear on the patches.",
        belief="A convolution whose stride is its own width does the same sum, and most libraries write it so. "
        "Its weight has four axes, (D, C, P, P), in another order, so the numbers of the one do not fit "
        "into the other.",
        hint="Cut with patchify, then one linear layer. linear_weight_from_conv is the bridge between the two.",
        anchor="pat-conv",
        section="A linear layer on patches is a strided convolution",
        wrong={EMBED: (_Convolution,)},
    ),
    Misconception(
        id="embed-channels-forgotten",
        title="Your projection takes P * P numbers; a patch has P * P * C.",
        belief="For one channel the two are the same. With three channels a patch has three numbers for every "
        "pixel.",
        hint="The length of a patch is what patchify's last axis has.",
        anchor="pat-count",
        section="How many patches, and how long",
        wrong={EMBED: (_ChannelsForgotten,)},
    ),
    Misconception(
        id="embed-side-not-squared",
        title="Your projection takes P * C numbers; a patch has P * P * C.",
        belief="patch_size is one number, and so is easily counted once. A patch has P rows of P pixels.",
        hint="The length of a patch is what patchify's last axis has.",
        anchor="pat-count",
        section="How many patches, and how long",
        wrong={EMBED: (_SideNotSquared,)},
    ),
    Misconception(
        id="embed-linear-turned",
        title="Your projection leads from D to the patch's length; it should lead the other way.",
        belief="The weight's shape (D, P * P * C) has the outputs first, and nn.Linear's arguments have the "
        "inputs first: nn.Linear(in, out).",
        hint="What goes in is a patch, what comes out is a token of width D.",
        anchor="pat-embedding",
        section="One linear layer makes the tokens",
        wrong={EMBED: (_Turned,)},
    ),
    Misconception(
        id="embed-no-bias",
        title="Your projection has no bias.",
        belief="Where a norm follows at once, a bias can be saved. Here the tokens go on as they are, and the "
        "pre-trained weights of a ViT come with a bias for this layer.",
        hint="nn.Linear has a bias unless it is told otherwise.",
        anchor="pat-embedding",
        section="One linear layer makes the tokens",
        wrong={EMBED: (_NoBias,)},
    ),
    Misconception(
        id="embed-made-in-forward",
        title="Your linear layer is made anew in every forward pass, so the module has no parameters.",
        belief="Only in forward is the length of a patch there to be read. But a layer that is made there starts "
        "from fresh random numbers each time, is not among the parameters, and never learns.",
        hint="Make it in __init__, under the name projection; the length follows from in_channels and "
        "patch_size.",
        anchor="pat-embedding",
        section="One linear layer makes the tokens",
        wrong={EMBED: (_MadeInForward,)},
    ),
    Misconception(
        id="embed-activation",
        title="You put an activation behind the projection.",
        belief="Layer, then non-linearity: that is how networks are built. These tokens are the start of the "
        "residual path, and an activation would cut off their negative half before anything has read it.",
        hint="Return what the linear layer gives.",
        anchor="pat-embedding",
        section="One linear layer makes the tokens",
        wrong={EMBED: (_Gelu, _Relu)},
    ),
    Misconception(
        id="embed-features-first",
        title="Your tokens are columns: the shape is (B, D, N).",
        belief="Behind a convolution the features come before the places. A Transformer takes (B, N, D), a token "
        "in every row.",
        hint="Exchange the last two axes.",
        anchor="pat-count",
        section="How many patches, and how long",
        wrong={EMBED: (_FeaturesFirst,)},
    ),
    Misconception(
        id="embed-features-reshaped",
        title="You reshape (B, D, N) to (B, N, D); the two axes have to be exchanged.",
        belief="Both give the shape asked for. A reshape reads on along one feature of all patches, so that a "
        "token holds bits of many patches; an exchange of axes keeps each patch's features together.",
        hint="transpose(1, 2) or .mT moves axes; reshape and view do not.",
        anchor="pat-reshape",
        section="A reshape moves nothing",
        wrong={EMBED: (_PlacesFirst,)},
    ),
    Misconception(
        id="embed-bias-twice",
        title="You add the bias a second time.",
        belief="x W^T + b is the formula, and self.projection(x) looks like its first half. An nn.Linear adds "
        "its own bias.",
        hint="Calling the layer is all there is to do.",
        anchor="pat-embedding",
        section="One linear layer makes the tokens",
        wrong={EMBED: (_BiasTwice,)},
    ),
    Misconception(
        id="embed-averaged",
        title="You return one vector for the whole picture; there should be one for each patch.",
        belief="To name a picture one vector is enough, and in the end there will be one. First the patches have "
        "to listen to each other, and for that each needs its own token.",
        hint="Leave the axis of the patches as it is.",
        anchor="pat-embedding",
        section="One linear layer makes the tokens",
        wrong={EMBED: (_Averaged,)},
    ),
)
