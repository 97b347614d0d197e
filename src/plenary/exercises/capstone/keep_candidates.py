"""Ways of writing ``save_model`` and ``load_model``, right and wrong, each pair put through the same round trip."""

import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from plenary.exercises.capstone.committed import model as build

Save = Callable[[nn.Module, str], object]
Load = Callable[..., Any]
_FOLDER = tempfile.TemporaryDirectory(prefix="plenary-")


def file() -> str:
    """Name a file that does not exist, in a folder that goes with the process."""
    return str(Path(_FOLDER.name) / uuid.uuid4().hex)


def roundtrip(save: Save, load: Load) -> Callable[..., tuple[Any, ...]]:
    """Build what the notebook gives: save a model, save another under another name, change it, load the first."""

    def run(images: Tensor, path: str, patch_size: int, pool: str) -> tuple[Any, ...]:
        made = build(patch_size=patch_size, pool=pool).eval()
        with torch.no_grad():
            before = drawn(made)(images)
            kept = {name: p.clone() for name, p in made.named_parameters()}
            save(made, path)
            other = drawn(made)(images)
            save(made, f"{path}-other")
            changed = drawn(made)(images)
            loaded = load(path, patch_size=patch_size, pool=pool)
            back = sum(torch.equal(p, kept[name]) for name, p in loaded.named_parameters()) / len(kept)
            return before, loaded(images), loaded(images), other, changed, back

    return run


def drawn(model: nn.Module) -> nn.Module:
    """Draw all weights of a model at random."""
    for parameter in model.parameters():
        parameter.normal_(std=0.3)
    return model


def save(model: nn.Module, path: str) -> None:
    """Write the weights with safetensors: right."""
    save_file(model.state_dict(), path)


def load(path: str, **arguments: Any) -> nn.Module:
    """Build, fill, and put in evaluation mode: right."""
    made = build(**arguments)
    made.load_state_dict(load_file(path))
    return made.eval()


def torch_save(model: nn.Module, path: str) -> None:
    """Write with torch.save."""
    torch.save(model.state_dict(), path)


def torch_load(path: str, **arguments: Any) -> nn.Module:
    """Read what torch.save wrote."""
    made = build(**arguments)
    made.load_state_dict(torch.load(path, weights_only=True))
    made.train(False)
    return made


def save_numpy(model: nn.Module, path: str) -> None:
    """Write as arrays of numpy."""
    arrays: dict[str, Any] = {name: value.numpy() for name, value in model.state_dict().items()}
    with Path(path).open("wb") as opened:
        np.savez(opened, **arrays)


def load_numpy(path: str, **arguments: Any) -> nn.Module:
    """Copy arrays of numpy in place."""
    made = build(**arguments)
    with np.load(path) as arrays, torch.no_grad():
        for name, value in made.state_dict().items():
            value.copy_(torch.from_numpy(arrays[name]))
    return made.eval()


def save_by_name(model: nn.Module, path: str) -> None:
    """Write parameter by parameter."""
    save_file({name: p.detach().clone() for name, p in model.named_parameters()}, path)


def load_by_name(path: str, **arguments: Any) -> nn.Module:
    """Copy parameter by parameter."""
    made, weights = build(**arguments), load_file(path)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            parameter.copy_(weights[name])
    return made.eval()


def left_training(path: str, **arguments: Any) -> nn.Module:
    """Leave the model in training mode."""
    return load(path, **arguments).train()


def fresh(_path: str, **arguments: Any) -> nn.Module:
    """Never read the file."""
    with torch.no_grad():
        return drawn(build(**arguments)).eval()


def save_half(model: nn.Module, path: str) -> None:
    """Round to float16."""
    save_file({name: value.half() for name, value in model.state_dict().items()}, path)


def save_rounded(model: nn.Module, path: str) -> None:
    """Round to bfloat16."""
    save_file({name: value.bfloat16() for name, value in model.state_dict().items()}, path)


_KEPT: dict[str, Any] = {}


def keep_in_memory(model: nn.Module, path: str) -> None:
    """Keep the model's own tensors."""
    _KEPT[path] = model.state_dict()


def load_from_memory(path: str, **arguments: Any) -> nn.Module:
    """Read them back as they are by then."""
    made = build(**arguments)
    made.load_state_dict(_KEPT[path])
    return made.eval()


def without_arguments(path: str, **_arguments: Any) -> nn.Module:
    """Build the default model."""
    return load(path)


def one_file(model: nn.Module, _path: str) -> None:
    """Write under one name, whatever the path."""
    save_file(model.state_dict(), str(Path(_FOLDER.name) / "model"))


def load_one_file(_path: str, **arguments: Any) -> nn.Module:
    """Read from that name."""
    return load(str(Path(_FOLDER.name) / "model"), **arguments)


def weights_alone(path: str, **_arguments: Any) -> Any:
    """Return the dictionary."""
    return load_file(path)


def keys_alone(path: str, **arguments: Any) -> Any:
    """Return what load_state_dict returns."""
    return build(**arguments).load_state_dict(load_file(path))


def nothing(path: str, **arguments: Any) -> None:
    """Return nothing."""
    load(path, **arguments)


def without_positions(model: nn.Module, path: str) -> None:
    """Leave two parameters out of the file."""
    save_file({n: v for n, v in model.state_dict().items() if n not in ("positions", "class_token")}, path)


def loosely(path: str, **arguments: Any) -> nn.Module:
    """Accept that some are missing."""
    made = build(**arguments)
    made.load_state_dict(load_file(path), strict=False)
    return made.eval()


def wrong(save: Save, load: Load) -> dict[str, tuple[Callable[..., object], ...]]:
    """Put a wrong pair through the round trip."""
    return {"roundtrip": (roundtrip(save, load),)}


CORRECT = (
    roundtrip(torch_save, torch_load),
    roundtrip(save_numpy, load_numpy),
    roundtrip(save_by_name, load_by_name),
    roundtrip(save, load),
)
