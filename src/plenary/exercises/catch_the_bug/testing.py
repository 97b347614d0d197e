"""A complete test with parts that can be left out: what a learner's test does not look at, it cannot find."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from plenary.checks.exercise import Function
from plenary.exercises.catch_the_bug.boxes import right

Pair = tuple[Tensor, Tensor]
Inputs = tuple[Tensor, Tensor, Tensor, Tensor | None]
Case = tuple[Inputs, Pair]
Agree = Callable[[Tensor, Tensor], bool]


def near(found: Tensor, expected: Tensor) -> bool:
    """Same shape, same dtype, same numbers but for rounding; NaN is near to nothing."""
    return (
        found.shape == expected.shape
        and found.dtype == expected.dtype
        and bool(((found - expected).abs() <= 1e-5 * (1 + expected.abs())).all())
    )


@dataclass(frozen=True)
class Test:
    """What a test tries and what it compares; as it stands, it finds everything.

    ``masks`` may hold "none", "some" (no row is empty) and "empty" (some rows are).
    """

    front: tuple[int, ...] = (2, 3)
    T: int = 5
    S: int = 7
    d_k: int = 4
    d_v: int = 6
    dtypes: tuple[torch.dtype, ...] = (torch.float32, torch.float64)
    stretches: tuple[float, ...] = (1.0, 1e3)
    masks: tuple[str, ...] = ("none", "some", "empty")
    parts: tuple[int, ...] = (0, 1)
    agree: Agree = near
    reference: Callable[..., Pair] = right
    same: bool = False
    ones: bool = False
    mask_front: bool = True
    catches: bool = True

    __test__ = False  # no test of pytest's

    def __call__(self, candidate: Any) -> bool:
        """Say whether any case comes out wrong."""
        return any(self.wrong_on(candidate, case) for case in self.cases())

    def wrong_on(self, candidate: Any, case: Case) -> bool:
        """Say whether the candidate is wrong in one case."""
        inputs, expected = case
        try:
            found = candidate(*inputs)
        except Exception:
            if self.catches:
                return True
            raise
        return not all(self.agree(found[i], expected[i]) for i in self.parts)

    def cases(self) -> list[Case]:
        """Return the inputs with what is expected. Their numbers are always the same."""
        return _cases(self)

    def inputs(self) -> Iterator[Inputs]:
        """Make the inputs."""
        generator = torch.Generator().manual_seed(11)
        shapes = ((self.T, self.d_k), (self.S, self.d_k), (self.S, self.d_v))
        for dtype in self.dtypes:
            query, key, value = (
                torch.randn(*self.front, *shape, generator=generator, dtype=torch.float64).to(dtype)
                for shape in shapes
            )
            if self.ones:
                query, key, value = (torch.ones_like(one) for one in (query, key, value))
            if self.same:
                query = key = value
            for kind in self.masks:
                mask = self._mask(kind, generator)
                for stretch in self.stretches:
                    # In float32 large scores round to something else than the reference's, and rightly so.
                    if stretch == 1 or dtype == torch.float64:
                        yield stretch * query, key, value, mask

    def _mask(self, kind: str, generator: torch.Generator) -> Tensor | None:
        if kind == "none":
            return None
        front = (*self.front[:1], *(1 for _ in self.front[1:])) if self.mask_front else ()
        mask = torch.rand(*front, self.T, self.S, generator=generator) < 0.5
        mask[..., 0], mask[..., 1] = True, False
        if kind == "empty":
            mask[..., 0, :] = False
        return mask


@lru_cache(maxsize=128)
def _cases(test: Test) -> list[Case]:
    """Make the cases of a test once: it is put to many boxes."""
    return [(inputs, test.reference(*inputs)) for inputs in test.inputs()]


def never_infinite(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    """Attend with minus infinity and nothing else: an empty row is NaN."""
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    weights = (scores if mask is None else scores.masked_fill(~mask, -math.inf)).softmax(-1)
    return weights @ value, weights


def inverted(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Pair:
    """Attend with the mask read the wrong way round."""
    return right(query, key, value, None if mask is None else ~mask)


def wrong(*functions: Any) -> dict[str, tuple[Function, ...]]:
    """Say that these are wrong tests."""
    return {"find_bug": functions}
