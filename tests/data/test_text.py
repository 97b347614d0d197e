"""Is the text read as it stands, and does every window's target follow its input?"""

import hashlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from plenary.data import DownloadError, Windows, text, tiny_shakespeare

TEXT = "First Citizen:\r\nSpeak, speak.\n\nAll:\nNo more!\n" * 3


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tinyshakespeare.txt").write_bytes(TEXT.encode())
    return tmp_path


def test_the_last_tenth_is_for_validation_and_nothing_is_lost(folder):
    data = tiny_shakespeare(folder)
    assert len(data.train) == len(TEXT) * 9 // 10
    assert data.vocabulary.decode(torch.cat([data.train, data.validation])) == TEXT
    assert list(data.vocabulary.tokens) == sorted(set(TEXT))


@given(st.integers(1, 23), st.integers(0, 30), st.integers(1, 7))
def test_a_target_is_the_input_one_later(length, more, stride):
    ids = torch.arange(length + 1 + more) * 3
    windows = Windows(ids, length, stride)
    assert len(windows) == more // stride + 1
    index = torch.arange(len(windows)).flip(0)
    source, target = windows[index]
    assert source.shape == target.shape == (len(windows), length)
    assert torch.equal(source, 3 * (index[:, None] * stride + torch.arange(length)))
    assert torch.equal(target, source + 3)


def test_windows_to_validate_with_do_not_overlap(folder):
    data = tiny_shakespeare(folder)
    train, validation = data.windows(5)
    assert len(train) == len(data.train) - 5
    source, _ = validation[torch.arange(len(validation))]
    assert torch.equal(source.flatten(), data.validation[: source.numel()])
    assert len(data.validation) - source.numel() <= 5


def test_a_batch_is_a_copy(folder):
    data = tiny_shakespeare(folder)
    before = data.train.clone()
    for tensor in data.windows(5)[0][torch.tensor([0, 1])]:
        tensor.zero_()
    assert torch.equal(data.train, before)


def test_what_is_not_there_is_fetched_and_verified(server, monkeypatch):
    server.files["input.txt"] = TEXT.encode()
    monkeypatch.setattr(text, "ADDRESS", server.url + "input.txt")
    with pytest.raises(DownloadError, match=f"its sha256 should be {text.HASH}"):
        tiny_shakespeare()
    monkeypatch.setattr(text, "HASH", hashlib.sha256(TEXT.encode()).hexdigest())
    assert len(tiny_shakespeare().train) == len(tiny_shakespeare().train)
    assert server.asked == 2 * ["input.txt"]


@pytest.mark.parametrize("content", [b"\xff\xfe", b""])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "tinyshakespeare.txt").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"tiny_shakespeare: .*tinyshakespeare\.txt is damaged or incomplete"
    ):
        tiny_shakespeare(tmp_path)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: Windows(torch.arange(7), 7), ValueError, "need a text of 8 tokens; this one has 7"),
        (lambda: Windows(torch.arange(7), 0), ValueError, "Windows: length must be 1 or more; it is 0"),
        (lambda: Windows(torch.arange(7), 3, 0), ValueError, "Windows: stride must be 1 or more; it is 0"),
        (lambda: Windows(torch.arange(7.0), 3), TypeError, r"this one is torch\.float32 of \(7,\)"),
        (lambda: Windows(torch.zeros(7, 2).long(), 3), TypeError, r"torch\.int64 of \(7, 2\)"),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(call, error, said):
    with pytest.raises(error, match=said):
        call()
