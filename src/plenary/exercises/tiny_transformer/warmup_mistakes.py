"""Mistakes in the learning rate's rise and fall."""

from plenary.checks.exercise import Function, Misconception


def _here(*wrong: Function) -> dict[str, tuple[Function, ...]]:
    return {"warmup_lr": wrong}


def _formula(step: int, embed_dim: int, warmup_steps: int) -> float:
    return embed_dim**-0.5 * min(step**-0.5, step * warmup_steps**-1.5)


def _step_counted_from_one(step: int, embed_dim: int, warmup_steps: int) -> float:
    return _formula(step + 1, embed_dim, warmup_steps)


def _zero_taken_for_one(step: int, embed_dim: int, warmup_steps: int) -> float:
    return _formula(max(step, 1), embed_dim, warmup_steps)


def _maximum(step: int, embed_dim: int, warmup_steps: int) -> float:
    return embed_dim**-0.5 * max(step**-0.5, step * warmup_steps**-1.5) if step else 0.0


def _without_width(step: int, embed_dim: int, warmup_steps: int) -> float:
    return min(step**-0.5, step * warmup_steps**-1.5) if step else 0.0


def _width_upwards(step: int, embed_dim: int, warmup_steps: int) -> float:
    return embed_dim * _formula(step, embed_dim, warmup_steps) if step else 0.0


def _whole_width(step: int, embed_dim: int, warmup_steps: int) -> float:
    return embed_dim**-0.5 * _formula(step, embed_dim, warmup_steps) if step else 0.0


def _root_of_warmup(step: int, embed_dim: int, warmup_steps: int) -> float:
    return embed_dim**-0.5 * min(step**-0.5, step * warmup_steps**-0.5) if step else 0.0


def _warmup_inverse(step: int, embed_dim: int, warmup_steps: int) -> float:
    return embed_dim**-0.5 * min(step**-0.5, step / warmup_steps) if step else 0.0


def _stays_up(step: int, embed_dim: int, warmup_steps: int) -> float:
    return _formula(min(step, warmup_steps), embed_dim, warmup_steps) if step else 0.0


def _no_warmup(step: int, embed_dim: int, warmup_steps: int) -> float:
    return embed_dim**-0.5 * step**-0.5 if step else 0.0


def _no_warmup_until_later(step: int, embed_dim: int, warmup_steps: int) -> float:
    return (embed_dim * max(step, warmup_steps)) ** -0.5 if step else 0.0


def _share_of_peak(step: int, embed_dim: int, warmup_steps: int) -> float:
    return min(step / warmup_steps, (warmup_steps / step) ** 0.5) if step else 0.0


def _falls_in_a_line(step: int, embed_dim: int, warmup_steps: int) -> float:
    return (embed_dim * warmup_steps) ** -0.5 * min(step / warmup_steps, warmup_steps / step) if step else 0.0


def _exponent_by_precedence(step: int, embed_dim: int, warmup_steps: int) -> float:
    return embed_dim**-0.5 * min(step**-0.5, step * warmup_steps**-3 / 2) if step else 0.0


def _rises_for_ever(step: int, embed_dim: int, warmup_steps: int) -> float:
    return embed_dim**-0.5 * step * warmup_steps**-1.5


def _falls_from_the_peak(later: int) -> Function:
    """Count the steps of the fall from the end of the warm-up."""

    def rate(step: int, embed_dim: int, warmup_steps: int) -> float:
        if step < warmup_steps or step + later <= warmup_steps:
            return embed_dim**-0.5 * step * warmup_steps**-1.5
        return embed_dim**-0.5 * (step - warmup_steps + later) ** -0.5

    return rate


