"""Whether a layer sees order: how to ask, and what has to hold."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Law, Property
from plenary.checks.probe import Probe, Stub, call_probe, normal
from plenary.checks.report import Part
from plenary.exercises.position import equivariance_mistakes
from plenary.exercises.position.encoding import PAGE
from plenary.exercises.position.layers import LAYERS

_BLIND = {
    "self-attention": "self_attention",
    "each token by itself": "each_token",
    "no change at all": "identity",
    "the mean for everyone": "mean_to_everyone",
    "a map of each token and the mean, in float32": "above_one",
}
_SEEING = {
    "positions added": "positions_added",
    "self-attention with positions": "attention_with_positions",
    "causal attention": "causal_attention",
    "a convolution over the tokens": "neighbours",
    "positions added, in float32": "positions_added",
    "the sequence turned round": "turned_round",
}
_PARTLY = {
    "faint positions": "faint_positions",
    "positions in the last sample only": "second_sample_only",
    "positions in the last feature only": "last_feature_only",
}
_ONE_SIGN = {
    "what the first token says is added": "first_added",
    "what the first token says is taken away": "first_taken_away",
}
_SWAP, _STAYS, _MOVES = (
    "self-attention, two tokens swapped",
    "a special last token that stays",
    "a special last token that moves",
)
_SQUARE, _SQUARE_SEEING = "self-attention, five of everything", "positions added, five of everything"


def probes(seed: int) -> list[Probe]:
    """Ask about layers that are blind to order, layers that see it, and layers that see it in part."""
    generator = torch.Generator().manual_seed(seed)

    def cycle(length: int) -> Tensor:
        """Draw a permutation that moves every token and is never its own inverse."""
        order, permutation = (
            torch.randperm(length, generator=generator),
            torch.empty(length, dtype=torch.long),
        )
        permutation[order] = order.roll(1)
        return permutation

    def ask(name: str, oracle: str, x: Tensor, permutation: Tensor | None = None) -> Probe:
        if name.endswith("float32"):
            x = x.float()
        moved = cycle(x.shape[1]) if permutation is None else permutation
        return call_probe(name, layer=Stub(oracle), x=x, permutation=moved)

    def tokens(B: int = 2, T: int = 5, D: int = 12) -> Tensor:
        return normal(generator, B, T, D)

    def loud_first() -> Tensor:
        """Draw one sample whose first token is above the others: all differences have one sign."""
        x = tokens(B=1)
        x[:, 0] += 3
        return x

    return [
        *(ask(name, oracle, tokens()) for name, oracle in _BLIND.items()),
        *(ask(name, oracle, tokens()) for name, oracle in _SEEING.items()),
        ask(_SQUARE, "self_attention", tokens(5, 5, 5)),
        ask(_SQUARE_SEEING, "positions_added", tokens(5, 5, 5)),
        ask("more tokens than features", "self_attention", tokens(3, 7, 4)),
        ask(_SWAP, "self_attention", tokens(), torch.tensor([0, 3, 2, 1, 4])),
        ask(_STAYS, "last_token_doubled", tokens(), torch.tensor([1, 2, 0, 3, 4])),
        ask(_MOVES, "last_token_doubled", tokens(), torch.tensor([0, 1, 3, 4, 2])),
        *(ask(name, oracle, tokens()) for name, oracle in _PARTLY.items()),
        *(ask(name, oracle, loud_first()) for name, oracle in _ONE_SIGN.items()),
    ]


def reference(layer: Callable[[Tensor], Tensor], x: Tensor, permutation: Tensor) -> bool:
    """Permute with index_select, and look at the largest difference."""
    before = layer(torch.index_select(x, 1, permutation))
    after = torch.index_select(layer(x), 1, permutation)
    return bool((before - after).abs().max() < 1e-4)


def _says(expected: bool) -> Law:
    def law(probe: Probe, answer: Answer) -> str | None:
        given = answer.arrays["equivariant"]
        if given.shape != ():
            return f"it returned {given.size} numbers, where one answer is asked for"
        return None if bool(given) == expected else f"for {probe.name}, it says {bool(given)}"

    return law


def verdict(probe: Probe, answer: Answer) -> str | None:
    """Name the layer that was judged wrongly."""
    return f"a layer that does this is judged {bool(answer.arrays['equivariant'])}: {probe.name}"


_YES = (
    Property(
        "says True for layers that are blind to order",
        2,
        (*_BLIND, _SQUARE, "more tokens than features"),
        law=_says(True),
    ),
    Property("says True where the permutation is its own inverse", 1, (_SWAP,), law=_says(True)),
    Property("says True where the tokens that move are treated alike", 1, (_STAYS,), law=_says(True)),
)
_NO = (
    Property(
        "says False for layers that see the order",
        2,
        (*_SEEING, _SQUARE_SEEING, *_ONE_SIGN),
        law=_says(False),
    ),
    Property(
        "says False where only some tokens, samples or features tell",
        1,
        (_MOVES, *list(_PARTLY)[1:]),
        law=_says(False),
    ),
    Property("says False where the positions are faint", 1, ("faint positions",), law=_says(False)),
)


def scoring(parts: Sequence[Part]) -> float:
    """Give nothing to an answer that is always the same: it is right about half of the layers by chance."""
    passed = {part.title for part in parts if part.passed}
    if not all(any(one.title in passed for one in side) for side in (_YES, _NO)):
        return 0.0
    return sum(part.weight for part in parts if part.passed) / sum(part.weight for part in parts)


def _directly(layer: Callable[[Tensor], Tensor], x: Tensor, permutation: Tensor) -> object:
    return torch.allclose(layer(x[:, permutation]), layer(x)[:, permutation])


def _undone(layer: Callable[[Tensor], Tensor], x: Tensor, permutation: Tensor) -> object:
    back = torch.argsort(permutation)
    return torch.allclose(layer(x[:, permutation])[:, back], layer(x), atol=1e-6)


def _by_matrix(layer: Callable[[Tensor], Tensor], x: Tensor, permutation: Tensor) -> object:
    P = torch.eye(x.shape[1], dtype=x.dtype)[permutation]
    return bool((layer(P @ x) - P @ layer(x)).abs().max() < 1e-5)


def _by_loops(layer: Callable[[Tensor], Tensor], x: Tensor, permutation: Tensor) -> object:
    moved = torch.stack([x[:, int(p)] for p in permutation], dim=1)
    before, after = layer(moved), layer(x)
    for t, p in enumerate(permutation.tolist()):
        for b in range(len(x)):
            if not torch.allclose(before[b, t], after[b, p], rtol=1e-4, atol=1e-5):
                return False
    return True


def _as_tensor(layer: Callable[[Tensor], Tensor], x: Tensor, permutation: Tensor) -> object:
    index = permutation[None, :, None].expand_as(x)
    return torch.isclose(layer(x.gather(1, index)), layer(x).gather(1, index), atol=1e-5).all()


def _relative(layer: Callable[[Tensor], Tensor], x: Tensor, permutation: Tensor) -> object:
    before, after = layer(x.index_select(1, permutation)), layer(x).index_select(1, permutation)
    return ((before - after).norm() <= 1e-4 * after.norm()).item()


EQUIVARIANCE = Exercise(
    name="is_permutation_equivariant",
    signature="is_permutation_equivariant(layer, x, permutation) -> bool",
    page=PAGE,
    outputs=("equivariant",),
    probes=probes,
    reference=reference,
    properties=(*_YES, *_NO),
    laws=(verdict,),
    misconceptions=equivariance_mistakes.EQUIVARIANCE_MISTAKES,
    correct=(_directly, _undone, _by_matrix, _by_loops, _as_tensor, _relative),
    numbers=True,
    oracles=dict(LAYERS),
    scoring=scoring,
)
