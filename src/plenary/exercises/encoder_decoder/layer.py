"""``DecoderLayer``: what has to hold."""

import numpy as np

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Construct, Load, Probe
from plenary.exercises.encoder_decoder.layer_attention_mistakes import ATTENTION_MISTAKES
from plenary.exercises.encoder_decoder.layer_build import Reference
from plenary.exercises.encoder_decoder.layer_correct import CORRECT
from plenary.exercises.encoder_decoder.layer_dropout_mistakes import DROPOUT_MISTAKES
from plenary.exercises.encoder_decoder.layer_norm_mistakes import NORM_MISTAKES
from plenary.exercises.encoder_decoder.layer_path_mistakes import PATH_MISTAKES
from plenary.exercises.encoder_decoder.layer_probes import INSIDE, LEFT_ALONE, derive, probes

OUTPUT = ("output",)
GRADIENTS = (
    "output",
    "grad_x",
    "grad_memory",
    *(f"grad_{name}" for name, _ in Reference(2, 1, 2).named_parameters()),
)


def post_norm_ends_in_a_norm(probe: Probe, answer: Answer) -> str | None:
    """In post-norm the last step is norm3: whatever came before, its bias and weight show in every token."""
    made = next(step.arguments for step in probe.steps if isinstance(step, Construct))
    output = answer.arrays.get("output")
    if made.get("norm_first", True) or output is None:
        return None
    loaded = next(step.weights for step in probe.steps if isinstance(step, Load))
    plain = (output - loaded["norm3.bias"]) / loaded["norm3.weight"]
    if np.abs(plain.mean(-1)).max() < 1e-3 and np.abs(plain.var(-1) - 1).max() < 1e-2:
        return None
    return "the tokens that leave the post-norm layer have not been through norm3 last"


LAYER = Exercise(
    name="DecoderLayer",
    signature="DecoderLayer(embed_dim, num_heads, hidden_dim, dropout=0.0, norm_first=True, eps=1e-5); "
    "layer(x, memory, self_mask=None, memory_mask=None) -> output",
    page="transformer/encoder_decoder",
    outputs=OUTPUT,
    probes=probes,
    reference=Reference,
    properties=(
        Property("three parts in their order, pre-norm", 3, ("small", "no masks"), OUTPUT),
        Property(
            "each attention under its own mask", 3, ("small, masked", "square", "masked", "float32"), OUTPUT
        ),
        Property("post-norm", 2, ("small, post-norm", "post-norm"), OUTPUT),
        Property("gradients of inputs and parameters", 1, ("gradient",), GRADIENTS),
        Property("eps reaches the norms", 1, ("eps",), OUTPUT),
        Property("evaluation drops nothing", 1, ("evaluation, all dropped",), OUTPUT),
        Property(
            "training drops what is added",
            1,
            ("training, all dropped", "training, all dropped, post-norm"),
            OUTPUT,
        ),
        Property("training drops inside the parts too", 1, (INSIDE,), (LEFT_ALONE,)),
    ),
    laws=(post_norm_ends_in_a_norm,),
    misconceptions=(*ATTENTION_MISTAKES, *PATH_MISTAKES, *NORM_MISTAKES, *DROPOUT_MISTAKES),
    correct=CORRECT,
    derive=derive,
    borrowed=("torch.nn.TransformerDecoderLayer",),
)
