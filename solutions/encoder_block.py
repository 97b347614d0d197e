# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] nbgrader={"grade_id": "title", "locked": true, "grade": false, "solution": false}
# # The encoder, block and stack
#
# You will write four classes: layer norm, the feed-forward network, the encoder layer that is built from them, and the
# encoder, a stack of such layers. Together they are about forty lines. They belong to chapter 9 of the book, *The encoder,
# block and stack*.
#
# **How it works.** Write your code where it says `YOUR CODE HERE`: in a class there are two such places, one for the
# parts and one for what is done with them. The cell below each class checks it: run that cell as often as you like. If
# something is wrong, it says what, and where the book clears it up. The cells marked with points are the same checks with
# other random numbers; they are what is graded. Parts that are right earn their share of the points.
#
# Multi-head attention is handed out, so that chapter 7 need not be finished: `MultiHeadAttention(embed_dim, num_heads,
# dropout=...)`, to be called as `attention(query, key, value, mask)`. It returns a pair, the output and the weights.
#
# | class | points |
# |---|---|
# | `LayerNorm` | 3 |
# | `FeedForward` | 3 |
# | `EncoderLayer` | 6 |
# | `Encoder` | 4 |

# %% nbgrader={"grade_id": "imports", "locked": true, "grade": false, "solution": false}
import torch
import torch.nn.functional as F
from IPython.display import display
from torch import Tensor, nn

from plenary import MultiHeadAttention
from plenary.checks import check

# %% [markdown] nbgrader={"grade_id": "norm-text", "locked": true, "grade": false, "solution": false}
# ## 1. Layer norm: every token on one scale
#
# Some people in the room whisper, others shout, and each of them slides from one to the other as the talk goes on.
# Before anything is made of what they say, every speaker is brought to the same level: the mean of their features goes to
# 0 and the spread to 1. Each speaker by themselves, whoever else is in the room.
#
# For one token $x$ with $D$ features, the mean and the variance run over its features, and the variance divides by $D$:
#
# $$m = \frac1D \sum_i x_i, \qquad v = \frac1D \sum_i (x_i - m)^2, \qquad
# y_i = w_i\, \frac{x_i - m}{\sqrt{v + \varepsilon}} + b_i$$
#
# - `eps`, the $\varepsilon$, keeps a token whose features are all equal from dividing by zero. It stands under the root.
# - `weight` ($w$) and `bias` ($b$) are parameters with one number for each feature. They are how the model takes some of
#   the normalisation back where that helps. They start at 1 and 0, so that nothing is taken back at first.
#
# `nn.LayerNorm` and `F.layer_norm` have all this inside; here the point is to write it once.
#
# **Shapes.** `x` is `(..., dim)`, and so is the result. The dots stand for any number of axes: none, one, or several.
#
# **By hand.** Take `eps = 3`, large enough to be seen. The row $(1, 1, 3, 3)$ has mean 2 and variance 1, the root is
# $\sqrt{1 + 3} = 2$, and with weight 1 and bias 0 the result is $(-\tfrac12, -\tfrac12, \tfrac12, \tfrac12)$.


# %% nbgrader={"grade_id": "LayerNorm", "locked": false, "grade": false, "solution": true}
class LayerNorm(nn.Module):
    """Bring every token to mean 0 and variance 1, then scale and shift each feature: (..., dim) -> (..., dim)."""

    def __init__(self, dim: int, eps: float = 1e-5) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))
        ### END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        ### BEGIN SOLUTION
        centred = x - x.mean(dim=-1, keepdim=True)
        variance = centred.square().mean(dim=-1, keepdim=True)
        return self.weight * centred / torch.sqrt(variance + self.eps) + self.bias
        ### END SOLUTION


# %% nbgrader={"grade_id": "LayerNorm-try", "locked": true, "grade": false, "solution": false}
check("LayerNorm")

# %% [markdown] nbgrader={"grade_id": "norm-look-text", "locked": true, "grade": false, "solution": false}
# **Look at it.** Three tokens of eight features pass through *your* layer norm. The sliders make the first token louder
# and shift it. Guess before you drag: which of the three lines will move? (None should: that is what the norm is for. If
# the second or third line moves, tokens are mixed up; if the first one does, its mean or its spread is left in.)

