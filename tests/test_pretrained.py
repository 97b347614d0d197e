"""Published weights: are they found, fetched, told from damaged ones, and do they give torchvision's logits?"""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from sklearn.datasets import load_sample_image
from torchvision import models
from torchvision.models import VisionTransformer as TorchvisionViT
from torchvision.models import ViT_B_16_Weights, Weights
from torchvision.transforms._presets import ImageClassification

from plenary import pretrained
from plenary.data import DownloadError

build = partial(TorchvisionViT, 32, 8, 2, 3, 24, 48, num_classes=7)
CLASSES = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch.hub."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def theirs(randomised) -> TorchvisionViT:
    return randomised(build()).float().eval()


@pytest.fixture
def published(tmp_path: Path, theirs: TorchvisionViT) -> Path:
    """The weights in a file named as torchvision names its own, with the parts' names of its older files."""
    state = {
        name.replace("mlp.0", "mlp.linear_1").replace("mlp.3", "mlp.linear_2"): tensor
        for name, tensor in theirs.state_dict().items()
    }
    torch.save(state, draft := tmp_path / "draft.pth")
    sha256 = hashlib.sha256(draft.read_bytes()).hexdigest()
    return draft.rename(tmp_path / f"tiny-{sha256[:8]}.pth")


def weights(url: str) -> Weights:
    return Weights(url, partial(ImageClassification, crop_size=32, resize_size=40), {"categories": CLASSES})


def flower() -> Image.Image:
    return Image.fromarray(load_sample_image("flower.jpg"))


