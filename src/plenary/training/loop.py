"""The training loop."""

import math
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from plenary.training import checkpoint, evaluation, runs
from plenary.training.batches import Plan, training_batches, validation_batches
from plenary.training.distributed import World, choose_device, spread
from plenary.training.ema import Average
from plenary.training.log import Log, Row
from plenary.training.loss import require_finite, summed_loss
from plenary.training.optimizer import optimizer as make_optimizer
from plenary.training.progress import Progress
from plenary.training.recipe import Recipe
from plenary.training.schedule import warmup_cosine
from plenary.training.seeding import number
from plenary.training.task import Task


@dataclass
class History:
    """What happened: the rows of the log, see `plenary.training.log.COLUMNS`."""

    rows: list[Row] = field(default_factory=list)

    @property
    def last(self) -> Row:
        """After the last epoch."""
        return self.rows[-1]


@dataclass
class Meter:
    """Sums since the last row of the log."""

    loss: float = 0.0
    count: float = 0.0
    norm: float = 0.0
    steps: int = 0

    @property
    def mean_loss(self) -> float:
        """Over samples, or over tokens."""
        return self.loss / max(self.count, 1)

    def add(self, loss: float, count: float, norm: float) -> None:
        """Count a step."""
        self.loss, self.count = self.loss + loss, self.count + count
        self.norm, self.steps = self.norm + norm, self.steps + 1


def train(
    model: nn.Module,
    task: Task,
    recipe: Recipe,
    run_dir: Path | str,
    world: World | None = None,
    parallel: str = "ddp",
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = False,
) -> History:
    """Train a model and leave log, checkpoint, curves and the final weights in a folder.

    The end is a function of model, data and recipe alone. A run that is killed and resumed ends with the same bits
    as one that is not: on the CPU, and on CUDA as far as its kernels are deterministic. Several processes share
    each batch so that together they take the same steps as one, up to rounding; only dropout differs, which each
    draws for its own part. On several machines the folder has to be on storage that all of them see.

    Args:
        model: on the CPU, the same in every process; trained in place.
        task: data, and what to do with it.
        recipe: the numbers.
        run_dir: the folder; made if need be.
        world: device and processes, from `plenary.training.joined`; by default this process and the best device.
        parallel: how several processes share the model, "ddp" or "fsdp".
        resume: go on from the last checkpoint in the folder.
        overwrite: start anew although the folder holds a run.
        progress: show a bar with the latest numbers, on a terminal.

    Raises:
        TrainingError: loss or gradient is not a finite number.
        CheckpointError: a file of the run cannot be written or read, or belongs to another run.
        FileExistsError: the folder holds a run, and neither resume nor overwrite is asked for.
    """
    run_dir = Path(run_dir)
    world = world or World(choose_device())
    lengths = getattr(task.training, "source_lengths", None)
    plan = Plan(
        len(task.training),  # type: ignore[arg-type]
        recipe,
        world,
        None if lengths is None else tuple(lengths.tolist()),
    )
    if world.first:
        runs.begin(run_dir, task, recipe, resume=resume, overwrite=overwrite)
    if recipe.compile:
        model.compile()
    spreaded = spread(model.train(), world, parallel)
    optimizer = make_optimizer(spreaded, recipe)
    average = Average(spreaded, recipe.ema_decay) if recipe.ema_decay else None
    first_step, meter, before = 0, Meter(), 0.0
    world.wait()  # for what the first one may still have to write
    if resume and (facts := runs.restore(run_dir, task, plan, spreaded, optimizer, average)):
        first_step, meter, before = facts["step"], Meter(**facts["meter"]), facts["seconds"]
    runs.require_same_step(run_dir, world, first_step)
    log = Log(run_dir / runs.LOG, first_step) if world.first else None
    history = History(log.rows if log else [])
    precision = _autocast(recipe, world)
    warmup_steps = round(recipe.warmup * plan.total_steps)
    started = saved = time.monotonic()

    bar = Progress(plan.total_steps, plan.steps_per_epoch, shown=progress and world.first)
    with _own_randomness(world), bar:
        for step, batch, share in training_batches(task.training, plan, first_step):
            # Counted from 1 to total + 1, so that neither the first step nor the last has a rate of 0.
            factor = warmup_cosine(step + 1, warmup_steps, plan.total_steps + 1)
            rate = recipe.learning_rate * factor
            for group in optimizer.param_groups:
                group["lr"] = rate
            # Dropout follows from the step, not from what was drawn before it.
            torch.manual_seed(number(recipe.seed, "dropout", step, world.rank))
            batch, share = _on_device(batch, world), share.to(world.device)
            *inputs, targets = task.training_batch(batch, share, recipe.augmentation)

            with precision:
                logits = spreaded(*inputs)
            loss, count = summed_loss(logits, targets, share, task.ignore_index, recipe.label_smoothing)
            due = time.monotonic() - saved >= recipe.checkpoint_seconds
            sums = world.sum(torch.stack([loss.detach(), count, torch.full_like(count, due and world.first)]))
            # The mean is over the whole batch. DDP and FSDP average gradients over processes; the sum is wanted.
            (loss * (world.size / sums[1].clamp(min=1))).backward()
            norm = nn.utils.clip_grad_norm_(spreaded.parameters(), recipe.clip_norm or math.inf)
            # The one moment in a step in which the host waits for the device.
            total, counted, due, norm = torch.stack([*sums, _whole(norm)]).tolist()
            require_finite(step, plan, total / max(counted, 1), rate, norm, inputs, run_dir / runs.CHECKPOINT)
            optimizer.step()
            optimizer.zero_grad()
            if average:
                average.update(step)
            meter.add(total, counted, norm)
            bar.step(step + 1, meter.mean_loss)

            epoch, rest = divmod(step + 1, plan.steps_per_epoch)
            seconds = before + time.monotonic() - started
            if rest == 0:
                with precision:
                    scores = _validate(spreaded, task, plan, average)
                row = _row(step + 1, epoch, rate, meter, scores, seconds)
                log.append(row) if log else history.rows.append(row)
                bar.row(row)
                meter = Meter()
            if due or step + 1 == plan.total_steps:
                facts = runs.facts(task, plan, step + 1, vars(meter), seconds)
                checkpoint.save(run_dir / runs.CHECKPOINT, world, spreaded, optimizer, average, facts)
                saved = time.monotonic()
    runs.finish(run_dir, task, recipe, world, spreaded, average, history.rows)
    return history


