"""A Vision Transformer that has seen ImageNet: torchvision's weights in this package's model.

    python -m plenary.pretrained picture.jpg

The file with the weights is the one that torchvision itself would use: it is looked for in the cache of `torch.hub`
(`$TORCH_HOME/hub/checkpoints`), and downloaded to it if it is not there.
"""

import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import click
import torch
from torch import Tensor, nn

from plenary.data.source import DownloadError, incomplete
from plenary.vision_transformer import VisionTransformer

TIMEOUT = 30  # seconds without a byte
CHUNK = 2**20


@dataclass(frozen=True)
class Pretrained:
    """A model with what belongs to its weights.

    Args:
        model: in evaluation mode.
        transform: from a picture (PIL, or a uint8 tensor (3, height, width)) to what the model reads.
        classes: the names of the classes, in the order of the logits.
    """

    model: VisionTransformer
    transform: Callable[[Any], Tensor]
    classes: list[str]

    @torch.no_grad()
    def top(self, picture: Any, count: int = 5) -> list[tuple[str, float]]:
        """The likeliest classes of one picture with their probabilities, the likeliest first."""
        probabilities = self.model(self.transform(picture)[None]).softmax(dim=-1)[0]
        best = probabilities.topk(count)
        return [
            (self.classes[index], share)
            for index, share in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]


def vit_b_16(download: bool = True) -> Pretrained:
    """ViT-B/16 with torchvision's ImageNet weights, `ViT_B_16_Weights.IMAGENET1K_V1`: 1,000 classes, 224 x 224.

    Its logits are those of `torchvision.models.vit_b_16` with the same weights, to rounding.

    Args:
        download: fetch the weights (330 MB) if they are not in the cache of `torch.hub`.

    Raises:
        FileNotFoundError: the weights are not in the cache, and shall not be downloaded.
        DownloadError: they could not be downloaded.
        ValueError: the file in the cache is not the one that was published.
    """
    from torchvision import models

    return load(models.vit_b_16, models.ViT_B_16_Weights.IMAGENET1K_V1, download)


def load(build: Callable[[], nn.Module], weights: Any, download: bool = True) -> Pretrained:
    """The model that `build` makes in torchvision, with these weights, as a `VisionTransformer` of this package.

    Args:
        build: makes the `torchvision.models.VisionTransformer`, with any weights.
        weights: a member of torchvision's enumeration for it, or a `torchvision.models.Weights`.
        download: fetch the file if it is not in the cache.

    Raises:
        FileNotFoundError: the weights are not in the cache, and shall not be downloaded.
        DownloadError: they could not be downloaded.
        ValueError: the file in the cache is not the one that was published.
    """
    path = place(weights)
    if not path.exists():
        if not download:
            raise FileNotFoundError(
                f"plenary.pretrained: expected weights in {_shown(path)}, and there is no such file. "
                f"Where there is a network, `python -m plenary.pretrained` downloads it; or get {weights.url} some "
                "other way and put it there."
            )
        _download(weights.url, path)
    elif (found := _sha256(path)) and not found.startswith(_published(path)):
        raise ValueError(
            f"plenary.pretrained: expected a file whose SHA-256 begins with {_published(path)} in {_shown(path)}; "
            f"this one's begins with {found[:8]}, so it is damaged or another. Remove it, and it is downloaded "
            f"again from {weights.url}."
        )
    # On the meta device nothing is drawn: all of it would be overwritten. What is read is laid over the file, and
    # torchvision's own loader knows the names that its older files have for the same parts.
    with torch.device("meta"):
        theirs = build()
    theirs.load_state_dict(torch.load(path, mmap=True, weights_only=True), assign=True)
    model = VisionTransformer.from_torchvision(theirs).eval()
    return Pretrained(model, weights.transforms(), weights.meta["categories"])


def place(weights: Any) -> Path:
    """Where torchvision keeps the file of these weights, whether or not it is there."""
    return Path(torch.hub.get_dir(), "checkpoints", os.path.basename(urlsplit(weights.url).path))


def _published(path: Path) -> str:
    """The beginning of the file's SHA-256, which torchvision writes into its name: vit_b_16-c867db91.pth."""
    return path.stem.rpartition("-")[2]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _shown(path: Path) -> str:
    """The path as one types it: the home folder is ~."""
    home = Path.home()
    return f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else str(path)


def _download(url: str, path: Path) -> None:
    """Put the file at `path`, whole and with the right hash, or leave nothing there."""
    from tqdm.auto import tqdm

    come, total, digest = 0, None, hashlib.sha256()
    try:
        with (
            incomplete(path) as partial,
            partial.open("wb") as file,
            urlopen(url, timeout=TIMEOUT) as answer,
        ):
            total = int(answer.headers.get("Content-Length") or 0) or None
            with tqdm(desc=path.name, total=total, unit="B", unit_scale=True, leave=False) as bar:
                while chunk := answer.read(CHUNK):
                    file.write(chunk)
                    digest.update(chunk)
                    come += len(chunk)
                    bar.update(len(chunk))
            file.flush()
            if total and come < total:
                raise ValueError(f"the connection broke off after {come:,} of {total:,} bytes")
            if not digest.hexdigest().startswith(_published(path)):
                raise ValueError(
                    f"its SHA-256 should begin with {_published(path)}, and begins with {digest.hexdigest()[:8]}"
                )
    except (OSError, ValueError) as error:  # HTTPError, URLError and a timeout are OSErrors
        raise DownloadError(
            f"plenary.pretrained: could not download {url}: {_reason(error, url, path)}. Try again; or get the "
            f"file some other way and put it at {_shown(path)}."
        ) from error


def _reason(error: OSError | ValueError, url: str, path: Path) -> str:
    host = urlsplit(url).hostname or "the address"
    match error:
        case HTTPError(code=code, reason=reason):
            return f"the server answered {code} ({reason})"
        case TimeoutError() | URLError(reason=TimeoutError()):
            return f"{host} was silent for {TIMEOUT} s"
        case URLError() | ConnectionError():
            return f"the connection to {host} failed (is there a network?)"
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            return f"no space is left in {_shown(path.parent)}"
        case _:
            return str(error)


def _picture(path: Path | None) -> Any:
    """The picture in a file, upright and in three colours; scikit-learn's flower if none is named."""
    from PIL import Image, ImageOps
    from sklearn.datasets import load_sample_image

    if path is None:
        return Image.fromarray(load_sample_image("flower.jpg"))
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("picture", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--top", "count", type=click.IntRange(1, 1000), default=5, show_default=True, help="How many.")
@click.option(
    "--download/--no-download", default=True, help="Fetch the weights (330 MB) if they are missing."
)
def main(picture: Path | None, count: int, download: bool) -> None:
    """Say what PICTURE shows, by a ViT-B/16 with ImageNet weights.

    Without PICTURE it is flower.jpg, which comes with scikit-learn.
    """
    try:
        image = _picture(picture)
    except OSError as error:
        raise click.ClickException(
            f"{picture} cannot be read as a picture ({error}). Expected a file such as a JPEG or a PNG."
        ) from error
    try:
        found = vit_b_16(download).top(image, count)
    except (DownloadError, OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    for name, share in found:
        click.echo(f"{share:6.1%}  {name}")


if __name__ == "__main__":
    main()
