"""``roundtrip``: does what ``save_model`` wrote come back from ``load_model`` as it was?"""

import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Misconception, Property
from plenary.checks.probe import Call, Made, Probe, Value
from plenary.exercises.capstone.asking import PAGE, yes
from plenary.exercises.capstone.build import must
from plenary.exercises.capstone.committed import model as build

Save = Callable[[nn.Module, str], object]
Load = Callable[..., Any]
OUTPUTS = ("before", "after", "again", "other", "changed", "back")
_FOLDER = tempfile.TemporaryDirectory(prefix="plenary-")


def file() -> str:
    """Name a file that does not exist, in a folder that goes with the process."""
    return str(Path(_FOLDER.name) / uuid.uuid4().hex)


def roundtrip(save: Save, load: Load) -> Callable[..., tuple[Any, ...]]:
    """Build what the notebook gives: save a model, save another under another name, change it, load the first."""

    def run(images: Tensor, path: str, patch_size: int, pool: str) -> tuple[Any, ...]:
        made = build(patch_size=patch_size, pool=pool).eval()
        with torch.no_grad():
            before = _drawn(made)(images)
            kept = {name: p.clone() for name, p in made.named_parameters()}
            save(made, path)
            other = _drawn(made)(images)
            save(made, f"{path}-other")
            changed = _drawn(made)(images)
            loaded = load(path, patch_size=patch_size, pool=pool)
            back = sum(torch.equal(p, kept[name]) for name, p in loaded.named_parameters()) / len(kept)
            return before, loaded(images), loaded(images), other, changed, back

    return run


def _drawn(model: nn.Module) -> nn.Module:
    for parameter in model.parameters():
        parameter.normal_(std=0.3)
    return model