MISTAKES = (
    Misconception(
        id="tiny-division-at-step-0",
        title="Your function divides by zero at step 0.",
        belief="The formula has step to the power of -1/2 in it, and 0 has none. One may count steps from "
        "1 and never meet it; but loops and schedulers of torch begin at 0.",
        hint="Step 0 is a case of its own. Where does the straight line of the warm-up start?",
        anchor="tiny-warmup",
        section="Small steps first",
        evidence="https://github.com/CUNY-CL/yoyodyne/pull/300",
        wrong=_here(_formula),
    ),
    Misconception(
        id="tiny-step-counted-from-one",
        title="You count from step 1: your step 0 is the formula's step 1, and all others are one too far.",
        belief="Adding 1 gets around the division by zero, and after some hundred steps nobody sees the "
        "difference. It moves the whole curve, though, and the first rate is no longer 0.",
        hint="Leave the step as it is, and treat 0 apart.",
        anchor="tiny-warmup",
        section="Small steps first",
        evidence="https://github.com/espnet/espnet/pull/2088",
        wrong=_here(_step_counted_from_one),
    ),
    Misconception(
        id="tiny-step-0-as-1",
        title="Your step 0 has the rate of step 1; asked for is 0.0.",
        belief="To take at least 1 for the step is a common way around the division by zero. The straight "
        "line of the warm-up starts at 0, where it has the value 0, and so does this function.",
        hint="Step 0 returns before the formula is used.",
        anchor="tiny-warmup",
        section="Small steps first",
        wrong=_here(_zero_taken_for_one),
    ),
    Misconception(
        id="tiny-larger-of-the-two",
        title="You take the larger of the two expressions; asked for is the smaller.",
        belief="Which of the two is it at the start? One to the power of anything is 1, much more than "
        "step / warmup^1.5. With the larger one the rate starts high, falls, and then rises for ever.",
        hint="Put step 1 in both, and ask which one is a small step.",
        anchor="tiny-warmup",
        section="Small steps first",
        wrong=_here(_maximum),
    ),
    Misconception(
        id="tiny-no-warm-up",
        title="Your rate does not rise: there is no warm-up.",
        belief="A schedule that falls is what one knows from elsewhere: large steps first, then finer "
        "ones. Here the first steps are the dangerous ones, since Adam's averages rest on a handful of "
        "gradients.",
        hint="For steps below warmup_steps the second expression is the smaller one.",
        anchor="tiny-warmup",
        section="Small steps first",
        wrong=_here(_no_warmup, _no_warmup_until_later),
    ),
    Misconception(
        id="tiny-rate-stays-up",
        title="Your rate stays at its peak after the warm-up; it should fall.",
        belief="Warm-up is the rise, and it is over. But the peak is chosen high because it does not "
        "last: close to a good place, steps of that size jump across it.",
        hint="From warmup_steps on, the step's own root divides.",
        anchor="tiny-warmup",
        section="Small steps first",
        wrong=_here(_stays_up),
    ),
    Misconception(
        id="tiny-rate-rises-for-ever",
        title="Your rate rises for ever; after the warm-up it should fall.",
        belief="The line is the warm-up, and the warm-up has an end. From there on the other expression is the "
        "smaller one, and takes over.",
        hint="There are two expressions, and the smaller one counts.",
        anchor="tiny-warmup",
        section="Small steps first",
        wrong=_here(_rises_for_ever),
    ),
    Misconception(
        id="tiny-fall-counted-from-the-peak",
        title="Your fall counts its steps from the end of the warm-up; the formula counts all from the start.",
        belief="Rise and fall look like two pieces, each with a beginning of its own. But the root is that of "
        "the whole step, and only so do the two pieces meet at the peak.",
        hint="The step in the first expression is the same step as in the second.",
        anchor="tiny-warmup",
        section="Small steps first",
        wrong=_here(_falls_from_the_peak(1), _falls_from_the_peak(0)),
    ),
    Misconception(
        id="tiny-rate-falls-too-fast",
        title="Your rate falls like 1 / step; it should fall like the root of that.",
        belief="Up along a line, down along its mirror image, one over the step: it looks balanced. The "
        "root falls far more slowly: after four times the warm-up half of the peak is left, and not a "
        "quarter.",
        hint="Look at the first exponent in the formula.",
        anchor="tiny-warmup",
        section="Small steps first",
        wrong=_here(_falls_in_a_line),
    ),
    Misconception(
        id="tiny-width-left-out",
        title="The width of the model, D^-0.5, is missing.",
        belief="The two expressions in the brackets make the shape, rise and fall. The factor in front "
        "sets the size: a wider model sums over more features in every product, and takes smaller "
        "steps.",
        hint="Multiply by the width to the power of -1/2.",
        anchor="tiny-peak",
        section="How high the peak is",
        wrong=_here(_without_width),
    ),
    Misconception(
        id="tiny-width-exponent",
        title="The width has the wrong exponent; it is -1/2.",
        belief="The root of the width is easily turned over, or forgotten. It makes the steps of a wide "
        "model smaller: with four times the width, half the rate.",
        hint="For D = 4 the factor is 1/2.",
        anchor="tiny-peak",
        section="How high the peak is",
        wrong=_here(_width_upwards, _whole_width),
    ),
    Misconception(
        id="tiny-warmup-exponent",
        title="The warm-up has the wrong exponent: the two expressions do not meet at its end.",
        belief="The exponent -3/2 looks strange next to two of -1/2. It is there so that both expressions "
        "are equal at step = warmup: step times warmup^-1.5 becomes warmup^-0.5 there. With another "
        "exponent the rise ends somewhere else.",
        hint="Put step = warmup_steps in both expressions: they have to agree. (In Python, w**-3/2 is half of "
        "w**-3.)",
        anchor="tiny-peak",
        section="How high the peak is",
        wrong=_here(_root_of_warmup, _warmup_inverse, _exponent_by_precedence),
    ),
    Misconception(
        id="tiny-share-of-the-peak",
        title="You return a share of the peak, which is 1 at the end of the warm-up; asked for is the "
        "rate itself.",
        belief="torch's LambdaLR wants a factor, and the optimiser brings the size. This formula holds the "
        "size: at its peak it is 1 / sqrt(D warmup).",
        hint="In step 4 of the example by hand the rate is 0.25.",
        anchor="tiny-peak",
        section="How high the peak is",
        evidence="https://github.com/Kyubyong/transformer/issues/89",
        wrong=_here(_share_of_peak),
    ),
)
