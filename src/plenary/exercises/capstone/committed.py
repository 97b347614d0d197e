"""Trained weights that stand for a learner's in the kill matrix: five models, trained by the solution's notebook.

Packed from the folder ``runs`` that solutions/capstone.py leaves behind, in half precision:

    .venv/bin/python -c "from plenary.exercises.capstone.committed import pack; pack('runs')"
"""

from functools import cache
from importlib.resources import files
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from plenary.vision_transformer import VisionTransformer

WEIGHTS = Path(str(files("plenary.exercises.capstone").joinpath("weights.safetensors")))
NAMES = ("seed-0", "seed-1", "seed-2", "positions-off", "mean-of-the-patches")


def model(
    patch_size: int = 2, positions: bool = True, pool: str = "class", dropout: float = 0.1
) -> nn.Module:
    """Make the solution's model, with fresh weights."""
    made = VisionTransformer(8, patch_size, 1, 10, 48, 3, 4, 96, dropout=dropout, pool=pool)
    if not positions:
        with torch.no_grad():
            made.positions.requires_grad_(False).zero_()
    return made


@cache
def trained(name: str) -> nn.Module:
    """Return one of the five trained models, in evaluation mode."""
    found = model(positions=name != "positions-off", pool="mean" if name.startswith("mean") else "class")
    weights = load_file(WEIGHTS)
    state = {
        key.removeprefix(f"{name}."): w.float() for key, w in weights.items() if key.startswith(f"{name}.")
    }
    found.load_state_dict(state)
    return found.eval()


def furnish(folder: Path) -> None:
    """Lay out the trained models where the solution's notebook looks for them, in place of training them."""
    (folder / "runs").mkdir()
    for name in NAMES:
        save_file(trained(name).state_dict(), folder / "runs" / f"{name}.safetensors")


def pack(runs: str | Path) -> None:
    """Write ``weights.safetensors`` from the files of a run."""
    packed = {
        f"{name}.{key}": weight.half()
        for name in NAMES
        for key, weight in load_file(Path(runs) / f"{name}.safetensors").items()
    }
    save_file(packed, WEIGHTS)
    WEIGHTS.chmod(0o644)  # safetensors makes files that their owner alone may read