def _validate(model: nn.Module, task: Task, plan: Plan, average: Average | None) -> dict[str, float]:
    """Over all processes, and with the averaged weights if there are some."""

    def batches():
        for batch, idle in validation_batches(task.validation, plan):
            *inputs, targets = task.validation_batch(_on_device(batch, plan.world))
            yield *inputs, torch.full_like(targets, task.ignore_index) if idle else targets

    with average.applied() if average else nullcontext():
        sums = evaluation.totals(model, batches(), task.ignore_index)
    return evaluation.means(*plan.world.sum(sums).tolist())


def _row(step: int, epoch: int, rate: float, meter: Meter, scores: dict[str, float], seconds: float) -> Row:
    return {
        "step": step,
        "epoch": epoch,
        "learning_rate": rate,
        "loss": meter.mean_loss,
        "gradient_norm": meter.norm / meter.steps,
        "validation_loss": scores["loss"],
        "validation_accuracy": scores["accuracy"],
        "seconds": round(seconds, 3),
    }


def _autocast(recipe: Recipe, world: World) -> torch.autocast:
    """Matrix products in bfloat16 where the recipe asks for it; its range is float32's, so no loss is scaled."""
    kind = world.device.type
    helps = kind == "cuda" and torch.cuda.is_bf16_supported()
    enabled = recipe.precision == "bfloat16" or (recipe.precision == "auto" and helps)
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=enabled)


def _own_randomness(world: World) -> Any:
    """The seeds of the steps are nobody else's business: the global generators get their states back."""
    return torch.random.fork_rng(devices=[world.device] if world.device.type == "cuda" else [])


def _on_device(batch: tuple[Tensor, ...], world: World) -> tuple[Tensor, ...]:
    return tuple(tensor.to(world.device, non_blocking=True) for tensor in batch)


def _whole(norm: Tensor) -> Tensor:
    """FSDP's norm is a distributed tensor; its value is the same everywhere."""
    return norm.full_tensor() if isinstance(norm, DTensor) else norm
