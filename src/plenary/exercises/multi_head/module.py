"""The module: how to ask for it, and what has to hold."""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Probe, construct_probe, module_probe, normal, random_weights
from plenary.exercises._references import MultiHeadAttention, shapes
from plenary.exercises.multi_head import correct
from plenary.exercises.multi_head.attention_mistakes import ATTENTION_MISTAKES
from plenary.exercises.multi_head.heads import PAGE
from plenary.exercises.multi_head.mask_mistakes import MASK_MISTAKES
from plenary.exercises.multi_head.merge_mistakes import MERGE_MISTAKES
from plenary.exercises.multi_head.projection_mistakes import PROJECTION_MISTAKES
from plenary.exercises.multi_head.split_mistakes import SPLIT_MISTAKES

_HALF = "dropout of a half"
_ALL_DROPPED = "small, dropout in training"

WHOLE, FEATURES, NOTHING, TOO_MANY_OR_FEW, OTHER = range(5)
"""What dropout took: whole weights, single features, nothing; weights, but not about half; something else."""

# The weights of the small examples, as the notebook's text tells them: q_proj leaves its input alone, k_proj
# exchanges the features inside each head, v_proj doubles, out_proj exchanges the heads and adds 1, 2, 3, 4.
_EYE = torch.eye(4, dtype=torch.float64)
_NONE = torch.zeros(4, dtype=torch.float64)
_SMALL = {
    "q_proj.weight": _EYE,
    "q_proj.bias": _NONE,
    "k_proj.weight": _EYE[[1, 0, 3, 2]],
    "k_proj.bias": _NONE,
    "v_proj.weight": 2 * _EYE,
    "v_proj.bias": _NONE,
    "out_proj.weight": _EYE[[2, 3, 0, 1]],
    "out_proj.bias": torch.tensor([1.0, 2, 3, 4], dtype=torch.float64),
}
_TOKENS: dict[str, Any] = {
    "query": torch.tensor([[[1.0, 0, 2, 1], [0, 2, -1, 1]]], dtype=torch.float64),
    "key": torch.tensor([[[0.0, 1, 1, 1], [2, 0, 0, 1]]], dtype=torch.float64),
    "value": torch.tensor([[[1.0, 2, 0, 4], [3, 0, 2, -1]]], dtype=torch.float64),
}
_FORBIDDEN = torch.tensor([[True, False], [True, True]])
_PER_HEAD = torch.tensor([[[[True, False], [True, True]], [[False, True], [True, False]]]])
_EMPTY = torch.tensor([[False, False], [False, True]])


