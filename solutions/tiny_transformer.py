# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] nbgrader={"grade_id": "title", "locked": true, "grade": false, "solution": false}
# # A tiny Transformer
#
# You have the parts: attention with many heads, positions, the encoder's layer and the decoder's. Here you put them together
# into a model that reads one sequence and writes another, you let it write, and you train it. It belongs to chapter 11 of the
# book, *A tiny Transformer*.
#
# **How it works.** Write your code where it says `YOUR CODE HERE`. The cell below each function checks it: run that
# cell as often as you like. If something is wrong, it says what, and where the book clears it up. The cells marked
# with points are the same checks with other random numbers; they are what is graded. Parts that are right earn their
# share of the points.
#
# | function | points |
# |---|---|
# | `TinyTransformer` | 6 |
# | `greedy_decode` | 4 |
# | `warmup_lr` | 2 |
# | three models of yours, trained to reverse | 4 |
#
# The training in part 4 is given. It takes about a quarter of a minute on a quiet computer, and may take one or two minutes on a busy one.

# %% nbgrader={"grade_id": "imports", "locked": true, "grade": false, "solution": false}
import torch
from IPython.display import display
from torch import Tensor, nn

from plenary import (
    DecoderLayer,
    Encoder,
    LayerNorm,
    TokenEmbedding,
    make_masks,
    sequence_loss,
    shift_right,
    sinusoidal_encoding,
)
from plenary.checks import check

# %% [markdown] nbgrader={"grade_id": "transformer-text", "locked": true, "grade": false, "solution": false}
# ## 1. The whole model
#
# Two rooms. In the first, the **encoder**, the words of the source listen to each other until each of them knows what it means in
# this sentence. What leaves the room is the *memory*: one vector for each word of the source. In the second room, the **decoder**,
# somebody writes the answer. Before every word they look at what is written so far, and then into the memory. They may not look
# ahead, for what comes next is what they are asked to guess.
#
# What you have:
#
# - `TokenEmbedding(vocab_size, embed_dim)` turns ids `(B, T)` into vectors `(B, T, D)`, of about the same size as the positions.
# - `sinusoidal_encoding(length, embed_dim)` is the table of positions, `(length, D)`: row $t$ belongs to position $t$ of a
#   *sequence*, whatever row of the batch the sequence is. Every model that you build here has an even `embed_dim`.
# - `Encoder(num_layers, embed_dim, num_heads, hidden_dim)` is called with `(x, mask)`, and ends with a norm of its own.
# - `DecoderLayer(embed_dim, num_heads, hidden_dim)` is one layer, called with `(x, memory, self_mask, memory_mask)`. Its norms come
#   first, so that after the last one nothing has normalised the sum: a `LayerNorm(embed_dim)` belongs there.
# - `make_masks(source, target, pad_id)` makes the three masks, in this order: for the encoder, for the target's attention to
#   itself, for its attention to the memory.
#
# What to build:
#
# 1. Embed the source and add the positions, **once**, before the first layer. The encoder turns that into the memory.
# 2. Embed the target and add the positions. The decoder's layers take it through, each reading the same memory.
# 3. Normalise, and let a linear layer give a score to every word of the vocabulary.
#
# There are `num_layers` layers in the encoder and as many in the decoder, each with weights of its own and with a feed-forward
# network of width $4D$. There is no dropout. The names inside your class are up to you, and other parts of `torch.nn` that do the
# same are welcome, all but `nn.Transformer`, which is the whole of it. If `num_heads` does not divide `embed_dim`, the parts raise an error; let them.
#
# **Shapes.** `source` `(B, S)` and `target` `(B, T)` are ids, padded with `pad_id`, and neither length is more than `max_length`.
# The result is *logits* `(B, T, V)`: any real numbers, no softmax. Row $t$ says which word should **follow** target word $t$.
# The target starts with BOS already, so nothing is shifted in here.
#
# **By hand.** A source of two words and a target of three. Which of the target's words may change which row of the logits?
#
# | | BOS | word 1 | word 2 |
# |---|---|---|---|
# | logits after BOS | yes | no | no |
# | logits after word 1 | yes | yes | no |
# | logits after word 2 | yes | yes | yes |
#
# And both words of the source may change all three rows. The check makes this table for your model, by changing one word at a time.


