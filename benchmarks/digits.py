"""Handwritten digits: how far does a Vision Transformer get on 1,437 small pictures, beside three usual ways?

    .venv/bin/python benchmarks/digits.py                  # the five folds; a quarter of an hour or less
    .venv/bin/python benchmarks/digits.py --split 7        # another split into folds, to try a recipe on

All contenders see the same stratified folds of scikit-learn's 1,797 digits (`plenary.data.digit_folds`): each is
trained on four and tested on the fifth. The networks both follow the recipe of `plenary train digits`: its steps,
its augmentation, everything. It was chosen on other folds (`--split 7`) than are reported, and reported is the end
of training, not its best epoch.

- ViT: a `plenary.VisionTransformer` of four patches, width 64 and depth 4 (`plenary train digits` with
  `--model patch_size=4 --model embed_dim=64 --model hidden_dim=128 --model num_layers=4`).
- CNN: four 3 x 3 convolutions with batch norm, of about as many parameters.
- SVM: RBF kernel on the raw pixels from 0 to 16, gamma = 0.001, C = 10.
- nearest neighbours: on the raw pixels, k from 1, 3, 5 and 7 by cross-validation within the training folds.

A fold's seconds are fitting and testing together: by the clock, and of processor time (of all cores), which tells
more on a busy machine. Parameters of the SVM are its support vectors with their coefficients, those of the nearest
neighbours the pixels that they keep.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import nn

from harness import machine, table
from plenary.data import Images, digit_folds
from plenary.training import ImageTask, World, tasks, train
from plenary.training.ablations import cnn, fitted, neighbours, svm


class Result(NamedTuple):
    """How one contender did on one fold."""

    wrong: int
    parameters: int


def vit(seed: int) -> nn.Module:
    """Four patches of 4 x 4."""
    architecture = tasks.digits()[0].architecture
    assert architecture is not None
    sizes = {"patch_size": "4", "embed_dim": "64", "hidden_dim": "128", "num_layers": "4"}
    return architecture.changed(sizes).build(seed)


def network(model: nn.Module, training: Images, testing: Images, seed: int) -> Result:
    """Train as `plenary train digits` does; the test fold is looked at and nothing follows from what is seen."""
    _, recipe = tasks.digits()
    mean, std = (float(x) for x in (training.images.mean(), training.images.std()))
    task = ImageTask("digits", training, testing, num_classes=10, mean=(mean,), std=(std,))
    with tempfile.TemporaryDirectory() as folder:
        last = train(model, task, replace(recipe, seed=seed), folder, World(torch.device("cpu"))).last
    wrong = round((1 - last["validation_accuracy"]) * len(testing))
    return Result(wrong, sum(p.numel() for p in model.parameters()))


def contenders(seed: int) -> dict[str, Callable[[Images, Images], Result]]:
    """Name to what trains on the first and tests on the second."""
    return {
        "ViT": lambda *fold: network(vit(seed), *fold, seed=seed),
        "CNN": lambda *fold: network(cnn(seed, width=48), *fold, seed=seed),
        "SVM": lambda *fold: Result(*fitted(svm(), *fold)),
        "nearest neighbours": lambda *fold: Result(*fitted(neighbours(), *fold)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--split", type=int, default=0, help="seed of the folds (default: 0)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the networks (default: 0)")
    parser.add_argument("--only", choices=list(contenders(0)), action="append", help="run these alone")
    options = parser.parse_args()
    folds = digit_folds(5, seed=options.split)
    print(machine(), end="\n\n")
    rows = []
    for name, run in contenders(options.seed).items():
        if options.only and name not in options.only:
            continue
        accuracies, seconds, busy, wrong, parameters = [], [], [], 0, 0
        for training, testing in folds:
            start, start_busy = time.perf_counter(), time.process_time()
            result = run(training, testing)
            seconds.append(time.perf_counter() - start)
            busy.append(time.process_time() - start_busy)
            accuracies.append(1 - result.wrong / len(testing))
            wrong, parameters = wrong + result.wrong, max(parameters, result.parameters)
        mean = sum(accuracies) / len(accuracies)
        scores = [f"{accuracy:.4f}" for accuracy in (*accuracies, mean)]
        rows.append((name, *scores, wrong, f"{parameters:,}", f"{max(seconds):.1f}", f"{max(busy):.1f}"))
    scores = (*(f"fold {i + 1}" for i in range(len(folds))), "mean")
    head = ("", *scores, "wrong of 1,797", "parameters", "slowest fold (s)", "of processor (s)")
    print(table(head, rows))


if __name__ == "__main__":
    main()
