"""What each part of the Vision Transformer is worth on the digits, and what other methods do with them.

python -m plenary.training.ablations

The command trains the model of `plenary train digits` with one thing or a few changed, from five seeds, and five
other methods on the same pictures; it writes `ablations.json` beside this file: 20 minutes of one core.
`--only NAME` does some of it anew and leaves the rest as it is in the file.

What counts is the accuracy of the last weights on the 360 test pictures; nothing is chosen by them.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import click
import torch
from torch import nn

from plenary import data
from plenary.data import Images
from plenary.training import reference, store
from plenary.training.log import Row

FILE = Path(__file__).with_suffix(".json")

SEEDS = (0, 1, 2, 3, 4)
FEWER_SEEDS = (0, 1, 2)
"""For what takes longest."""

Entry = dict[str, Any]


@dataclass(frozen=True)
class Ablation:
    """A model that differs from the reference.

    Args:
        group: what is varied.
        name: for short.
        changes: the arguments that differ.
        seeds: how often it is trained.
    """

    group: str
    name: str
    changes: dict[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = SEEDS

    @property
    def command(self) -> str:
        """What gives the run of seed 0."""
        changes = "".join(f"--model {key}={_typed(value)} " for key, value in self.changes.items())
        folder = "-".join(f"{key}-{_typed(value)}" for key, value in self.changes.items()) or "reference"
        return f"plenary train digits {changes}--seed 0 --run-dir runs/{folder.replace('_', '-')}"


def _typed(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _ablations() -> tuple[Ablation, ...]:
    deep = {"patch_size": 4, "embed_dim": 64, "num_layers": 4, "hidden_dim": 128}
    return (
        Ablation("reference", "reference"),
        Ablation("positions", "no positions", {"positional": False}),
        Ablation("pooling", "mean of the patches", {"pool": "mean"}),
        Ablation("patch size", "64 patches of 1 x 1", {"patch_size": 1}, FEWER_SEEDS),
        Ablation("patch size", "4 patches of 4 x 4", {"patch_size": 4}),
        Ablation("patch size", "1 patch of 8 x 8", {"patch_size": 8}),
        Ablation("norm placement", "post-norm", {"norm_first": False}),
        Ablation("depth", "1 layer", {"num_layers": 1}),
        Ablation("depth", "2 layers", {"num_layers": 2}),
        Ablation("depth", "6 layers", {"num_layers": 6}, FEWER_SEEDS),
        Ablation("several", "4 patches, width 64, 4 layers", deep),
    )


ABLATIONS = {one.name: one for one in _ablations()}
"""By name; the first changes nothing."""


def trained(ablation: Ablation) -> Entry:
    """Its runs, as `ABOUT` says."""
    entry: Entry = {
        "group": ablation.group,
        "name": ablation.name,
        "changes": ablation.changes,
        "command": ablation.command,
        "parameters": 0,
        "runs": [],
    }
    for seed in ablation.seeds:
        _, task, recipe = reference.digits(seed)
        assert task.architecture
        architecture = replace(
            task.architecture, arguments={**task.architecture.arguments, **ablation.changes}
        )
        model = architecture.build(seed)
        entry["parameters"] = parameters(model)
        rows = reference.train(model, replace(task, architecture=architecture), recipe)
        entry["runs"].append(_run(seed, rows[-1]))
    return entry


def parameters(model: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(tensor.numel() for tensor in model.parameters() if tensor.requires_grad)


def _run(seed: int, last: Row) -> Entry:
    accuracy = last["validation_accuracy"]
    wrong = round((1 - accuracy) * len(data.digits().test))
    return {
        "seed": seed,
        "accuracy": round(accuracy, 5),
        "wrong": wrong,
        "loss": round(last["validation_loss"], 5),
    }


def cnn(seed: int, width: int = 30) -> nn.Module:
    """Two convolutions, pooling, two more, and the mean over the picture; by default 57,940 parameters."""

    def convolution(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            *convolution(1, width),
            *convolution(width, width),
            nn.MaxPool2d(2),
            *convolution(width, 2 * width),
            *convolution(2 * width, 2 * width),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(2 * width, 10),
        )


def svm() -> Any:
    """A support vector machine with an RBF kernel."""
    from sklearn.svm import SVC

    return SVC(C=10, gamma=0.001)  # type: ignore[arg-type]


def neighbours() -> Any:
    """Nearest neighbours, their number chosen by cross-validation within the training pictures."""
    from sklearn.model_selection import GridSearchCV
    from sklearn.neighbors import KNeighborsClassifier

    return GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 3, 5, 7]})


def linear() -> Any:
    """Softmax regression: one linear layer."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=10_000)


def majority() -> Any:
    """The class that most training pictures have, whatever the picture."""
    from sklearn.dummy import DummyClassifier

    return DummyClassifier()


