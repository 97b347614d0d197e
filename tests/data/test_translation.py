"""Is Multi30k read from packed and plain files, encoded in pairs, and fetched whole when it is not there?"""

import gzip
import hashlib

import pytest
import torch

from plenary.data import DownloadError, multi30k, translation

TEXTS = {
    "train.de": "Ein Hund läuft.\nEin Hund und ein Mann.\nEin Mann schläft\nZwei.\n",
    "train.en": "A dog runs.\nA dog and a man, outside.\nA man sleeps\nTwo.\n",
    "val.de": "Ein Mann läuft.\n",
    "val.en": "A man runs.\n",
    "test_2016_flickr.de": "Ein Hund und ein Hund und noch ein Hund.\nEin Mann\n",
    "test_2016_flickr.en": "A dog and a dog and another dog.\nA Man\n",
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "multi30k").mkdir()
    for number, (name, text) in enumerate(TEXTS.items()):
        if number % 2:  # some packed, some not
            (tmp_path / "multi30k" / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (tmp_path / "multi30k" / name).write_text(text)
    return tmp_path


def test_a_pair_is_the_source_and_bos_target_eos(folder):
    data = multi30k(folder, min_count=1)
    german, english = data.source_vocabulary, data.target_vocabulary
    assert (len(data.train), len(data.validation), len(data.test)) == (4, 1, 2)
    source, target = data.train[torch.tensor([2, 0])]
    assert source.tolist() == [
        [*german.encode("ein mann schläft"), 0],
        german.encode("ein hund läuft ."),
    ]
    assert target.tolist() == [
        [1, *english.encode("a man sleeps"), 2, 0],
        [1, *english.encode("a dog runs ."), 2],
    ]
    assert (data.pad_id, data.bos_id, data.eos_id) == (0, 1, 2)
    assert english.decode(target[1]) == "a dog runs ."


def test_a_batch_is_as_wide_as_its_longest_sentence(folder):
    train = multi30k(folder, min_count=1).train
    shapes = [tuple(tensor.shape) for tensor in train[torch.tensor([3])]]
    assert shapes == [(1, 2), (1, 4)]
    assert train.source_lengths.tolist() == [4, 6, 3, 2]
    assert train.target_lengths.tolist() == [6, 10, 5, 4]


def test_the_lengths_to_build_a_model_for_are_over_all_parts(folder):
    data = multi30k(folder)
    assert data.max_source_length == 10  # in the test
    assert data.max_target_length == 11


def test_rare_words_are_unknown_and_only_training_counts(folder):
    data = multi30k(folder)
    assert data.source_vocabulary.tokens == ("<pad>", "<bos>", "<eos>", "<unk>", "ein", ".", "hund", "mann")
    assert data.validation[torch.tensor([0])][0].tolist() == [[4, 7, 3, 5]]


def test_the_sentences_to_test_with_are_as_they_were_written(folder):
    assert multi30k(folder).test_sentences == (
        ("Ein Hund und ein Hund und noch ein Hund.", "A dog and a dog and another dog."),
        ("Ein Mann", "A Man"),
    )


def test_long_pairs_are_left_out_of_training_only(folder):
    data = multi30k(folder, max_length=3)  # the sentence to validate with has four words
    assert (len(data.train), len(data.validation), len(data.test)) == (2, 1, 2)
    assert len(multi30k(folder, max_length=7).train) == 3  # six words in German, eight in English
    assert len(multi30k(folder, max_length=8).train) == 4
    assert multi30k(folder, max_length=4).source_vocabulary == multi30k(folder).source_vocabulary


def test_what_is_not_there_is_fetched_and_verified(server, cache, monkeypatch):
    packed = {f"{name}.gz": gzip.compress(text.encode()) for name, text in TEXTS.items()}
    server.files |= packed
    monkeypatch.setattr(translation, "ADDRESS", server.url)
    with pytest.raises(DownloadError, match="its sha256 should be"):
        multi30k()
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in packed.items()}
    assert hashes.keys() == translation.HASHES.keys()
    monkeypatch.setattr(translation, "HASHES", hashes)
    server.asked.clear()
    assert len(multi30k().train) == len(multi30k().train) == 4
    assert sorted(server.asked) == sorted(packed)
    assert sorted(file.name for file in (cache / "multi30k").iterdir()) == sorted(packed)


def test_a_missing_file_says_what_to_do(server, monkeypatch, cache):
    monkeypatch.setattr(translation, "ADDRESS", server.url)
    with pytest.raises(
        DownloadError,
        match=rf"put it at {cache}/multi30k/train\.de\.gz, or name a folder that holds multi30k/train\.de\.gz",
    ):
        multi30k()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("train.en", b"A dog\n", r"train\.de has 4 lines, and .*train\.en 1\."),
        ("train.en", b"A\n\nB\nC\n", r"line 2 of .*train\.en is empty"),
        ("train.en", b"\xff\xfe", r"train\.en is damaged"),
        # Without the time of day: the parameter is part of the test's name, which two processes must agree on.
        (
            "train.en.gz",
            gzip.compress(b"A dog\n" * 99, mtime=0)[:-9],
            r"train\.en\.gz is damaged or incomplete",
        ),
        ("train.en.gz", b"A dog\n", r"train\.en\.gz is damaged or incomplete"),
    ],
)
def test_a_damaged_file_is_named(folder, name, content, said):
    for file in (folder / "multi30k").glob("train.en*"):
        file.unlink()
    (folder / "multi30k" / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"multi30k: .*{said}"):
        multi30k(folder)


def test_bad_numbers_are_named(folder):
    with pytest.raises(ValueError, match="multi30k: min_count must be 1 or more; it is 0"):
        multi30k(folder, min_count=0)
    with pytest.raises(ValueError, match="multi30k: max_length must be 1 or more; it is 0"):
        multi30k(folder, max_length=0)
    with pytest.raises(ValueError, match="no pair has at most max_length = 1 words a side"):
        multi30k(folder, max_length=1)
