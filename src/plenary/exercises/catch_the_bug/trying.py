"""Tests that try too few inputs: what a box is never asked cannot go wrong."""

import torch

from plenary.checks.exercise import Misconception
from plenary.exercises.catch_the_bug.testing import Test, wrong

TRYING = (
    Misconception(
        id="bug-single-input",
        title="Your test tries one ordinary table of numbers, square and without a mask.",
        belief="One random input seems to test everything, since random numbers hit every line of code. "
        "They hit every line that this input reaches: no mask, no batch, no two lengths that differ.",
        hint="Write down what the signature allows, and try an input of each kind.",
        anchor="bug-where-bugs-live",
        section="Where bugs live",
        wrong=wrong(
            Test(front=(), T=4, S=4, d_v=4, dtypes=(torch.float32,), masks=("none",), stretches=(1.0,))
        ),
    ),
    Misconception(
        id="bug-all-ones",
        title="Your test asks with equal numbers everywhere, such as torch.ones; then all scores are alike.",
        belief="Ones are easy to follow by hand. But where every score is the same, the weights are "
        "uniform whatever is done to the scores: scaled, not scaled, taken from another room.",
        hint="Draw random inputs, different for query, key and value.",
        anchor="bug-where-bugs-live",
        section="Where bugs live",
        wrong=wrong(Test(ones=True)),
    ),
    Misconception(
        id="bug-same-tensor",
        title="Your test passes one tensor as query, key and value; then nobody sees which of them was used.",
        belief="candidate(x, x, x) is self-attention as it is often shown. It also makes all lengths and "
        "widths equal, so whatever is taken for something else is taken for itself.",
        hint="Draw three tensors, with lengths and widths that differ.",
        anchor="bug-sizes",
        section="Sizes that no two share",
        wrong=wrong(Test(same=True, T=4, S=4, d_v=4)),
    ),
    Misconception(
        id="bug-square-only",
        title="Your test tries only T = S and equal widths; mistakes that need two different sizes stay "
        "hidden.",
        belief="In self-attention T and S are equal, and a square table is what one draws. But the "
        "function is asked to work for any T and S, and that is where an exchanged axis or a forgotten "
        "key shows.",
        hint="Choose sizes of which no two are equal.",
        anchor="bug-sizes",
        section="Sizes that no two share",
        wrong=wrong(Test(T=4, S=4, d_v=4)),
        evidence="https://github.com/huggingface/transformers/pull/48356",
    ),
    Misconception(
        id="bug-fewer-keys",
        title="Your test never has more keys than queries.",
        belief="T and S do differ in it, which finds most mistakes of this kind. Not those that count "
        "keys by the queries: they lose something only where there are keys left over.",
        hint="Let S be the larger one, or try both.",
        anchor="bug-sizes",
        section="Sizes that no two share",
        wrong=wrong(Test(T=7, S=5)),
    ),
    Misconception(
        id="bug-equal-widths",
        title="Your test always has values as wide as keys.",
        belief="In most models d_k and d_v are equal, so one letter seems enough. A function that takes "
        "the one for the other is then right, until somebody asks with values of another width.",
        hint="Give the values a width of their own.",
        anchor="bug-sizes",
        section="Sizes that no two share",
        wrong=wrong(Test(d_v=4)),
    ),
    Misconception(
        id="bug-no-batch",
        title="Your test tries a single table, without axes in front.",
        belief="What is right for one room seems right for all. But the rooms of a batch come in one "
        "tensor, and a function can mix them, or treat all like the first.",
        hint="Put axes in front, batch and heads, of different sizes.",
        anchor="bug-sizes",
        section="Sizes that no two share",
        wrong=wrong(Test(front=())),
    ),
    Misconception(
        id="bug-no-heads",
        title="Your test has a batch in front and never heads: it stops at three axes.",
        belief="Batch and heads look alike, so one axis in front seems to stand for both. Code that "
        "counts axes from the front treats them differently, and it is the four-axis case that a "
        "Transformer uses.",
        hint="Try (B, H, T, d) as well.",
        anchor="bug-sizes",
        section="Sizes that no two share",
        wrong=wrong(Test(front=(3,)), Test(front=(3,), mask_front=False)),
    ),
    Misconception(
        id="bug-no-mask",
        title="Your test never passes a mask.",
        belief="The mask is optional, so it is easily left out. Yet it has mistakes of "
        "its own: what True means, where it goes in, what becomes of a row that is empty.",
        hint="Ask everything twice, with and without a mask.",
        anchor="bug-where-bugs-live",
        section="Where bugs live",
        wrong=wrong(Test(masks=("none",))),
    ),
    Misconception(
        id="bug-one-mask-for-all",
        title="Your test has one mask for the whole batch; that each room may have its own is never tried.",
        belief="A mask of shape (T, S) broadcasts, and does for causal attention. Sentences of a batch "
        "differ in length, so padding is a mask of its own for each.",
        hint="Give the mask a batch axis.",
        anchor="bug-where-bugs-live",
        section="Where bugs live",
        wrong=wrong(Test(mask_front=False)),
    ),
    Misconception(
        id="bug-ordinary-inputs",
        title="Your test stays with ordinary inputs: no query without a key to attend to, no large "
        "scores, one dtype alone.",
        belief="With and without a mask, that seems to be all there is to ask. What is left lies at the "
        "edge of the contract: an empty row, scores in the hundreds, another dtype. Authors do not try "
        "these either, so that is where mistakes stay.",
        hint="Go through the contract line by line, and for each line find the input that would break it.",
        anchor="bug-where-bugs-live",
        section="Where bugs live",
        wrong=wrong(
            *(
                Test(front=f, mask_front=m, dtypes=(torch.float32,), masks=("none", "some"), stretches=(1.0,))
                for f, m in (((2, 3), True), ((2, 3), False), ((3,), True), ((3,), False), ((), False))
            )
        ),
    ),
    Misconception(
        id="bug-no-empty-row",
        title="Your test has masks, and no query in them that may attend to nothing.",
        belief="A random mask hardly ever has an empty row, and a causal one never. A sentence that is "
        "all padding has nothing else, and it is there that 0 / 0 waits.",
        hint="Forbid everything to one of the queries.",
        anchor="bug-where-bugs-live",
        section="Where bugs live",
        wrong=wrong(Test(masks=("none", "some"))),
    ),
    Misconception(
        id="bug-no-large-scores",
        title="Your test never makes the scores large.",
        belief="Standard normal inputs give scores of about 1, and exp(1) is harmless. A trained model "
        "has scores in the hundreds, where an exponential without its maximum subtracted is infinite.",
        hint="Multiply the query by a thousand, in float64, where rounding stays out of the way.",
        anchor="bug-where-bugs-live",
        section="Where bugs live",
        wrong=wrong(Test(stretches=(1.0,))),
    ),
    Misconception(
        id="bug-no-float32",
        title="Your test asks in float64 only.",
        belief="float64 makes comparing easy, since rounding is far below any mistake. Models are trained "
        "in float32 or less, and code may treat each dtype in its own way.",
        hint="Ask in both, with a tolerance for each.",
        anchor="bug-where-bugs-live",
        section="Where bugs live",
        wrong=wrong(Test(dtypes=(torch.float64,))),
    ),
    Misconception(
        id="bug-no-float64",
        title="Your test asks in float32 only.",
        belief="float32 is torch's default, so nobody has to choose it. Whether a function keeps the "
        "dtype that it gets shows only where that is another, and large scores can be compared safely "
        "only in float64.",
        hint="Ask in float64 as well, and compare the dtype of what comes back.",
        anchor="bug-where-bugs-live",
        section="Where bugs live",
        wrong=wrong(Test(dtypes=(torch.float32,))),
    ),
)