def fitted(model: Any, training: Images, testing: Images) -> tuple[int, int]:
    """Fit on raw pixels from 0 to 16, one row a picture: how many test pictures are wrong, and the numbers kept."""
    fit, test = (16 * part.images.flatten(1).numpy() for part in (training, testing))
    wrong = int((model.fit(fit, training.labels.numpy()).predict(test) != testing.labels.numpy()).sum())
    if hasattr(model, "support_vectors_"):
        return wrong, model.support_vectors_.size + model.dual_coef_.size
    if hasattr(model, "coef_"):
        return wrong, model.coef_.size + model.intercept_.size
    return wrong, fit.size if hasattr(model, "best_params_") else 1


CLASSICAL: dict[str, Callable[[], Any]] = {
    "SVM": svm,
    "nearest neighbours": neighbours,
    "softmax regression": linear,
    "majority class": majority,
}
CNN = "CNN"
BASELINES = (CNN, *CLASSICAL)


def baseline(name: str) -> Entry:
    """Its runs, as `ABOUT` says."""
    command = f'python -m plenary.training.ablations --only "{name}"'
    if name == CNN:
        entry: Entry = {"name": name, "command": command, "parameters": parameters(cnn(0)), "runs": []}
        for seed in SEEDS:
            _, task, recipe = reference.digits(seed)
            rows = reference.train(cnn(seed), replace(task, architecture=None), recipe)
            entry["runs"].append(_run(seed, rows[-1]))
        return entry
    splits = data.digits()
    wrong, kept = fitted(CLASSICAL[name](), splits.train, splits.test)
    accuracy = round(1 - wrong / len(splits.test), 5)
    # Nothing is drawn in these, so there is one run of each.
    run = {"seed": 0, "accuracy": accuracy, "wrong": wrong, "loss": None}
    return {"name": name, "command": command, "parameters": kept, "runs": [run]}


ABOUT = {
    "rows": "models: group, name, changes (arguments that differ from the reference), command (for seed 0), "
    "parameters (that are trained), runs",
    "baselines": "other methods on the same pictures: name, command, parameters, runs. The CNN has four 3 x 3 "
    "convolutions with batch norm and the recipe of the reference; the others see raw pixels from 0 to 16: the SVM "
    "has an RBF kernel with C = 10 and gamma = 0.001, the nearest neighbours are 1, 3, 5 or 7 by cross-validation",
    "runs": "by seed: accuracy on the test pictures in [0, 1], how many of them are wrong, and the loss in nats "
    "(null where there is none), all of the last weights (of networks, averaged), in one thread",
    "parameters": "of the SVM, support vectors and their coefficients; of the neighbours, the pixels they keep",
}


@cache
def results() -> dict[str, Any]:
    """What `ablations.json` says; under "about" it says what it says."""
    return json.loads(FILE.read_text(encoding="utf-8"))


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default=FILE)
@click.option(
    "--only", multiple=True, type=click.Choice([*ABLATIONS, *BASELINES]), help="Do these; keep the others."
)
def main(file: Path, only: tuple[str, ...]) -> None:
    """Train and fit, write FILE (ablations.json) after each row, and print a table."""
    torch.set_num_threads(1)
    found = json.loads(file.read_text(encoding="utf-8")) if only and file.exists() else {}
    rows = {row["name"]: row for row in (*found.get("rows", ()), *found.get("baselines", ()))}
    for name in only or (*ABLATIONS, *BASELINES):
        rows[name] = trained(ABLATIONS[name]) if name in ABLATIONS else baseline(name)
        click.echo(_line(rows[name]))
        facts = {
            "about": ABOUT,
            "settings": {**reference.settings(), "test": len(data.digits().test)},
            "rows": [rows[one] for one in ABLATIONS if one in rows],
            "baselines": [rows[one] for one in BASELINES if one in rows],
        }
        store.write_text(file, json.dumps(facts, indent=1) + "\n")
    click.echo(table(json.loads(file.read_text(encoding="utf-8"))))


def table(found: dict[str, Any]) -> str:
    """Mean, lowest and highest accuracy of each row, and the wrong ones of the test pictures."""
    columns = "".join(f"{name:>9s}" for name in ("mean", "lowest", "highest"))
    head = f"{'':32s}{'parameters':>11s}{columns}  wrong of {found['settings']['test']}"
    return "\n".join([head, *map(_line, (*found["rows"], *found["baselines"]))])


def _line(row: Entry) -> str:
    shares = [run["accuracy"] for run in row["runs"]]
    percents = "".join(f"{100 * f(shares):7.2f} %" for f in (mean, min, max))
    return f"{row['name']:32s}{row['parameters']:11,}{percents}  {', '.join(str(r['wrong']) for r in row['runs'])}"


if __name__ == "__main__":
    main()
