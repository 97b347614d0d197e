"""How the learning rate goes up and comes down: chapter 11's schedule and chapter 15's."""

import math


def warmup_lr(step: int, embed_dim: int, warmup_steps: int) -> float:
    """D^-0.5 min(step^-0.5, step warmup^-1.5): linear up to `warmup_steps`, then falling with the root of the step.

    Step 0 gives 0.0, which the formula leaves undefined.

    Raises:
        ValueError: a negative step, or a width or warm-up below 1.

    Source: Vaswani et al. (2017), Attention Is All You Need, equation 3.
    """
    if step < 0 or embed_dim < 1 or warmup_steps < 1:
        raise ValueError(
            f"warmup_lr: expected step >= 0, embed_dim >= 1 and warmup_steps >= 1; they are {step}, {embed_dim} "
            f"and {warmup_steps}."
        )
    if step == 0:
        return 0.0
    return embed_dim**-0.5 * min(step**-0.5, step * warmup_steps**-1.5)


def warmup_cosine(step: int, warmup_steps: int, total_steps: int) -> float:
    """The factor of the learning rate: step / warmup up to the warm-up's end, then half a cosine from 1 down to 0.

    After the warm-up it is (1 + cos(pi (step - warmup) / (total - warmup))) / 2, and 0 after the last step.

    Raises:
        ValueError: a negative step, or a warm-up that does not end before the last step.

    Source: Loshchilov and Hutter (2017), SGDR, equation 5, without restarts.
    """
    if step < 0 or not 0 <= warmup_steps < total_steps:
        raise ValueError(
            f"warmup_cosine: expected step >= 0 and 0 <= warmup_steps < total_steps; step is {step}, warmup_steps "
            f"{warmup_steps} and total_steps {total_steps}."
        )
    if step < warmup_steps:
        return step / warmup_steps
    progress = min(1.0, (step - warmup_steps) / (total_steps - warmup_steps))
    return (1 + math.cos(math.pi * progress)) / 2
