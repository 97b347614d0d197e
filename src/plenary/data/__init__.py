"""Datasets: images, sequences to transform, sentences to translate, a text to continue.

All follow one convention: `dataset[indices]`, with indices (B,), is a tuple of tensors with B rows. So a
loader takes whole batches of indices as its samples: `DataLoader(dataset, sampler=batches_of_indices,
batch_size=None)`.
"""

from plenary.data.image_archives import cifar10, fashion_mnist
from plenary.data.image_folder import ImageFiles, image_folder
from plenary.data.images import Images, ImageSplits, digit_folds, digits
from plenary.data.sequences import SequenceSplits, recall, reverse, sort, totals
from plenary.data.source import DownloadError, data_dir, fetch
from plenary.data.text import CharacterText, Windows, tiny_shakespeare
from plenary.data.translation import SentencePairs, Translation, multi30k
from plenary.data.vocabulary import Vocabulary, words

__all__ = [
    "CharacterText",
    "DownloadError",
    "ImageFiles",
    "ImageSplits",
    "Images",
    "SentencePairs",
    "SequenceSplits",
    "Translation",
    "Vocabulary",
    "Windows",
    "cifar10",
    "data_dir",
    "digit_folds",
    "digits",
    "fashion_mnist",
    "fetch",
    "image_folder",
    "multi30k",
    "recall",
    "reverse",
    "sort",
    "tiny_shakespeare",
    "totals",
    "words",
]
