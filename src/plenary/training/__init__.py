"""Training: one loop for every model of the course, on one process or many, that can stop and go on."""

from plenary.training.augmentation import Augmentation
from plenary.training.distributed import World, choose_device, joined
from plenary.training.evaluation import evaluate
from plenary.training.log import curves
from plenary.training.loop import History, train
from plenary.training.loss import TrainingError
from plenary.training.optimizer import optimizer, parameter_groups
from plenary.training.recipe import Recipe
from plenary.training.runs import describe, load
from plenary.training.schedule import warmup_cosine, warmup_lr
from plenary.training.store import CheckpointError
from plenary.training.task import Architecture, ImageTask, SequenceTask, Task, TextTask

__all__ = [
    "Architecture",
    "Augmentation",
    "CheckpointError",
    "History",
    "ImageTask",
    "Recipe",
    "SequenceTask",
    "Task",
    "TextTask",
    "TrainingError",
    "World",
    "choose_device",
    "curves",
    "describe",
    "evaluate",
    "joined",
    "load",
    "optimizer",
    "parameter_groups",
    "train",
    "warmup_cosine",
    "warmup_lr",
]
