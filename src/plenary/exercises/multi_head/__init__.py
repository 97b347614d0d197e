"""Chapter 7: ``split_heads``, ``merge_heads`` and ``MultiHeadAttention``."""

from plenary.exercises.multi_head.heads import MERGE, SPLIT
from plenary.exercises.multi_head.module import MODULE

EXERCISES = (SPLIT, MERGE, MODULE)
