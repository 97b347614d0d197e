"""What is compared of a model's answers: not the logits, which hang on its first weights, but what moves them."""

from collections.abc import Callable

import numpy as np

from plenary.checks.answer import Answer
from plenary.checks.probe import Array, Construct, Probe
from plenary.exercises.tiny_transformer.transformer_probes import DEPTHS, WIDTH

SHAPE = "shape of the logits"
FINITE = "logits: are all of them numbers?"
BY_TARGET = "logits (rows) that move with a target word (columns)"
BY_SOURCE = "logits (rows) that move with a source word (columns)"
BY_ORDER = "logits: do they move when the source is reversed, when two target words change places?"
BY_REPETITION = "logits: do they move when asked again, when row 0 stands alone, when row 1 does?"
BY_PADDING = (
    "logits of a row (columns): do they move with padding behind the source, behind the target (rows)?"
)
SHARES = "logits: do they add up to one?"
LOG_SHARES = "logits: do their exponentials add up to one?"
UNREACHED = "matrices: is there one without a gradient?"
NORM_UNREACHED = "norms: is there one without a gradient?"
BUILT = "parameters: are they enough for a layer on each side?"
LAYER = "weights that a second layer adds, in D^2"

MOVES = 1e-5
"""A change counts from this share of the logits' spread on; in float32, rounding stays below a tenth of it."""

Arrays = dict[str, Array]


def signs(probe: Probe, answer: Answer) -> Answer:
    """Turn logits into what can be compared between models of different weights."""
    read = _READERS.get(probe.name)
    if read is None:
        return answer
    arrays = read(probe, answer.arrays)
    dtypes = {SHAPE: answer.dtypes["logits"]} if "logits" in answer.dtypes else {}
    return Answer(arrays, dtypes, answer.changed)


def expected_shape(probe: Probe) -> tuple[int, ...]:
    """Return the shape that the first call's logits should have."""
    build = next(step.arguments for step in probe.steps if isinstance(step, Construct))
    return (*np.shape(probe.arguments["target"]), int(build["vocab_size"]))  # type: ignore[arg-type]


def _common(probe: Probe, arrays: Arrays) -> tuple[Arrays, bool]:
    """Return shape and finiteness, and whether the logits can be read any further."""
    logits = arrays["logits"]
    found: Arrays = {
        SHAPE: np.array(logits.shape, dtype=np.int64),
        FINITE: np.array([all(np.isfinite(a).all() for n, a in arrays.items() if n.startswith("logits"))]),
    }
    return found, logits.shape == expected_shape(probe)


def _moved(before: Array, after: Array) -> Array:
    """Say at which positions (all axes but the last) the logits have moved; what is not a number has."""
    if before.shape != after.shape:
        return np.ones(before.shape[:-1], dtype=bool)
    spread = np.nanstd(before) if np.isfinite(before).any() else 0.0
    with np.errstate(invalid="ignore"):
        return ~(np.abs(after - before).max(-1) <= MOVES * spread)


def _table(columns: list[Array], rows: int) -> Array:
    return np.stack(columns, -1) if columns else np.zeros((rows, 0), dtype=bool)


_NOTHING = np.zeros(0, dtype=bool)


def _one_by_one(probe: Probe, arrays: Arrays) -> Arrays:
    found, readable = _common(probe, arrays)
    for name, side in ((BY_TARGET, "target"), (BY_SOURCE, "source")):
        changed = [array for label, array in arrays.items() if label.startswith(f"logits: {side}")]
        found[name] = (
            _table([_moved(arrays["logits"], one)[0] for one in changed], len(arrays["logits"]))
            if readable
            else _NOTHING
        )
    return found


def _all_at_once(probe: Probe, arrays: Arrays) -> Arrays:
    found, readable = _common(probe, arrays)
    if not readable:
        return {**found, BY_TARGET: _NOTHING, BY_SOURCE: _NOTHING}
    logits = arrays["logits"]
    moved = _moved(np.broadcast_to(logits[:1], logits[1:].shape), logits[1:]).T
    T = logits.shape[1]
    return {**found, BY_TARGET: moved[:, :T], BY_SOURCE: moved[:, T:]}


