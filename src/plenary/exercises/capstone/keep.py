"""``roundtrip``: does what ``save_model`` wrote come back from ``load_model`` as it was?"""

import numpy as np
import torch

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Call, Made, Probe, Value
from plenary.exercises.capstone.asking import PAGE, yes
from plenary.exercises.capstone.build import must
from plenary.exercises.capstone.keep_candidates import CORRECT, file, load, roundtrip, save
from plenary.exercises.capstone.keep_mistakes import MISTAKES

OUTPUTS = ("before", "after", "again", "other", "changed", "back")


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


ROUNDTRIP = Exercise(
    name="roundtrip",
    signature="save_model(model, path) and load_model(path, **arguments) -> model",
    page=PAGE,
    outputs=OUTPUTS,
    numbers=True,
    probes=probes,
    reference=roundtrip(save, load),
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
    misconceptions=MISTAKES,
    correct=CORRECT,
)
