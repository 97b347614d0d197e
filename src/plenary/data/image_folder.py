"""Any folder of pictures as a dataset: one folder a class, decoded when asked for."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import Dataset

from plenary.data.arguments import at_least
from plenary.data.images import ImageSplits

if TYPE_CHECKING:
    from PIL.Image import Image

TEST_FOLDERS = ("test", "val", "validation")


class ImageFiles(Dataset[tuple[Tensor, Tensor]]):
    """N labelled pictures on the disk, resized to squares. Indexed by indices (B,), it decodes that batch.

    A picture's shorter side is resized to `image_size`, with antialiasing, and the middle of the longer one is
    kept. An item is the images as float32 in [0, 1], (B, 3, image_size, image_size), and their labels as
    int64, (B,).
    """

    def __init__(
        self, files: Sequence[str], labels: Int[Tensor, " N"], classes: Sequence[str], image_size: int
    ) -> None:
        from torchvision.transforms import v2

        self.files = tuple(files)
        self.labels = labels
        self.classes = tuple(classes)
        self.shape = (3, image_size, image_size)
        self._resize = v2.Compose(
            [
                v2.PILToTensor(),
                v2.Resize(image_size, antialias=True),
                v2.CenterCrop(image_size),
                v2.ToDtype(torch.float32, scale=True),
            ]
        )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: Int[Tensor, " B"]) -> tuple[Float[Tensor, "B 3 H W"], Int[Tensor, " B"]]:
        chosen = torch.arange(len(self))[index]
        images = [
            self._resize(read_picture("image_folder", self.files[number], self.files[number]))
            for number in chosen.tolist()
        ]
        return torch.stack(images) if images else torch.empty(0, *self.shape), self.labels[chosen]

    def subset(self, index: Int[Tensor, " n"]) -> "ImageFiles":
        """The pictures at these indices, as a dataset of their own."""
        files = [self.files[number] for number in index.tolist()]
        return ImageFiles(files, self.labels[index], self.classes, self.shape[1])


def image_folder(
    path: str | os.PathLike[str], image_size: int, test_share: float = 0.2, seed: int = 0
) -> ImageSplits[ImageFiles]:
    """The pictures in a folder. `path` holds either

    - `train/` and one of `test/`, `val/` and `validation/`, each with one folder a class, or
    - one folder a class; a share of each class, fixed by the seed, is then kept for testing.

    Args:
        path: the folder.
        image_size: height and width of an image in pixels.
        test_share: the share to test with, between 0 and 1, when the folder does not say.
        seed: fixes that share.

    Raises:
        FileNotFoundError: no such folder; no test folder beside train/; no class; a class without pictures.
        NotADirectoryError: `path` is a file.
        TypeError, ValueError: image_size is not a whole number from 1, the seed not from 0, or test_share out
            of range; a class that cannot be split; classes to test with that differ from those to train with.
        OSError: a picture that cannot be read, when it is asked for. The message names the file.
    """
    at_least("image_folder", 1, image_size=image_size)
    at_least("image_folder", 0, seed=seed)
    folder = Path(path).expanduser()
    if not folder.exists():
        raise FileNotFoundError(f"image_folder: there is no folder {folder}. Check the path.")
    if not folder.is_dir():
        raise NotADirectoryError(
            f"image_folder: {folder} must be a folder; it is a file. Name the folder it is in."
        )
    tests = [folder / name for name in TEST_FOLDERS if (folder / name).is_dir()]
    if not tests and not _subfolders(folder / "train"):
        return _split(_pictures(folder, image_size), folder, test_share, seed)
    if not tests or not (folder / "train").is_dir():
        raise FileNotFoundError(
            f"image_folder: train/ and one of {', '.join(f'{name}/' for name in TEST_FOLDERS)} belong "
            f"together; {folder} holds {', '.join(f'{name}/' for name in _subfolders(folder))}. Add the other "
            f"one, or name the folder that holds one folder a class."
        )
    train, test = _pictures(folder / "train", image_size), _pictures(tests[0], image_size)
    if train.classes != test.classes:
        alone = {
            "train": set(train.classes) - set(test.classes),
            tests[0].name: set(test.classes) - set(train.classes),
        }
        found = "; ".join(
            f"only in {name}/: {', '.join(sorted(names))}" for name, names in alone.items() if names
        )
        raise ValueError(
            f"image_folder: train/ and {tests[0].name}/ in {folder} must hold the same classes; {found}. Add "
            f"or remove these folders."
        )
    return ImageSplits(folder.name, train, test)


def _subfolders(folder: Path) -> list[str]:
    entries = folder.iterdir() if folder.is_dir() else []
    # Hidden ones are no classes: notebooks leave .ipynb_checkpoints behind.
    return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _pictures(folder: Path, image_size: int) -> ImageFiles:
    from torchvision.datasets.folder import IMG_EXTENSIONS, make_dataset

    classes = _subfolders(folder)
    if not classes:
        raise FileNotFoundError(
            f"image_folder: {folder} must hold one folder a class; it holds no folder. Sort the pictures into "
            f"folders that bear the classes' names."
        )
    numbers = {name: number for number, name in enumerate(classes)}
    found = make_dataset(str(folder), numbers, extensions=IMG_EXTENSIONS, allow_empty=True)
    labels = torch.tensor([label for _, label in found], dtype=torch.int64)
    counts = labels.bincount(minlength=len(classes)).tolist()
    if empty := [name for name, count in zip(classes, counts, strict=True) if not count]:
        raise FileNotFoundError(
            f"image_folder: every class needs pictures ({', '.join(IMG_EXTENSIONS)}); none in "
            f"{', '.join(str(folder / name) for name in empty)}. Add some, or remove the folder."
        )
    return ImageFiles([file for file, _ in found], labels, classes, image_size)


def _split(whole: ImageFiles, folder: Path, test_share: float, seed: int) -> ImageSplits[ImageFiles]:
    from sklearn.model_selection import train_test_split

    classes, count = len(whole.classes), len(whole)
    if not 0 < test_share < 1:
        raise ValueError(f"image_folder: test_share must lie between 0 and 1; it is {test_share}.")
    counts = whole.labels.bincount().tolist()
    if alone := [name for name, number in zip(whole.classes, counts, strict=True) if number < 2]:
        raise ValueError(
            f"image_folder: a class needs 2 pictures or more, one to train with and one to test with; {folder} "
            f"has 1 of {', '.join(alone)}. Add some, or remove the class."
        )
    # Both parts are large enough for one picture of each class.
    size = min(max(round(test_share * count), classes), count - classes)
    train, test = train_test_split(range(count), test_size=size, stratify=whole.labels, random_state=seed)
    return ImageSplits(
        folder.name, whole.subset(torch.tensor(sorted(train))), whole.subset(torch.tensor(sorted(test)))
    )


def read_picture(owner: str, file: str | BinaryIO, name: str) -> "Image":
    """A picture in colour, decoded by PIL.

    Raises:
        OSError: it cannot be read as a picture. The message names it.
    """
    from PIL import Image

    try:
        with Image.open(file) as picture:
            return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        # PIL raises SyntaxError for a broken PNG.
        raise OSError(
            f"{owner}: {name} cannot be read as a picture ({error}). Replace it by a whole copy, or remove it."
        ) from error
