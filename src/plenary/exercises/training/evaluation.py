"""Mean loss and accuracy: how to ask for them, and what has to hold."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Made, Plain, Probe, call_probe, normal, shown_probe
from plenary.exercises.training import models
from plenary.exercises.training.evaluation_mistakes import EVALUATION_MISTAKES
from plenary.exercises.training.evaluation_ways import NAME

# Logits are the pictures themselves; five samples in batches of 3 and 2, of which two and one are right.
_PICTURES = [[2.0, 0], [0, 2], [2, 0], [0, 2], [2, 0]]
_LABELS = [0, 1, 1, 1, 1]
_NUMBERS = ("loss", "accuracy")


@lru_cache(maxsize=8)
def probes(seed: int) -> tuple[Probe, ...]:
    """Ask on five samples, then with models that behave otherwise in training, and loaders of many kinds."""
    generator = torch.Generator().manual_seed(seed)

    def data(count: int, classes: int, **options: Plain) -> Made:
        images = normal(generator, count, 1, 2, 3).float()
        labels = torch.randint(classes, (count,), generator=generator)
        return Made("loader", {"images": images.numpy(), "labels": labels.numpy(), **options})

    def ask(
        name: str,
        kind: str = "plain",
        count: int = 11,
        classes: int = 4,
        **options: Plain,
    ) -> Probe:
        # Pictures in float32 also where the model is in float64: a share that was averaged in float32 is right.
        double = bool(options.get("double"))
        weight = normal(generator, classes, 6, scale=1.5).to(torch.float64 if double else torch.float32)
        model = Made("classifier", {"weight": weight.numpy(), "kind": kind, "training": True})
        return call_probe(name, model=model, loader=data(count, classes, **{"batch_size": 4, **options}))

    def small(name: str, kind: str = "plain", training: bool = True, drop_last: bool = False) -> Probe:
        identity = {"weight": torch.eye(2).numpy(), "kind": kind, "training": training}
        five = {"images": torch.tensor(_PICTURES).numpy(), "labels": torch.tensor(_LABELS).numpy()}
        batches = Made("loader", {**five, "batch_size": 3, "drop_last": drop_last})
        return shown_probe(name, model=Made("classifier", identity), loader=batches)

    return (
        small("small"),
        ask("batches of two sizes"),
        ask("one batch", count=5, batch_size=8, classes=3),
        ask("float64", double=True),
        small("small, last batch dropped", drop_last=True),
        ask("last batch dropped", count=10, drop_last=True),
        small("small, dropout of 1", "dropout of 1"),
        ask("dropout", "dropout"),
        ask("batch norm", "batch norm"),
        small("small, afterwards"),
        small("small, in evaluation already", training=False),
        small("small, recorded"),
        small("small, Python numbers"),
    )


_LOOKED_AT = {
    "small, afterwards": ("model in training mode afterwards",),
    "small, in evaluation already": ("model in training mode afterwards",),
    "small, recorded": ("gradients recorded",),
    "small, Python numbers": ("Python numbers",),
}


def one_thing_each(probe: Probe, answer: Answer) -> Answer:
    """Look at one thing in each probe, so that several small mistakes do not hide each other."""
    names = _LOOKED_AT.get(probe.name, _NUMBERS)
    return replace(answer, arrays={n: answer.arrays[n] for n in names if n in answer.arrays})


def reference(model: nn.Module, loader: Any) -> dict[str, float]:
    """Gather all batches into one, and average."""
    modes = {module: module.training for module in model.modules()}
    with torch.inference_mode():
        batches = [(model.eval()(images), labels) for images, labels in loader]
    for module, mode in modes.items():
        module.training = mode
    logits, labels = (torch.cat(one).double() for one in zip(*batches, strict=True))
    right = logits.argmax(-1) == labels
    return {"loss": F.cross_entropy(logits, labels.long()).item(), "accuracy": right.double().mean().item()}


def collect(returned: Any, arguments: dict[str, Any]) -> tuple[Any, ...]:
    """Take the two means out of the dictionary, and look at what became of the model."""
    if not isinstance(returned, dict):
        raise TypeError(f'returned a {type(returned).__name__}; expected {{"loss": ..., "accuracy": ...}}')
    missing = [name for name in ("loss", "accuracy") if name not in returned]
    if missing:
        raise KeyError(f'returned a dictionary without "{missing[0]}"')
    numbers = [returned["loss"], returned["accuracy"]]
    for name, value in zip(("loss", "accuracy"), numbers, strict=True):
        if isinstance(value, Tensor) and value.numel() != 1:
            raise TypeError(f"returned, as {name}, a tensor of shape {tuple(value.shape)}; expected a number")
    model = arguments["model"]
    plain = all(isinstance(value, (int, float)) for value in numbers)
    means = [float(value) for value in numbers]
    return *means, float(model.training), float(model.recorded > 0), float(plain)


def numbers_are_possible(_probe: Probe, answer: Answer) -> str | None:
    """A cross-entropy is not negative, and an accuracy is a share."""
    if not answer.arrays.keys() >= set(_NUMBERS):
        return None
    loss, accuracy = (float(answer.arrays[name]) for name in _NUMBERS)
    if loss < 0:
        return f"the loss is {loss:.3f}; a cross-entropy is never negative"
    return None if 0 <= accuracy <= 1 else f"the accuracy is {accuracy:.3f}, not a share between 0 and 1"


def _by_sums(model: nn.Module, loader: Any) -> dict[str, float]:
    was = model.training
    model.eval()
    loss, right, count = 0.0, 0, 0
    with torch.no_grad():
        for images, labels in loader:
            logits = model(images)
            loss += F.cross_entropy(logits, labels, reduction="sum").item()
            right += int((logits.argmax(dim=-1) == labels).sum())
            count += labels.numel()
    model.train(was)
    return {"loss": loss / count, "accuracy": right / count}


@torch.no_grad()
def _weighted_means(model: nn.Module, loader: Any) -> dict[str, float]:
    mode, criterion = model.training, nn.CrossEntropyLoss()
    model.train(False)
    total, sums = 0, {"accuracy": 0.0, "loss": 0.0}
    for batch in loader:
        images, labels = batch
        logits = model(images)
        sums["loss"] += float(criterion(logits, labels)) * images.size(0)
        sums["accuracy"] += float((logits.max(1)[1] == labels).float().mean()) * images.size(0)
        total += images.size(0)
    model.train(mode)
    return {name: value / total for name, value in sums.items()}


def _by_lists(model: nn.Module, loader: Any) -> dict[str, float]:
    training = model.training
    try:
        model.eval()
        losses, hits = [], []
        with torch.inference_mode():
            for images, labels in loader:
                logits = model(images)
                losses += F.cross_entropy(logits, labels, reduction="none").tolist()
                hits += logits.argmax(1).eq(labels).tolist()
    finally:
        if training:
            model.train()
    return {"loss": sum(losses) / len(losses), "accuracy": sum(hits) / len(hits)}


def _by_log_softmax(model: nn.Module, loader: Any) -> dict[str, float]:
    was = model.training
    model.eval()
    loss = right = count = torch.tensor(0.0, dtype=torch.float64)
    with torch.set_grad_enabled(False):
        for images, labels in loader:
            scores = model(images).log_softmax(-1)
            loss = loss - scores.gather(1, labels[:, None]).sum()
            right = right + (scores.topk(1).indices[:, 0] == labels).sum()
            count = count + len(labels)
    model.train(was)
    return {"loss": (loss / count).item(), "accuracy": (right / count).item()}


_PLAIN = (
    "small",
    "batches of two sizes",
    "one batch",
    "float64",
    "small, last batch dropped",
    "last batch dropped",
)

EVALUATE = Exercise(
    name=NAME,
    signature='evaluate(model, loader) -> {"loss": float, "accuracy": float}',
    page="vision_transformer/training",
    outputs=(*_NUMBERS, "model in training mode afterwards", "gradients recorded", "Python numbers"),
    probes=probes,
    reference=reference,
    properties=(
        Property("the loss as a mean over samples", 3, _PLAIN, ("loss",)),
        Property("the accuracy as a mean over samples", 3, _PLAIN, ("accuracy",)),
        Property(
            "the model evaluated in eval mode", 2, ("small, dropout of 1", "dropout", "batch norm"), _NUMBERS
        ),
        Property(
            "the model gets its mode back",
            1,
            ("small, afterwards", "small, in evaluation already"),
            ("model in training mode afterwards",),
        ),
        Property("no gradients recorded", 1, ("small, recorded",), ("gradients recorded",)),
        Property("Python numbers", 1, ("small, Python numbers",), ("Python numbers",)),
    ),
    laws=(numbers_are_possible,),
    misconceptions=EVALUATION_MISTAKES,
    correct=(_by_sums, _weighted_means, _by_lists, _by_log_softmax),
    numbers=True,
    makers={"classifier": models.classifier, "loader": models.loader},
    collect=collect,
    derive=one_thing_each,
)
