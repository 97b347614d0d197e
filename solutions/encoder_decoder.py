# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] nbgrader={"grade_id": "title", "locked": true, "grade": false, "solution": false}
# # Encoder and decoder
#
# An encoder reads, a decoder writes. In this notebook you will write what it takes to teach a decoder: the shift that
# lets it learn all positions of a sentence at once, the three masks that keep this honest, the decoder layer itself, and
# the loss. The reasons are in chapter 10 of the book, *Encoder and decoder*.
#
# **How it works.** Write your code where it says `YOUR CODE HERE`. The cell below each part checks it: run that cell as
# often as you like. If something is wrong, it says what, and where the book clears it up. The cells marked with
# points are the same checks with other random numbers; they are what is graded. Parts that are right earn their share
# of the points.
#
# | what you write | points |
# |---|---|
# | `shift_right` | 2 |
# | `make_masks` | 3 |
# | `DecoderLayer` | 5 |
# | `sequence_loss` | 3 |
#
# From earlier chapters you are handed `MultiHeadAttention`, `FeedForward` and `LayerNorm`, and the masks of chapter 4:
# `causal_mask(length)`, and `combine_masks(causal, padding)`, which joins a mask `(T, T)` and a mask `(B, T)` of real tokens to one
# of `(B, 1, T, T)`. Use them or write your own; both are fine.

# %% nbgrader={"grade_id": "imports", "locked": true, "grade": false, "solution": false}
import torch
import torch.nn.functional as F
from IPython.display import display
from torch import Tensor, nn

from plenary import FeedForward, LayerNorm, MultiHeadAttention, causal_mask, combine_masks, padding_mask
from plenary.checks import check

# %% [markdown] nbgrader={"grade_id": "shift-text", "locked": true, "grade": false, "solution": false}
# ## 1. One step to the right
#
# Think of an interpreter in a booth. At every moment she knows the whole speech, the words that she has said so
# far, and she has to find her next word. A decoder is taught exactly that: at position $t$ it reads the words before $t$ and
# predicts word $t$.
#
# While it is taught, the right words are known, and all positions can be asked in one go: what position $t$ reads is the
# right word $t-1$, whatever the decoder itself would have said there. This is called *teacher forcing*. At the
# first position nothing has been said yet, and a special token stands in, BOS, *beginning of sequence*.
#
# So the decoder's input is the target, moved one place to the right, with BOS in front. The last token falls out: nothing
# comes after it that it could help to predict.
#
# **Shapes.** `tokens` is a table of ids, `(B, T)`, `bos_id` is a number, and the result is `(B, T)` again, of the same dtype.
# `tokens` itself is still needed, as the target: leave it as it is.
#
# **By hand.** With `bos_id` 2, the rows $(5, 6, 7, 8)$ and $(9, 4, 3, 3)$ become $(2, 5, 6, 7)$ and $(2, 9, 4, 3)$.


# %% nbgrader={"grade_id": "shift_right", "locked": false, "grade": false, "solution": true}
def shift_right(tokens: Tensor, bos_id: int) -> Tensor:
    """Make what the decoder reads from what it has to write: (B, T) -> (B, T), BOS in front."""
    ### BEGIN SOLUTION
    bos = torch.full_like(tokens[:, :1], bos_id)
    return torch.cat([bos, tokens[:, :-1]], dim=1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "shift_right-try", "locked": true, "grade": false, "solution": false}
check("shift_right")

# %% nbgrader={"grade_id": "shift_right-points", "locked": true, "grade": true, "solution": false, "points": 2}
# 2 points
report = check("shift_right", seed=331)
display(report)
report.points(2)

