"""``build_model``: does the model do what a Vision Transformer does, and do its variants differ as they should?

Its inner names are free, so no weights can be loaded: every parameter is drawn at random, and what is judged is how the
logits behave.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Law, Misconception, Property
from plenary.checks.probe import Call, Probe
from plenary.exercises.capstone.asking import PAGE, same, shuffled, yes
from plenary.exercises.capstone.build_candidates import CORRECT, WRONG, FromParts

LARGEST = 300_000
OUTPUTS = ("logits", "again", "reversed", "of two", "blocks of 2", "blocks of 4", "parameters")


def collect(model: Any, arguments: dict[str, Any]) -> tuple[Any, ...]:
    """Draw every trainable parameter at random, and look at the logits of five pictures in several ways."""
    if not isinstance(model, nn.Module):
        if isinstance(model, type):
            raise TypeError(f"returned the class {model.__name__}; expected an instance of it.")
        raise ValueError(f"returned a value of type {type(model).__name__}; expected a torch.nn.Module.")
    generator = torch.Generator().manual_seed(5)
    model.eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                drawn = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(drawn / max(1, parameter[0].numel() if parameter.ndim > 1 else 1) ** 0.5)
        size, channels = arguments.get("image_size", 8), arguments.get("in_channels", 1)
        images = torch.rand(5, channels, size, size, generator=generator)
        logits = model(images)
        again, backwards, two = model(images), model(images.flip(0)), model(images[:2])
        blocks = [model(shuffled(images, block, generator)) for block in (2, 4)]
    for one in (logits, again, backwards, two, *blocks):
        if not isinstance(one, Tensor):
            raise TypeError(
                f"returned a model whose output is {type(one).__name__}; expected a tensor of logits."
            )
    return logits, again, backwards.flip(0), two, *blocks, sum(p.numel() for p in model.parameters())


def probes(_seed: int) -> list[Probe]:
    """Ask for the model and each of its variants. There is nothing to draw: the weights are, on the other side."""
    both = {"patch_size": 2, "positions": True, "pool": "class"}
    off = {**both, "positions": False}
    return [
        Probe("the model", (Call(both), Call({**both, "pool": "mean"}, " mean"))),
        Probe("no positions", (Call(off),)),
        Probe("large patches", (Call({**off, "patch_size": 4}),)),
        Probe("no positions, mean", (Call({**off, "pool": "mean"}),)),
        Probe("photographs", (Call({**both, "patch_size": 4, "image_size": 32, "in_channels": 3}),)),
    ]


def derive(_probe: Probe, answer: Answer) -> Answer:
    """Turn logits into facts that do not depend on the model's weights."""
    found = answer.arrays
    logits = found["logits"]
    facts = {
        "shape": np.array(logits.shape, dtype=float),
        "finite": yes(np.isfinite(logits).all()),
        "repeatable": yes(same(found["again"], logits)),
        "each by itself": yes(same(found["reversed"], logits)),
        "in any company": yes(same(found["of two"], logits[:2])),
        "distinct": yes(logits.ndim == 2 and bool(logits.std(axis=0).max() > 1e-4)),
        "probabilities": yes(logits.ndim == 2 and np.allclose(logits.sum(axis=-1), 1)),
        "order of 2 counts": yes(not same(found["blocks of 2"], logits)),
        "order of 4 counts": yes(not same(found["blocks of 4"], logits)),
        "small": yes(found["parameters"] <= LARGEST),
    }
    if "logits mean" in found:
        facts["pool counts"] = yes(not same(found["logits mean"], logits))
    return Answer(facts, {}, answer.changed)


def must(name: str, value: float, said: str) -> Law:
    """Make a law of one fact."""

    def law(_probe: Probe, answer: Answer) -> str | None:
        return None if float(answer.arrays.get(name, np.array(np.nan))) == value else said

    return law


