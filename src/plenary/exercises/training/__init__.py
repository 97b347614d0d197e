"""Chapter 15: ``parameter_groups``, ``warmup_cosine`` and ``evaluate``."""

from plenary.exercises.training.evaluation import EVALUATE
from plenary.exercises.training.groups import GROUPS
from plenary.exercises.training.schedule import SCHEDULE

EXERCISES = (GROUPS, SCHEDULE, EVALUATE)
