"""What people get wrong in the schedule, each as the function with one thing changed."""

import math
from collections.abc import Callable

from plenary.checks.exercise import Misconception

NAME = "warmup_cosine"
Schedule = Callable[[int, int, int], float]


def _cosine(progress: float) -> float:
    return (1 + math.cos(math.pi * progress)) / 2


def _schedule(
    ramp: Callable[[int, int, int], float] = lambda step, warmup, total: step / warmup,
    fall: Callable[[float], float] = _cosine,
    progress: Callable[[int, int, int], float] = lambda step, warmup, total: (
        (step - warmup) / (total - warmup)
    ),
    most: float = 1.0,
) -> Schedule:
    """Write the function with one thing changed."""

    def warmup_cosine(step: int, warmup_steps: int, total_steps: int) -> float:
        if step < warmup_steps:
            return ramp(step, warmup_steps, total_steps)
        return fall(min(most, progress(step, warmup_steps, total_steps)))

    return warmup_cosine


def _ramp_always(step: int, warmup_steps: int, total_steps: int) -> float:
    if step <= warmup_steps:
        return step / warmup_steps
    return _schedule()(step, warmup_steps, total_steps)


def _zero_first(step: int, warmup_steps: int, total_steps: int) -> float:
    if step <= warmup_steps:
        return step / max(1, warmup_steps)
    return _schedule()(step, warmup_steps, total_steps)


def _nothing_without(step: int, warmup_steps: int, total_steps: int) -> float:
    return _schedule()(step, warmup_steps, total_steps) if warmup_steps else 0.0


def _smaller_of_both(step: int, warmup_steps: int, total_steps: int) -> float:
    return min(step / max(1, warmup_steps), _cosine(min(1.0, step / total_steps)))


def _product(step: int, warmup_steps: int, total_steps: int) -> float:
    ramp = min(1.0, step / warmup_steps) if warmup_steps else 1.0
    return ramp * _cosine(min(1.0, step / total_steps))


def _mistake(
    name: str,
    title: str,
    belief: str,
    hint: str,
    *wrong: Schedule,
    place: tuple[str, str] = ("train-cosine", "Down along half a cosine"),
    seen: str | None = None,
) -> Misconception:
    return Misconception(f"cosine-{name}", title, belief, hint, *place, {NAME: wrong}, evidence=seen)


_RAMP = ("train-warmup", "Up in a straight line")
_EDGES = ("train-edges", "At the edges")

