"""CIFAR-10 and Fashion-MNIST, read by torchvision from their original archives, all images in memory.

The archives are verified, decoded once, and kept as one file of tensors, which is read in a moment the next time.
"""

import gzip
import os
import tarfile
import warnings
from pathlib import Path

import torch
from torch import Tensor

from plenary.data import source
from plenary.data.cifar_jpegs import CIFAR10_CLASSES, decode, jpegs
from plenary.data.images import Images, ImageSplits

PARTS = ("train", "test")


def cifar10(data_dir: str | os.PathLike[str] | None = None) -> ImageSplits[Images]:
    """Photographs of ten kinds of thing, 50,000 to train with and 10,000 to test with: 32 x 32 pixels, colour.

    Looked for in the data folder, then downloaded (170 MB): `cifar-10-batches-py/`, `cifar-10-python.tar.gz`, and,
    encoded as JPEG, `cifar10/` or `cifar10-jpeg/` (`train/<class>/*.jpg`, `test/<class>/*.jpg`) and
    `cifar10-jpeg.tar.xz` with the same inside. JPEG loses detail, so the `name` of the splits says which it was.

    Raises:
        DownloadError: nothing was found, and the download failed.
        ValueError: what was found is damaged, or is not CIFAR-10. The message names it.

    Source: Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images.
    """
    from torchvision.datasets import CIFAR10

    encoded = ("cifar10", "cifar10-jpeg", "cifar10-jpeg.tar.xz")
    found = source.find("cifar-10-batches-py", CIFAR10.filename, *encoded, given=data_dir)
    if found is None:
        path = source.place(CIFAR10.filename, data_dir)
        found = source.fetch(CIFAR10.url, f"md5:{CIFAR10.tgz_md5}", path)
    if found.name in encoded:
        files = jpegs(found) if found.is_dir() else [found]
        tensors = source.kept("cifar10-jpeg", files, lambda: decode(found), data_dir)
        return _splits("CIFAR-10 (JPEG)", tensors, CIFAR10_CLASSES)
    if found.is_dir():
        return _splits("CIFAR-10", _read_batches(found.parent, found), CIFAR10_CLASSES)

    def read() -> dict[str, Tensor]:
        with source.scratch(source.place("", data_dir)) as folder:
            try:
                with tarfile.open(found) as archive:
                    archive.extractall(folder, filter="data")
            except source.BROKEN as error:
                raise source.damaged("cifar10", found) from error
            return _read_batches(folder, found)

    return _splits("CIFAR-10", source.kept("cifar10", [found], read, data_dir), CIFAR10_CLASSES)


def fashion_mnist(data_dir: str | os.PathLike[str] | None = None) -> ImageSplits[Images]:
    """Pictures of clothes, 60,000 to train with and 10,000 to test with: 28 x 28 pixels, grey, ten classes.

    Looked for in the data folder as torchvision lays it out (`FashionMNIST/raw/`, unpacked or not), then downloaded
    (31 MB).

    Raises:
        DownloadError: a file was not found, and its download failed.
        ValueError: a file is damaged. The message names its folder.

    Source: Xiao, Rasul, and Vollgraf (2017), Fashion-MNIST: a Novel Image Dataset.
    """
    from torchvision.datasets import FashionMNIST

    files = []
    for name, md5 in FashionMNIST.resources:
        inside = f"FashionMNIST/raw/{name}"
        found = source.find(inside.removesuffix(".gz"), inside, given=data_dir)
        url = FashionMNIST.mirrors[0] + name
        files.append(found or source.fetch(url, f"md5:{md5}", source.place(inside, data_dir), inside))

    def read() -> dict[str, Tensor]:
        with source.scratch(source.place("", data_dir)) as folder:
            raw = folder / "FashionMNIST" / "raw"
            raw.mkdir(parents=True)
            tensors = {}
            try:
                for file in files:
                    content = file.read_bytes()
                    unpacked = gzip.decompress(content) if file.suffix == ".gz" else content
                    (raw / file.name.removesuffix(".gz")).write_bytes(unpacked)
                for part in PARTS:
                    whole = FashionMNIST(folder, train=part == "train")
                    tensors |= {f"{part}_images": whole.data.unsqueeze(1), f"{part}_labels": whole.targets}
            except (RuntimeError, ValueError, LookupError, AssertionError, *source.BROKEN) as error:
                raise source.damaged("fashion_mnist", files[0].parent) from error
            return tensors

    tensors = source.kept("fashion-mnist", files, read, data_dir)
    return _splits("Fashion-MNIST", tensors, tuple(FashionMNIST.classes))


def _splits(name: str, tensors: dict[str, Tensor], classes: tuple[str, ...]) -> ImageSplits[Images]:
    train, test = (Images(tensors[f"{part}_images"], tensors[f"{part}_labels"], classes) for part in PARTS)
    return ImageSplits(name, train, test)


def _read_batches(root: Path, found: Path) -> dict[str, Tensor]:
    import numpy as np
    from torchvision.datasets import CIFAR10

    tensors = {}
    for part in PARTS:
        try:
            with warnings.catch_warnings():
                # The original files were pickled by an old numpy, and the new one says so.
                warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
                read = CIFAR10(root, train=part == "train")  # it verifies every file's hash
        except RuntimeError as error:
            raise source.damaged("cifar10", found) from error
        tensors[f"{part}_images"] = torch.from_numpy(read.data).permute(0, 3, 1, 2).contiguous()
        tensors[f"{part}_labels"] = torch.tensor(read.targets)
    return tensors