@pytest.fixture
def server(published: Path) -> Iterator[str]:
    """The file at /whole/, nine tenths of it at /short/, another file at /other/, and nothing elsewhere."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = published.read_bytes()
            kind = self.path.split("/")[1]
            if kind not in ("whole", "short", "other"):
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            end = len(content) * 9 // 10 if kind == "short" else len(content)
            self.wfile.write(bytes(end) if kind == "other" else content[:end])

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.mark.parametrize("kind", ["http", "file"])
def test_downloaded_once_they_give_torchvisions_logits(kind, server, published, theirs, cache, monkeypatch):
    url = f"{server}/whole/{published.name}" if kind == "http" else published.as_uri()
    found = pretrained.load(build, weights(url))
    assert [file.name for file in cache.iterdir()] == [published.name]
    assert (cache / published.name).read_bytes() == published.read_bytes()

    images = torch.stack([found.transform(flower()), found.transform(flower().rotate(180))])
    assert images.shape == (2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(found.model(images), theirs(images), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(
            found.model.double()(images.double()), theirs.double()(images.double()), rtol=1e-11, atol=1e-11
        )
    assert not found.model.training
    assert {parameter.device.type for parameter in found.model.parameters()} == {"cpu"}

    # The second time it comes from the cache.
    monkeypatch.setattr(pretrained, "urlopen", lambda *_, **__: pytest.fail("asked the network"))
    again = pretrained.load(build, weights(url), download=False)
    torch.testing.assert_close(again.model(images), found.model.float()(images), rtol=1e-5, atol=1e-5)


def test_the_likeliest_classes_come_first(published, theirs):
    found = pretrained.load(build, weights(published.as_uri()))
    with torch.no_grad():
        shares = theirs(found.transform(flower())[None]).softmax(-1)[0]
    top = found.top(flower(), 3)
    assert [name for name, _ in top] == [CLASSES[index] for index in shares.argsort(descending=True)[:3]]
    assert [share for _, share in top] == pytest.approx(
        shares.sort(descending=True).values[:3].tolist(), rel=1e-4
    )


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("short", r"the connection broke off after [\d,]+ of [\d,]+ bytes"),
        ("other", r"its SHA-256 should begin with \w{8}, and begins with \w{8}"),
        ("nowhere", r"the server answered 404 \(Not Found\)"),
    ],
)
def test_a_broken_download_leaves_nothing_behind(kind, said, server, published, cache):
    url = f"{server}/{kind}/{published.name}"
    with pytest.raises(DownloadError, match=said) as raised:
        pretrained.load(build, weights(url))
    assert url in str(raised.value)
    assert f"put it at {cache / published.name}" in str(raised.value)
    assert list(cache.iterdir()) == []
    # And the second try is a whole one.
    pretrained.load(build, weights(url.replace(f"/{kind}/", "/whole/")))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            URLError(OSError("Name or service not known")),
            "the connection to models.test failed (is there a network?)",
        ),
        (ConnectionResetError(), "the connection to models.test failed (is there a network?)"),
        (TimeoutError(), "models.test was silent for 30 s"),
        (URLError(TimeoutError()), "models.test was silent for 30 s"),
        (OSError(28, "No space left on device"), "no space is left in"),
    ],
)
def test_without_a_network_it_says_what_to_do(error, said, cache, monkeypatch):
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(pretrained, "urlopen", fails)
    with pytest.raises(DownloadError) as raised:
        pretrained.load(build, weights("https://models.test/tiny-0123abcd.pth"))
    assert "could not download https://models.test/tiny-0123abcd.pth: " + said in str(raised.value)
    assert f"put it at {cache / 'tiny-0123abcd.pth'}" in str(raised.value)


def test_a_damaged_file_in_the_cache_is_not_loaded(published, cache):
    cache.mkdir(parents=True)
    content = bytearray(published.read_bytes())
    content[len(content) // 2] ^= 1
    (cache / published.name).write_bytes(content)
    with pytest.raises(ValueError, match=r"is damaged or another\. Remove it") as raised:
        pretrained.load(build, weights(published.as_uri()))
    assert str(cache / published.name) in str(raised.value)


def test_vit_b_16_says_what_it_lacks(cache, monkeypatch):
    monkeypatch.setattr(pretrained, "urlopen", lambda *_, **__: pytest.fail("asked the network"))
    with pytest.raises(FileNotFoundError) as raised:
        pretrained.vit_b_16(download=False)
    url = "https://download.pytorch.org/models/vit_b_16-c867db91.pth"
    assert f"expected weights in {cache / 'vit_b_16-c867db91.pth'}, and there is no such file" in str(
        raised.value
    )
    assert url in str(raised.value)
    assert "python -m plenary.pretrained" in str(raised.value)
    assert not cache.exists()


def test_a_path_in_the_home_folder_begins_with_a_tilde(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(
        FileNotFoundError, match=r"expected weights in ~/torch/hub/checkpoints/vit_b_16-c867db91\.pth"
    ):
        pretrained.vit_b_16(download=False)


def test_vit_b_16_has_the_true_architecture_and_classes(cache, monkeypatch):
    """All of vit_b_16 but the file: the model that torchvision builds, with other weights under its file's name."""
    asked: list[object] = []
    monkeypatch.setattr(pretrained, "load", lambda *given: asked.append(given))
    pretrained.vit_b_16(download=False)
    ((make, chosen, download),) = asked  # type: ignore[misc]
    assert (make, chosen, download) == (models.vit_b_16, ViT_B_16_Weights.IMAGENET1K_V1, False)
    assert pretrained.place(chosen) == cache / "vit_b_16-c867db91.pth"
    assert len(chosen.meta["categories"]) == 1000
    assert chosen.transforms()(flower()).shape == (3, 224, 224)


@pytest.mark.parametrize("named", [True, False])
def test_the_command_prints_the_likeliest_classes(named, published, tmp_path, monkeypatch):
    found = pretrained.load(build, weights(published.as_uri()))
    monkeypatch.setattr(pretrained, "vit_b_16", lambda download: found)
    flower().save(tmp_path / "mine.png")
    given = [str(tmp_path / "mine.png")] if named else []
    result = CliRunner().invoke(pretrained.main, [*given, "--top", "2"])
    assert result.exit_code == 0
    expected = [f"{share:6.1%}  {name}" for name, share in found.top(flower(), 2)]
    assert result.output.splitlines() == expected


def test_the_command_says_what_is_wrong(tmp_path, monkeypatch):
    (tmp_path / "text.jpg").write_text("no picture")
    result = CliRunner().invoke(pretrained.main, [str(tmp_path / "text.jpg")])
    assert result.exit_code == 1
    assert "text.jpg cannot be read as a picture" in result.output
    assert "Expected a file such as a JPEG or a PNG" in result.output
    result = CliRunner().invoke(pretrained.main, ["--no-download"])
    assert result.exit_code == 1
    assert "vit_b_16-c867db91.pth, and there is no such file" in result.output
    assert "Traceback" not in result.output
