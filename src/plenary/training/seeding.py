"""Randomness as a function of (seed, what it is for): nothing has to be remembered to go on where a run stopped."""

from hashlib import sha256

import torch


def number(seed: int, *purpose: str | int) -> int:
    """A number below 2^63 for a purpose, for example `number(seed, "augmentation", step)`: the same in every run,
    unrelated to that of any other purpose."""
    text = repr((seed, *purpose)).encode()
    return int.from_bytes(sha256(text).digest()[:8], "big") >> 1


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """A generator on the CPU for a purpose. Draws go to the accelerator afterwards, so that all devices agree."""
    return torch.Generator().manual_seed(number(seed, *purpose))