# %% nbgrader={"grade_id": "TinyTransformer", "locked": false, "grade": false, "solution": true}
class TinyTransformer(nn.Module):
    """Read a source, and say for each word of the target what should follow: (B, S), (B, T) -> logits (B, T, V)."""

    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        max_length: int,
        pad_id: int = 0,
    ):
        super().__init__()
        ### BEGIN SOLUTION
        self.pad_id = pad_id
        self.embedding = TokenEmbedding(vocab_size, embed_dim)
        self.register_buffer("positions", sinusoidal_encoding(max_length, embed_dim))
        self.encoder = Encoder(num_layers, embed_dim, num_heads, 4 * embed_dim)
        self.decoder = nn.ModuleList(
            DecoderLayer(embed_dim, num_heads, 4 * embed_dim) for _ in range(num_layers)
        )
        self.norm = LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, vocab_size)
        ### END SOLUTION

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Give the logits of the word after each target word; the target starts with BOS."""
        ### BEGIN SOLUTION
        source_mask, target_mask, memory_mask = make_masks(source, target, self.pad_id)
        memory = self.encoder(self.embedding(source) + self.positions[: source.shape[1]], source_mask)
        x = self.embedding(target) + self.positions[: target.shape[1]]
        for layer in self.decoder:
            x = layer(x, memory, target_mask, memory_mask)
        return self.head(self.norm(x))
        ### END SOLUTION


# %% nbgrader={"grade_id": "TinyTransformer-try", "locked": true, "grade": false, "solution": false}
check("TinyTransformer")

# %% [markdown] nbgrader={"grade_id": "transformer-look-text", "locked": true, "grade": false, "solution": false}
# **Look at it.** *Your* model, untrained, reads six source words and six target words. Choose one word and change it: the bars say
# how much the logits move at each target position. Guess first: when you change target word 3, which bars stay at zero? And when
# you change a word of the source?

# %% nbgrader={"grade_id": "transformer-look", "locked": true, "grade": false, "solution": false}
from ipywidgets import Dropdown, IntSlider, interact

from plenary.plotting import colour, figure, show


def draw_reach(side: str, position: int):
    torch.manual_seed(3)
    source, target = torch.randint(3, 13, (2, 1, 6))
    try:
        model = TinyTransformer(13, 32, 4, 2, 6).eval()
        with torch.no_grad():
            before = model(source, target)
            changed = source if side == "source" else target
            changed[0, position] = 3 + (changed[0, position] - 2) % 10
            moved = (model(source, target) - before).abs().amax(dim=-1)[0].tolist()
    except NotImplementedError:
        return print("Write TinyTransformer above, then run this cell again.")
    except Exception as error:
        return print(f"The check above says more: your model raised {type(error).__name__}.")
    fig, ax = figure(height=2.2)
    ax.bar(range(len(moved)), moved, color=colour("query" if side == "target" else "key"))
    reached = ", ".join(str(t) for t, size in enumerate(moved) if size > 1e-4) or "none"
    ax.set(
        xlabel="target position",
        ylabel="logits move by",
        title=f"{side} word {position} changed: it reaches {reached}",
    )
    return show(fig, alt=f"A change of {side} word {position} moves the logits at target positions {reached}")


_ = interact(
    draw_reach,
    side=Dropdown(options=["target", "source"], value="target", description="change"),
    position=IntSlider(value=3, min=0, max=5, description="word"),
)

# %% nbgrader={"grade_id": "TinyTransformer-points", "locked": true, "grade": true, "solution": false, "points": 6}
# 6 points
report = check("TinyTransformer", seed=341)
display(report)
report.points(6)

# %% [markdown] nbgrader={"grade_id": "decode-text", "locked": true, "grade": false, "solution": false}
# ## 2. Let it write
#
# In training all of the answer is there, and every position is predicted at once. When the model has to write by itself, there is
# only one way: word by word. Start with BOS. Ask the model, take the likeliest word **after the last one**, put it behind what is
# written, and ask again with all of it.
#
# - **The source stays as it is.** Each call gets all of it, and all that is written so far.
# - **An answer ends with EOS,** each row of the batch at its own time. A row that has ended is filled with EOS, whatever the model
#   says; the others go on. The result always has `max_length` columns, and BOS is not one of them.
# - **Writing is evaluation.** Put the model in evaluation mode before, and afterwards back into the mode that you found it in.
#   Keep no gradients: nobody is going to ask for them (this costs no points, and a great deal of memory).
#
# **Shapes.** `source` is `(B, S)`, the result `(B, max_length)`, ids like the source's. `model(source, target)` gives logits
# `(B, T, V)`, as yours does.
#
# **By hand.** For the check there is a model that writes its source backwards. EOS is 2. From the sources $(4, 2, 3, 5)$ and
# $(3, 5, 4, 3)$ it wants to make $(5, 3, 2, 4)$ and $(3, 4, 5, 3)$. But the first row has ended at its third word, so with
# `max_length=4` the result is $(5, 3, 2, 2)$ and $(3, 4, 5, 3)$. In training mode the same model is wrong about every word.


# %% nbgrader={"grade_id": "greedy_decode", "locked": false, "grade": false, "solution": true}
def greedy_decode(model: nn.Module, source: Tensor, bos_id: int, eos_id: int, max_length: int) -> Tensor:
    """Write the likeliest word again and again: (B, S) -> (B, max_length), without BOS, EOS repeated."""
    ### BEGIN SOLUTION
    was_training = model.training
    model.eval()
    written = source.new_full((len(source), 1), bos_id)
    ended = source.new_zeros(len(source)).bool()
    with torch.no_grad():
        for _ in range(max_length):
            word = model(source, written)[:, -1].argmax(dim=1)
            word = torch.where(ended, eos_id, word)
            written = torch.cat([written, word[:, None]], dim=1)
            ended = ended | (word == eos_id)
    model.train(was_training)
    return written[:, 1:]
    ### END SOLUTION


# %% nbgrader={"grade_id": "greedy_decode-try", "locked": true, "grade": false, "solution": false}
check("greedy_decode")

# %% nbgrader={"grade_id": "greedy_decode-points", "locked": true, "grade": true, "solution": false, "points": 4}
# 4 points
report = check("greedy_decode", seed=342)
display(report)
report.points(4)

# %% [markdown] nbgrader={"grade_id": "warmup-text", "locked": true, "grade": false, "solution": false}
# ## 3. Warm up
#
# At the start the gradients are large and point in all directions, and Adam has seen too few of them to know how large. So the
# first steps are small ones. The learning rate rises along a straight line for `warmup_steps` steps, and from then on falls with the
# root of the step:
#
# $$\eta(\text{step}) = D^{-1/2} \cdot \min\!\left(\text{step}^{-1/2},\ \text{step} \cdot \text{warmup}^{-3/2}\right)$$
#
# The two expressions meet at step = warmup. Before that the second is the smaller one, afterwards the first. The formula has no
# value at step 0; yours is `0.0` there, which is where the straight line starts.
#
# **By hand.** $D = 4$ and 4 steps of warm-up: $D^{-1/2} = \tfrac12$ and $4^{-3/2} = \tfrac18$. Step 2 gives $\tfrac12 \cdot
# \tfrac28 = 0.125$, step 4 gives $\tfrac12 \cdot \tfrac12 = 0.25$, and step 16 gives $\tfrac12 \cdot \tfrac14 = 0.125$.


# %% nbgrader={"grade_id": "warmup_lr", "locked": false, "grade": false, "solution": true}
def warmup_lr(step: int, embed_dim: int, warmup_steps: int) -> float:
    """Return the learning rate of a step: up along a line, then down with the root. Step 0 gives 0.0."""
    ### BEGIN SOLUTION
    if step == 0:
        return 0.0
    return embed_dim**-0.5 * min(step**-0.5, step * warmup_steps**-1.5)
    ### END SOLUTION


# %% nbgrader={"grade_id": "warmup_lr-try", "locked": true, "grade": false, "solution": false}
check("warmup_lr")

# %% [markdown] nbgrader={"grade_id": "warmup-look-text", "locked": true, "grade": false, "solution": false}
# **Look at it.** A straight way up, a peak at the end of the warm-up, a slow way down. Guess first: when the warm-up is four times
# as long, is the peak a quarter as high, or half? And do the tails differ?


# %% nbgrader={"grade_id": "warmup-look", "locked": true, "grade": false, "solution": false}
def draw_schedule(warmup_steps: int):
    steps = range(0, 2001, 10)
    try:
        rates = [1000 * float(warmup_lr(step, 64, warmup_steps)) for step in steps]
    except NotImplementedError:
        return print("Write warmup_lr above, then run this cell again.")
    except Exception as error:
        return print(f"The check above says more: your function raised {type(error).__name__}.")
    fig, ax = figure(height=2.2)
    ax.plot(steps, rates, color=colour("accent"))
    ax.axvline(warmup_steps, color=colour("muted"), linewidth=1)
    peak = max(rates)
    ax.set(
        xlabel="step", ylabel="learning rate (in 1/1000)", title=f"warm-up {warmup_steps}: peak {peak:.2f}"
    )
    return show(
        fig, alt=f"With {warmup_steps} steps of warm-up the learning rate peaks at {peak:.2f} thousandths"
    )


_ = interact(
    draw_schedule, warmup_steps=IntSlider(value=400, min=100, max=1600, step=100, description="warm-up")
)

# %% nbgrader={"grade_id": "warmup_lr-points", "locked": true, "grade": true, "solution": false, "points": 2}
# 2 points
report = check("warmup_lr", seed=343)
display(report)
report.points(2)

# %% [markdown] nbgrader={"grade_id": "training-text", "locked": true, "grade": false, "solution": false}
# ## 4. Train three of them
#
# The task: read up to five symbols and write them backwards. $(5, 3, 4)$ becomes $(4, 3, 5)$. It is small, and it needs all that
# you have built. Without positions there is no "backwards"; without the source there is nothing to reverse; and whoever can see the
# next word in training never learns to write it.
#
# The code is given. Read it: it is short, and nothing in it is new. `shift_right` puts BOS in front of the answer and drops its
# last word, so that the model reads word $t-1$ where it has to write word $t$. `sequence_loss` is the mean over real words.
#
# It trains **three** models, from three seeds, because one run may be lucky.


# %% nbgrader={"grade_id": "training-given", "locked": true, "grade": false, "solution": false}
PAD, BOS, EOS, FIRST_SYMBOL, NUM_SYMBOLS = 0, 1, 2, 3, 10
MAX_SYMBOLS = 5


def draw_pairs(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw sources (B, 5), padded, and their answers (B, 6): the symbols backwards, EOS, padding."""
    source = torch.randint(
        FIRST_SYMBOL, FIRST_SYMBOL + NUM_SYMBOLS, (batch, MAX_SYMBOLS), generator=generator
    )
    length = torch.randint(1, MAX_SYMBOLS + 1, (batch, 1), generator=generator)
    source[torch.arange(MAX_SYMBOLS) >= length] = PAD
    place = torch.arange(MAX_SYMBOLS + 1)
    answer = source.gather(1, (length - 1 - place).clamp(min=0))
    answer[place == length] = EOS
    answer[place > length] = PAD
    return source, answer


