"""Do CIFAR-10 and Fashion-MNIST come through torchvision from archives in the originals' layout, and only
whole ones?

The archives are small ones, made here and served on this machine; torchvision is told their hashes.
"""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
from typing import Literal

import numpy as np
import pytest
import torch
import torchvision.datasets as tv
from PIL import Image

from plenary.data import DownloadError, cifar10, fashion_mnist
from plenary.data.cifar_jpegs import CIFAR10_CLASSES

TRAIN, TEST = 11, 7
ARCHIVE = "cifar-10-python.tar.gz"


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def tar(files: dict[str, bytes], mode: Literal["w:gz", "w:xz"] = "w:gz") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def cifar(server, monkeypatch):
    """CIFAR-10's archive on the server, with 2 x 11 and 7 images; its pixels, as (N, 3, 32, 32)."""
    random = np.random.default_rng(0)
    pixels = {
        name: random.integers(256, size=(n, 3072), dtype=np.uint8)
        for name, n in [("data_batch_1", TRAIN), ("data_batch_2", TRAIN), ("test_batch", TEST)]
    }
    files = {
        name: pickle.dumps({"data": data, "labels": [i % 10 for i in range(len(data))]})
        for name, data in pixels.items()
    }
    files["batches.meta"] = pickle.dumps({"label_names": list(CIFAR10_CLASSES)})
    server.files[ARCHIVE] = tar({f"cifar-10-batches-py/{name}": content for name, content in files.items()})
    monkeypatch.setattr(tv.CIFAR10, "url", server.url + ARCHIVE)
    monkeypatch.setattr(tv.CIFAR10, "tgz_md5", md5(server.files[ARCHIVE]))
    hashes = [[name, md5(content)] for name, content in files.items()]
    monkeypatch.setattr(tv.CIFAR10, "train_list", hashes[:2])
    monkeypatch.setattr(tv.CIFAR10, "test_list", hashes[2:3])
    monkeypatch.setattr(
        tv.CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": hashes[3][1]}
    )
    return {name: torch.from_numpy(data).view(-1, 3, 32, 32) for name, data in pixels.items()}


def is_cifar(splits, pixels):
    assert torch.equal(splits.train.images, torch.cat([pixels["data_batch_1"], pixels["data_batch_2"]]))
    assert torch.equal(splits.test.images, pixels["test_batch"])
    assert splits.train.labels.tolist() == 2 * [*range(10), 0]
    assert splits.test.labels.tolist() == [*range(7)]
    assert (splits.name, splits.classes) == ("CIFAR-10", CIFAR10_CLASSES)


def test_cifar10_is_decoded_and_downloaded_once(server, cifar, cache, monkeypatch):
    is_cifar(cifar10(), cifar)
    monkeypatch.setattr(tarfile, "open", None)
    is_cifar(cifar10(), cifar)
    assert server.asked == [ARCHIVE]
    assert sorted(file.suffix for file in cache.iterdir()) == [".gz", ".safetensors"]


def test_cifar10_is_read_from_a_read_only_folder(server, cifar, cache, tmp_path):
    (tmp_path / ARCHIVE).write_bytes(server.files[ARCHIVE])
    tmp_path.chmod(0o555)
    try:
        is_cifar(cifar10(tmp_path), cifar)
        assert [file.name for file in tmp_path.iterdir()] == [ARCHIVE]
    finally:
        tmp_path.chmod(0o755)
    assert server.asked == []
    assert [file.suffix for file in cache.iterdir()] == [".safetensors"]


def test_cifar10_is_read_as_torchvision_unpacks_it(server, cifar, tmp_path, monkeypatch):
    tv.CIFAR10(tmp_path, download=True)
    (tmp_path / ARCHIVE).unlink()
    monkeypatch.setenv("PLENARY_DATA", str(tmp_path))
    is_cifar(cifar10(), cifar)
    (tmp_path / "cifar-10-batches-py" / "data_batch_2").write_bytes(b"other")
    with pytest.raises(ValueError, match=r"cifar10: .*/cifar-10-batches-py is damaged or incomplete"):
        cifar10()


