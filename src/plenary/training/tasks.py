"""The tasks of `plenary train`: for each name its data, its model and its recipe, found without a search.

Nothing is chosen by the data that validates a run: the last weights are kept, whatever they score.
"""

import os
from collections.abc import Callable

from plenary import data
from plenary.training.augmentation import Augmentation
from plenary.training.blanks import blanks, heads
from plenary.training.recipe import Recipe
from plenary.training.task import Architecture, ImageTask, SequenceTask, Task, TextTask

DataDir = str | os.PathLike[str] | None
Built = tuple[Task, Recipe]


def digits(data_dir: DataDir = None) -> Built:
    """Scikit-learn's digits in sixteen patches, and a Vision Transformer of 58,570 parameters.

    Four patches do better, see `ablations`; sixteen are enough to look at who attends to whom.
    """
    augmentation = Augmentation(rotation=10, shift=0.1, scale=0.1, shear=6, elastic=0.05)
    recipe = Recipe(
        epochs=100,
        batch_size=64,
        learning_rate=2e-3,
        label_smoothing=0.1,
        ema_decay=0.99,
        augmentation=augmentation,
    )
    return images(data.digits(), 2, embed_dim=48, num_layers=3, num_heads=4, hidden_dim=96), recipe


def fashion_mnist(data_dir: DataDir = None) -> Built:
    """Fashion-MNIST, and a Vision Transformer of 0.8 million parameters."""
    augmentation = Augmentation(crop=2, flip=0.5, erase=0.25)
    recipe = Recipe(
        epochs=40, batch_size=256, label_smoothing=0.1, ema_decay=0.999, augmentation=augmentation
    )
    splits = data.fashion_mnist(data_dir)
    return images(splits, 4, embed_dim=128, num_layers=6, num_heads=4, hidden_dim=256, pool="mean"), recipe


def cifar10(data_dir: DataDir = None) -> Built:
    """CIFAR-10, and a Vision Transformer of the size of ViT-Lite-7/4: 3.7 million parameters."""
    augmentation = Augmentation(crop=4, flip=0.5, trivial=1.0, erase=0.25, mix=0.8)
    recipe = Recipe(
        epochs=200,
        batch_size=512,
        learning_rate=1.5e-3,
        weight_decay=0.06,
        label_smoothing=0.1,
        ema_decay=0.999,
        augmentation=augmentation,
    )
    splits = data.cifar10(data_dir)
    return images(splits, 4, embed_dim=256, num_layers=7, num_heads=4, hidden_dim=512, pool="mean"), recipe


def folder(data_dir: DataDir = None) -> Built:
    """Any folder of pictures, see `plenary.data.image_folder`; 64 pixels a side, and 2.7 million parameters."""
    if data_dir is None:
        raise ValueError("images: expected a folder of pictures, and none is named. Name it with --data-dir.")
    augmentation = Augmentation(crop=8, flip=0.5, trivial=0.5, erase=0.25)
    recipe = Recipe(epochs=50, label_smoothing=0.1, ema_decay=0.999, augmentation=augmentation, workers=2)
    splits = data.image_folder(data_dir, 64)
    return images(splits, 8, embed_dim=192, num_layers=6, num_heads=3, hidden_dim=768, pool="mean"), recipe


def reverse(data_dir: DataDir = None) -> Built:
    """Write a sequence backwards."""
    return sequences(data.reverse()), Recipe(epochs=20)


def totals(data_dir: DataDir = None) -> Built:
    """Write the running totals of digits from the right, with one layer on either side and 31,085 parameters."""
    return sequences(data.totals(), embed_dim=32, num_layers=1), Recipe(epochs=16, learning_rate=3e-3)


def sort(data_dir: DataDir = None) -> Built:
    """Write a sequence in order."""
    return sequences(data.sort()), Recipe(epochs=20)


def recall(data_dir: DataDir = None) -> Built:
    """Write the value that belongs to a key."""
    return sequences(data.recall()), Recipe(epochs=40)


def multi30k(data_dir: DataDir = None) -> Built:
    """Captions from German to English, and a Transformer of 3 million parameters, most of them words."""
    splits = multi30k_splits(data_dir)
    arguments = {
        "source_vocab_size": len(splits.source_vocabulary),
        "target_vocab_size": len(splits.target_vocabulary),
        "embed_dim": 128,
        "num_heads": 4,
        "num_encoder_layers": 3,
        "num_decoder_layers": 3,
        "hidden_dim": 256,
        "max_length": max(splits.max_source_length, splits.max_target_length),
        "dropout": 0.15,
        "pad_id": splits.pad_id,
    }
    model = Architecture("Transformer", arguments)
    task = SequenceTask("multi30k", splits.train, splits.validation, model, splits.pad_id)
    recipe = Recipe(epochs=24, learning_rate=2e-3, label_smoothing=0.1, betas=(0.9, 0.98), ema_decay=0.995)
    return task, recipe


def shakespeare(data_dir: DataDir = None) -> Built:
    """The next character of Shakespeare's plays, and a language model of 0.8 million parameters."""
    text = data.tiny_shakespeare(data_dir)
    # Windows of 128 characters that begin 32 apart: an epoch reads each character four times.
    training, validation = text.windows(128, 32)
    arguments = {
        "vocab_size": len(text.vocabulary),
        "embed_dim": 128,
        "num_heads": 4,
        "num_layers": 4,
        "max_length": 128,
        "dropout": 0.1,
    }
    task = TextTask("shakespeare", training, validation, Architecture("LanguageModel", arguments))
    return task, Recipe(epochs=10, batch_size=64, weight_decay=0.1, betas=(0.9, 0.95))


TASKS: dict[str, Callable[[DataDir], Built]] = {
    "digits": digits,
    "fashion-mnist": fashion_mnist,
    "cifar10": cifar10,
    "images": folder,
    "reverse": reverse,
    "totals": totals,
    "sort": sort,
    "recall": recall,
    "multi30k": multi30k,
    "shakespeare": shakespeare,
    "blanks": blanks,
    "heads": heads,
}
"""By the name that `plenary train` takes."""


def multi30k_splits(data_dir: DataDir = None) -> data.Translation:
    """The captions as the task reads them: words that occur three times, sentences of at most thirty words."""
    return data.multi30k(data_dir, min_count=3, max_length=30)


def images(splits: data.ImageSplits, patch_size: int, **sizes: int | str) -> ImageTask:
    """The task of naming a dataset's classes, with a Vision Transformer of these sizes."""
    arguments = {
        "image_size": splits.image_size,
        "patch_size": patch_size,
        "in_channels": splits.in_channels,
        "num_classes": len(splits.classes),
        **sizes,
    }
    model = Architecture("VisionTransformer", arguments)
    # A channel that is the same everywhere says nothing, and stays as it is.
    std = tuple(value if value > 1e-4 else 1.0 for value in splits.std)
    return ImageTask(splits.name, splits.train, splits.test, len(splits.classes), splits.mean, std, model)


def sequences(splits: data.SequenceSplits, embed_dim: int = 64, num_layers: int = 2) -> SequenceTask:
    """A sequence task, with a tiny Transformer."""
    arguments = {
        "vocab_size": splits.vocab_size,
        "embed_dim": embed_dim,
        "num_heads": 4,
        "num_layers": num_layers,
        "max_length": max(splits.max_source_length, splits.max_target_length),
        "pad_id": splits.pad_id,
    }
    model = Architecture("TinyTransformer", arguments)
    return SequenceTask(splits.name, splits.train, splits.test, model, splits.pad_id)
