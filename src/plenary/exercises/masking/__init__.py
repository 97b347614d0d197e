"""Chapter 4: ``causal_mask``, ``padding_mask``, ``combine_masks`` and ``masked_softmax``."""

from plenary.exercises.masking.causal import CAUSAL
from plenary.exercises.masking.combine import COMBINE
from plenary.exercises.masking.padding import PADDING
from plenary.exercises.masking.weights import WEIGHTS

EXERCISES = (CAUSAL, PADDING, COMBINE, WEIGHTS)
