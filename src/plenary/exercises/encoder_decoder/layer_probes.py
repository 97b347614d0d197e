"""How to ask for a decoder layer: on paper, without and with masks, pre- and post-norm, with dropout."""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.probe import Probe, module_probe, normal, random_weights
from plenary.exercises._references import shapes
from plenary.exercises.encoder_decoder.layer_build import Reference

INSIDE = "dropout inside"
LEFT_ALONE = "share_of_tokens_left_alone"

_EYE, _ZERO = torch.eye(2, dtype=torch.float64), torch.zeros(2, 2, dtype=torch.float64)
_X = torch.tensor([[[4.0, 2], [5, 7]]], dtype=torch.float64)
_MEMORY = torch.tensor([[[4.0, 0], [0, 8], [-4, 4]]], dtype=torch.float64)
_SMALL: dict[str, Any] = {"embed_dim": 2, "num_heads": 1, "hidden_dim": 2}


def by_hand() -> dict[str, Tensor]:
    """Return the weights of the layer in the text, which a pencil can follow.

    All queries are zero, so that everyone listens to all that are permitted alike; values and outputs pass through;
    the feed-forward network keeps positive numbers (GELU does that to many digits at ten times as much).
    """
    weights = {
        name: torch.zeros(shape, dtype=torch.float64) for name, shape in shapes(Reference(2, 1, 2)).items()
    }
    for name in weights:
        if name.endswith(("k_proj.weight", "v_proj.weight", "out_proj.weight")):
            weights[name] = _EYE
    ones = torch.ones(2, dtype=torch.float64)
    return weights | {
        "feed_forward.linear1.weight": 10 * _EYE,
        "feed_forward.linear2.weight": _EYE / 10,
        "norm1.weight": ones,
        "norm1.bias": torch.tensor([1.0, 0], dtype=torch.float64),
        "norm2.weight": ones,
        "norm3.weight": 2 * ones,
    }


@lru_cache(maxsize=8)
def probes(seed: int) -> tuple[Probe, ...]:
    """Ask for the layer: B 2, H 3, T 5, S 7, D 12, hidden 11, and T and S alike."""
    generator = torch.Generator().manual_seed(seed)
    build: dict[str, Any] = {"embed_dim": 12, "num_heads": 3, "hidden_dim": 11}
    sizes = shapes(Reference(**build))

    def weights(dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
        return random_weights(generator, sizes, dtype)

    def inputs(T: int = 5, S: int = 7, B: int = 2, D: int = 12) -> dict[str, Any]:
        return {"x": normal(generator, B, T, D), "memory": normal(generator, B, S, D, scale=1.5)}

    def mask(*shape: int) -> Tensor:
        """Draw a mask that is neither causal nor symmetric, with both kinds of entries in every row."""
        drawn = torch.rand(*shape, generator=generator) < 0.5
        first = torch.randint(shape[-1], (*shape[:-1], 1), generator=generator)
        drawn.scatter_(-1, first, True)
        return drawn.scatter_(-1, (first + 1) % shape[-1], False)

    def masks(T: int = 5, S: int = 7, B: int = 2) -> dict[str, Any]:
        return {"self_mask": mask(B, 1, T, T), "memory_mask": mask(B, 1, T, S)}

    def one_padded(S: int = 7) -> Tensor:
        lengths = torch.tensor([S - 3, S - 1])
        return (torch.arange(S) < lengths[:, None])[:, None, None, :]

    def backward() -> tuple[str, Tensor]:
        return "output", normal(generator, 2, 5, 12)

    triangle = torch.tensor([[True, False], [True, True]])
    first_only = torch.tensor([[[[True, False]]]])
    post = {**build, "norm_first": False}
    small_dropped = {**_SMALL, "dropout": 1.0}
    small_weights = random_weights(generator, shapes(Reference(**_SMALL)))
    return (
        module_probe("small", _SMALL, by_hand(), shown=True, x=_X, memory=_MEMORY),
        module_probe(
            "small, masked",
            _SMALL,
            by_hand(),
            shown=True,
            x=_X,
            memory=_MEMORY[:, :2],
            self_mask=triangle,
            memory_mask=first_only,
        ),
        module_probe(
            "small, post-norm", {**_SMALL, "norm_first": False}, by_hand(), shown=True, x=_X, memory=_MEMORY
        ),
        module_probe("no masks", build, weights(), **inputs()),
        module_probe("square", build, weights(), **inputs(5, 5), **masks(5, 5)),
        module_probe("masked", build, weights(), **inputs(), **masks()),
        module_probe("post-norm", post, weights(), **inputs(), **masks()),
        module_probe(
            "float32",
            build,
            weights(torch.float32),
            **{name: tensor.float() for name, tensor in inputs().items()},
            self_mask=None,
            memory_mask=one_padded(),
        ),
        module_probe("eps", {**build, "eps": 0.5}, weights(), **inputs()),
        module_probe("gradient", build, weights(), backward=backward(), training=True, **inputs(), **masks()),
        module_probe("evaluation, all dropped", small_dropped, by_hand(), shown=True, x=_X, memory=_MEMORY),
        module_probe(
            "training, all dropped",
            small_dropped,
            small_weights,
            training=True,
            shown=True,
            x=_X,
            memory=_MEMORY,
        ),
        module_probe(
            "training, all dropped, post-norm",
            {**post, "dropout": 1.0},
            weights(),
            training=True,
            **inputs(),
        ),
        _inside(generator),
    )


def _inside(generator: torch.Generator) -> Probe:
    """Let a token come through unchanged only if all three parts have dropped all that they have inside.

    One head, one key and one hidden feature make this a toss of one coin in each part; without biases, nothing is
    added where it falls so. The coins of the outer dropout cannot do it: they fall for each of eight features.
    """
    build: dict[str, Any] = {"embed_dim": 8, "num_heads": 1, "hidden_dim": 1}
    weights = random_weights(generator, shapes(Reference(**build)))
    for name in weights:
        if name.endswith("bias") and not name.startswith("norm"):
            weights[name] = torch.zeros_like(weights[name])
    x, memory = normal(generator, 500, 1, 8), normal(generator, 500, 1, 8)
    return module_probe(INSIDE, {**build, "dropout": 0.5}, weights, training=True, x=x, memory=memory)


def derive(probe: Probe, answer: Answer) -> Answer:
    """Reduce what is random to what is not: the share of tokens that come out as they went in, in eighths."""
    if probe.name != INSIDE:
        return answer
    output, x = answer.arrays["output"], np.asarray(probe.arguments["x"])
    if output.shape != x.shape:
        return answer
    share = float((output == x).all(-1).mean())
    return Answer({LEFT_ALONE: np.array(round(8 * share) / 8)}, changed=answer.changed)
