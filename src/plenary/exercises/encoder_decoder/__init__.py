"""Chapter 10: ``shift_right``, ``make_masks``, ``DecoderLayer`` and ``sequence_loss``."""

from plenary.exercises.encoder_decoder.layer import LAYER
from plenary.exercises.encoder_decoder.loss import LOSS
from plenary.exercises.encoder_decoder.masks import MASKS
from plenary.exercises.encoder_decoder.shift import SHIFT

EXERCISES = (SHIFT, MASKS, LAYER, LOSS)