# %% [markdown] nbgrader={"grade_id": "masks-text", "locked": true, "grade": false, "solution": false}
# ## 2. Three masks
#
# There are three places where somebody listens, and each has a rule of its own about who may be heard.
#
# - **Source mask.** In the encoder, every word of the source may hear every other. But sentences differ in length, and
#   short ones are filled up with padding. Nobody listens to padding.
# - **Target mask.** In the decoder's self-attention a position may hear itself and earlier positions. All the words are on
#   the table while it is taught, so without this rule it would read the word that it should predict. And nobody listens to
#   padding.
# - **Memory mask.** When the decoder turns to the source, it may hear all of it from its first word on. Only the *source's*
#   padding is hidden.
#
# Padding is hidden as a **key**, as somebody to be heard: in the column. What a padding position hears itself does not
# matter, since the loss will skip it; its row follows the same rule as every other.
#
# **Shapes.** `source` is `(B, S)`, `target` is `(B, T)`, both are ids, and `pad_id` says which id is padding; it stands at the
# end of a row. Return the three masks `(source_mask, target_mask, memory_mask)` with the shapes `(B, 1, 1, S)`,
# `(B, 1, T, T)` and `(B, 1, 1, S)`. They are boolean, and **True means "may attend"**. The axis of size 1 after the batch
# stands for all heads; where the third axis is 1, one row holds for all queries.
#
# **By hand.** Let `pad_id` be 1. For the source $(7, 8, 9, 1)$ the source mask and the memory mask are the row True, True,
# True, False. For the target $(0, 5, 1)$ the target mask is
#
# $$\begin{pmatrix} \text{True} & \text{False} & \text{False} \\ \text{True} & \text{True} & \text{False} \\ \text{True} & \text{True} & \text{False} \end{pmatrix}.$$
#
# In the last row the triangle would permit the third token, but it is padding.


# %% nbgrader={"grade_id": "make_masks", "locked": false, "grade": false, "solution": true}
def make_masks(source: Tensor, target: Tensor, pad_id: int) -> tuple[Tensor, Tensor, Tensor]:
    """Say who may be heard: by the source (B, 1, 1, S), by the target (B, 1, T, T), by the target in the memory (B, 1, 1, S)."""
    ### BEGIN SOLUTION
    source_mask = (source != pad_id)[:, None, None, :]
    target_mask = combine_masks(causal_mask(target.shape[1]), target != pad_id)
    return source_mask, target_mask, source_mask
    ### END SOLUTION


# %% nbgrader={"grade_id": "make_masks-try", "locked": true, "grade": false, "solution": false}
check("make_masks")

# %% [markdown] nbgrader={"grade_id": "masks-look-text", "locked": true, "grade": false, "solution": false}
# **Look at it.** *Your* three masks for a source of up to six words and a target of up to five. Rows listen, columns are
# heard, and a filled cell means *may attend*. **Guess first:** shorten the source by two words. Which of the three boards
# change, and in which direction do the stripes run? Then move the sliders.

# %% nbgrader={"grade_id": "masks-look", "locked": true, "grade": false, "solution": false}
from ipywidgets import IntSlider, interact
from matplotlib.patches import Rectangle

from plenary.plotting import colour, figure, show


def draw_masks(source_words: int, target_words: int):
    source = torch.tensor([[5 if s < source_words else 0 for s in range(6)]])
    target = torch.tensor([[5 if t < target_words else 0 for t in range(5)]])
    try:
        masks = [
            mask.expand(1, 1, rows, -1)[0, 0]
            for mask, rows in zip(make_masks(source, target, 0), (6, 5, 5), strict=True)
        ]
        boards = [mask.to(torch.float32).numpy() for mask in masks]
    except NotImplementedError:
        return print("Write make_masks above, then run this cell again.")
    except Exception as error:
        return print(
            f"make_masks does not give three masks that can be drawn; the check above says more. ({error})"
        )
    titles = ("source hears source", "target hears target", "target hears source")
    fig, axes = figure(height=1.9, ncols=3)
    for ax, board, title in zip(axes, boards, titles, strict=True):
        for row, line in enumerate(board):
            for column, permitted in enumerate(line):
                shade = colour("accent") if permitted else colour("grid")
                ax.add_patch(Rectangle((column + 0.08, row + 0.08), 0.84, 0.84, facecolor=shade, linewidth=0))
        ax.set(xlim=(0, 6), ylim=(6, 0), aspect="equal")
        ax.set_title(title, fontsize=9)
        ax.set_axis_off()
    counts = ", ".join(
        f"{title}: {int(board.sum())} of {board.size} cells"
        for title, board in zip(titles, boards, strict=True)
    )
    return show(fig, alt=f"Who may be heard, with {source_words} and {target_words} words. {counts}.")


_ = interact(
    draw_masks,
    source_words=IntSlider(value=6, min=1, max=6, description="source"),
    target_words=IntSlider(value=5, min=1, max=5, description="target"),
)

