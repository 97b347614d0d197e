"""What is trained: data, the model's architecture, and how a batch becomes the model's inputs and targets."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Protocol, get_type_hints

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset

from plenary.training.augmentation import Augmentation
from plenary.training.batches import Share
from plenary.training.evaluation import IGNORE
from plenary.training.seeding import number

Batch = tuple[Tensor, ...]


@dataclass(frozen=True)
class Architecture:
    """A model class of `plenary` by name, and its arguments: enough to build it again from a file.

    Raises:
        ValueError: `plenary` has no model of this name.
    """

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._model()

    def _model(self) -> type[nn.Module]:
        import plenary

        model = getattr(plenary, self.name) if self.name in dir(plenary) else None
        if not (isinstance(model, type) and issubclass(model, nn.Module)):
            raise ValueError(
                f"Architecture: plenary has no model named {self.name!r}. Expected, for example, VisionTransformer."
            )
        return model

    def build(self, seed: int = 0) -> nn.Module:
        """A new model; its first weights follow from the seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(number(seed, "first weights"))
            # JSON knows no tuples.
            lists = {name: tuple(v) for name, v in self.arguments.items() if isinstance(v, list)}
            return self._model()(**self.arguments | lists)

    def changed(self, texts: dict[str, str]) -> "Architecture":
        """The same model with other arguments, given as one types them: {"patch_size": "4", "positional": "false"}.

        Raises:
            ValueError: the model has no such argument, the data settle it, or the text is no value for it.
        """
        hints = get_type_hints(self._model().__init__)
        open_ = {name: kind for name, kind in hints.items() if kind in _VALUES and name not in _BY_DATA}
        values = {}
        for name, text in texts.items():
            if name not in open_:
                why = "follows from the data" if name in hints else "is none of its arguments"
                raise ValueError(
                    f"{self.name}: {name} {why}. What can be changed: {', '.join(sorted(open_))}."
                )
            read, expected = _VALUES[open_[name]]
            try:
                values[name] = read(text)
            except (ValueError, KeyError) as error:
                raise ValueError(f"{self.name}: {name} is {text!r}; expected {expected}.") from error
        return replace(self, arguments=self.arguments | values)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for a JSON file."""
        return asdict(self)


_VALUES: dict[Any, tuple[Callable[[str], Any], str]] = {
    int: (int, "a whole number"),
    float: (float, "a number"),
    bool: (lambda text: {"true": True, "false": False}[text.lower()], "true or false"),
    str: (str, "a word"),
}
_BY_DATA = {
    "in_channels",
    "num_classes",
    "vocab_size",
    "source_vocab_size",
    "target_vocab_size",
    "max_length",
    "pad_id",
}


class Task(Protocol):
    """What the training loop asks of a task; a dataclass, so that `replace` can give it another model."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def architecture(self) -> Architecture | None:
        """How to build the model again; None if it is none of plenary's."""
        ...

    @property
    def training(self) -> Dataset:
        """Indexed by a tensor of indices (B,), gives a tuple of tensors with B rows each."""
        ...

    @property
    def validation(self) -> Dataset:
        """The same, for evaluating."""
        ...

    @property
    def ignore_index(self) -> int:
        """The target that counts for nothing."""
        ...

    def training_batch(self, batch: Batch, share: Share, augmentation: Augmentation) -> Batch:
        """(*inputs, targets) from the rows of the dataset; targets may be shares of classes (B, num_classes)."""
        ...

    def validation_batch(self, batch: Batch) -> Batch:
        """(*inputs, targets) from the rows of the dataset."""
        ...


@dataclass(frozen=True)
class ImageTask:
    """Name the class of a picture.

    Args:
        name: of the task.
        training: gives pictures (B, C, H, W) in [0, 1] and classes (B,).
        validation: the same.
        num_classes: how many classes.
        mean: of each channel, subtracted from the pictures after the augmentation.
        std: of each channel, by which they are then divided.
        architecture: of the model.
    """

    name: str
    training: Dataset
    validation: Dataset
    num_classes: int
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    architecture: Architecture | None = None
    ignore_index: int = IGNORE

    def training_batch(self, batch: Batch, share: Share, augmentation: Augmentation) -> Batch:
        """Augment, normalise, mix."""
        images, labels = batch
        images = self.normalise(augmentation(images, share.draws))
        if not augmentation.mix:
            return images, labels
        # The rows were fetched and augmented for their own sake and as others' partners.
        mixed, part = augmentation.mix_pictures(
            images[share.own], images[share.partners], share.draws[share.own]
        )
        one_hot = F.one_hot(labels, self.num_classes).to(images)
        part = part[:, None]
        return mixed, part * one_hot[share.own] + (1 - part) * one_hot[share.partners]

    def validation_batch(self, batch: Batch) -> Batch:
        """Normalise."""
        images, labels = batch
        return self.normalise(images), labels

    def normalise(self, images: Tensor) -> Tensor:
        """Give the channels the mean 0 and the standard deviation 1 that they have over the training data."""
        mean, std = (images.new_tensor(x)[:, None, None] for x in (self.mean, self.std))
        return (images - mean) / std


@dataclass(frozen=True)
class SequenceTask:
    """Write a sequence after reading another one.

    Datasets give sources (B, S) and targets (B, T + 1) that start with BOS and are padded. The model reads the
    source and the target without its last token, and is to predict the target without its first one.
    """

    name: str
    training: Dataset
    validation: Dataset
    architecture: Architecture | None = None
    ignore_index: int = 0

    def training_batch(self, batch: Batch, share: Share, augmentation: Augmentation) -> Batch:
        """(source, what the decoder reads, what it is to write)."""
        return self.validation_batch(batch)

    def validation_batch(self, batch: Batch) -> Batch:
        """(source, what the decoder reads, what it is to write)."""
        source, target = batch
        return source, target[:, :-1], target[:, 1:]


@dataclass(frozen=True)
class TextTask:
    """Predict the next token. Datasets give windows (B, T) and the same windows one token later (B, T)."""

    name: str
    training: Dataset
    validation: Dataset
    architecture: Architecture | None = None
    ignore_index: int = IGNORE

    def training_batch(self, batch: Batch, share: Share, augmentation: Augmentation) -> Batch:
        """(window, the next tokens)."""
        return batch

    def validation_batch(self, batch: Batch) -> Batch:
        """(window, the next tokens)."""
        return batch