# %% nbgrader={"grade_id": "norm-look", "locked": true, "grade": false, "solution": false}
from ipywidgets import FloatLogSlider, IntSlider, ToggleButtons, interact

from plenary.plotting import colour, figure, show


def draw_norm(louder: float, shift: int):
    tokens = torch.randn(3, 8, generator=torch.Generator().manual_seed(9))
    tokens[0] = louder * tokens[0] + shift
    try:
        normed = LayerNorm(8)(tokens).detach()
        lines = [normed[i].numpy() for i in range(3)]
        mean, spread = float(normed[0].mean()), float(normed[0].std(correction=0))
    except NotImplementedError:
        return print("Write LayerNorm above, then run this cell again.")
    except Exception as error:
        return print(f"Your LayerNorm raised {type(error).__name__}: {error} The check above says more.")
    fig, ax = figure(height=2.4)
    for line, name, ink in zip(
        lines, ("token 0", "token 1", "token 2"), ("query", "key", "value"), strict=True
    ):
        ax.plot(range(8), line, color=colour(ink), marker="o", markersize=4, label=name)
    message = f"token 0: mean {mean:.2f}, standard deviation {spread:.2f}"
    ax.set(xlabel="feature", ylabel="after the norm", ylim=(-4, 4), title=message)
    ax.legend(loc="upper right", ncols=3, fontsize="small", frameon=False)
    return show(fig, alt=f"Three tokens after layer norm: {message}")


_ = interact(
    draw_norm,
    louder=FloatLogSlider(value=1, base=10, min=-1, max=2, step=0.1, description="louder"),
    shift=IntSlider(value=0, min=-50, max=50, description="shift"),
)

# %% nbgrader={"grade_id": "LayerNorm-points", "locked": true, "grade": true, "solution": false, "points": 3}
# 3 points
report = check("LayerNorm", seed=321)
display(report)
report.points(3)

# %% [markdown] nbgrader={"grade_id": "feed-forward-text", "locked": true, "grade": false, "solution": false}
# ## 2. Feed-forward: each token thinks for itself
#
# After listening, everyone goes through what they have heard, alone, and all in the same manner: one network, applied to
# every token separately. It widens the token to `hidden_dim` features, bends each of them, and narrows the result again:
#
# $$\operatorname{FFN}(x) = W_2\, \operatorname{GELU}(W_1 x + b_1) + b_2$$
#
# Without the bend in the middle the two layers would be one. GELU is ReLU without the corner: a number times the
# probability that a standard normal number is smaller, $\operatorname{GELU}(z) = z\,\Phi(z)$. Use the exact one,
# `F.gelu(z)` as it is; its approximation by tanh differs in the fourth digit, and the check will tell you so.
#
# **Parts.** `linear1` and `linear2`, both `nn.Linear` with bias, each under this one name. **Dropout** acts on the hidden
# features, between the activation and `linear2`; an `nn.Dropout` knows by itself whether the module is training.
#
# **Shapes.** `x` is `(..., embed_dim)`, and so is the result. `hidden_dim` may be any width, also a smaller one.
#
# **By hand.** The token $(1, -1)$; `linear1` hands on both features and their sum, `linear2` multiplies the first two by 100
# and drops the third. The hidden features are $(1, -1, 0)$. With $\Phi(1) = 0.84134$, GELU makes $0.84134$ of the first and
# $-0.15866$ of the second, and the result is $(84.134, -15.866)$.


