"""CIFAR-10 as it is also published: JPEG files, one folder a class, in a folder or in an archive."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from plenary.data import source
from plenary.data.image_folder import read_picture

CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
LAYOUT = "train/<class>/*.jpg and test/<class>/*.jpg"


def decode(found: Path) -> dict[str, Tensor]:
    """Decode the JPEG files of a folder or an archive, in the order of their paths.

    Returns:
        `train_images` and `test_images`, uint8 (N, 3, 32, 32), and `train_labels` and `test_labels`, int64 (N,).

    Raises:
        ValueError: a damaged archive, another layout, other classes, or pictures of another size.
        OSError: a picture that cannot be read.
    """
    import numpy as np
    from tqdm.auto import tqdm

    images: dict[str, list[np.ndarray]] = {"train": [], "test": []}
    labels: dict[str, list[int]] = {"train": [], "test": []}
    # The content of an archive comes in one stream, and its order is the packer's: read all (it is small),
    # then sort.
    for part, kind, file, content in tqdm(
        sorted(_read(found)), desc=f"decode {found.name}", leave=False, disable=None
    ):
        name = f"{part}/{kind}/{file} in {found}"
        if part not in images or kind not in CIFAR10_CLASSES:
            raise ValueError(
                f"cifar10: {LAYOUT} is expected, the classes being {', '.join(CIFAR10_CLASSES)}; there is "
                f"{name}. Rename or remove it, or read it with image_folder."
            )
        pixels = np.asarray(read_picture("cifar10", io.BytesIO(content), name))
        if pixels.shape != (32, 32, 3):
            raise ValueError(
                f"cifar10: pictures must be 32 x 32; {name} is {pixels.shape[0]} x {pixels.shape[1]}. Read it with "
                f"image_folder."
            )
        images[part].append(pixels)
        labels[part].append(CIFAR10_CLASSES.index(kind))
    if empty := [part for part, pictures in images.items() if not pictures]:
        raise ValueError(
            f"cifar10: {LAYOUT} is expected in {found}; there is no picture in {' and '.join(empty)}. Complete "
            f"it, or name another folder with {source.VARIABLE} or --data-dir."
        )
    tensors = {f"{part}_labels": torch.tensor(labels[part]) for part in labels}
    for part in images:
        tensors[f"{part}_images"] = torch.from_numpy(np.stack(images[part])).permute(0, 3, 1, 2).contiguous()
    return tensors


def jpegs(folder: Path) -> list[Path]:
    """The JPEG files of a folder that is laid out so."""
    return sorted(folder.glob("t*/*/*.jpg"))


def _read(found: Path) -> Iterator[tuple[str, str, str, bytes]]:
    """Part, class, file name and content of every JPEG file. An archive is read in place; nothing is unpacked."""
    if found.is_dir():
        for file in jpegs(found):
            yield file.parts[-3], file.parts[-2], file.name, file.read_bytes()
        return
    try:
        with tarfile.open(found) as archive:
            for member in archive:
                parts = Path(member.name).parts
                content = archive.extractfile(member) if member.isfile() else None
                if content is not None and len(parts) >= 3 and member.name.endswith(".jpg"):
                    yield parts[-3], parts[-2], parts[-1], content.read()
    except source.BROKEN as error:
        raise source.damaged("cifar10", found) from error
