"""What the tests of the training loop share."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest


@pytest.fixture(scope="session")
def tiny_script() -> Path:
    return Path(__file__).with_name("tiny.py")


@pytest.fixture(scope="session")
def tiny(tiny_script):
    """The names of `tiny.py`: a task that trains in a second."""
    return SimpleNamespace(**runpy.run_path(str(tiny_script)))
