"""Chapter 2: ``softmax`` and ``soft_lookup``."""

from plenary.exercises.soft_lookup.lookup import LOOKUP
from plenary.exercises.soft_lookup.softmax import SOFTMAX

EXERCISES = (SOFTMAX, LOOKUP)
