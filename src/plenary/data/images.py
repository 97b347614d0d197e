"""Images and their labels, in memory; and scikit-learn's digits, which need no download."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.utils.data import Dataset

from plenary.data.arguments import at_least

if TYPE_CHECKING:
    from plenary.data.image_folder import ImageFiles

SAMPLE = 1_000  # images are enough for a mean: on photographs it is then off by about 0.005


class Images(Dataset[tuple[Tensor, Tensor]]):
    """N labelled images in memory. Indexed by a batch of indices (B,), it gives that batch.

    An item is the images as float32 in [0, 1], (B, C, H, W), and their labels as int64, (B,).

    Args:
        images: uint8 from 0 to 255, or float32 from 0 to 1.
        labels: indices of classes.
        classes: the names of the classes.

    Raises:
        TypeError: images of another dtype, or labels that are not int64.
        ValueError: images without four axes, another number of labels, or a label without a class.
    """

    def __init__(
        self, images: Shaped[Tensor, "N C H W"], labels: Int[Tensor, " N"], classes: Sequence[str]
    ) -> None:
        if images.dtype not in (torch.uint8, torch.float32) or labels.dtype != torch.int64:
            raise TypeError(
                f"Images: images must be uint8 or float32, and labels int64; they are {images.dtype} and "
                f"{labels.dtype}."
            )
        if images.ndim != 4 or labels.shape != images.shape[:1]:
            raise ValueError(
                f"Images: images must be (N, C, H, W) and labels (N,); their shapes are {tuple(images.shape)} and "
                f"{tuple(labels.shape)}."
            )
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(classes):
            raise ValueError(
                f"Images: labels must lie between 0 and {len(classes) - 1}, for {len(classes)} classes; they "
                f"run from {int(labels.min())} to {int(labels.max())}."
            )
        self.images = images
        self.labels = labels
        self.classes = tuple(classes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        _, C, H, W = self.images.shape
        return C, H, W

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Int[Tensor, " B"]) -> tuple[Float[Tensor, "B C H W"], Int[Tensor, " B"]]:
        images = self.images[index]
        return images.float().div_(255) if images.dtype == torch.uint8 else images, self.labels[index]

    def subset(self, index: Int[Tensor, " n"]) -> "Images":
        """The images at these indices, as a dataset of their own."""
        return Images(self.images[index], self.labels[index], self.classes)


Part = TypeVar("Part", bound="Images | ImageFiles")


@dataclass(frozen=True)
class ImageSplits(Generic[Part]):
    """Images to train with and images to test with, of the same size and the same classes.

    `name` is what to write beside a figure that was measured on them.
    """

    name: str
    train: Part
    test: Part

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of their labels."""
        return self.train.classes

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.train.shape[1:]

    @property
    def in_channels(self) -> int:
        """1 for grey images, 3 for colour."""
        return self.train.shape[0]

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean of each channel over the training images; over a fixed sample of 1,000 where there are more."""
        return self._moments[0]

    @property
    def std(self) -> tuple[float, ...]:
        """Standard deviation of each channel over all pixels of those training images."""
        return self._moments[1]

    @cached_property
    def _moments(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        order = torch.randperm(len(self.train), generator=torch.Generator().manual_seed(0))
        sums = torch.zeros(2, self.in_channels, dtype=torch.float64)
        sample = order[:SAMPLE].split(500)
        for index in sample:  # a few at a time, so that pictures on the disk need little memory
            images = self.train[index][0].double()
            sums += torch.stack([images.mean((0, 2, 3)), images.square().mean((0, 2, 3))]) * len(images)
        mean, mean_square = sums / sum(map(len, sample))
        return tuple(mean.tolist()), tuple((mean_square - mean.square()).clamp(min=0).sqrt().tolist())


def digits(seed: int = 0) -> ImageSplits[Images]:
    """Handwritten digits, 1,437 to train with and 360 to test with: 8 x 8 pixels, grey, ten classes.

    They come with scikit-learn. Each class has the same share in both parts, and a seed always gives the same
    parts.

    Raises:
        TypeError, ValueError: the seed is not a whole number from 0.

    Source: Alpaydin and Kaynak (1998), Optical Recognition of Handwritten Digits, UCI.
    """
    from sklearn.model_selection import train_test_split

    at_least("digits", 0, seed=seed)
    whole = _digits()
    train, test = train_test_split(range(len(whole)), test_size=0.2, stratify=whole.labels, random_state=seed)
    return ImageSplits("digits", whole.subset(torch.tensor(train)), whole.subset(torch.tensor(test)))


def digit_folds(n: int = 5, seed: int = 0) -> list[tuple[Images, Images]]:
    """All 1,797 digits in n stratified folds: n pairs of images to train with and images to test with.

    Each digit is in the second half of exactly one pair.

    Raises:
        TypeError, ValueError: n is not a whole number from 2 to 174, the size of the smallest class, or the
            seed not from 0.
    """
    from sklearn.model_selection import StratifiedKFold

    at_least("digit_folds", 2, n=n)
    at_least("digit_folds", 0, seed=seed)
    whole = _digits()
    smallest = int(whole.labels.bincount().min())
    if n > smallest:
        raise ValueError(
            f"digit_folds: n is {n}; the smallest class has {smallest} digits, so at most {smallest} folds."
        )
    folds = StratifiedKFold(n, shuffle=True, random_state=seed).split(whole.labels, whole.labels)
    return [(whole.subset(torch.from_numpy(a)), whole.subset(torch.from_numpy(b))) for a, b in folds]


@cache
def _digits() -> Images:
    """All digits, read once: scikit-learn parses a text. Callers give subsets away, which are copies."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = torch.from_numpy(pixels).float().view(-1, 1, 8, 8) / 16  # sixteen levels of grey
    return Images(images, torch.from_numpy(labels).long(), [str(digit) for digit in range(10)])