# %% nbgrader={"grade_id": "make_masks-points", "locked": true, "grade": true, "solution": false, "points": 3}
# 3 points
report = check("make_masks", seed=332)
display(report)
report.points(3)

# %% [markdown] nbgrader={"grade_id": "layer-text", "locked": true, "grade": false, "solution": false}
# ## 3. The decoder layer
#
# An encoder layer has two parts: listen, then think. A decoder layer has three:
#
# 1. **Listen** to what has been written so far: `self_attention`, query, key and value all from the target, under
#    `self_mask`.
# 2. **Ask the source**: `cross_attention`. The query comes from the target, since it is the target that wants to know
#    something. Key and value come from `memory`, which is what the encoder made of the source. It works under `memory_mask`.
# 3. **Think** about both: `feed_forward`.
#
# Each part *adds* to the tokens what it has found, and each has a norm of its own: `norm1`, `norm2`, `norm3`, in the order of
# the parts. With `norm_first=True` (pre-norm) the norm stands at the entrance of the part, and with `norm_first=False`
# (post-norm) behind the sum:
#
# $$x \leftarrow x + \operatorname{part}(\operatorname{norm}(x)) \qquad\text{or}\qquad x \leftarrow \operatorname{norm}(x + \operatorname{part}(x)).$$
#
# The memory is used as it comes: it has left the encoder through a norm already.
#
# **Dropout.** What a part returns goes through a dropout of rate `dropout` before it is added. Both attentions and the
# feed-forward network are built with the same rate as well, for their insides. In evaluation mode nothing is dropped.
#
# **Shapes and names.** `x` is `(B, T, D)`, `memory` is `(B, S, D)`, and the result is `(B, T, D)`. The masks are boolean or
# `None`, as in chapter 7; hand them on as they come. The attributes are called `self_attention`, `cross_attention`,
# `feed_forward`, `norm1`, `norm2`, `norm3`; a dropout has no weights, so its name is yours to choose. `eps` is for the
# norms. What you are handed: `MultiHeadAttention(embed_dim, num_heads, dropout=...)`, called with
# `(query, key, value, mask)`, returns the pair (output, weights); `FeedForward(embed_dim, hidden_dim, dropout)`;
# `LayerNorm(dim, eps)`.
#
# **By hand.** The check starts with a layer that a pencil can follow. Its queries are all zero, so that everyone listens to
# everybody permitted in equal parts; values pass through unchanged; the feed-forward network keeps positive
# numbers and turns negative ones into 0; norm1 has bias $(1, 0)$, and norm3 has weight 2. Let $x$ be $(4, 2), (5, 7)$ and
# the memory $(4, 0), (0, 8), (-4, 4)$, without masks and pre-norm.
#
# - *Listen:* normed, a token of two numbers is $(1, -1)$ or $(-1, 1)$. With the bias of norm1 they are $(2, -1)$ and $(0, 1)$, with mean
#   $(1, 0)$. Added: $(5, 2), (6, 7)$.
# - *Ask:* the mean of the memory is $(0, 4)$. Added: $(5, 6), (6, 11)$.
# - *Think:* normed by norm3 both tokens are $(-2, 2)$, of which $(0, 2)$ remains. Added: $(5, 8), (6, 13)$.


