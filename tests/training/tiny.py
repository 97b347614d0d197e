"""A task that trains in a second, and what is done with it in processes that are killed, starved or two.

Run as a script it forks a process for each scenario from one that has imported torch and computed nothing yet.
Under torchrun it is one of two processes.
"""

import json
import os
import resource
import signal
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import torch
from torch.utils.data import TensorDataset

from plenary.training import (
    Architecture,
    Augmentation,
    CheckpointError,
    ImageTask,
    Recipe,
    World,
    runs,
    train,
)
from plenary.training import checkpoint as checkpoint_module
from plenary.training.distributed import joined

# In batches of 13 the last one has one sample, of training and of validation: one of two processes gets none of it.
SAMPLES, TESTED, BATCH, CLASSES, EPOCHS = 53, 79, 13, 5, 3
STEPS = EPOCHS * 5

RECIPE = Recipe(
    epochs=EPOCHS,
    batch_size=BATCH,
    learning_rate=0.01,
    label_smoothing=0.1,
    clip_norm=0.7,
    ema_decay=0.9,
    augmentation=Augmentation(
        rotation=10, shift=0.1, elastic=0.03, crop=1, flip=0.5, trivial=0.5, erase=0.3, mix=0.7
    ),
    checkpoint_seconds=0,
)


class Pictures(TensorDataset):
    """Calls `at[n]` before it gives its nth batch, counted from 0."""

    def __init__(self, size, seed, at=None):
        generator = torch.Generator().manual_seed(seed)
        labels = torch.randint(CLASSES, (size,), generator=generator)
        images = torch.rand(size, 1, 6, 9, generator=generator)
        images[torch.arange(size), 0, labels] += 0.5  # something to learn
        super().__init__(images.clamp(0, 1), labels)
        self.at, self.given = at or {}, 0

    def __getitem__(self, index):
        self.at.get(self.given, lambda: None)()
        self.given += 1
        return super().__getitem__(index)


def task(dropout=0.3, at=None):
    sizes = {"embed_dim": 14, "num_layers": 2, "num_heads": 2, "hidden_dim": 17, "dropout": dropout}
    arguments = {"image_size": (6, 9), "patch_size": 3, "in_channels": 1, "num_classes": CLASSES, **sizes}
    model = Architecture("VisionTransformer", arguments)
    data = Pictures(SAMPLES, 1, at), Pictures(TESTED, 2)
    return ImageTask("tiny", *data, CLASSES, (0.4,), (0.3,), model)


def model_of(task, seed=0):
    assert task.architecture
    return task.architecture.build(seed)


def go(run_dir, at=None, recipe=RECIPE, dropout=0.3, world=None, draw=False, **options):
    tiny = task(dropout, at)
    world = world or World(torch.device("cpu"))
    # Pictures take longer than the training here.
    with nullcontext() if draw else patch.object(runs, "curves"):
        return train(model_of(tiny, recipe.seed), tiny, recipe, run_dir, world, **options)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def on_call(number, function, act):
    """The function, but before its nth call, counted from 0, something happens."""
    calls = iter(range(1_000))

    def wrapped(*args, **options):
        if next(calls) == number:
            act()
        return function(*args, **options)

    return wrapped


def die_after_the_row():
    """The log is one row ahead of the checkpoint: step 10 is logged and not saved."""
    checkpoint_module.save = on_call(9, checkpoint_module.save, die)
    go(FOLDER / "after_the_row")


def die_while_writing():
    """A checkpoint is written, and not yet in its place."""
    from plenary.training import store

    store._sync = on_call(12, store._sync, die)
    go(FOLDER / "while_writing")


def disk_full():
    """From step 7 on no file may grow past 20 kB."""
    run_dir = FOLDER / "disk_full"

    def fill():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))

    try:
        go(run_dir, at={7: fill})
    except CheckpointError as error:
        # The pipe's other end has no limit; a file would have one.
        print(
            json.dumps({"error": str(error), "left": sorted(p.name for p in run_dir.iterdir())}), flush=True
        )
        os._exit(3)


SCENARIOS = [
    lambda: go(FOLDER / "unbroken"),
    lambda: go(FOLDER / "killed", at={7: die}),
    lambda: go(FOLDER / "killed", resume=True),
    lambda: go(FOLDER / "early", at={0: die}),
    lambda: go(FOLDER / "early", resume=True),
    die_after_the_row,
    lambda: go(FOLDER / "after_the_row", resume=True),
    die_while_writing,
    lambda: go(FOLDER / "while_writing", resume=True),
    disk_full,
    lambda: go(FOLDER / "disk_full", resume=True),
    lambda: go(FOLDER / "workers", recipe=replace(RECIPE, workers=1)),
    lambda: go(FOLDER / "alone", dropout=0.0),
]


def forks():
    """How each scenario ended: 0, or minus the signal that ended it."""

    ends = []
    for scenario in SCENARIOS:
        if pid := os.fork():
            ends.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            continue
        torch.set_num_threads(1)
        scenario()
        sys.stdout.flush()
        os._exit(0)
    print(json.dumps({"ends": ends}))


class Stop(Exception):  # noqa: N818
    """Nothing is wrong."""


def stop():
    raise Stop


def two_processes():
    """DDP, FSDP, and each of them stopped in the middle and gone on with by the other."""
    with joined("cpu") as world:
        for parallel in ("ddp", "fsdp"):
            # Without checkpoints in between, which would hide weights that were gathered too early.
            recipe = replace(RECIPE, checkpoint_seconds=600)
            go(FOLDER / parallel, recipe=recipe, dropout=0.0, world=world, parallel=parallel)
        for stopped, resumed in (("ddp", "fsdp"), ("fsdp", "ddp")):
            run_dir = FOLDER / f"{stopped}_then_{resumed}"
            try:
                go(run_dir, at={8: stop}, dropout=0.0, world=world, parallel=stopped)
            except Stop:
                go(run_dir, dropout=0.0, world=world, parallel=resumed, resume=True)


if __name__ == "__main__":
    FOLDER = Path(sys.argv[1])
    two_processes() if "TORCHELASTIC_RUN_ID" in os.environ else forks()
