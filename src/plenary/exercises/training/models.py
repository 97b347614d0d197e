"""Models and loaders that are built beside the candidate, as its arguments."""

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class OwnNorm(nn.Module):
    """A norm that is no nn.LayerNorm, as in chapter 9."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))


class Small(nn.Module):
    """The notebook's example: six parameters, one of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.class_token = nn.Parameter(torch.zeros(1, 1, 2))
        self.positions = nn.Parameter(torch.zeros(1, 3, 2))
        self.linear = nn.Linear(2, 3)
        self.ln_1 = nn.LayerNorm(3)


class Nested(nn.Module):
    """The notebook's second example: positions one level down, and weights and norms of other kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.positions = nn.Parameter(torch.zeros(1, 3, 2))
        self.patches = nn.Conv2d(1, 2, 2)
        self.embedding = nn.Embedding(4, 2)
        self.norm = OwnNorm(2)


class Block(nn.Module):
    """A layer with norms under three names and of three makes, and a list of linear layers."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(dim)
        self.norm = OwnNorm(dim)
        self.mix = nn.Sequential(
            nn.Linear(dim, 2 * dim), nn.GELU(), nn.BatchNorm1d(2 * dim), nn.Linear(2 * dim, dim)
        )


class Encoder(nn.Module):
    """Positions and class token one level down; a convolution; an embedding that is tied to a head, or not."""

    def __init__(self, dim: int, tied: bool, frozen: bool) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, dim, 2, stride=2)
        self.tokens = nn.Module()
        self.tokens.class_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.tokens.positions = nn.Parameter(torch.zeros(1, 5, dim))
        self.embedding = nn.Embedding(7, dim)
        self.blocks = nn.ModuleList(Block(dim) for _ in range(2))
        self.head = nn.Linear(dim, 7)
        if tied:
            self.head.weight = self.embedding.weight
            self.blocks[1].norm = self.blocks[0].norm
        if frozen:
            self.patches.requires_grad_(False)
            self.blocks[0].ln_1.requires_grad_(False)


def model(kind: str, dim: int = 6) -> nn.Module:
    """Build one of the small models, or the large one: plain, with shared parameters, or with frozen ones."""
    small = {"small": Small, "nested": Nested}
    return small[kind]() if kind in small else Encoder(dim, tied=kind == "tied", frozen=kind == "frozen")


class Classifier(nn.Module):
    """A linear classifier that keeps count of how it was called; in training, something else than in evaluation."""

    def __init__(self, weight: Tensor, between: nn.Module) -> None:
        super().__init__()
        self.linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        self.linear.weight = nn.Parameter(weight.clone())
        self.between = between.to(weight.dtype)
        self.recorded = 0

    def forward(self, images: Tensor) -> Tensor:
        """Classify flattened pictures."""
        logits = self.linear(self.between(images.flatten(1)))
        self.recorded += logits.requires_grad
        return logits


def classifier(weight: Tensor, kind: str, training: bool) -> nn.Module:
    """Build a classifier: without any layer that knows of modes, with dropout, or with batch norm."""
    between = {
        "plain": nn.Identity(),
        "dropout": nn.Dropout(0.5),
        "dropout of 1": nn.Dropout(1.0),
        "batch norm": nn.BatchNorm1d(weight.shape[1]),
    }
    return Classifier(weight, between[kind]).train(training)


def loader(
    images: Tensor, labels: Tensor, batch_size: int, drop_last: bool = False, double: bool = False
) -> DataLoader:
    """Build a loader that gives the samples in order, the pictures in float64 if they should be."""
    samples = TensorDataset(images.double() if double else images, labels)
    return DataLoader(samples, batch_size=batch_size, drop_last=drop_last)