def probes(seed: int) -> list[Probe]:
    """Ask for a round trip of two variants."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(5, 1, 8, 8, generator=generator).numpy()

    def arguments(patch_size: int, pool: str) -> dict[str, Value]:
        return {"images": images, "path": Made("file", {}), "patch_size": patch_size, "pool": pool}

    return [
        Probe("the model", (Call(arguments(2, "class")),)),
        Probe("a variant", (Call(arguments(4, "mean")),)),
        Probe("the same sizes, another pool", (Call(arguments(2, "mean")),)),
    ]


def derive(probe: Probe, answer: Answer) -> Answer:
    """Say whether the logits came back: exactly, nearly, or not; and if not, whose they are."""
    before, after, again, other, changed = (answer.arrays[name] for name in OUTPUTS[:5])
    size = max(1.0, float(np.abs(before).max(initial=0.0)))

    def apart(one: np.ndarray, two: np.ndarray) -> float:
        fit = one.shape == two.shape == (len(probe.arguments["images"]), 10)
        return float(np.abs(one - two).max(initial=0.0)) / size if fit else np.inf

    facts = {
        "steady": yes(apart(after, again) < 1e-5),
        "exact": yes(apart(before, after) < 1e-5),
        "near": yes(apart(before, after) < 0.05),
        "not the other": yes(apart(other, after) > 1e-5),
        "not the changed": yes(apart(changed, after) > 1e-5),
        "some came back": yes(answer.arrays["back"].max(initial=0.0) > 0),
        "alive": yes(before.std() > 1e-3),
    }
    return Answer(facts, {}, answer.changed)


steady = must(
    "steady", 1, "the loaded model answers differently each time: something is still dropped at random"
)
near = must("near", 1, "the loaded model's logits have nothing to do with the saved one's")
mine = must("not the other", 1, "another model's logits come back, the one that was saved last")
kept = must(
    "not the changed", 1, "the logits of the model as it is now come back, not of the one that was saved"
)
exact = must("exact", 1, "the loaded model's logits are near the saved one's, and not the same")
alive = must("alive", 1, "all pictures get the same logits, so there is nothing to compare")


def _save(model: nn.Module, path: str) -> None:
    save_file(model.state_dict(), path)


def _load(path: str, **arguments: Any) -> nn.Module:
    made = build(**arguments)
    made.load_state_dict(load_file(path))
    return made.eval()


def _torch_save(model: nn.Module, path: str) -> None:
    torch.save(model.state_dict(), path)


def _torch_load(path: str, **arguments: Any) -> nn.Module:
    made = build(**arguments)
    made.load_state_dict(torch.load(path, weights_only=True))
    made.train(False)
    return made


def _save_numpy(model: nn.Module, path: str) -> None:
    arrays: dict[str, Any] = {name: value.numpy() for name, value in model.state_dict().items()}
    with Path(path).open("wb") as opened:
        np.savez(opened, **arrays)


def _load_numpy(path: str, **arguments: Any) -> nn.Module:
    made = build(**arguments)
    with np.load(path) as arrays, torch.no_grad():
        for name, value in made.state_dict().items():
            value.copy_(torch.from_numpy(arrays[name]))
    return made.eval()


def _save_by_name(model: nn.Module, path: str) -> None:
    save_file({name: p.detach().clone() for name, p in model.named_parameters()}, path)


def _load_by_name(path: str, **arguments: Any) -> nn.Module:
    made, weights = build(**arguments), load_file(path)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            parameter.copy_(weights[name])
    return made.eval()


def _left_training(path: str, **arguments: Any) -> nn.Module:
    return _load(path, **arguments).train()


def _fresh(_path: str, **arguments: Any) -> nn.Module:
    with torch.no_grad():
        return _drawn(build(**arguments)).eval()


def _save_half(model: nn.Module, path: str) -> None:
    save_file({name: value.half() for name, value in model.state_dict().items()}, path)


def _save_rounded(model: nn.Module, path: str) -> None:
    save_file({name: value.bfloat16() for name, value in model.state_dict().items()}, path)


_KEPT: dict[str, Any] = {}


def _keep_in_memory(model: nn.Module, path: str) -> None:
    _KEPT[path] = model.state_dict()


def _load_from_memory(path: str, **arguments: Any) -> nn.Module:
    made = build(**arguments)
    made.load_state_dict(_KEPT[path])
    return made.eval()


def _without_arguments(path: str, **_arguments: Any) -> nn.Module:
    return _load(path)


def _one_file(model: nn.Module, _path: str) -> None:
    save_file(model.state_dict(), str(Path(_FOLDER.name) / "model"))


def _load_one_file(_path: str, **arguments: Any) -> nn.Module:
    return _load(str(Path(_FOLDER.name) / "model"), **arguments)


def _weights_alone(path: str, **_arguments: Any) -> Any:
    return load_file(path)


def _keys_alone(path: str, **arguments: Any) -> Any:
    return build(**arguments).load_state_dict(load_file(path))


def _nothing(path: str, **arguments: Any) -> None:
    _load(path, **arguments)


def _without_positions(model: nn.Module, path: str) -> None:
    save_file({n: v for n, v in model.state_dict().items() if n not in ("positions", "class_token")}, path)


def _loosely(path: str, **arguments: Any) -> nn.Module:
    made = build(**arguments)
    made.load_state_dict(load_file(path), strict=False)
    return made.eval()


def _wrong(save: Save, load: Load) -> dict[str, tuple[Callable[..., object], ...]]:
    return {"roundtrip": (roundtrip(save, load),)}


ROUNDTRIP = Exercise(
    name="roundtrip",
    signature="save_model(model, path) and load_model(path, **arguments) -> model",
    page=PAGE,
    outputs=OUTPUTS,
    numbers=True,
    probes=probes,
    reference=roundtrip(_save, _load),
    makers={"file": file},
    derive=derive,
    properties=(
        Property("the weights come back", 2, ("the model",), law=near),
        Property("exactly as they were", 1, ("the model",), law=exact),
        Property("each file holds its own model", 1, ("the model",), law=mine),
        Property("ready to be used: in evaluation mode", 1, ("the model",), law=steady),
        Property("of every variant", 1, ("a variant", "the same sizes, another pool"), law=exact),
        Property("a model that tells pictures apart", 0, ("the model",), law=alive),
    ),
    laws=(steady, mine, kept, near, exact, alive),
    misconceptions=(
        Misconception(
            id="capstone-loaded-in-training-mode",
            title="Your loaded model is in training mode: it drops a tenth of its features at random.",
            belief="A new module starts in training mode, and loading weights does not change the mode. Dropout then goes on "
            "when the model is used, and the same picture gets another answer each time.",
            hint="Put it in evaluation mode before you return it.",
            anchor="cap-reload",
            section="What comes back has to be what was kept",
            wrong=_wrong(_save, _left_training),
            evidence="https://github.com/OpenTrafficCam/OTVision/issues/132",
        ),
        Misconception(
            id="capstone-weights-not-loaded",
            title="Your load_model makes a new model and leaves it as it is.",
            belief="load_file returns a dictionary of tensors. A model does not know of it until it is given that dictionary.",
            hint="Hand the dictionary to load_state_dict.",
            anchor="cap-reload",
            section="What comes back has to be what was kept",
            wrong=_wrong(_save, _fresh),
        ),
        Misconception(
            id="capstone-half-precision",
            title="Your weights are rounded to half precision when they are saved.",
            belief="Half the bytes, and accuracy hardly moves: often a good trade. But a number that was measured with one "
            "set of weights is then claimed for another, and nobody can find the difference again.",
            hint="Save the dtype that the model has.",
            anchor="cap-reload",
            section="What comes back has to be what was kept",
            wrong={"roundtrip": (roundtrip(_save_half, _load), roundtrip(_save_rounded, _load))},
        ),
        Misconception(
            id="capstone-kept-by-reference",
            title="You keep the model's tensors themselves; when training goes on, what you kept changes with them.",
            belief="state_dict() gives the tensors of the model, not copies. It is a snapshot only once it has been written to a "
            "file, or cloned.",
            hint="Write to the path that is given, and read from it.",
            anchor="cap-reload",
            section="What comes back has to be what was kept",
            wrong=_wrong(_keep_in_memory, _load_from_memory),
        ),
        Misconception(
            id="capstone-arguments-ignored",
            title="Your load_model builds the default model, whatever the arguments say.",
            belief="A file of weights does not say what they are weights of. Where the sizes differ the weights do not fit; "
            "where only the pool differs they fit, and the model is another one without a word.",
            hint="Hand the arguments on to build_model.",
            anchor="cap-reload",
            section="What comes back has to be what was kept",
            wrong=_wrong(_save, _without_arguments),
        ),
        Misconception(
            id="capstone-one-file",
            title="Your models are all saved under one name, so the last one overwrites the others.",
            belief="With a name of its own inside save_model the path that is given is not used. The first model trained "
            "is then gone, and three seeds are one.",
            hint="Use the path.",
            anchor="cap-reload",
            section="What comes back has to be what was kept",
            wrong=_wrong(_one_file, _load_one_file),
        ),
        Misconception(
            id="capstone-loosely-loaded",
            title="Part of your weights are not in the file, and strict=False keeps quiet about it.",
            belief="strict=False is for fine-tuning, where some layers are meant to be new. Here it turns an error that says "
            "which weights are missing into a model that is partly random.",
            hint="Save the whole state_dict(), and let load_state_dict complain.",
            anchor="cap-reload",
            section="What comes back has to be what was kept",
            wrong=_wrong(_without_positions, _loosely),
        ),
        Misconception(
            id="capstone-weights-returned",
            title="Your load_model does not return a model.",
            belief="load_file returns a dictionary of weights, load_state_dict a list of what did not fit, and a function "
            "without a return returns None. Weights are half of a model: which numbers are multiplied by which is in the "
            "code of build_model.",
            hint="Build the model, give it the weights, and return it.",
            anchor="cap-reload",
            section="What comes back has to be what was kept",
            wrong={
                "roundtrip": tuple(roundtrip(_save, one) for one in (_weights_alone, _keys_alone, _nothing))
            },
        ),
    ),
    correct=(
        roundtrip(_torch_save, _torch_load),
        roundtrip(_save_numpy, _load_numpy),
        roundtrip(_save_by_name, _load_by_name),
        roundtrip(_save, _load),
    ),
)