@pytest.mark.parametrize("share", [0.5, 0.01, 0.0])
def test_a_damaged_archive_is_named(cifar, server, tmp_path, share):
    content = server.files[ARCHIVE]
    (tmp_path / ARCHIVE).write_bytes(content[: int(share * len(content))])
    with pytest.raises(
        ValueError, match=rf"cifar10: .*/{ARCHIVE} is damaged or incomplete. Put a whole copy there"
    ):
        cifar10(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [ARCHIVE]


def test_an_archive_with_another_hash_is_not_used(cifar, server, monkeypatch, cache):
    monkeypatch.setattr(tv.CIFAR10, "tgz_md5", "0" * 32)
    with pytest.raises(DownloadError, match="its md5 should be 00000"):
        cifar10()
    assert list(cache.iterdir()) == []


def test_an_archive_does_not_write_outside_its_folder(cifar, server, tmp_path):
    content = tar({"../../escaped": b"", "cifar-10-batches-py/batches.meta": b""})
    data = tmp_path / "a" / "b" / "c"
    data.mkdir(parents=True)
    (data / ARCHIVE).write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        cifar10(data)
    assert not list(tmp_path.rglob("escaped"))


def colour(kind: str, part: str) -> tuple[int, int, int]:
    return (20 * CIFAR10_CLASSES.index(kind), 100, 200 if part == "train" else 50)


def jpegs(size=(32, 32)) -> dict[str, bytes]:
    """Three pictures a class to train with and two to test with, each class and part of a colour."""
    files = {}
    for part, count in (("test", 2), ("train", 3)):
        for kind in reversed(CIFAR10_CLASSES):
            picture = io.BytesIO()
            Image.new("RGB", size, colour(kind, part)).save(picture, "JPEG")
            files |= {f"{part}/{kind}/{number:04}.jpg": picture.getvalue() for number in range(count)}
    return files


def put(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("form", ["cifar10", "cifar10-jpeg", "cifar10-jpeg.tar.xz"])
def test_cifar10_as_jpeg_is_decoded_once_in_order_and_says_so(tmp_path, form, monkeypatch):
    if form.endswith("xz"):
        (tmp_path / form).write_bytes(tar(jpegs(), "w:xz"))
    else:
        put(tmp_path / form, jpegs())
    splits = cifar10(tmp_path)
    assert splits.name == "CIFAR-10 (JPEG)"
    for part, dataset, count in (("train", splits.train, 3), ("test", splits.test, 2)):
        assert dataset.labels.tolist() == [label for label in range(10) for _ in range(count)]
        expected = torch.tensor([colour(CIFAR10_CLASSES[label], part) for label in dataset.labels])
        assert (dataset.images.float().mean((2, 3)) - expected).abs().max() < 3
    monkeypatch.setattr(Image, "open", None)
    assert torch.equal(cifar10(tmp_path).train.images, splits.train.images)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (jpegs((30, 40)), "pictures must be 32 x 32; test/airplane/0000.jpg in .* is 40 x 30"),
        (jpegs() | {"train/boat/0.jpg": b""}, "the classes being airplane, .*; there is train/boat/0.jpg in"),
        ({k: v for k, v in jpegs().items() if "test" in k}, "there is no picture in train"),
        ({"readme.txt": b""}, "there is no picture in train and test"),
        (
            jpegs() | {"test/cat/0000.jpg": b"?"},
            "cifar10: test/cat/0000.jpg in .* cannot be read as a picture",
        ),
    ],
)
@pytest.mark.parametrize("form", ["cifar10", "cifar10-jpeg.tar.xz"])
def test_other_pictures_than_cifar10s_are_named(tmp_path, files, said, form):
    if form.endswith("xz"):
        (tmp_path / form).write_bytes(tar(files, "w:xz"))
    else:
        put(tmp_path / form, files)
    with pytest.raises((ValueError, OSError), match=said):
        cifar10(tmp_path)