def right_shape(_probe: Probe, answer: Answer) -> str | None:
    """Logits are (B, 10)."""
    shape = tuple(int(n) for n in answer.arrays["shape"])
    return None if shape == (5, 10) else f"5 pictures gave logits of shape {shape}, expected (5, 10)"


EVERY = ("the model", "no positions", "large patches", "no positions, mean", "photographs")
MUSTS = {
    "finite": must("finite", 1, "some logits are not finite"),
    "repeatable": must(
        "repeatable", 1, "in evaluation mode the same pictures gave other logits the second time"
    ),
    "each by itself": must("each by itself", 1, "a picture's logits change with the order of the batch"),
    "in any company": must(
        "in any company", 1, "a picture's logits change with the other pictures of its batch"
    ),
    "distinct": must("distinct", 1, "all pictures get the same logits"),
    "probabilities": must("probabilities", 0, "each row sums to one: these are probabilities, not logits"),
    "positions": must(
        "order of 4 counts", 1, "shuffling the patches changes nothing, although positions are on"
    ),
    "no positions": must(
        "order of 4 counts", 0, "shuffling the patches changes the logits, although positions are off"
    ),
    "patches of 2": must("order of 2 counts", 0, "blocks of 2 x 2 pixels are not what is shuffled freely"),
    "patches of 4": must("order of 2 counts", 1, "inside a patch of 4 x 4 pixels the order has to count"),
    "pool": must("pool counts", 1, 'pool="mean" gives the same logits as pool="class"'),
    "small": must("small", 1, f"the model has more than {LARGEST:,} parameters"),
}


def _reference(*arguments: Any) -> nn.Module:
    """Build the model from the course's layers: a function, as is asked for, not the class itself."""
    return FromParts(*arguments)


