"""The backward pass of attention: how to ask for it, and what has to hold."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Probe, call_probe, normal, shown_probe
from plenary.exercises.attention_gradients.correct import CORRECT
from plenary.exercises.attention_gradients.product_mistakes import PRODUCT_MISTAKES
from plenary.exercises.attention_gradients.softmax_mistakes import SOFTMAX_MISTAKES
from plenary.exercises.attention_gradients.weight_mistakes import WEIGHT_MISTAKES

GRADIENTS = ("grad_query", "grad_key", "grad_value")


def _matrix(*rows: tuple[float, ...]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


# Width 4, so that the root is 2. One query: the scores are 0 and ln 3, so the weights are 1/4 and 3/4.
_ONE_QUERY = {
    "grad_output": _matrix((1, 0)),
    "query": _matrix((2, 0, 0, 0)),
    "key": _matrix((0, 2, 0, 0), (math.log(3), 0, 0, 2)),
    "value": _matrix((8, 0), (0, 4)),
}
_SQUARE = {
    "grad_output": _matrix((1, 0), (2, 4)),
    "query": _matrix((2, 0, 0, 0), (0, 2, 0, 0)),
    "key": _matrix((0, 2, 0, 2), (1, 0, 2, 0)),
    "value": _matrix((4, 2), (0, 2)),
}
_TWO_ROOMS = {
    name: torch.stack([tensor, other])
    for (name, tensor), other in zip(
        _ONE_QUERY.items(),
        (
            _matrix((0, 2)),
            _matrix((0, 0, 2, 0)),
            _matrix((0, 1, 1, 0), (1, 0, 1, 2)),
            _matrix((0, 4), (2, 0)),
        ),
        strict=True,
    )
}
_THREE = {
    "grad_output": _matrix((1, 0), (0, 2), (2, 2)),
    "query": _matrix((2, 0, 0, 0), (0, 2, 0, 0), (2, 0, 2, 0)),
    "key": _matrix((1, 0, 0, 2), (0, 1, 2, 0), (2, 0, 0, 0)),
    "value": _matrix((4, 0), (0, 4), (2, 8)),
}
_MASK = torch.tensor([[True, False, True], [True, True, False], [False, True, True]])
_EMPTY_ROW = torch.tensor([[True, False, True], [False, False, False], [False, True, True]])


def probes(seed: int) -> list[Probe]:
    """Ask on a page of paper, then with sizes that no two share, masked, with an empty row, with huge scores."""
    generator = torch.Generator().manual_seed(seed)

    def inputs(
        *front: int, T: int = 5, S: int = 7, d_k: int = 4, d_v: int = 6, scale: float = 1.0
    ) -> dict[str, Tensor]:
        return {
            "grad_output": normal(generator, *front, T, d_v),
            "query": normal(generator, *front, T, d_k, scale=scale),
            "key": normal(generator, *front, S, d_k, scale=scale),
            "value": normal(generator, *front, S, d_v),
        }

    def mask(*shape: int) -> Tensor:
        """Draw a mask that is neither causal nor symmetric, with both kinds of entries in every row."""
        drawn = torch.rand(*shape, generator=generator) < 0.5
        first = torch.randint(shape[-1], (*shape[:-1], 1), generator=generator)
        drawn.scatter_(-1, first, True)
        return drawn.scatter_(-1, (first + 1) % shape[-1], False)

    def with_empty_rows(mask: Tensor) -> Tensor:
        mask[..., 1, :] = False
        return mask

    def single(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensor.float() for name, tensor in tensors.items()}

    # Scores of 300 carry a rounding error into the weights, and keys of 17 would magnify it.
    large = single(inputs(2, scale=math.sqrt(300)))
    large["grad_output"] = large["grad_output"] * 0.1
    return [
        shown_probe("one query", **_ONE_QUERY),
        shown_probe("small square", **_SQUARE),
        call_probe("one table", **inputs()),
        call_probe("square", **inputs(T=5, S=5, d_k=3, d_v=5)),
        shown_probe("small batch", **_TWO_ROOMS),
        call_probe("batch", **inputs(2)),
        call_probe("square batch", **inputs(5, T=5, S=5, d_k=3, d_v=3)),
        call_probe("batch and heads", **inputs(2, 3, T=7, S=5)),
        call_probe("float32", **single(inputs(2))),
        shown_probe("small, masked", **_THREE, mask=_MASK),
        call_probe("masked", **inputs(2), mask=mask(5, 7)),
        call_probe("masked heads", **inputs(2, 3), mask=mask(2, 1, 5, 7)),
        shown_probe("small, empty row", **_THREE, mask=_EMPTY_ROW),
        call_probe("empty row", **inputs(2), mask=with_empty_rows(mask(2, 5, 7))),
        call_probe("scores of 300", **large),
        call_probe("scores of 1000", **inputs(2, scale=math.sqrt(1000)), mask=mask(2, 5, 7)),
    ]


def reference(
    grad_output: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> object:
    """Let autograd differentiate torch's own attention."""
    inputs = [x.detach().clone().requires_grad_() for x in (query, key, value)]
    output = F.scaled_dot_product_attention(*inputs, attn_mask=mask)
    return torch.autograd.grad(output, inputs, grad_output)