@lru_cache(maxsize=8)
def probes(seed: int) -> list[Probe]:
    """Ask for the module: small, plain, masked, with empty rows, with dropout, and with sizes to refuse."""
    generator = torch.Generator().manual_seed(seed)

    def weights(D: int, H: int, bias: bool = True, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
        return random_weights(generator, shapes(MultiHeadAttention(D, H, bias=bias)), dtype)

    def tokens(B: int, T: int, S: int, D: int, scale: float = 1.0) -> dict[str, Any]:
        return {
            "query": normal(generator, B, T, D, scale=scale),
            "key": normal(generator, B, S, D, scale=scale),
            "value": normal(generator, B, S, D),
        }

    def mask(*shape: int) -> Tensor:
        """Draw a mask that is neither causal nor symmetric, with both kinds of entries in every row."""
        drawn = torch.rand(*shape, generator=generator) < 0.5
        first = torch.randint(shape[-1], (*shape[:-1], 1), generator=generator)
        drawn.scatter_(-1, first, True)
        return drawn.scatter_(-1, (first + 1) % shape[-1], False)

    def small(name: str, training: bool = False, dropout: float = 0.0, **masked: Any) -> Probe:
        build = {"embed_dim": 4, "num_heads": 2} | ({"dropout": dropout} if dropout else {})
        return module_probe(name, build, _SMALL, training=training, shown=True, **_TOKENS, **masked)

    def single(tensors: dict[str, Any]) -> dict[str, Any]:
        return {name: tensor.float() for name, tensor in tensors.items()}

    def plain(
        name: str, B: int, T: int, S: int, D: int, H: int, training: bool = False, **masked: Any
    ) -> Probe:
        build = {"embed_dim": D, "num_heads": H}
        return module_probe(name, build, weights(D, H), training=training, **tokens(B, T, S, D), **masked)

    two_empty = mask(2, 1, 5, 7)
    two_empty[0, :, 1] = two_empty[1, :, 3] = False
    identity, one_key = torch.eye(12, dtype=torch.float64), normal(generator, 2, 1, 12)
    kept = weights(12, 3) | {"v_proj.weight": identity, "out_proj.weight": identity}
    kept |= {name: torch.zeros(12, dtype=torch.float64) for name in ("v_proj.bias", "out_proj.bias")}
    return [
        small("small"),
        plain("cross", 2, 5, 7, 12, 3),
        plain("square", 3, 3, 3, 9, 3),
        plain("many heads", 2, 3, 4, 35, 7),
        plain("one head, training", 2, 5, 3, 6, 1, training=True),
        module_probe(
            "float32",
            {"embed_dim": 10, "num_heads": 5},
            weights(10, 5, dtype=torch.float32),
            **single(tokens(2, 7, 3, 10)),
        ),
        module_probe(
            "no bias",
            {"embed_dim": 12, "num_heads": 3, "bias": False},
            weights(12, 3, bias=False),
            **tokens(2, 5, 7, 12),
        ),
        small("small, masked", mask=_FORBIDDEN),
        small("small, a mask for each head", mask=_PER_HEAD),
        plain("masked", 2, 5, 7, 12, 3, mask=mask(5, 7)),
        plain("a mask for each sample", 2, 5, 7, 12, 3, mask=mask(2, 1, 5, 7)),
        plain("padding", 2, 5, 7, 12, 3, mask=mask(2, 1, 1, 7)),
        plain("a mask for each head", 2, 5, 7, 12, 3, mask=mask(2, 3, 5, 7)),
        small("small, empty row", mask=_EMPTY),
        plain("empty row", 2, 5, 7, 12, 3, mask=two_empty),
        module_probe(
            "scores of 300",
            {"embed_dim": 8, "num_heads": 2},
            weights(8, 2, dtype=torch.float32),
            **single(tokens(2, 3, 5, 8, scale=300**0.5)),
        ),
        module_probe(
            "scores of 1000",
            {"embed_dim": 8, "num_heads": 2},
            weights(8, 2),
            **tokens(2, 3, 5, 8, scale=1000**0.5),
        ),
        small("small, dropout in evaluation", dropout=1.0),
        small(_ALL_DROPPED, dropout=1.0, training=True),
        module_probe(
            _HALF,
            {"embed_dim": 12, "num_heads": 3, "dropout": 0.5},
            kept,
            training=True,
            query=normal(generator, 2, 20, 12),
            key=one_key,
            value=one_key + 3,
        ),
        module_probe(
            "gradient",
            {"embed_dim": 12, "num_heads": 3},
            weights(12, 3),
            backward=("output", normal(generator, 2, 5, 12)),
            **tokens(2, 5, 7, 12),
            mask=mask(2, 1, 5, 7),
        ),
        construct_probe("10 by 4", embed_dim=10, num_heads=4),
        construct_probe("4 by 8", embed_dim=4, num_heads=8),
    ]


def derive(probe: Probe, answer: Answer) -> Answer:
    """Leave out what is not asked: the weights returned while dropout acts, and which ones chance has dropped.

    With one key, all weight is on it. Dropping a weight silences it for a head as a whole; keeping it doubles it.
    """
    if probe.name == _ALL_DROPPED:
        arrays = {name: array for name, array in answer.arrays.items() if name != "weights"}
        return Answer(arrays, answer.dtypes, answer.changed)
    if probe.name != _HALF:
        return answer
    output, value = answer.arrays["output"], probe.arguments["value"]
    shape = (2, 20, 3, 4)
    kind = OTHER + float(np.abs(output).mean())  # two outputs that are like nothing need not be alike
    if isinstance(value, np.ndarray) and output.size == np.prod(shape):
        heads, said = output.reshape(shape), value.reshape(2, 1, 3, 4)
        silent, doubled = np.isclose(heads, 0, atol=1e-6), np.isclose(heads, 2 * said, atol=1e-6)
        if np.isclose(heads, said, atol=1e-6).all():
            kind = NOTHING
        elif (silent.all(-1) | doubled.all(-1)).all():
            kind = WHOLE if 0.2 < silent.all(-1).mean() < 0.8 else TOO_MANY_OR_FEW
        elif (silent | doubled).all():
            kind = FEATURES
    return Answer({"kind": np.array([kind])}, {}, answer.changed)


def heads_are_dropped_whole(probe: Probe, answer: Answer) -> str | None:
    """With one key and dropout of a half, a head's output is nothing or twice the value."""
    kind = answer.arrays["kind"][0] if probe.name == _HALF else WHOLE
    if kind == WHOLE:
        return None
    if kind == TOO_MANY_OR_FEW:
        return "about half of the weights should be dropped"
    return (
        "with one key and dropout of a half in training, a head's part of the output has to be 0 or twice the "
        "value; here it is not always one of the two"
    )


def rows_sum_to_one(probe: Probe, answer: Answer) -> str | None:
    """Each head shares out one unit for every query that may attend to something."""
    weights = answer.arrays.get("weights")
    if weights is None:
        return None
    expected = np.ones(weights.shape[:-1])
    mask = probe.arguments.get("mask")
    if isinstance(mask, np.ndarray):
        expected = np.broadcast_to(mask, weights.shape).any(-1).astype(float)
    sums = weights.sum(-1)
    off = np.nan_to_num(np.abs(sums - expected), nan=np.inf)
    if off.max() > 1e-4:
        row = tuple(int(i) for i in np.unravel_index(off.argmax(), off.shape))
        return f"row {list(row)} of the weights sums to {sums[row]:.3f}, expected {expected[row]:g}"
    return None


_PLAIN = ("small", "cross", "square", "many heads", "one head, training", "float32")
_MASKED = ("small, masked", "small, a mask for each head", "masked", "a mask for each sample", "padding")
_PARAMETERS = tuple(f"grad_{name}" for name in _SMALL)

MODULE = Exercise(
    name="MultiHeadAttention",
    signature="MultiHeadAttention(embed_dim, num_heads, bias=True, dropout=0.0); "
    "module(query, key, value, mask=None) -> (output, weights)",
    page=PAGE,
    outputs=("output", "weights"),
    probes=probes,
    reference=MultiHeadAttention,
    properties=(
        Property("the weights of every head", 3, _PLAIN, ("weights",)),
        Property("the output", 3, _PLAIN, ("output",)),
        Property("layers without biases", 1, ("no bias",), ("output", "weights")),
        Property("the mask", 3, (*_MASKED, "a mask for each head"), ("weights", "output")),
        Property(
            "a token that may attend to nothing gets out_proj's bias",
            1,
            ("small, empty row", "empty row"),
            ("weights", "output"),
        ),
        Property("large scores", 1, ("scores of 300", "scores of 1000"), ("weights", "output")),
        Property("no dropout in evaluation", 1, ("small, dropout in evaluation",), ("output", "weights")),
        Property("dropout of everything in training leaves out_proj's bias", 1, (_ALL_DROPPED,), ("output",)),
        Property("dropout takes whole weights", 1, (_HALF,), law=heads_are_dropped_whole),
        Property(
            "gradients", 1, ("gradient",), ("output", "grad_query", "grad_key", "grad_value", *_PARAMETERS)
        ),
        Property("refuses a width that does not divide by the number of heads", 1, ("10 by 4", "4 by 8")),
    ),
    laws=(heads_are_dropped_whole, rows_sum_to_one),
    misconceptions=(
        *SPLIT_MISTAKES,
        *MERGE_MISTAKES,
        *PROJECTION_MISTAKES,
        *ATTENTION_MISTAKES,
        *MASK_MISTAKES,
    ),
    correct=correct.MODULE,
    derive=derive,
    borrowed=("torch.nn.MultiheadAttention", "torch.nn.functional.multi_head_attention_forward"),
)
