"""Chapter 6: ``find_bug``, a test that the learner writes, put to right and wrong attentions."""

from plenary.exercises.catch_the_bug.find_bug import FIND_BUG

EXERCISES = (FIND_BUG,)
