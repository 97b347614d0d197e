"""Say in a sentence how wrong numbers relate to the right ones, and which number goes wrong first."""

import numpy as np

from plenary.checks.agreement import close, same_fault
from plenary.checks.answer import Answer


def relation(given: np.ndarray, expected: np.ndarray) -> str | None:
    """Name a simple relation between a wrong table and the right one, if there is one."""
    if given.shape != expected.shape or not np.isfinite(given).all():
        return None
    ratios = given[expected != 0] / expected[expected != 0]
    if (
        ratios.size > 1
        and ratios.any()
        and np.allclose(given[expected == 0], 0)
        and np.allclose(ratios, ratios.flat[0], rtol=1e-6)
    ):
        return f"Each of your numbers is {_times(float(ratios.flat[0]))} the expected one."
    if given.ndim == 2 and given.shape[0] == given.shape[1] and np.allclose(given, expected.T, rtol=1e-6):
        return "Your table is the expected one with rows and columns exchanged."
    return None


def first_difference(name: str, given: np.ndarray, expected: np.ndarray, tolerance: float) -> str:
    """Name the first number of an output that is wrong, and what it should be."""
    if given.shape != expected.shape:
        return f"{name} has shape {given.shape}, expected {expected.shape}"
    wrong = np.argwhere(~close(given, expected, tolerance))
    place = tuple(int(i) for i in wrong[0])
    where = f"[{', '.join(map(str, place))}]" if place else ""
    found, right = _pair(given[place], expected[place], expected.dtype == bool)
    return f"{name}{where} is {found}, expected {right}"


def difference(given: Answer, expected: Answer, tolerance: float, outputs: tuple[str, ...]) -> str | None:
    """Describe the first wrong output of an answer, or why there is none."""
    if expected.fault:
        if same_fault(given, expected):
            return None
        return f"{given.fault.brief if given.fault else 'returned numbers'}, expected a {expected.fault.exception}"
    if given.fault:
        return given.fault.brief
    for name in outputs:
        if name in expected.arrays:
            array, right = given.arrays.get(name), expected.arrays[name]
            if array is None:
                return f"no {name} came back"
            if array.shape != right.shape or not close(array, right, tolerance).all():
                return first_difference(name, array, right, tolerance)
    return None


def number(value: float) -> str:
    """Write a number with three digits behind the point, or short where that says nothing."""
    value = float(value)
    if not np.isfinite(value) or value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.3f}".replace("-0.000", "0.000")
    return f"{value:.2e}"


def _pair(given: float, expected: float, boolean: bool) -> tuple[str, str]:
    """Write two numbers alike: as yes and no, as whole numbers if both are, else with digits behind the point."""
    both = (float(given), float(expected))
    if boolean and set(both) <= {0.0, 1.0}:
        return ("yes" if both[0] else "no", "yes" if both[1] else "no")
    if all(np.isfinite(one) and one == round(one) and abs(one) < 1e5 for one in both):
        return str(int(both[0])), str(int(both[1]))
    return number(both[0]), number(both[1])


def _times(ratio: float) -> str:
    return "the negative of" if np.isclose(ratio, -1) else f"{ratio:.4g} times"