BUILD = Exercise(
    name="build_model",
    signature='build_model(patch_size=2, positions=True, pool="class", image_size=8, in_channels=1) -> model',
    page=PAGE,
    outputs=OUTPUTS,
    probes=probes,
    reference=_reference,
    collect=collect,
    derive=derive,
    properties=(
        Property("logits (B, 10), finite", 2, ("the model",), law=right_shape),
        Property("different pictures get different logits", 1, ("the model",), law=MUSTS["distinct"]),
        Property("every picture by itself, in any order", 1, EVERY, law=MUSTS["each by itself"]),
        Property("every picture by itself, in any company", 1, EVERY, law=MUSTS["in any company"]),
        Property("evaluation mode is deterministic", 1, EVERY, law=MUSTS["repeatable"]),
        Property("logits, not probabilities", 1, ("the model",), law=MUSTS["probabilities"]),
        Property("positions count", 1, ("the model",), law=MUSTS["positions"]),
        Property(
            "without positions, order does not count",
            2,
            ("no positions", "no positions, mean"),
            law=MUSTS["no positions"],
        ),
        Property("patch_size is the side of a patch", 1, ("large patches",), law=MUSTS["patches of 4"]),
        Property("pool chooses what the head reads", 1, ("the model",), law=MUSTS["pool"]),
        Property("photographs of 32 x 32 in colour", 1, ("photographs",), law=right_shape),
        Property("at most 300,000 parameters", 1, ("the model",), law=MUSTS["small"]),
        Property("finite logits", 1, EVERY, law=MUSTS["finite"]),
    ),
    laws=(right_shape, *MUSTS.values()),
    misconceptions=(
        Misconception(
            id="capstone-positions-stay",
            title="Your model without positions still knows where each patch lies.",
            belief="Positions that are drawn at random once and never trained tell patches apart as well as learned "
            "ones. Positions that start at zero and may be trained will not stay there. (The check draws at random "
            "whatever training could move.)",
            hint="With positions=False nothing may be added that differs from patch to patch, at the start or after "
            "training. Shuffle the patches of a picture: its logits have to stay.",
            anchor="cap-ablation",
            section="An ablation takes one thing away",
            wrong={"build_model": WRONG["capstone-positions-stay"]},
        ),
        Misconception(
            id="capstone-no-positions",
            title="Your model never adds positions, so it cannot tell a picture from its shuffled patches.",
            belief="Attention treats its tokens as a set. A convolutional network has the order built in; here it has to "
            "be added once, before the first layer.",
            hint="Add a learned vector for every place to the tokens, unless positions=False.",
            anchor="cap-ablation",
            section="An ablation takes one thing away",
            wrong={"build_model": WRONG["capstone-no-positions"]},
        ),
        Misconception(
            id="capstone-pool-ignored",
            title="Your model reads the same token whatever pool says.",
            belief="An argument that is accepted and not used makes an ablation in which both runs are the same model, "
            "and their difference is chance.",
            hint='For pool="mean" the head reads the mean over the patches.',
            anchor="cap-ablation",
            section="An ablation takes one thing away",
            wrong={"build_model": WRONG["capstone-pool-ignored"]},
        ),
        Misconception(
            id="capstone-patch-size-ignored",
            title="Your model cuts patches of the same size whatever patch_size says.",
            belief="With a number written into the model the argument changes nothing, and an ablation of the patch size "
            "compares a model with itself.",
            hint="Hand patch_size on to the part that cuts the picture, and count the positions from it.",
            anchor="cap-ablation",
            section="An ablation takes one thing away",
            wrong={"build_model": WRONG["capstone-patch-size-ignored"]},
        ),
        Misconception(
            id="capstone-batch-attends",
            title="In your model the pictures of a batch attend to each other.",
            belief="torch's nn.TransformerEncoder takes (length, batch, width) unless it is told otherwise, so with "
            "(batch, length, width) it attends over the batch. Every shape fits, and a picture's answer depends on its neighbours.",
            hint="batch_first=True. Then reverse the batch: each picture has to keep its logits.",
            anchor="cap-by-itself",
            section="Every picture by itself",
            wrong={"build_model": WRONG["capstone-batch-attends"]},
            evidence="https://github.com/Exorust/TorchLeet/issues/5",
        ),
        Misconception(
            id="capstone-batch-normalises",
            title="Your model normalises by the batch at hand, in evaluation mode too.",
            belief="In a large batch its mean is nearly that of the data, and nothing shows. A picture alone, or among dark "
            "ones, gets another answer.",
            hint="In evaluation use numbers that were fixed before, or normalise each token by itself.",
            anchor="cap-by-itself",
            section="Every picture by itself",
            wrong={"build_model": WRONG["capstone-batch-normalises"]},
        ),
        Misconception(
            id="capstone-probabilities",
            title="Your model ends in a softmax; logits come before it.",
            belief="Cross-entropy takes the softmax itself. A second one in the model squeezes all differences into [0, 1], "
            "and the loss cannot fall below a floor.",
            hint="Return what the last linear layer gives.",
            anchor="cap-by-itself",
            section="Every picture by itself",
            wrong={"build_model": WRONG["capstone-probabilities"]},
        ),
        Misconception(
            id="capstone-too-large",
            title="Your model has more parameters than this task pays for.",
            belief="ViT-Tiny and ViT-Base were sized for a million photographs and more. On 1,437 pictures of 8 x 8 pixels "
            "a hundredth of that learns as much, and in seconds.",
            hint="A width of 48 and three layers are plenty.",
            anchor="cap-size",
            section="How large is large enough",
            wrong={"build_model": WRONG["capstone-too-large"]},
        ),
        Misconception(
            id="capstone-class-returned",
            title="You return the class of the model; expected is an instance of it.",
            belief="A class is the plan, an instance is what has weights. The plan cannot be given a picture.",
            hint="Call the class with its sizes, and return what it gives.",
            anchor="cap-by-itself",
            section="Every picture by itself",
            wrong={"build_model": WRONG["capstone-class-returned"]},
        ),
    ),
    correct=CORRECT,
)
