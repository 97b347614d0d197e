"""What a right model's logits do, whatever its weights: a law for each property."""

import numpy as np

from plenary.checks.answer import Answer
from plenary.checks.exercise import Law
from plenary.checks.probe import Probe
from plenary.exercises.tiny_transformer import transformer_signs as signs


def logits_have_their_shape(probe: Probe, answer: Answer) -> str | None:
    """(B, T, V), one row for each target word, and every one a number."""
    if signs.SHAPE not in answer.arrays:
        return None
    shape, expected = tuple(int(n) for n in answer.arrays[signs.SHAPE]), signs.expected_shape(probe)
    if shape != expected:
        return f"the logits have shape {shape}, expected (B, T, V) = {expected}"
    return None if answer.arrays[signs.FINITE].all() else "some logits are no numbers (NaN or infinite)"


def the_future_is_hidden(_probe: Probe, answer: Answer) -> str | None:
    """A target word moves the logits at its own position and after, and none before."""
    table = answer.arrays.get(signs.BY_TARGET, _EMPTY)
    if table.ndim != 2:
        return None
    for t, s in np.argwhere(table & ~np.tri(*table.shape, dtype=bool)):
        return f"the logits at target position {t} move with target word {s}, which stands later"
    for t, s in np.argwhere(~table & np.tri(*table.shape, dtype=bool)):
        where = "at its own position" if t == s else f"at position {t}, which stands later"
        return f"target word {s} can be changed, and the logits {where} stay the same"
    return None


def the_source_counts(_probe: Probe, answer: Answer) -> str | None:
    """Every source word moves the logits at every target position."""
    table = answer.arrays.get(signs.BY_SOURCE, _EMPTY)
    if table.ndim == 2 and not table.any():
        return "no word of the source moves any of the logits"
    for t, s in np.argwhere(~table) if table.ndim == 2 else ():
        return f"source word {s} can be changed, and the logits at target position {t} stay the same"
    return None


def order_counts(_probe: Probe, answer: Answer) -> str | None:
    """Words that change places move the logits."""
    moved = answer.arrays.get(signs.BY_ORDER, _EMPTY)
    if moved.size == 0 or moved.all():
        return None
    sides = [side for side, one in zip(("source", "target"), moved, strict=True) if not one]
    return f"words of the {' or the '.join(sides)} can change places, and the logits stay the same"


def padding_is_silent(_probe: Probe, answer: Answer) -> str | None:
    """Padding behind a sequence changes nothing at its words."""
    moved = answer.arrays.get(signs.BY_PADDING, _EMPTY)
    for side, row in np.argwhere(moved) if moved.ndim == 2 else ():
        return f"the logits of row {row} move when padding is put behind the {('source', 'target')[side]}"
    return None


def nothing_else_counts(_probe: Probe, answer: Answer) -> str | None:
    """In evaluation mode the same question has the same answer, whoever shares the batch."""
    moved = answer.arrays.get(signs.BY_REPETITION, _EMPTY)
    if moved.size == 0 or not moved.any():
        return None
    if moved[0]:
        return "the same call, twice in evaluation mode, gives different logits"
    row = 0 if moved[1] else 1
    return f"row {row} of a batch gets other logits than the same sequences alone"


def logits_are_raw(_probe: Probe, answer: Answer) -> str | None:
    """No softmax has been taken."""
    shares = answer.arrays.get(signs.SHARES, _EMPTY)
    return "each row is positive and adds up to one: it has been through a softmax" if shares.any() else None


def no_logarithm_taken(_probe: Probe, answer: Answer) -> str | None:
    """No log-softmax has been taken."""
    shares = answer.arrays.get(signs.LOG_SHARES, _EMPTY)
    return (
        "the exponentials of each row add up to one: it has been through a log-softmax"
        if shares.any()
        else None
    )


def layers_are_there(_probe: Probe, answer: Answer) -> str | None:
    """Every layer adds weights of its own, 28 D^2 for the encoder's and the decoder's together."""
    if signs.BUILT not in answer.arrays:
        return None
    if not answer.arrays[signs.BUILT].all():
        return "a model of one layer has too few parameters to hold an encoder's layer and a decoder's"
    layer = float(answer.arrays[signs.LAYER].sum())
    if layer == 0:
        return "a model of two layers has no more parameters than a model of one"
    return None if layer == 28 else f"one layer more adds about {layer:g} D^2 weights, expected 28 D^2"


def gradients_arrive(_probe: Probe, answer: Answer) -> str | None:
    """All that is multiplied with takes part."""
    if answer.arrays.get(signs.UNREACHED, _EMPTY).any():
        return "some matrices get no gradient at all: they take no part in the logits"
    if answer.arrays.get(signs.NORM_UNREACHED, _EMPTY).any():
        return "the weights of a norm get no gradient at all: it takes no part in the logits"
    return None


def readable(law: Law) -> Law:
    """Hold a law only where the logits have their shape: what cannot be read does not keep it."""

    def judged(probe: Probe, answer: Answer) -> str | None:
        return logits_have_their_shape(probe, answer) or law(probe, answer)

    return judged


LAWS: tuple[Law, ...] = (
    logits_have_their_shape,
    the_future_is_hidden,
    the_source_counts,
    order_counts,
    padding_is_silent,
    nothing_else_counts,
    logits_are_raw,
    layers_are_there,
    gradients_arrive,
)

_EMPTY = np.zeros(0, dtype=bool)
