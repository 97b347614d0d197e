"""Chapter 3: ``attention_scores``, ``scaled_dot_product_attention`` and ``softmax_jacobian``."""

from plenary.exercises.scaled_dot_product.attention import ATTENTION, SCORES
from plenary.exercises.scaled_dot_product.jacobian import JACOBIAN

EXERCISES = (SCORES, ATTENTION, JACOBIAN)