def test_a_truncated_archive_of_jpegs_is_named(tmp_path):
    content = tar(jpegs(), "w:xz")
    (tmp_path / "cifar10-jpeg.tar.xz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"cifar10-jpeg\.tar\.xz is damaged or incomplete"):
        cifar10(tmp_path)


@pytest.fixture
def fashion(server, monkeypatch):
    """Fashion-MNIST's four files on the server, with 11 and 7 images of 28 x 28."""
    random, resources, arrays = np.random.default_rng(0), [], {}
    for part, count in (("train", TRAIN), ("t10k", TEST)):
        pixels = random.integers(256, size=(count, 28, 28), dtype=np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        arrays[part] = torch.from_numpy(pixels), torch.from_numpy(labels).long()
        for name, array in ((f"{part}-images-idx3-ubyte", pixels), (f"{part}-labels-idx1-ubyte", labels)):
            header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            packed = gzip.compress(header + array.tobytes())
            server.files[f"{name}.gz"] = packed
            resources.append((f"{name}.gz", md5(packed)))
    monkeypatch.setattr(tv.FashionMNIST, "mirrors", [server.url])
    monkeypatch.setattr(tv.FashionMNIST, "resources", resources)
    return arrays


def is_fashion(splits, arrays):
    for dataset, (pixels, labels) in ((splits.train, arrays["train"]), (splits.test, arrays["t10k"])):
        assert torch.equal(dataset.images, pixels[:, None])
        assert torch.equal(dataset.labels, labels)
    assert (splits.name, splits.in_channels, splits.image_size) == ("Fashion-MNIST", 1, (28, 28))
    assert splits.classes[9] == "Ankle boot"


def test_fashion_mnist_is_downloaded_and_decoded_once(server, fashion, monkeypatch):
    is_fashion(fashion_mnist(), fashion)
    monkeypatch.setattr(gzip, "decompress", None)
    is_fashion(fashion_mnist(), fashion)
    assert len(server.asked) == 4


def test_an_interrupted_fashion_mnist_goes_on_where_it_stopped(server, fashion):
    server.cut.add("t10k-images-idx3-ubyte.gz")
    with pytest.raises(DownloadError, match=r"t10k-images-idx3-ubyte\.gz: the connection broke off"):
        fashion_mnist()
    is_fashion(fashion_mnist(), fashion)
    assert sorted(server.asked) == sorted([*server.files, "t10k-images-idx3-ubyte.gz"])


@pytest.mark.parametrize("unpacked", [True, False])
def test_fashion_mnist_is_read_as_torchvision_lays_it_out(server, fashion, tmp_path, unpacked):
    tv.FashionMNIST(str(tmp_path), download=True)
    for file in (tmp_path / "FashionMNIST" / "raw").iterdir():
        if (file.suffix == ".gz") == unpacked:
            file.unlink()
    server.asked.clear()
    is_fashion(fashion_mnist(tmp_path), fashion)
    assert server.asked == []


@pytest.mark.parametrize(
    ("name", "keep"),
    [("train-images-idx3-ubyte", 99), ("t10k-labels-idx1-ubyte", 3), ("train-images-idx3-ubyte.gz", 99)],
)
def test_a_damaged_fashion_mnist_is_named(server, fashion, tmp_path, name, keep):
    tv.FashionMNIST(str(tmp_path), download=True)
    file = tmp_path / "FashionMNIST" / "raw" / name
    file.with_suffix("").unlink()
    file.write_bytes(
        server.files[file.stem + ".gz"][:keep]
        if file.suffix
        else gzip.decompress(server.files[f"{name}.gz"])[:keep]
    )
    with pytest.raises(ValueError, match=r"fashion_mnist: .*/FashionMNIST/raw is damaged or incomplete"):
        fashion_mnist(tmp_path)


def test_without_a_network_both_say_what_to_do(server, cifar, fashion, cache):
    server.files.clear()
    for load, name in ((cifar10, ARCHIVE), (fashion_mnist, "FashionMNIST/raw/train-images-idx3-ubyte.gz")):
        with pytest.raises(
            DownloadError,
            match=rf"answered 404 .* put it at {cache}/{name}, or name a folder that holds {name} with",
        ):
            load()


def test_the_originals_hashes_are_torchvisions():
    # What the tests above replace: a slip here would only show with a network.
    assert tv.CIFAR10.tgz_md5 == "c58f30108f718f92721af3b95e74349a"
    assert tv.CIFAR10.url == "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    assert tv.FashionMNIST.resources[0][0] == "train-images-idx3-ubyte.gz"
    assert tv.FashionMNIST.mirrors[0].endswith("/")
