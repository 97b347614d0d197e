"""Chapter 9: ``LayerNorm``, ``FeedForward``, ``EncoderLayer`` and ``Encoder``."""

from plenary.exercises.encoder_block.feed_forward import FEED_FORWARD
from plenary.exercises.encoder_block.layer import LAYER
from plenary.exercises.encoder_block.layer_norm import NORM
from plenary.exercises.encoder_block.stack import STACK

EXERCISES = (NORM, FEED_FORWARD, LAYER, STACK)