# %% nbgrader={"grade_id": "DecoderLayer", "locked": false, "grade": false, "solution": true}
class DecoderLayer(nn.Module):
    """Listen to the target, ask the memory, think: x (B, T, D), memory (B, S, D) -> (B, T, D)."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        hidden_dim: int,
        dropout: float = 0.0,
        norm_first: bool = True,
        eps: float = 1e-5,
    ):
        super().__init__()
        ### BEGIN SOLUTION
        self.norm_first = norm_first
        self.self_attention = MultiHeadAttention(embed_dim, num_heads, dropout=dropout)
        self.cross_attention = MultiHeadAttention(embed_dim, num_heads, dropout=dropout)
        self.feed_forward = FeedForward(embed_dim, hidden_dim, dropout)
        self.norm1 = LayerNorm(embed_dim, eps)
        self.norm2 = LayerNorm(embed_dim, eps)
        self.norm3 = LayerNorm(embed_dim, eps)
        self.dropout = nn.Dropout(dropout)
        ### END SOLUTION

    def forward(
        self, x: Tensor, memory: Tensor, self_mask: Tensor | None = None, memory_mask: Tensor | None = None
    ) -> Tensor:
        ### BEGIN SOLUTION
        if self.norm_first:
            y = self.norm1(x)
            x = x + self.dropout(self.self_attention(y, y, y, self_mask)[0])
            y = self.norm2(x)
            x = x + self.dropout(self.cross_attention(y, memory, memory, memory_mask)[0])
            return x + self.dropout(self.feed_forward(self.norm3(x)))
        y, _ = self.self_attention(x, x, x, self_mask)
        x = self.norm1(x + self.dropout(y))
        y, _ = self.cross_attention(x, memory, memory, memory_mask)
        x = self.norm2(x + self.dropout(y))
        return self.norm3(x + self.dropout(self.feed_forward(x)))
        ### END SOLUTION


# %% nbgrader={"grade_id": "DecoderLayer-try", "locked": true, "grade": false, "solution": false}
check("DecoderLayer")

# %% [markdown] nbgrader={"grade_id": "layer-look-text", "locked": true, "grade": false, "solution": false}
# **Look at it.** Here one token is replaced by another, and *your* layer, under *your* masks, says which of its outputs notice. The
# target has six words, the source five and one padding. **Guess first:** replace target word 2. Which outputs can
# notice, those before it, those after it, or all? And who notices a word of the source, who its padding? Bars in
# red are leaks: nobody there should have noticed.

# %% nbgrader={"grade_id": "layer-look", "locked": true, "grade": false, "solution": false}
from ipywidgets import Dropdown


def draw_who_notices(where: str, position: int):
    torch.manual_seed(3)
    source, target = torch.tensor([[4, 5, 6, 7, 8, 0]]), torch.tensor([[1, 4, 5, 6, 7, 8]])
    x, memory = torch.randn(1, 6, 16), torch.randn(1, 6, 16)
    changed_x, changed_memory = x.clone(), memory.clone()
    (changed_x if where == "target" else changed_memory)[0, position] = torch.randn(16)
    try:
        layer = DecoderLayer(16, 2, 32).eval()
        _, self_mask, memory_mask = make_masks(source, target, 0)
        with torch.no_grad():
            before = layer(x, memory, self_mask, memory_mask)
            after = layer(changed_x, changed_memory, self_mask, memory_mask)
        moved = (after - before).norm(dim=-1)[0].tolist()
    except NotImplementedError:
        return print("Write make_masks and DecoderLayer above, then run this cell again.")
    except Exception as error:
        return print(f"The layer does not run under these masks; the checks above say more. ({error})")
    may = [position <= t if where == "target" else position < 5 for t in range(6)]
    fig, ax = figure(height=2.2)
    ax.bar(range(6), moved, color=[colour("accent") if fine else colour("wrong") for fine in may])
    leaks = [t for t in range(6) if not may[t] and not moved[t] < 1e-4]
    said = f"leaks at {leaks}" if leaks else "no leak"
    ax.set(xlabel="output at target position", ylabel="change", ylim=(0, 1.05 * max(1.0, *moved)))
    ax.set_title(f"{where} token {position} replaced: {said}")
    return show(fig, alt=f"Change of each output when {where} token {position} is replaced: {said}.")


_ = interact(
    draw_who_notices,
    where=Dropdown(options=["target", "source"], description="in the"),
    position=IntSlider(value=2, min=0, max=5, description="token"),
)

# %% nbgrader={"grade_id": "DecoderLayer-points", "locked": true, "grade": true, "solution": false, "points": 5}
# 5 points
report = check("DecoderLayer", seed=333)
display(report)
report.points(5)

# %% [markdown] nbgrader={"grade_id": "loss-text", "locked": true, "grade": false, "solution": false}
# ## 4. The loss
#
# At each position the decoder has given a number to every word of the vocabulary, the logits. A softmax makes
# probabilities of them, and what a position costs is $-\ln p$, where $p$ is the probability of the word that is right
# there. The chain rule of probability turns the sum over a sentence into minus the logarithm of the probability of the
# whole sentence.
#
# The loss is the **mean over all real tokens of the batch**: add up what they cost, and divide by how many there are.
# Padding is neither in the sum nor in the number. A long sentence has more tokens than a short one, so it counts for more;
# each token counts alike. The shift has been made already, by `shift_right`: position $t$ of the logits belongs to
# position $t$ of the targets.
#
# If nothing in the batch is real, there is nothing to learn, and the loss is 0, not NaN.
#
# **Shapes.** `logits` is `(B, T, V)` with $V$ words, `targets` is `(B, T)`, the result is a tensor with a single number, without
# axes. PyTorch's `F.cross_entropy` takes logits, and expects $V$ on axis 1 where there are more axes than two.
#
# **By hand.** Three words and logits like $(\ln 2, 0, 0)$ or $(0, \ln 2, 0)$, so that one word has probability $\tfrac12$ and the others
# $\tfrac14$. Say four real tokens have the probabilities $\tfrac14, \tfrac12, \tfrac12, \tfrac12$ for the right word. They cost $2\ln2, \ln2, \ln2, \ln2$,
# and the loss is $\tfrac54\ln2 = 0.866$, whatever stands at the padding.


# %% nbgrader={"grade_id": "sequence_loss", "locked": false, "grade": false, "solution": true}
def sequence_loss(logits: Tensor, targets: Tensor, pad_id: int) -> Tensor:
    """Average -ln p over the real tokens: logits (B, T, V), targets (B, T) -> one number."""
    ### BEGIN SOLUTION
    each = F.cross_entropy(logits.mT, targets, reduction="none")
    real = targets != pad_id
    return (each * real).sum() / real.sum().clamp(min=1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "sequence_loss-try", "locked": true, "grade": false, "solution": false}
check("sequence_loss")

# %% [markdown] nbgrader={"grade_id": "loss-look-text", "locked": true, "grade": false, "solution": false}
# **Look at it.** Two sentences, of three and six words, are filled up with more and more padding; the words and their logits
# stay the same. **Guess first:** what does a right loss do along this line? The slider sets how sure the decoder is that
# padding comes at the padding.

# %% nbgrader={"grade_id": "loss-look", "locked": true, "grade": false, "solution": false}
from ipywidgets import FloatSlider


def draw_loss(sureness: float):
    generator = torch.Generator().manual_seed(3)
    logits, words = (
        torch.randn(2, 14, 9, generator=generator),
        torch.randint(1, 9, (2, 14), generator=generator),
    )
    try:
        losses = []
        for length in range(6, 15):
            padding = ~padding_mask(torch.tensor([3, 6]), length)
            targets = words[:, :length].masked_fill(padding, 0)
            forecast = logits[:, :length].clone()
            forecast[padding] = torch.tensor([sureness] + [0.0] * 8)
            losses.append(float(sequence_loss(forecast, targets, 0)))
    except NotImplementedError:
        return print("Write sequence_loss above, then run this cell again.")
    except Exception as error:
        return print(f"sequence_loss does not return a number here; the check above says more. ({error})")
    fig, ax = figure(height=2.2)
    spread = max(losses) - min(losses)
    ax.plot(range(6, 15), losses, marker="o", color=colour("accent" if spread < 1e-4 else "wrong"))
    title = "padding makes no difference" if spread < 1e-4 else f"padding moves the loss by {spread:.2f}"
    ax.set(xlabel="length with padding, T", ylabel="loss (nats)", title=title, ylim=(0, max(3.5, *losses)))
    return show(fig, alt=f"Loss of the same nine words in rows of length 6 to 14: {title}.")


_ = interact(draw_loss, sureness=FloatSlider(value=0, min=-4, max=8, step=1, description="sureness"))

# %% nbgrader={"grade_id": "sequence_loss-points", "locked": true, "grade": true, "solution": false, "points": 3}
# 3 points
report = check("sequence_loss", seed=334)
display(report)
report.points(3)

# %% [markdown] nbgrader={"grade_id": "end", "locked": true, "grade": false, "solution": false}
# ## Done
#
# With these four parts, and the encoder of chapter 9, everything is there to train a Transformer that translates. That is
# chapter 11. The *Validate* button of nbgrader runs the notebook from top to bottom, as grading does; a check that passes
# only because of cells run in another order will show there.
