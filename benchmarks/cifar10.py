"""A Vision Transformer from scratch on CIFAR-10, beside timm's with the same sizes and the same recipe.

    .venv/bin/python benchmarks/cifar10.py --data-dir FOLDER                          # 15 minutes on the CPU
    .venv/bin/python benchmarks/cifar10.py --data-dir FOLDER --device cuda --minutes 8
    .venv/bin/python benchmarks/cifar10.py --data-dir FOLDER --seeds 3                # ours alone, to cifar10.json

On the CPU both train at the same time, each in one thread, and the minutes are minutes of processor time, which a
busy machine leaves nearly as they are. On CUDA one trains after the other, at the sizes of ViT-Lite-7/4. Each first
runs one epoch of 2,560 images to see how fast it is here, and then gets as many epochs as fit in the minutes.
With --seeds ours is trained alone on the CPU, five epochs from each seed, and the logs go to cifar10.json.
What counts is the accuracy of the last weights; nothing is chosen
by the test images. Published neighbours at 200 epochs: ViT-Lite-7/4 91.4 %, CVT-6/4 92.6 %, CCT-6/3x1 94.8 %
(Hassani et al., 2021, Escaping the Big Data Paradigm with Compact Transformers, table 2).
"""

import argparse
import json
import multiprocessing
import time
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer as TimmViT
from torch import nn

from harness import machine, table
from plenary import data
from plenary.training import Augmentation, ImageTask, Recipe, World, choose_device, tasks, train

CPU_SIZES = {"embed_dim": 96, "num_layers": 4, "num_heads": 3, "hidden_dim": 384}
CPU_RECIPE = Recipe(
    batch_size=64, learning_rate=2e-3, augmentation=Augmentation(crop=2, flip=0.5), checkpoint_seconds=1e6
)
PROBE = 2_560
EPOCHS = 5


def build(who: str, task: ImageTask) -> nn.Module:
    assert task.architecture
    if who == "plenary":
        return task.architecture.build(seed=0)
    a = task.architecture.arguments
    torch.manual_seed(0)
    return TimmViT(
        tuple(a["image_size"]),
        a["patch_size"],
        num_classes=a["num_classes"],
        global_pool="avg" if a.get("pool") == "mean" else "token",
        embed_dim=a["embed_dim"],
        depth=a["num_layers"],
        num_heads=a["num_heads"],
        mlp_ratio=a["hidden_dim"] / a["embed_dim"],
    )


def contend(who: str, device: str, minutes: float, data_dir: Path, folder: Path, results: Any) -> None:
    world = World(choose_device(device))
    if device == "cpu":
        torch.set_num_threads(1)
        splits = data.cifar10(data_dir)
        task, recipe = tasks.images(splits, 4, **CPU_SIZES), CPU_RECIPE
    else:
        task, recipe = tasks.cifar10(data_dir)
    assert isinstance(task, ImageTask)
    assert isinstance(task.training, data.Images)
    assert isinstance(task.validation, data.Images)
    training, validation = (torch.arange(n) for n in (PROBE, 512))
    probe = replace(
        task, training=task.training.subset(training), validation=task.validation.subset(validation)
    )
    once = replace(recipe, epochs=1)
    clock = time.process_time if device == "cpu" else time.monotonic
    start = clock()
    train(build(who, task), probe, once, folder / f"{who}-probe", world, overwrite=True)
    seconds = clock() - start
    epochs = max(1, int(60 * minutes / (seconds * len(task.training) / PROBE)))
    model = build(who, task)
    start = clock()
    history = train(model, task, replace(recipe, epochs=epochs), folder / who, world, overwrite=True)
    last = history.last
    results.put(
        (
            who,
            count(model),
            epochs,
            clock() - start,
            last["validation_loss"],
            last["validation_accuracy"],
        )
    )


def seeds(number: int, data_dir: Path | None, folder: Path, file: Path) -> None:
    """Train the small model from several seeds, keep the logs, and print the ends."""
    torch.set_num_threads(1)
    task = tasks.images(data.cifar10(data_dir), 4, **CPU_SIZES)
    assert task.architecture
    runs = []
    for seed in range(number):
        recipe = replace(CPU_RECIPE, epochs=EPOCHS, seed=seed)
        model, start = task.architecture.build(seed), time.process_time()
        rows = train(
            model, task, recipe, folder / f"seed-{seed}", World(torch.device("cpu")), overwrite=True
        ).rows
        minutes = round((time.process_time() - start) / 60, 1)
        runs.append({"seed": seed, "minutes": minutes, "rows": rows})
        facts = {
            "about": "logs of plenary's model: a row an epoch, and the processor's minutes",
            "data": task.name,
            "parameters": count(model),
            "architecture": task.architecture.to_dict(),
            "recipe": CPU_RECIPE.to_dict() | {"epochs": EPOCHS, "seed": "as in the run"},
            "runs": runs,
        }
        file.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    ends = [run["rows"][-1] for run in runs]
    cells = [
        (
            run["seed"],
            EPOCHS,
            run["minutes"],
            f"{end['validation_loss']:.3f}",
            f"{100 * end['validation_accuracy']:.2f} %",
        )
        for run, end in zip(runs, ends, strict=True)
    ]
    print(machine())
    print(f"\n## {task.name}, {EPOCHS} epochs, {number} seeds, one thread\n")
    print(table(("seed", "epochs", "minutes of processor", "test loss", "test accuracy"), cells))
    shares = [100 * end["validation_accuracy"] for end in ends]
    print(f"\nMean {mean(shares):.2f} %, lowest {min(shares):.2f} %, highest {max(shares):.2f} %.")


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--folder", type=Path, default=Path("runs/benchmark-cifar10"))
    parser.add_argument("--seeds", type=int, help="train ours alone, from this many seeds")
    parser.add_argument(
        "--file", type=Path, default=Path(__file__).with_suffix(".json"), help="of the seeds' logs"
    )
    arguments = parser.parse_args()
    if arguments.seeds:
        seeds(arguments.seeds, arguments.data_dir, arguments.folder, arguments.file)
        return
    name = data.cifar10(arguments.data_dir).name  # decoded once, before there are two who would
    spawn = multiprocessing.get_context("spawn")
    results = spawn.Queue()
    processes = [
        spawn.Process(
            target=contend,
            args=(who, arguments.device, arguments.minutes, arguments.data_dir, arguments.folder, results),
        )
        for who in ("plenary", "timm")
    ]
    for process in processes:
        process.start()
        if arguments.device == "cuda":
            process.join()
    for process in processes:
        process.join()
        if process.exitcode:
            raise SystemExit("a contender failed; its error is above.")
    rows = sorted(results.get() for _ in processes)
    print(machine())
    print(f"\n## {name}, {arguments.minutes:g} minutes each, {arguments.device}\n")
    cells = [
        (who, f"{size:,}", epochs, f"{seconds:.0f}", f"{loss:.3f}", f"{100 * accuracy:.2f} %")
        for who, size, epochs, seconds, loss, accuracy in rows
    ]
    print(table(("who", "parameters", "epochs", "seconds", "test loss", "test accuracy"), cells))


if __name__ == "__main__":
    main()
