"""Chapter 5: ``attention_backward``."""

from plenary.exercises.attention_gradients.backward import BACKWARD

EXERCISES = (BACKWARD,)
