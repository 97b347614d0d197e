# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] nbgrader={"grade_id": "title", "locked": true, "grade": false, "solution": false}
# # The whole Vision Transformer
#
# Everything is there: patches, class token, positions, layers, a norm. You will put them together into a class of about
# thirty lines that takes pictures and returns logits, and then say, without building it, how many parameters it has. This
# belongs to chapter 14 of the book, *The whole Vision Transformer*.
#
# **How it works.** Write your code where it says `YOUR CODE HERE`. The cell below each part checks it: run that cell as
# often as you like. If something is wrong, it says what, and where the book clears it up. The cells marked with points are
# the same checks with other random numbers; they are what is graded. Parts that are right earn their share of the points.
#
# | part | points |
# |---|---|
# | `VisionTransformer` | 8 |
# | `count_parameters` | 3 |

# %% nbgrader={"grade_id": "imports", "locked": true, "grade": false, "solution": false}
import torch
from IPython.display import display
from torch import Tensor, nn

from plenary import EncoderLayer, LayerNorm, PatchEmbedding, add_positions, prepend_class_token
from plenary.checks import check

# %% [markdown] nbgrader={"grade_id": "model-text", "locked": true, "grade": false, "solution": false}
# ## 1. From a picture to logits
#
# Back to the conference room. The patches of a picture take their seats; each knows its few pixels and the number of its
# seat. One more person comes in who has seen nothing of the picture: the class token, with a question of its own. Everyone
# listens to everyone, a few rounds long. Then somebody from outside asks that one person what the picture shows.
#
# The five parts are imported above, as you wrote them in earlier chapters:
#
# | part | what it does |
# |---|---|
# | `PatchEmbedding(in_channels, patch_size, embed_dim)` | `(B, C, height, width)` to `(B, N, D)` |
# | `prepend_class_token(x, class_token)` | `(B, N, D)` and `(1, 1, D)` to `(B, N + 1, D)` |
# | `add_positions(x, positions)` | `(B, N + 1, D)` plus `(1, N + 1, D)` |
# | `EncoderLayer(embed_dim, num_heads, hidden_dim, dropout=..., eps=...)` | `(B, N + 1, D)` to the same, pre-norm |
# | `LayerNorm(dim, eps=...)` | normalises every token by itself |
#
# **What the model does,** in this order: patch embedding; class token in front; positions added; dropout on that sum, in
# training, and outside the layers nowhere else; the layers, one after another, without a mask; a norm over every token; then
# it reads one vector and hands it to the head. With `pool="class"`
# that vector is the class token. With `pool="mean"` it is the mean of the *patches*, without the class token, which sits in
# the room for both pools. The head is one `nn.Linear`, and what it gives are the logits.
#
# **What the model holds.** The names count, because weights are loaded by name: `patch_embedding`, `class_token`
# `(1, 1, D)`, `positions` `(1, N + 1, D)`, `layers` (an `nn.ModuleList`), `norm`, `head`. The class token and the positions
# are an `nn.Parameter` each; start them at zero, or small. `dropout` and `eps` are for the layers as well, and `eps` for the
# last norm too.
#
# **What it refuses,** with a `ValueError`. When it is built: a height or a width that does not divide by `patch_size`, and
# a `pool` that is neither `"class"` nor `"mean"`. When it is called: pictures of another size than it was built for, also
# one that has been turned on its side. `image_size` is `(height, width)`, or one number for both.
#
# **By hand.** A picture of 2 x 6 pixels and one channel, in patches of 2 x 2, and a model of width 2 whose one layer adds
# nothing.
#
# | | class token | patch 1 | patch 2 | patch 3 |
# |---|---|---|---|---|
# | token | (0, 1) | (0, 6) | (0, 2) | (0, 4) |
# | position | (4, 1) | (2, 0) | (6, 2) | (1, 4) |
# | sum | (4, 2) | (2, 6) | (6, 4) | (1, 8) |
# | normalised | (1, -1) | (-1, 1) | (1, -1) | (-1, 1) |
#
# The head multiplies the first number by 3 and the second by 6, and adds 1 to the second. From the class token it makes
# $(3, -5)$. The mean of the patches is $(-\tfrac13, \tfrac13)$, and from that it makes $(-1, 3)$. This is the small example
# in the check's reports. In some of them tokens have a third number, the layers do add something, and the last norm has a bias.


