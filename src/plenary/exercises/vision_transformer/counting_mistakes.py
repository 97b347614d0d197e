"""What people forget when they count parameters, written as a sum in which some terms are changed."""

from collections.abc import Callable, Mapping

from plenary.checks.exercise import Misconception
from plenary.exercises.vision_transformer.build import Size

NAME = "count_parameters"

_TERMS: dict[str, Callable[..., int]] = {
    "patches": lambda P, C, D: P * P * C * D + D,
    "class_token": lambda D: D,
    "positions": lambda N, D: (N + 1) * D,
    "attention": lambda D, L: L * 4 * (D * D + D),
    "feed_forward": lambda D, F, L: L * (2 * D * F + F + D),
    "norms": lambda D, L: L * 4 * D,
    "last_norm": lambda D: 2 * D,
    "head": lambda D, K: D * K + K,
}


def _grid(image_size: Size, patch_size: int) -> int:
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    return (height // patch_size) * (width // patch_size)


def count_with(
    changed: Mapping[str, Callable[..., int]], grid: Callable[..., int] = _grid
) -> Callable[..., int]:
    """Add up the terms, with some of them changed; each takes the letters that it names."""

    def count(
        image_size: Size, patch_size: int, in_channels: int, classes: int, dim: int, layers: int, hidden: int
    ):
        letters = {"N": grid(image_size, patch_size), "P": patch_size, "C": in_channels, "K": classes}
        letters |= {"D": dim, "L": layers, "F": hidden}
        terms = {**_TERMS, **changed}.values()
        return sum(term(*(letters[name] for name in term.__code__.co_varnames)) for term in terms)

    return count


def _one_number(image_size: Size, patch_size: int) -> int:
    return (image_size // patch_size) ** 2  # type: ignore[operator]


def _first_side(image_size: Size, patch_size: int) -> int:
    return ((image_size if isinstance(image_size, int) else image_size[0]) // patch_size) ** 2


def _pixels(image_size: Size, patch_size: int) -> int:
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    return height * width


def _mistake(name: str, title: str, belief: str, hint: str, *wrong: Callable[..., int]) -> Misconception:
    return Misconception(
        id=f"count-{name}",
        title=title,
        belief=belief,
        hint=hint,
        anchor="vit-count",
        section="Counting in closed form",
        wrong={NAME: wrong},
    )


MISTAKES = (
    _mistake(
        "one-vector-short",
        "Your count is short by one vector of length embed_dim.",
        "Four such vectors are easily overlooked: the class token, the class token's position (there are N "
        "+ 1 positions, not N), the bias of the patch embedding, and one of the last norm's two.",
        "List the parameters that stand outside the layers, and see which one your sum lacks.",
        count_with({"class_token": lambda: 0}),
        count_with({"positions": lambda N, D: N * D}),
        count_with({"patches": lambda P, C, D: P * P * C * D}),
        count_with({"last_norm": lambda D: D}),
    ),
    _mistake(
        "two-vectors-short",
        "Your count is short by two vectors of length embed_dim.",
        "Either the class token is missing together with its position, or the norm before the head: it "
        "belongs to no layer, and has a weight and a bias.",
        "List the parameters that stand outside the layers, and see which two your sum lacks.",
        count_with({"positions": lambda N, D: N * D, "class_token": lambda: 0}),
        count_with({"last_norm": lambda: 0}),
    ),
    _mistake(
        "four-vectors-short-per-layer",
        "In every layer your count is short by four vectors of length embed_dim.",
        "Two groups of four are easily overlooked: the biases of the four projections of attention, and "
        "weight and bias of the layer's two norms. 12 D^2 counts the large matrices alone.",
        "Go through one layer's parameters by name; there are sixteen.",
        count_with({"norms": lambda: 0}),
        count_with({"attention": lambda D, L: L * 4 * D * D}),
    ),
    _mistake(
        "no-norms",
        "Your count leaves out all norms, those of the layers and the last one.",
        "A norm computes a mean and a variance, which are not learned. Its weight and its bias are: two "
        "vectors for every norm.",
        "Two norms in every layer, and one before the head.",
        count_with({"norms": lambda: 0, "last_norm": lambda: 0}),
    ),
    _mistake(
        "half-norms",
        "Your norms have one vector each; a norm has two, weight and bias.",
        "Scaling is what one remembers of a norm. It also shifts.",
        "Count weight and bias of each norm.",
        count_with({"norms": lambda D, L: L * 2 * D, "last_norm": lambda D: D}),
        count_with({"norms": lambda D, L: L * 2 * D}),
    ),
    _mistake(
        "no-positions",
        "Your count leaves out the positions.",
        "The sinusoidal table of chapter 8 has no parameters. The Vision Transformer learns its positions, "
        "and then they count.",
        "Add a vector for every token.",
        count_with({"positions": lambda: 0}),
        count_with({"positions": lambda: 0, "class_token": lambda: 0}),
    ),
    _mistake(
        "no-biases",
        "Your count leaves out biases of the linear layers.",
        "The matrices are the bulk, and a bias is a sliver beside them. But an exact count is exact: each "
        "nn.Linear has a bias, as long as what it puts out.",
        "For every linear layer add the length of its output.",
        count_with(
            {
                "patches": lambda P, C, D: P * P * C * D,
                "attention": lambda D, L: L * 4 * D * D,
                "feed_forward": lambda D, F, L: L * 2 * D * F,
                "head": lambda D, K: D * K,
            }
        ),
        count_with({"attention": lambda D, L: L * 4 * D * D, "feed_forward": lambda D, F, L: L * 2 * D * F}),
        count_with({"feed_forward": lambda D, F, L: L * 2 * D * F}),
        count_with({"head": lambda D, K: D * K}),
        count_with({"attention": lambda D, L: L * (4 * D * D + D)}),
        count_with({"attention": lambda D, L: L * (4 * D * D + 3 * D)}),
        count_with({"patches": lambda P, C, D: P * P * C * D, "attention": lambda D, L: L * 4 * D * D}),
    ),
    _mistake(
        "feed-forward-biases",
        "Your feed-forward network's two biases have the same length.",
        "A bias is as long as what its layer puts out. The first layer puts out hidden_dim numbers, the "
        "second embed_dim.",
        "Count each of the two layers for itself.",
        count_with({"feed_forward": lambda D, F, L: L * (2 * D * F + 2 * D)}),
        count_with({"feed_forward": lambda D, F, L: L * (2 * D * F + 2 * F)}),
    ),
    _mistake(
        "hidden-dim-ignored",
        "Your feed-forward network is four times as wide as the model, whatever hidden_dim says.",
        "12 D^2 for a layer comes from hidden_dim = 4 D: four matrices of attention, and two that are four "
        "times as large. Another hidden_dim gives another sum.",
        "Use hidden_dim where the feed-forward network is counted.",
        count_with({"feed_forward": lambda D, L: L * (8 * D * D + 5 * D)}),
    ),
    _mistake(
        "three-projections",
        "Your attention has three matrices; there are four.",
        "Query, key and value are the three that attention is explained with. After the heads are merged, "
        "out_proj mixes them.",
        "Look at the submodules of MultiHeadAttention.",
        count_with({"attention": lambda D, L: L * 3 * (D * D + D)}),
        count_with({"attention": lambda D, L: L * 3 * D * D}),
    ),
    _mistake(
        "no-head",
        "Your count leaves out the head.",
        "The encoder is what the model is about, and the head is a thin layer on top. For a thousand "
        "classes it holds more than the patch embedding does.",
        "One more linear layer, from embed_dim to num_classes.",
        count_with({"head": lambda: 0}),
    ),
    _mistake(
        "no-channels",
        "Your patch embedding leaves out the channels.",
        "A patch is P x P pixels. A pixel is in_channels numbers, and the projection has a weight for each.",
        "Take the length of one flattened patch.",
        count_with({"patches": lambda P, D: P * P * D + D}),
    ),
    _mistake(
        "patch-side",
        "Your patch embedding takes the side of a patch, not its area.",
        "A flattened patch has as many numbers as the patch has pixels: P times P for every channel.",
        "Square the side.",
        count_with({"patches": lambda P, C, D: P * C * D + D}),
    ),
    _mistake(
        "embedding-per-patch",
        "Your count gives every patch a projection of its own.",
        "There are N patches, and each is projected. They share one matrix, as all places of a picture "
        "share a convolution's kernel.",
        "The patch embedding is one linear layer, however many patches go through it.",
        count_with({"patches": lambda P, C, D, N: N * (P * P * C * D + D)}),
    ),
    _mistake(
        "layers-only",
        "Your count is that of the layers, or of their large matrices, alone.",
        "12 L D^2 is how one estimates a Transformer, and for a large one it is 98 per cent. The exact "
        "number has the embedding, the tokens, the last norm and the head as well, and all the small "
        "vectors.",
        "Go through the list of the model's parts, and leave none out.",
        lambda image_size, patch_size, in_channels, classes, dim, layers, hidden: 12 * layers * dim**2,
        lambda image_size, patch_size, in_channels, classes, dim, layers, hidden: (
            layers * (4 * dim**2 + 2 * dim * hidden)
        ),
        count_with({n: lambda: 0 for n in ("patches", "class_token", "positions", "last_norm", "head")}),
    ),
    _mistake(
        "one-layer",
        "You count one layer, not num_layers of them.",
        "The layers are alike, and so is what each of them costs. But they do not share weights, so each "
        "counts.",
        "Multiply what a layer has by num_layers, and nothing else.",
        count_with(
            {
                "attention": lambda D: 4 * (D * D + D),
                "feed_forward": lambda D, F: 2 * D * F + F + D,
                "norms": lambda D: 4 * D,
            }
        ),
    ),
    _mistake(
        "square-only",
        "You count the patches as if every picture were square.",
        "(image_size // patch_size) ** 2 is right for one number. image_size may be a pair, and then rows "
        "and columns differ.",
        "Make height and width out of image_size first.",
        count_with({}, _one_number),
        count_with({}, _first_side),
    ),
    _mistake(
        "positions-per-pixel",
        "Your positions belong to pixels; they belong to patches.",
        "Every pixel has a place. But it is tokens that get positions, and a token is a whole patch.",
        "Divide the height and the width by patch_size, each.",
        count_with({}, _pixels),
    ),
)
