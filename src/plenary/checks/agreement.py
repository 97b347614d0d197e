"""Compare two answers to the same probe, number by number."""

import numpy as np

from plenary.checks.answer import Answer


def close(one: np.ndarray | None, other: np.ndarray, tolerance: float) -> np.ndarray:
    """Compare elementwise, NaN agreeing with NaN; arrays of different shapes agree nowhere."""
    if one is None or one.shape != other.shape:
        return np.zeros(other.shape, dtype=bool)
    return np.isclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True)


def agree(one: Answer, other: Answer, tolerance: float, outputs: tuple[str, ...] | None = None) -> bool:
    """Say whether two answers agree, in the outputs named or in all; failing in the same way is agreeing too."""
    if one.fault or other.fault:
        return same_fault(one, other)
    names = other.arrays if outputs is None else [name for name in outputs if name in other.arrays]
    return all(_same(one.arrays.get(name), other.arrays[name], tolerance) for name in names)


def same_fault(one: Answer, other: Answer) -> bool:
    """Say whether two answers failed in the same way: the same kind of fault, and the same exception.

    Refusing a size by an assertion is refusing it, as a ValueError is.
    """
    if one.fault is None or other.fault is None:
        return False
    if one.fault.deliberate and other.fault.deliberate:
        return True
    return (one.fault.kind, one.fault.exception) == (other.fault.kind, other.fault.exception)


def same_manners(one: Answer, other: Answer) -> bool:
    """Say whether two answers came in the same dtypes, and changed the same inputs."""
    shared = one.dtypes.keys() & other.dtypes.keys()
    return one.changed == other.changed and all(one.dtypes[name] == other.dtypes[name] for name in shared)


def bears_the_mark_of(given: Answer, mistaken: Answer, expected: Answer, tolerance: float) -> bool:
    """Say whether every number that a mistake changes is, in the given answer, the mistake's number.

    The rest of the given answer may be wrong in some other way.
    """
    if given.fault or mistaken.fault or expected.fault or agree(mistaken, expected, tolerance):
        return False
    for name, right in expected.arrays.items():
        if name not in mistaken.arrays:  # a gradient of an output whose shape is wrong
            return False
        number, changed = mistaken.arrays[name], ~close(mistaken.arrays[name], right, tolerance)
        if number.shape != right.shape:
            changed = np.ones(number.shape, dtype=bool)
        if not close(given.arrays.get(name), number, tolerance)[changed].all():
            return False
    return True


def _same(one: np.ndarray | None, other: np.ndarray, tolerance: float) -> bool:
    return one is not None and one.shape == other.shape and bool(close(one, other, tolerance).all())
