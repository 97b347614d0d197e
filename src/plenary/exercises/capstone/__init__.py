"""Chapter 17: ``build_model``, ``roundtrip`` (save and load) and ``capstone`` (accuracy, ablation, claims)."""

from plenary.exercises.capstone.build import BUILD
from plenary.exercises.capstone.claims import CAPSTONE
from plenary.exercises.capstone.committed import furnish
from plenary.exercises.capstone.keep import ROUNDTRIP

EXERCISES = (BUILD, ROUNDTRIP, CAPSTONE)

__all__ = ["EXERCISES", "furnish"]