def _order(probe: Probe, arrays: Arrays) -> Arrays:
    found, readable = _common(probe, arrays)
    if not readable:
        return {**found, BY_ORDER: _NOTHING}
    # Of the target, only the last word stands behind both that were exchanged.
    source = _moved(arrays["logits"], arrays["logits: source reversed"]).any()
    target = _moved(arrays["logits"], arrays["logits: target exchanged"])[0, -1]
    return {**found, BY_ORDER: np.array([source, target])}


def _repeated(probe: Probe, arrays: Arrays) -> Arrays:
    found, readable = _common(probe, arrays)
    if not readable:
        return {**found, BY_REPETITION: _NOTHING, SHARES: _NOTHING, LOG_SHARES: _NOTHING}
    logits = arrays["logits"]
    moved = [
        _moved(logits, arrays["logits: again"]).any(),
        _moved(logits[:1], arrays["logits: row 0 alone"]).any(),
        _moved(logits[1:], arrays["logits: row 1 alone"]).any(),
    ]
    # Logits may be anything, also such as to overflow an exponential.
    with np.errstate(over="ignore"):
        log_shares = np.allclose(np.exp(logits).sum(-1), 1, atol=1e-4)
    shares = np.allclose(logits.sum(-1), 1, atol=1e-4) and (logits >= 0).all()
    return {
        **found,
        BY_REPETITION: np.array(moved),
        SHARES: np.array([shares]),
        LOG_SHARES: np.array([log_shares]),
    }


def _padded(probe: Probe, arrays: Arrays) -> Arrays:
    found, readable = _common(probe, arrays)
    if not readable:
        return {**found, BY_PADDING: _NOTHING}
    logits = arrays["logits"]
    source, target = arrays["logits: source longer"], arrays["logits: target longer"]
    # What stands at the padding itself is nobody's business.
    moved = [_moved(logits, source).any(-1), _moved(logits, target[:, : logits.shape[1]]).any(-1)]
    return {**found, BY_PADDING: np.array(moved)}


def _differentiated(probe: Probe, arrays: Arrays) -> Arrays:
    found, readable = _common(probe, arrays)
    # Biases are left out: the gradient of a key's bias is zero, since the softmax does not notice a constant.
    weights = [a for name, a in arrays.items() if name.startswith("grad_") and not name.endswith("bias")]
    if not readable or not weights:
        return {**found, UNREACHED: _NOTHING, NORM_UNREACHED: _NOTHING}
    matrices = any(not a.any() for a in weights if a.ndim > 1)
    norms = any(not a.any() for a in weights if a.ndim == 1)
    return {**found, UNREACHED: np.array([matrices]), NORM_UNREACHED: np.array([norms])}


def _depth(_probe: Probe, arrays: Arrays) -> Arrays:
    one, two = (float(arrays[f"logits: {depth} layers"].sum()) for depth in DEPTHS)
    # Biases and norms are left to taste; in a right layer they are 32 D, here a little more than D^2.
    layer = (two - one) / WIDTH**2
    layer = 28 if 28 <= layer <= 28 + 60 / WIDTH else np.floor(layer)
    return {BUILT: np.array([one >= 20 * WIDTH**2]), LAYER: np.array([layer])}


_READERS: dict[str, Callable[[Probe, Arrays], Arrays]] = {
    "small": _one_by_one,
    "first word": _one_by_one,
    "square": _one_by_one,
    "a batch of changes": _all_at_once,
    "order": _order,
    "repeated": _repeated,
    "padding": _padded,
    "padding with another id": _padded,
    "gradient, one layer": _differentiated,
    "gradient, two layers": _differentiated,
    "depth": _depth,
}