def train(seed: int, steps: int = 1000) -> nn.Module:
    """Train a model of your making to reverse."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = TinyTransformer(
        FIRST_SYMBOL + NUM_SYMBOLS, embed_dim=32, num_heads=4, num_layers=1, max_length=16
    )
    optimizer = torch.optim.Adam(model.parameters(), betas=(0.9, 0.98))
    for step in range(1, steps + 1):
        optimizer.param_groups[0]["lr"] = warmup_lr(step, embed_dim=32, warmup_steps=300)
        source, answer = draw_pairs(64, generator)
        loss = sequence_loss(model(source, shift_right(answer, BOS)), answer, PAD)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


# %% [markdown] nbgrader={"grade_id": "train-text", "locked": true, "grade": false, "solution": false}
# **Train.** A line appears for each model when it is done. A right model gets nearly all words right, and takes about five
# seconds on a quiet computer. The loss alone would tell you little: many a wrong Transformer has a low one.

# %% nbgrader={"grade_id": "train", "locked": true, "grade": false, "solution": false}
torch.set_num_threads(1)  # matrices this small are done before several threads have met
models: list[nn.Module] = []
try:
    for seed in range(3):
        model = train(seed)
        source, answer = draw_pairs(300, torch.Generator().manual_seed(99))
        written = greedy_decode(model, source, BOS, EOS, MAX_SYMBOLS + 1)
        share = (written == answer)[answer != PAD].float().mean()
        print(
            f"model {seed}: {share:.1%} of the words right, such as {source[0].tolist()} -> {written[0].tolist()}"
        )
        models.append(model)
except NotImplementedError:
    print("Write TinyTransformer, greedy_decode and warmup_lr above, then run this cell again.")
except Exception as error:
    print(f"Stopped by {type(error).__name__}: {error}. The checks above say more.")

# %% [markdown] nbgrader={"grade_id": "reversed-text", "locked": true, "grade": false, "solution": false}
# **What is graded** is what your models write, on sources that they have not seen: `reversed_by_models` lets all three write, each on its own.
# At least nine words in ten have to be right, for every one of the three; and where they were never trained, on longer sources, they
# have to differ, as three models do.


# %% nbgrader={"grade_id": "reversed", "locked": true, "grade": false, "solution": false}
def reversed_by_models(source: Tensor) -> Tensor:
    """Let the three models write: (B, L) -> (3, B, L)."""
    if not models:
        raise RuntimeError("there is no trained model yet: run the cell that trains them")
    answers = [greedy_decode(model, source, BOS, EOS, source.shape[1]) for model in models]
    return torch.stack(answers)


# %% nbgrader={"grade_id": "reversed_by_models-try", "locked": true, "grade": false, "solution": false}
check("reversed_by_models")

# %% [markdown] nbgrader={"grade_id": "reversed-look-text", "locked": true, "grade": false, "solution": false}
# **Ask for more.** The models have never seen more than five symbols. Guess first: what happens at six, at seven, at ten?


# %% nbgrader={"grade_id": "reversed-look", "locked": true, "grade": false, "solution": false}
def draw_lengths(length: int):
    source = torch.randint(
        FIRST_SYMBOL, FIRST_SYMBOL + NUM_SYMBOLS, (100, length), generator=torch.Generator().manual_seed(5)
    )
    try:
        right = (reversed_by_models(source) == source.flip(1)).float().mean(dim=(1, 2)).tolist()
    except NotImplementedError:
        return print("Write the functions above and train, then run this cell again.")
    except Exception as error:
        return print(f"Nothing to draw yet: {error}.")
    fig, ax = figure(height=2.0)
    ax.barh(
        [f"model {i}" for i in range(len(right))], [100 * share for share in right], color=colour("accent")
    )
    ax.set(xlim=(0, 100), xlabel="words right (%)", title=f"{length} symbols")
    said = ", ".join(f"{share:.0%}" for share in right)
    return show(fig, alt=f"With {length} symbols the three models get {said} of the words right")


_ = interact(draw_lengths, length=IntSlider(value=5, min=1, max=12, description="symbols"))

# %% nbgrader={"grade_id": "reversed_by_models-points", "locked": true, "grade": true, "solution": false, "points": 4}
# 4 points
report = check("reversed_by_models", seed=344)
display(report)
report.points(4)

# %% [markdown] nbgrader={"grade_id": "end", "locked": true, "grade": false, "solution": false}
# ## Done
#
# You have built, trained and listened to a Transformer. The *Validate* button of nbgrader runs the notebook from top to bottom, as
# grading does; a check that passes only because of cells run in another order will show there.