SCHEDULE_MISTAKES = (
    _mistake(
        "no-warm-up",
        "Your schedule has no warm-up.",
        "The cosine does the work of bringing the rate down, and starts at its highest. Those first steps "
        "are the ones that Adam takes with next to no experience of the gradients' size.",
        "Before warmup_steps the factor is a straight line from 0.",
        _schedule(ramp=lambda step, warmup, total: 1.0),
        lambda step, warmup, total: _cosine(min(1.0, step / total)),
        place=_RAMP,
    ),
    _mistake(
        "ramp-off-by-one",
        "Your warm-up is one step ahead: it starts above 0, or reaches 1 a step early.",
        "(step + 1) / warmup_steps avoids a first step that changes nothing, and is found in libraries. "
        "Here step 0 gives 0, and step warmup_steps gives 1.",
        "Divide the step as it comes.",
        _schedule(ramp=lambda step, warmup, total: (step + 1) / warmup),
        _schedule(ramp=lambda step, warmup, total: (step + 1) / (warmup + 1)),
        place=_RAMP,
    ),
    _mistake(
        "ramp-over-total",
        "Your warm-up divides by total_steps; it should reach 1 at warmup_steps.",
        "A share of the whole training is what step / total_steps says. The ramp has to be done when the "
        "warm-up is, or the rate jumps there.",
        "At step warmup_steps the quotient has to be 1.",
        _schedule(ramp=lambda step, warmup, total: step / total),
        place=_RAMP,
    ),
    _mistake(
        "whole-division",
        "Your warm-up is 0 until it is over: // drops the fraction.",
        "Steps are whole numbers, and // is their division. The factor lives between 0 and 1, and there // "
        "leaves 0.",
        "Use the division that keeps the fraction.",
        _schedule(ramp=lambda step, warmup, total: step // warmup),
        place=_RAMP,
    ),
    _mistake(
        "progress-from-zero",
        "Your cosine counts from step 0; it should count from the end of the warm-up.",
        "step / total_steps is the progress of the training. The cosine begins when the warm-up ends, at 1; "
        "counted from 0 it has come some way down by then, and the rate jumps.",
        "At step warmup_steps the progress of the cosine has to be 0.",
        _schedule(progress=lambda step, warmup, total: step / total),
        _smaller_of_both,
        _product,
    ),
    _mistake(
        "rest-not-shortened",
        "Your cosine does not reach 0 at the last step: it is stretched over total_steps, from the end of "
        "the warm-up.",
        "It starts where it should. But the warm-up has used up some steps, and the cosine has total_steps "
        "- warmup_steps left.",
        "At step total_steps the progress has to be 1.",
        _schedule(progress=lambda step, warmup, total: (step - warmup) / total),
        seen="https://github.com/huggingface/pytorch-image-models/pull/2312",
    ),
    _mistake(
        "one-step-ahead",
        "Your cosine is one step ahead: it arrives before the last step.",
        "Counted from 0, the last of n steps is number n - 1, and it seems right to have arrived by then. Here step "
        "warmup_steps gives 1 and step total_steps gives 0.",
        "The progress is 0 at warmup_steps, and 1 at total_steps and not earlier.",
        _schedule(progress=lambda step, warmup, total: (step + 1 - warmup) / (total - warmup)),
        _schedule(progress=lambda step, warmup, total: (step - warmup) / (total - warmup - 1)),
    ),
    _mistake(
        "whole-progress",
        "Your cosine does not move from step to step: // drops the fraction.",
        "Steps are whole numbers, and // is their division. Progress lives between 0 and 1, and there // leaves 0.",
        "Use the division that keeps the fraction.",
        _schedule(progress=lambda step, warmup, total: (step - warmup) // (total - warmup)),
    ),
    _mistake(
        "no-pi",
        "Your cosine lacks the pi.",
        "Progress goes from 0 to 1, and a cosine goes from 1 to -1 while its argument goes from 0 to pi. "
        "Without it the factor ends at 0.77.",
        "Half a turn is pi.",
        _schedule(fall=lambda progress: (1 + math.cos(progress)) / 2),
    ),
    _mistake(
        "full-turn",
        "Your cosine makes a whole turn: it comes down and goes up again.",
        "A turn is 2 pi, and a cosine is usually met as a whole wave. The schedule wants the falling half "
        "of it.",
        "Half a turn is pi.",
        _schedule(fall=lambda progress: (1 + math.cos(2 * math.pi * progress)) / 2),
    ),
    _mistake(
        "quarter-turn",
        "Your cosine makes a quarter of a turn.",
        "From 0 to pi / 2 a cosine falls from 1 to 0, without adding 1 and halving. It arrives steeply, "
        "though: the half turn slows down at the end, where small steps are wanted.",
        "Take the half turn, and bring its range from [-1, 1] to [0, 1].",
        _schedule(fall=lambda progress: math.cos(math.pi / 2 * progress)),
    ),
    _mistake(
        "not-halved",
        "Your cosine starts at 2: it is not halved.",
        "1 + cos lifts the curve off the negative numbers, to 2 at the top. The factor starts at 1.",
        "Divide by 2.",
        _schedule(fall=lambda progress: 1 + math.cos(math.pi * progress)),
    ),
    _mistake(
        "half-of-one-part",
        "You halve one part of 1 + cos, and not the other.",
        "The factor is half of a sum, and without brackets the half belongs to what stands beside it alone.",
        "At a progress of 0 the factor has to be 1, and at a progress of 1 it has to be 0.",
        _schedule(fall=lambda progress: 0.5 * 1 + math.cos(math.pi * progress)),
        _schedule(fall=lambda progress: 1 + math.cos(math.pi * progress) / 2),
    ),
    _mistake(
        "sine",
        "You take the sine; asked for is the cosine.",
        "Both are waves between -1 and 1, a quarter of a turn apart. A sine starts half-way, rises to the top and "
        "comes back.",
        "Which of the two is 1 at 0?",
        _schedule(fall=lambda progress: (1 + math.sin(math.pi * progress)) / 2),
    ),
    _mistake(
        "not-lifted",
        "Your cosine becomes negative: 1 is not added.",
        "A cosine falls from 1, as the factor does. It falls to -1, though, and a negative learning rate "
        "climbs.",
        "Add 1, then halve.",
        _schedule(fall=lambda progress: math.cos(math.pi * progress)),
        _schedule(fall=lambda progress: max(0.0, math.cos(math.pi * progress))),
        _schedule(fall=lambda progress: math.cos(math.pi * progress) / 2),
    ),
    _mistake(
        "rising",
        "Your factor rises after the warm-up; it should fall.",
        "1 - cos is the cosine's mirror image: 0 at the start, 2 at the end.",
        "At a progress of 0 the factor has to be 1.",
        _schedule(fall=lambda progress: (1 - math.cos(math.pi * progress)) / 2),
    ),
    _mistake(
        "straight-down",
        "Your factor falls in a straight line; asked for is a cosine.",
        "It has the right ends and the right middle. The cosine stays high for longer, and slows down "
        "before it arrives.",
        "Put the progress into the cosine.",
        _schedule(fall=lambda progress: 1 - progress),
    ),
    _mistake(
        "rises-again",
        "Past the last step your factor rises again.",
        "Nobody trains past the end, one would think. But a run that is resumed, or a count of steps that "
        "is off by one epoch, does; and a cosine is periodic.",
        "Let the progress stop at 1.",
        _schedule(most=math.inf),
        place=_EDGES,
    ),
    _mistake(
        "zero-warm-up",
        "Your schedule divides by zero where there is no warm-up.",
        "0 / 0 has no answer, and with step <= warmup_steps step 0 gets there. Without a warm-up, step 0 "
        "belongs to the cosine already.",
        "Let the ramp end one step earlier, before warmup_steps: there both formulas agree anyway.",
        _ramp_always,
        lambda step, warmup, total: min(step / warmup, _schedule()(step, warmup, total)),
        place=_EDGES,
    ),
    _mistake(
        "zero-without-warm-up",
        "Without a warm-up your schedule starts at 0; step 0 should give 1.",
        "max(1, warmup_steps) keeps the division from failing, and with step <= warmup_steps step 0 still belongs to "
        "the ramp. Where there is no warm-up, there is no ramp.",
        "Let the ramp end one step earlier, before warmup_steps: there both formulas agree anyway.",
        _zero_first,
        _nothing_without,
        place=_EDGES,
    ),
)