# %% nbgrader={"grade_id": "VisionTransformer", "locked": false, "grade": false, "solution": true}
class VisionTransformer(nn.Module):
    """A picture as a sequence of patches, an encoder, and a class read from it: (B, C, height, width) -> (B, K)."""

    def __init__(
        self,
        image_size: int | tuple[int, int],
        patch_size: int,
        in_channels: int,
        num_classes: int,
        embed_dim: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        dropout: float = 0.0,
        pool: str = "class",
        eps: float = 1e-6,
    ):
        super().__init__()
        ### BEGIN SOLUTION
        height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
        if height % patch_size or width % patch_size:
            raise ValueError(
                f"{height} x {width} does not divide into patches of {patch_size} x {patch_size}"
            )
        if pool not in {"class", "mean"}:
            raise ValueError(f'pool is {pool!r}; expected "class" or "mean"')
        self.image_size = (height, width)
        self.pool = pool
        num_patches = (height // patch_size) * (width // patch_size)
        self.patch_embedding = PatchEmbedding(in_channels, patch_size, embed_dim)
        self.class_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.positions = nn.Parameter(torch.zeros(1, num_patches + 1, embed_dim))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            EncoderLayer(embed_dim, num_heads, hidden_dim, dropout=dropout, eps=eps)
            for _ in range(num_layers)
        )
        self.norm = LayerNorm(embed_dim, eps=eps)
        self.head = nn.Linear(embed_dim, num_classes)
        ### END SOLUTION

    def forward(self, images: Tensor) -> Tensor:
        ### BEGIN SOLUTION
        if images.shape[2:] != self.image_size:
            raise ValueError(f"expected pictures of {self.image_size}, got {tuple(images.shape[2:])}")
        x = prepend_class_token(self.patch_embedding(images), self.class_token)
        x = self.dropout(add_positions(x, self.positions))
        for layer in self.layers:
            x = layer(x)
        x = self.norm(x)
        return self.head(x[:, 0] if self.pool == "class" else x[:, 1:].mean(dim=1))
        ### END SOLUTION


# %% nbgrader={"grade_id": "VisionTransformer-try", "locked": true, "grade": false, "solution": false}
check("VisionTransformer")

# %% [markdown] nbgrader={"grade_id": "model-look-text", "locked": true, "grade": false, "solution": false}
# **Look at it.** Does everyone in the room have a say? This builds *your* model with random weights, shows it a random
# picture of 5 by 7 patches, and then paints one patch after another grey. On the left is how far the logits move when
# that patch is lost; on the right are the logits of the whole picture. No patch should be without effect, in either pool
# and at any depth. A map that is empty means that nobody listens to the patches. Bars that are all positive and sum to 1
# are no logits.

# %% nbgrader={"grade_id": "model-look", "locked": true, "grade": false, "solution": false}
from ipywidgets import IntSlider, ToggleButtons, interact

from plenary.plotting import colour, figure, show


