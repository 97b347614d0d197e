"""Chapter 8: ``sinusoidal_encoding``, ``rotation_matrix`` and ``is_permutation_equivariant``."""

from plenary.exercises.position.encoding import ENCODING
from plenary.exercises.position.equivariance import EQUIVARIANCE
from plenary.exercises.position.rotation import TURN

EXERCISES = (ENCODING, TURN, EQUIVARIANCE)
