"""Figures to play with, in a notebook and in the book's static pages alike."""

from plenary.widgets.base import Choice, PlenaryWidget
from plenary.widgets.scaling import Scaling

__all__ = ["Choice", "PlenaryWidget", "Scaling"]