def draw_influence(num_layers: int, pool: str):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        picture = torch.randn(1, 3, 20, 28)
        grey = picture.repeat(35, 1, 1, 1)
        for patch in range(35):
            row, column = divmod(patch, 7)
            grey[patch, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = 0
        try:
            model = VisionTransformer((20, 28), 4, 3, 5, 24, num_layers, 3, 48, pool=pool).eval()
            with torch.no_grad():
                logits = model(picture)[0]
                moved = (model(grey) - logits).norm(dim=-1).reshape(5, 7)
                bars = logits.reshape(5).tolist()
        except NotImplementedError:
            return print("Write VisionTransformer above, then run this cell again.")
        except Exception as error:
            return print(f"Your model raised {type(error).__name__}: {error}\nThe check above says more.")
    silent = int((moved < 1e-9).sum())
    fig, (left, right) = figure(height=2.2, ncols=2, width_ratios=[3, 2])
    left.imshow(moved, cmap="Greys", vmin=0)
    left.set(xticks=[], yticks=[], title=f"{silent} of 35 patches without effect")
    right.barh(range(5), bars, color=colour("query"))
    right.axvline(0, color=colour("muted"), linewidth=1)
    right.set(yticks=range(5), ylabel="class", title=f"logits, sum {sum(bars):.2f}")
    return show(fig, alt=f"{silent} of 35 patches have no effect on the logits, which sum to {sum(bars):.2f}")


_ = interact(
    draw_influence,
    num_layers=IntSlider(value=2, min=1, max=6, description="layers"),
    pool=ToggleButtons(options=["class", "mean"], description="pool"),
)

# %% nbgrader={"grade_id": "VisionTransformer-points", "locked": true, "grade": true, "solution": false, "points": 8}
# 8 points
report = check("VisionTransformer", seed=421)
display(report)
report.points(8)

# %% [markdown] nbgrader={"grade_id": "count-text", "locked": true, "grade": false, "solution": false}
# ## 2. How many parameters?
#
# Whoever says *a model of 86 million parameters* should be able to say where they are. Every one stands in the list of
# names above, so the number is a sum, and no model has to be built for it. Go through the parts:
#
# - a linear layer from $a$ to $b$ numbers has $ab + b$ parameters, since it has a bias;
# - a norm of width $D$ has $2D$, a weight and a bias;
# - attention has four linear layers from $D$ to $D$, and the heads share out the width, so their number does not enter;
# - the feed-forward network has two linear layers, from $D$ to the hidden width and back;
# - a layer has both of these, and two norms.
#
# **Arguments.** As for the model, `image_size` is one number or `(height, width)`; you may take it that the sizes divide.
# Return an `int`.
#
# **By hand.** A picture of 4 x 4 with three channels, patches of 2 x 2, three classes, $D = 2$, one layer, hidden width 5.
# Patch embedding: $12 \cdot 2 + 2 = 26$. Class token: 2. Positions: $(4 + 1) \cdot 2 = 10$. The layer: attention
# $4 \cdot (4 + 2) = 24$, feed-forward $(10 + 5) + (10 + 2) = 27$, norms 8, together 59. Last norm: 4. Head:
# $2 \cdot 3 + 3 = 9$. In all 110.


# %% nbgrader={"grade_id": "count_parameters", "locked": false, "grade": false, "solution": true}
def count_parameters(
    image_size: int | tuple[int, int],
    patch_size: int,
    in_channels: int,
    num_classes: int,
    embed_dim: int,
    num_layers: int,
    hidden_dim: int,
) -> int:
    """Say how many parameters a VisionTransformer of these sizes has, in closed form."""
    ### BEGIN SOLUTION
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    num_patches = (height // patch_size) * (width // patch_size)
    embedding = (patch_size**2 * in_channels + 1) * embed_dim
    tokens = (1 + num_patches + 1) * embed_dim
    attention = 4 * (embed_dim + 1) * embed_dim
    feed_forward = (embed_dim + 1) * hidden_dim + (hidden_dim + 1) * embed_dim
    layer = attention + feed_forward + 4 * embed_dim
    head = 2 * embed_dim + (embed_dim + 1) * num_classes
    return embedding + tokens + num_layers * layer + head
    ### END SOLUTION


# %% nbgrader={"grade_id": "count_parameters-try", "locked": true, "grade": false, "solution": false}
check("count_parameters")

# %% nbgrader={"grade_id": "count_parameters-points", "locked": true, "grade": true, "solution": false, "points": 3}
# 3 points
report = check("count_parameters", seed=422)
display(report)
report.points(3)

# %% [markdown] nbgrader={"grade_id": "end", "locked": true, "grade": false, "solution": false}
# ## Done
#
# If both checks are right, your model is the one of the paper: with the weights of ViT-B/16 it gives the logits of
# ViT-B/16, to rounding error. The *Validate* button of nbgrader runs the notebook from top to bottom, as grading does; a
# check that passes only because of cells run in another order will show there.
