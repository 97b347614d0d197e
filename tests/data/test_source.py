"""Does a download arrive whole or not at all, and does a failed one say what to do? Where is data looked for?"""

import errno
import hashlib
import os
import socket
import time

import pooch
import pytest
import torch

from plenary.data import source
from plenary.data.source import DownloadError, data_dir, fetch, find, kept, place

CONTENT = bytes(range(251)) * 4001  # about a megabyte
HASH = hashlib.sha256(CONTENT).hexdigest()


def left_in(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some" / "where" / "file.bin"


@pytest.mark.parametrize("known_hash", [HASH, HASH.upper(), "md5:" + hashlib.md5(CONTENT).hexdigest()])
def test_a_download_with_the_right_hash_arrives(server, path, known_hash, capsys):
    server.files["file.bin"] = CONTENT
    assert fetch(server.url + "file.bin", known_hash, path) == path
    assert path.read_bytes() == CONTENT
    assert left_in(path.parent) == ["file.bin"]
    assert "file.bin: " in capsys.readouterr().err, "no progress was shown"


def test_a_file_that_is_there_is_not_asked_for_again(server, path):
    server.files["file.bin"] = CONTENT
    for _ in range(2):
        fetch(server.url + "file.bin", HASH, path)
    assert server.asked == ["file.bin"]


def test_others_may_read_what_was_downloaded(server, path):
    server.files["file.bin"] = CONTENT
    fetch(server.url + "file.bin", HASH, path)
    (path.parent / "ordinary").touch()
    assert path.stat().st_mode == (path.parent / "ordinary").stat().st_mode


def test_a_wrong_hash_leaves_nothing_behind(server, path):
    server.files["file.bin"] = CONTENT[:-1] + b"?"
    with pytest.raises(DownloadError, match=f"its sha256 should be {HASH}, and is [0-9a-f]{{64}}"):
        fetch(server.url + "file.bin", HASH, path)
    assert left_in(path.parent) == []


def test_an_interrupted_download_leaves_nothing_behind_and_the_next_try_succeeds(server, path):
    server.files["file.bin"] = CONTENT
    server.cut.add("file.bin")
    with pytest.raises(DownloadError, match="the connection broke off before the end"):
        fetch(server.url + "file.bin", HASH, path)
    assert left_in(path.parent) == []
    fetch(server.url + "file.bin", HASH, path)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("stopped_by", [KeyboardInterrupt, OSError(errno.ENOSPC, "No space left on device")])
def test_what_stops_a_download_leaves_nothing_behind(server, path, monkeypatch, stopped_by):
    def write_a_little(self, url, output_file, pooch):
        with open(output_file, "wb") as file:
            file.write(b"a little")
        raise stopped_by

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", write_a_little)
    expected = KeyboardInterrupt if stopped_by is KeyboardInterrupt else DownloadError
    with pytest.raises(expected) as raised:
        fetch(server.url + "file.bin", HASH, path)
    assert left_in(path.parent) == []
    if expected is DownloadError:
        assert f"no space is left in {path.parent}" in str(raised.value)


def test_what_a_killed_run_left_is_removed_and_what_another_run_is_writing_is_not(server, path):
    server.files["file.bin"] = CONTENT
    long_ago = time.time() - 2 * source.ABANDONED
    for name in ("killed", "running"):
        folder = path.parent / f".incomplete-{name}"
        folder.mkdir(parents=True)
        (folder / "file.bin").write_bytes(b"a little")
        os.utime(folder, (long_ago, long_ago))
    os.utime(path.parent / ".incomplete-killed" / "file.bin", (long_ago, long_ago))
    fetch(server.url + "file.bin", HASH, path)
    assert left_in(path.parent) == [".incomplete-running", "file.bin"]


def test_a_missing_file_a_missing_server_and_no_address_say_so(server, path):
    with socket.socket() as free:  # bound, and nobody listens
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/file.bin"
        for url, said in [
            (server.url + "absent", r"the server answered 404 \(Not Found\)"),
            (nobody, r"the connection to 127\.0\.0\.1 failed \(is there a network\?\)\."),
            ("file.bin", "Invalid URL"),
        ]:
            with pytest.raises(DownloadError, match=said) as raised:
                fetch(url, HASH, path)
            message = str(raised.value)
            assert message.startswith(f"could not download {url}: ")
            assert f"put it at {path}, or name a folder that holds file.bin with PLENARY_DATA" in message
    assert left_in(path.parent) == []


def test_a_silent_server_is_given_up(path, monkeypatch):
    monkeypatch.setattr(source, "TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/file.bin"
        with pytest.raises(DownloadError, match=r"127\.0\.0\.1 was silent for 0\.1 s"):
            fetch(url, HASH, path)


def test_a_folder_that_cannot_be_made_says_so(server, tmp_path):
    server.files["file.bin"] = CONTENT
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match="file"):
        fetch(server.url + "file.bin", HASH, tmp_path / "file" / "file.bin")


def test_the_folder_is_the_argument_then_the_variable_then_the_cache(tmp_path, cache, monkeypatch):
    assert data_dir() == cache
    monkeypatch.setenv("PLENARY_DATA", "")
    assert data_dir() == cache
    monkeypatch.setenv("PLENARY_DATA", str(tmp_path / "variable"))
    assert data_dir() == tmp_path / "variable"
    assert data_dir(tmp_path / "argument") == tmp_path / "argument"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_dir("~/data") == tmp_path / "data"


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"file must be a folder; it is a file"):
        data_dir(tmp_path / "file")


def test_the_named_folder_comes_before_the_cache_and_names_in_order(tmp_path, cache):
    assert find("a", "b", given=tmp_path) is None
    (cache / "a").touch()
    assert find("a", "b", given=tmp_path) == cache / "a"
    (tmp_path / "b").touch()
    assert find("a", "b", given=tmp_path) == tmp_path / "b"
    assert find("c", "a", given=tmp_path) == cache / "a"


def test_a_read_only_folder_is_not_written_to(tmp_path, cache):
    assert place("file", tmp_path) == tmp_path / "file"
    assert place("file", tmp_path / "not there yet") == tmp_path / "not there yet" / "file"
    tmp_path.chmod(0o555)
    try:
        assert place("file", tmp_path) == cache / "file"
    finally:
        tmp_path.chmod(0o755)


def test_what_was_decoded_is_kept_until_its_source_changes_or_it_is_damaged(tmp_path, cache):
    original, made = tmp_path / "original", []
    original.write_bytes(b"two")

    def make():
        made.append(original.read_bytes())
        return {"length": torch.tensor(len(made[-1]))}

    def length():
        return int(kept("name", [original], make)["length"])

    assert (length(), length(), len(made)) == (3, 3, 1)
    original.write_bytes(b"three")
    assert (length(), length(), len(made)) == (5, 5, 2)
    for file in cache.iterdir():
        assert file.stat().st_mode == original.stat().st_mode, "others may read it too"
        file.write_bytes(file.read_bytes()[:20])
    assert (length(), length(), len(made)) == (5, 5, 3)


def test_a_decoded_copy_that_cannot_be_kept_is_used_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(source, "place", lambda *_: tmp_path / "file" / "name.safetensors")
    with pytest.warns(UserWarning, match="name: the decoded copy could not be kept"):
        tensors = kept("name", [], lambda: {"x": torch.tensor(7)})
    assert int(tensors["x"]) == 7
