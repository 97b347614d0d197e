"""Chapter 11: ``TinyTransformer``, ``greedy_decode``, ``warmup_lr``, and what three trained models write."""

from plenary.exercises.tiny_transformer.decoding import DECODE
from plenary.exercises.tiny_transformer.reversal import REVERSAL
from plenary.exercises.tiny_transformer.transformer import TRANSFORMER
from plenary.exercises.tiny_transformer.warmup import WARMUP

EXERCISES = (TRANSFORMER, DECODE, WARMUP, REVERSAL)