def all_numbers(_probe: Probe, answer: Answer) -> str | None:
    """Gradients are finite."""
    for name in GRADIENTS:
        if not np.isfinite(answer.arrays[name]).all():
            return f"{name} holds a number that is infinite or NaN"
    return None


def values_hand_out_everything(probe: Probe, answer: Answer) -> str | None:
    """Adding a vector to all values adds it to every output whose query may attend to something."""
    incoming, mask = probe.arguments["grad_output"], probe.arguments.get("mask")
    if mask is not None:
        rows = np.broadcast_to(mask, (*incoming.shape[:-1], answer.arrays["grad_value"].shape[-2])).any(-1)  # type: ignore[union-attr]
        incoming = incoming * rows[..., None]  # type: ignore[operator]
    expected = incoming.sum(-2)  # type: ignore[union-attr]
    found = answer.arrays["grad_value"].sum(-2)
    if np.allclose(found, expected, rtol=1e-2, atol=1e-2):
        return None
    return (
        "the gradients of the values do not add up to the rows of grad_output, although moving all values by the "
        "same vector moves every output by it"
    )


def keys_add_up_to_zero(_probe: Probe, answer: Answer) -> str | None:
    """Adding a vector to all keys shifts every row of scores evenly, which no weight notices."""
    sums = np.abs(answer.arrays["grad_key"].sum(-2)).max()
    if sums < 1e-2:
        return None
    return (
        f"the gradients of the keys add up to as much as {sums:.3f} in a feature; they add up to zero, "
        "since moving all keys by the same vector changes no weight"
    )


def query_and_key_pull_alike(probe: Probe, answer: Answer) -> str | None:
    """Stretching the queries does what stretching the keys does: the score is their product."""
    one = (answer.arrays["grad_query"] * probe.arguments["query"]).sum((-2, -1))  # type: ignore[operator]
    other = (answer.arrays["grad_key"] * probe.arguments["key"]).sum((-2, -1))  # type: ignore[operator]
    if np.allclose(one, other, rtol=1e-2, atol=1e-2):
        return None
    return (
        "stretching all queries and stretching all keys differ in effect, although a score is their product"
    )


_PLAIN = ("one query", "small square", "one table", "square")
_FRONT = ("small batch", "batch", "square batch", "batch and heads", "float32")

BACKWARD = Exercise(
    name="attention_backward",
    signature="attention_backward(grad_output, query, key, value, mask=None) -> (grad_query, grad_key, grad_value)",
    page="attention/attention_gradients",
    outputs=GRADIENTS,
    probes=probes,
    reference=reference,
    properties=(
        Property("the gradient of the value", 2, _PLAIN, ("grad_value",)),
        Property("the gradient of the query", 3, _PLAIN, ("grad_query",)),
        Property("the gradient of the key", 3, _PLAIN, ("grad_key",)),
        Property("any number of axes in front", 2, _FRONT, GRADIENTS),
        Property("with a mask", 2, ("small, masked", "masked", "masked heads"), GRADIENTS),
        Property("a query that may attend to nothing", 1, ("small, empty row", "empty row"), GRADIENTS),
        Property("large scores", 1, ("scores of 300", "scores of 1000"), GRADIENTS),
    ),
    laws=(all_numbers, values_hand_out_everything, keys_add_up_to_zero, query_and_key_pull_alike),
    misconceptions=(*SOFTMAX_MISTAKES, *PRODUCT_MISTAKES, *WEIGHT_MISTAKES),
    correct=CORRECT,
    borrowed=(
        "torch.autograd.grad",
        "torch.autograd.backward",
        "torch.autograd.functional.vjp",
        "torch.func.vjp",
        "torch.func.grad",
        "torch.nn.functional.scaled_dot_product_attention",
        ".backward",
    ),
)
