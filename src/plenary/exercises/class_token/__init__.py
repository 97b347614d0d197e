"""Chapter 13: ``prepend_class_token``, ``add_positions`` and ``interpolate_positions``."""

from plenary.exercises.class_token.adding import ADDING
from plenary.exercises.class_token.interpolating import INTERPOLATING
from plenary.exercises.class_token.prepending import PREPENDING

EXERCISES = (PREPENDING, ADDING, INTERPOLATING)
