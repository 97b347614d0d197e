"""``TinyTransformer``: a class whose inner names are free, judged by what moves its logits."""

from plenary.checks.exercise import Exercise, Property
from plenary.exercises.tiny_transformer import correct_transformers
from plenary.exercises.tiny_transformer import transformer_laws as laws
from plenary.exercises.tiny_transformer.mask_mistakes import MASK_MISTAKES
from plenary.exercises.tiny_transformer.output_mistakes import OUTPUT_MISTAKES
from plenary.exercises.tiny_transformer.path_mistakes import PATH_MISTAKES
from plenary.exercises.tiny_transformer.position_mistakes import POSITION_MISTAKES
from plenary.exercises.tiny_transformer.stack_mistakes import STACK_MISTAKES
from plenary.exercises.tiny_transformer.transformer_probes import collect, probes
from plenary.exercises.tiny_transformer.transformer_reference import ReferenceTransformer
from plenary.exercises.tiny_transformer.transformer_signs import signs

_REACH = ("small", "first word", "square", "a batch of changes")
_PADDED = ("padding", "padding with another id")

TRANSFORMER = Exercise(
    name="TinyTransformer",
    signature="class TinyTransformer(vocab_size, embed_dim, num_heads, num_layers, max_length, pad_id=0): "
    "forward(source, target) -> logits",
    page="transformer/tiny_transformer",
    outputs=("logits",),
    probes=probes,
    reference=ReferenceTransformer,
    properties=(
        Property(
            "logits (B, T, V), all of them numbers",
            1,
            (*_REACH, "order", "repeated", *_PADDED),
            law=laws.logits_have_their_shape,
        ),
        Property(
            "a target word is heard from its own position on",
            3,
            _REACH,
            law=laws.readable(laws.the_future_is_hidden),
        ),
        Property(
            "every source word is heard everywhere", 2, _REACH, law=laws.readable(laws.the_source_counts)
        ),
        Property("the order of the words counts", 2, ("order",), law=laws.readable(laws.order_counts)),
        Property("padding changes nothing", 2, _PADDED, law=laws.readable(laws.padding_is_silent)),
        Property("one answer to one question", 1, ("repeated",), law=laws.readable(laws.nothing_else_counts)),
        Property("logits, not probabilities", 1, ("repeated",), law=laws.readable(laws.logits_are_raw)),
        Property("each layer has weights of its own", 2, ("depth",), law=laws.layers_are_there),
        Property(
            "every weight gets a gradient",
            1,
            ("gradient, one layer", "gradient, two layers"),
            law=laws.readable(laws.gradients_arrive),
        ),
        Property("sizes that do not fit are refused", 1, ("four heads on a width of ten",)),
        Property("no logarithm taken", 0, ("repeated",), law=laws.no_logarithm_taken),
    ),
    laws=laws.LAWS,
    misconceptions=(
        *MASK_MISTAKES,
        *PATH_MISTAKES,
        *POSITION_MISTAKES,
        *OUTPUT_MISTAKES,
        *STACK_MISTAKES,
    ),
    correct=correct_transformers.TRANSFORMERS,
    collect=collect,
    derive=signs,
    borrowed=("torch.nn.Transformer",),
)
