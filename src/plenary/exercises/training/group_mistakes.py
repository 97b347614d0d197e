"""Mistakes in what decays, and in what gets into the groups at all."""

from collections.abc import Callable

from plenary.checks.exercise import Misconception
from plenary.exercises.training import group_ways as ways
from plenary.exercises.training.group_ways import LAST, NAME, also, groups_by, right, walk


def _mistake(
    name: str,
    title: str,
    belief: str,
    hint: str,
    place: str,
    *wrong: Callable[..., object],
    seen: str | None = None,
) -> Misconception:
    anchor, section = {
        "what": ("train-groups", "What decays"),
        "once": ("train-once", "Every parameter, once"),
    }[place]
    return Misconception(f"groups-{name}", title, belief, hint, anchor, section, {NAME: wrong}, evidence=seen)


GROUP_MISTAKES = (
    _mistake(
        "decay-everything",
        "Everything decays in your groups, or the two groups decay alike.",
        "Decay keeps weights small, and small weights are good. For a matrix that is so. A norm's weight "
        "starts at 1 and belongs there, and a bias or a position pulled to zero makes nothing simpler.",
        "The second group needs a weight decay of its own: 0.",
        "what",
        groups_by(spared=lambda decay: decay),
        ways.one_group,
        ways.one_group_of_all,
        seen="https://github.com/Lightning-AI/lit-llama/issues/254",
    ),
    _mistake(
        "no-key",
        "Your second group does not say how it decays, so the optimizer's default does.",
        "What gets no weight decay needs no entry, one would think. But AdamW fills in what a group leaves "
        "out with its own default, 0.01 (the check counts it so).",
        'Give both groups the key "weight_decay".',
        "what",
        ways.no_key,
    ),
    _mistake(
        "exchanged",
        "Your groups are exchanged: the biases decay, and the matrices do not.",
        "Both groups are right, and each has the other's weight decay.",
        "Follow one bias from where you sort it to the number that its group gets.",
        "what",
        ways.exchanged,
        groups_by(decays=lambda m, n, p: not right(m, n, p)),
    ),
    _mistake(
        "biases-decay",
        "Your biases decay.",
        "A bias is a parameter like a weight, and for linear regression decaying it is only bad taste. But "
        "a bias is an offset: pulling it to zero does not make the function smoother, it moves it.",
        "A bias has one axis, and its name ends in bias.",
        "what",
        groups_by(decays=also("bias")),
        groups_by(decays=lambda m, n, p: "norm" not in type(m).__name__.lower() and not n.endswith(LAST)),
    ),
    _mistake(
        "norms-decay",
        "Your norms' weights decay.",
        "A norm's weight is called weight, as a matrix is, and looking for names that end in bias lets it "
        "through. It is a scale that starts at 1; decay pulls it to 0, where the layer says nothing.",
        "Tell them from matrices by the number of axes: a scale has one.",
        "what",
        groups_by(decays=lambda m, n, p: not n.endswith(("bias", *LAST))),
        seen="https://github.com/karpathy/minGPT/issues/23",
    ),
    _mistake(
        "norms-by-name",
        "You know norms by their name, and some are called otherwise.",
        "The modules of one model may all be called norm1 and norm2. GPT-2 calls them ln_1, others bn, or "
        'they are the third entry of a Sequential and are called "2".',
        "Look at the parameter, not at its name: a norm's weight has one axis.",
        "what",
        groups_by(decays=ways.norms_called_norm),
        groups_by(decays=ways.norms_called_norm_or_ln),
        seen="https://github.com/huggingface/transformers/issues/915",
    ),
    _mistake(
        "layernorm-only",
        "You know one class of norm, nn.LayerNorm; there are others.",
        "isinstance is surer than a name. But nn.BatchNorm1d is another class, and so is the LayerNorm that "
        "you wrote in chapter 9.",
        "What they have in common is a weight with one axis.",
        "what",
        groups_by(decays=ways.layer_norms_only),
    ),
    _mistake(
        "positions-decay",
        "Your positions decay.",
        "They have three axes, so a rule by axes takes them for a matrix. But they are vectors that are "
        "added, one to a place: decay pulls all places towards each other.",
        "Let whatever is called positions be spared, wherever it stands.",
        "what",
        groups_by(decays=also("positions")),
    ),
    _mistake(
        "class-token-decays",
        "Your class token decays.",
        "It has three axes, so a rule by axes takes it for a matrix. It is one vector, a question that is "
        "learned, and decay makes it quieter.",
        "Let whatever is called class_token be spared, wherever it stands.",
        "what",
        groups_by(decays=also("class_token")),
    ),
    _mistake(
        "axes-only",
        "Your rule looks at the number of axes alone, so positions and class token decay.",
        "ndim > 1 sorts matrices from biases and scales without a single name, and is nearly the whole "
        "rule. Positions and class token have axes in front for the batch, and count three.",
        "Two names have to be spared as well.",
        "what",
        groups_by(decays=lambda m, n, p: p.ndim > 1),
    ),
    _mistake(
        "names-at-the-top",
        "You find positions and class_token only at the top of the model.",
        "named_parameters gives full names: one level down, positions is called encoder.positions, and an "
        "== with the bare name does not hold.",
        "Compare the last part of the name, behind the last dot.",
        "what",
        groups_by(decays=ways.top_level),
        seen="https://github.com/namisan/mt-dnn/pull/37",
    ),
    _mistake(
        "embeddings-spared",
        "Your embedding's weight does not decay.",
        "minGPT spares it, so it is no slip. Here the rule is shorter: what has two axes or more decays, "
        "but for positions and class token. Tied to the head's weight, it is both anyway.",
        "Treat an embedding's weight as the matrix that it is.",
        "what",
        groups_by(decays=ways.not_embeddings),
    ),
    _mistake(
        "linear-only",
        "Only your linear layers' weights decay; convolutions and embeddings have weights as well.",
        "In the stack every matrix sits in an nn.Linear. The patch embedding of many models is an "
        "nn.Conv2d, with four axes, and it is a linear layer in another form.",
        "Start from the parameters, not from a list of classes.",
        "what",
        groups_by(decays=ways.linear_only),
    ),
    _mistake(
        "two-axes-only",
        "Only what has exactly two axes decays in your groups; a convolution's weight has four.",
        "A matrix has two axes, and asking for two leaves out positions and class token without a name. It leaves "
        "out convolutions as well, whose weights are matrices written in more axes.",
        "Ask for two axes or more, and spare positions and class_token by name.",
        "what",
        groups_by(decays=ways.two_axes),
    ),
    _mistake(
        "lost",
        "Your groups lose parameters.",
        "Going through the modules whose kinds one knows finds most. What hangs directly on a module, such "
        "as class_token and positions, or belongs to a kind that is not on the list, is in no group, and "
        "never moves in training.",
        "Go through all of model.named_parameters(), and put each one somewhere.",
        "once",
        groups_by(walk=ways.known_layers),
        groups_by(walk=ways.layers_without_tokens),
    ),
    _mistake(
        "one-group-lost",
        "You return the group that decays, and leave the other out.",
        "What does not decay needs no group, one would think. But an optimizer moves only what it is given: "
        "these parameters would stay where they started.",
        "Return both groups.",
        "once",
        ways.first_only,
    ),
    _mistake(
        "doubled",
        "Parameters stand in your groups more than once.",
        "named_modules goes through every level, and named_parameters of a module goes down through all "
        "below: a weight three levels deep is met three times. The optimizer refuses such a list, or counts "
        "its steps wrong.",
        "Go through the parameters of the model once, or take each module's own with recurse=False.",
        "once",
        groups_by(walk=ways.nested),
    ),
    _mistake(
        "in-both",
        "Parameters stand in both of your groups.",
        "What has been put into one group is dealt with, one would think. But a loop goes on after an if: without an "
        "else, or a continue, the parameter goes into the other group as well.",
        "Let each parameter take one of two ways.",
        "once",
        ways.no_else,
        ways.no_else_turned,
    ),
    _mistake(
        "shared-doubled",
        "A shared parameter stands in your groups once for each module that holds it.",
        "Two modules, two names, so two entries. But it is one tensor: tied, the embedding and the head "
        "move together, and the optimizer must meet them once.",
        "model.named_parameters() leaves repetitions out by itself; a walk through the modules has to "
        "remember what it has seen.",
        "once",
        groups_by(walk=lambda model: walk(model, shared=True)),
        groups_by(walk=ways.own_of_each_module),
    ),
    _mistake(
        "frozen-kept",
        "Your groups hold frozen parameters.",
        "They get no gradient, so it does no harm, and AdamW indeed skips them. But a group says what will "
        "be trained: whoever counts it, or reads it in a checkpoint, is told something false.",
        "Leave out what has requires_grad off.",
        "once",
        groups_by(frozen=True),
    ),
)
