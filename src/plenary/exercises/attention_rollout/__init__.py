"""Chapter 16: ``attention_rollout`` and ``class_attention_map``."""

from plenary.exercises.attention_rollout.maps import MAP
from plenary.exercises.attention_rollout.rollout import ROLLOUT

EXERCISES = (ROLLOUT, MAP)