# %% nbgrader={"grade_id": "FeedForward", "locked": false, "grade": false, "solution": true}
class FeedForward(nn.Module):
    """Widen, bend, narrow, the same for every token: (..., embed_dim) -> (..., embed_dim)."""

    def __init__(self, embed_dim: int, hidden_dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.linear1 = nn.Linear(embed_dim, hidden_dim)
        self.linear2 = nn.Linear(hidden_dim, embed_dim)
        self.dropout = nn.Dropout(dropout)
        ### END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        ### BEGIN SOLUTION
        hidden = F.gelu(self.linear1(x))
        return self.linear2(self.dropout(hidden))
        ### END SOLUTION


# %% nbgrader={"grade_id": "FeedForward-try", "locked": true, "grade": false, "solution": false}
check("FeedForward")

# %% nbgrader={"grade_id": "FeedForward-points", "locked": true, "grade": true, "solution": false, "points": 3}
# 3 points
report = check("FeedForward", seed=322)
display(report)
report.points(3)

# %% [markdown] nbgrader={"grade_id": "layer-text", "locked": true, "grade": false, "solution": false}
# ## 3. The encoder layer: listen, then think, and keep what you had
#
# One round in the conference room: everyone listens to everyone (attention), then everyone thinks (the feed-forward
# network). Neither of the two *replaces* what a token was; each *adds* something to it. That is the residual path, and it is
# why a gradient reaches the first of fifty layers. Two norms keep the sublayers' inputs on one scale, and there are two
# places where they can stand:
#
# | `norm_first=True`, pre-norm (the default) | `norm_first=False`, post-norm (the paper of 2017) |
# |---|---|
# | `x = x + attention(norm1(x))` | `x = norm1(x + attention(x))` |
# | `x = x + feed_forward(norm2(x))` | `x = norm2(x + feed_forward(x))` |
#
# Here `attention(x)` is short for self-attention, in which query, key and value are all the same tokens.
#
# **Parts.** `attention` is the `MultiHeadAttention` handed out above; `feed_forward` your `FeedForward`; `norm1` and `norm2`
# are two of your `LayerNorm`s, with the `eps` that is given. **Dropout** acts in four places: inside attention, inside the
# feed-forward network (hand `dropout` to both), and on what each of them adds, before it is added.
#
# **Shapes.** `x` is `(B, T, embed_dim)`, and so is the result. **The mask** is handed to attention as it is: True means "may
# attend", and it broadcasts to `(B, H, T, T)`.
#
# **By hand.** The tokens $(2, 2, 4, 4)$ and $(2, 6, 6, 2)$; the query and key projections are zero, so that everyone listens
# to everyone alike; the value and output projections hand on what they get; the feed-forward network adds nothing. In
# pre-norm the normalised tokens are $(-1, -1, 1, 1)$ and $(-1, 1, 1, -1)$, their mean is $(-1, 0, 1, 0)$, and both tokens get that
# added: $(1, 2, 5, 4)$ and $(1, 6, 7, 2)$. This is the first small example in the check. In the second one attention adds
# nothing and the network adds what is positive: $(2, 2, 4, 4)$ becomes $(2, 2, 5, 5)$. In later ones both do.


# %% nbgrader={"grade_id": "EncoderLayer", "locked": false, "grade": false, "solution": true}
class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward network, each with a residual path around it: (B, T, D) -> (B, T, D)."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        hidden_dim: int,
        dropout: float = 0.0,
        norm_first: bool = True,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.norm_first = norm_first
        self.attention = MultiHeadAttention(embed_dim, num_heads, dropout=dropout)
        self.feed_forward = FeedForward(embed_dim, hidden_dim, dropout)
        self.norm1 = LayerNorm(embed_dim, eps)
        self.norm2 = LayerNorm(embed_dim, eps)
        self.dropout = nn.Dropout(dropout)
        ### END SOLUTION

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        ### BEGIN SOLUTION
        if self.norm_first:
            normed = self.norm1(x)
            attended, _ = self.attention(normed, normed, normed, mask)
            x = x + self.dropout(attended)
            return x + self.dropout(self.feed_forward(self.norm2(x)))
        attended, _ = self.attention(x, x, x, mask)
        x = self.norm1(x + self.dropout(attended))
        return self.norm2(x + self.dropout(self.feed_forward(x)))
        ### END SOLUTION


# %% nbgrader={"grade_id": "EncoderLayer-try", "locked": true, "grade": false, "solution": false}
check("EncoderLayer")

# %% nbgrader={"grade_id": "EncoderLayer-points", "locked": true, "grade": true, "solution": false, "points": 6}
# 6 points
report = check("EncoderLayer", seed=323)
display(report)
report.points(6)

# %% [markdown] nbgrader={"grade_id": "encoder-text", "locked": true, "grade": false, "solution": false}
# ## 4. The encoder: round after round
#
# After one round a token knows what the others said. After two, it knows what the others had made of it. An encoder is
# `num_layers` rounds, one after another, each with weights of its own.
#
# **Parts.** `layers` is an `nn.ModuleList` of your `EncoderLayer`s: in a plain list PyTorch would not find their parameters.
# Whatever an `EncoderLayer` takes, the encoder hands on. `norm` comes after the last layer. In pre-norm nothing has
# normalised the sum that leaves the last layer, so `norm` is a `LayerNorm` (with `eps`); in post-norm the last layer ends with
# a norm already, and `norm` is an `nn.Identity()`.
#
# **Shapes.** `x` is `(B, T, embed_dim)`, and so is the result. **The mask** goes to every layer.
#
# **By hand.** Two pre-norm layers: whatever they hear, the first adds $(4, 0, 0, 0)$ and the second $(0, 4, 0, 0)$. Of
# $(0, 0, 2, 2)$ they make $(4, 4, 2, 2)$, and the last norm makes $(1, 1, -1, -1)$ of that.


# %% nbgrader={"grade_id": "Encoder", "locked": false, "grade": false, "solution": true}
class Encoder(nn.Module):
    """Encoder layers one after another, and a norm at the end when they are pre-norm: (B, T, D) -> (B, T, D)."""

    def __init__(
        self,
        num_layers: int,
        embed_dim: int,
        num_heads: int,
        hidden_dim: int,
        dropout: float = 0.0,
        norm_first: bool = True,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.layers = nn.ModuleList(
            EncoderLayer(embed_dim, num_heads, hidden_dim, dropout, norm_first, eps)
            for _ in range(num_layers)
        )
        self.norm = LayerNorm(embed_dim, eps) if norm_first else nn.Identity()
        ### END SOLUTION

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        ### BEGIN SOLUTION
        for layer in self.layers:
            x = layer(x, mask)
        return self.norm(x)
        ### END SOLUTION


# %% nbgrader={"grade_id": "Encoder-try", "locked": true, "grade": false, "solution": false}
check("Encoder")

# %% [markdown] nbgrader={"grade_id": "encoder-look-text", "locked": true, "grade": false, "solution": false}
# **Look at it.** Learning begins with the gradient that arrives in each layer. This sends one back through *your* encoder
# and draws how much of it reaches each layer's `linear2`. Guess first: with more layers, does the gradient in layer 0
# shrink, grow or stay? Then drag, and compare pre-norm with post-norm. (With both residual paths in place, layer 0 gets
# about as much as the last layer in pre-norm, and about half as much in post-norm, even at 24 layers. If the bars fall towards the left by a factor of a hundred or more,
# a plus sign is missing.)


# %% nbgrader={"grade_id": "encoder-look", "locked": true, "grade": false, "solution": false}
def draw_gradients(depth: int, norm: str):
    torch.manual_seed(9)
    tokens, wish = torch.randn(4, 6, 16), torch.randn(4, 6, 16)
    try:
        encoder = Encoder(depth, 16, 2, 32, norm_first=norm == "pre-norm")
        (encoder(tokens) * wish).sum().backward()
        sizes = [float(layer.feed_forward.linear2.weight.grad.norm()) for layer in encoder.layers]
        ratio = sizes[0] / sizes[-1]
    except NotImplementedError:
        return print("Write Encoder above, and what it is built from, then run this cell again.")
    except Exception as error:
        return print(f"Your Encoder raised {type(error).__name__}: {error} The check above says more.")
    fig, ax = figure(height=2.4)
    ax.bar(range(len(sizes)), sizes, color=colour("accent"))
    message = f"{norm}, {depth} layers: layer 0 gets {ratio:.2g} of the last"
    ax.set(xlabel="layer", ylabel="gradient norm", yscale="log", ylim=(1e-2, 1e3), title=message)
    return show(fig, alt=f"Gradient norm by layer. {message}")


_ = interact(
    draw_gradients,
    depth=IntSlider(value=12, min=1, max=24, description="layers", continuous_update=False),
    norm=ToggleButtons(options=["pre-norm", "post-norm"], description="norm"),
)

# %% nbgrader={"grade_id": "Encoder-points", "locked": true, "grade": true, "solution": false, "points": 4}
# 4 points
report = check("Encoder", seed=324)
display(report)
report.points(4)

# %% [markdown] nbgrader={"grade_id": "end", "locked": true, "grade": false, "solution": false}
# ## Done
#
# If every check is right, you have written everything in a Transformer's encoder but the attention of chapter 7. The
# Vision Transformer of week 3 is this stack with pictures cut into patches in front of it. The *Validate* button of nbgrader
# runs the notebook from top to bottom, as grading does.
