"""Chapter 14: ``VisionTransformer`` and ``count_parameters``."""

from plenary.exercises.vision_transformer.counting import COUNT
from plenary.exercises.vision_transformer.model import MODEL

EXERCISES = (MODEL, COUNT)
