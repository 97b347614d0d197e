"""Chapter 12: ``patchify``, ``unpatchify``, ``linear_weight_from_conv`` and ``PatchEmbedding``."""

from plenary.exercises.patches.conv import CONV
from plenary.exercises.patches.cutting import CUTTING
from plenary.exercises.patches.embedding import EMBEDDING
from plenary.exercises.patches.joining import JOINING

EXERCISES = (CUTTING, JOINING, CONV, EMBEDDING)
