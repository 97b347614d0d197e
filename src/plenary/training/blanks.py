"""Fill in the blank: a word of a caption is hidden, and guessed from all the others.

plenary train blanks --run-dir runs/blanks
python -m plenary.training.blanks runs/blanks

The first command trains; the second measures the run on the test captions and makes of it the one file of the
widget `Listening` (of a run of `heads`: of the widget `Heads`): weights in float16, the words, and the figures.
"""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from plenary import expect
from plenary.attention import MultiHeadAttention
from plenary.data.captions import BLANK_ID, PAD_ID, SPECIALS, UNK_ID, captions
from plenary.encoder import Encoder
from plenary.introspection import without_heads
from plenary.position import SinusoidalEncoding, TokenEmbedding
from plenary.training import log, runs, store
from plenary.training.augmentation import Augmentation
from plenary.training.batches import Share
from plenary.training.evaluation import IGNORE, evaluate
from plenary.training.recipe import Recipe
from plenary.training.task import Architecture, Batch
from plenary.transformer import xavier_init


class BlankFiller(nn.Module):
    """An encoder that guesses the word behind the blank: a masked language model with one blank a sentence.

    forward(tokens (B, T)) gives logits (B, V) of the V words, which have the ids 3, 4, ... The same matrix turns
    words into numbers at the beginning and numbers into words at the end.

    Args:
        num_words: V, without <pad>, <blank> and <unk>, which are never guessed.
        embed_dim: D, even.
        num_heads: H; divides D.
        num_layers: how many encoder layers.
        hidden_dim: the feed-forward networks' width.
        max_length: the most words of a sentence.
        dropout: the share that is dropped in training.

    Source: Devlin et al. (2019), BERT, section 3.1; there every seventh word is a blank, here it is one word.
    """

    def __init__(
        self,
        num_words: int,
        embed_dim: int,
        num_heads: int,
        num_layers: int,
        hidden_dim: int,
        max_length: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = TokenEmbedding(len(SPECIALS) + num_words, embed_dim)
        self.positions = SinusoidalEncoding(max_length, embed_dim)
        self.dropout = nn.Dropout(dropout)
        self.encoder = Encoder(num_layers, embed_dim, num_heads, hidden_dim, dropout)
        self.bias = nn.Parameter(torch.zeros(num_words))
        xavier_init(self)

    def forward(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B V"]:
        """Logits of the word that the blank hides.

        Raises:
            ValueError: a sentence has no blank or several, is too long, or has an id that is outside.
        """
        expect.token_ids("BlankFiller", len(self.embedding.weight), tokens=tokens)
        blank = tokens == BLANK_ID
        if not bool((blank.sum(dim=1) == 1).all()):
            raise ValueError("BlankFiller: expected one blank (id 1) in each sentence.")
        x = self.dropout(self.positions(self.embedding(tokens)))
        x = self.encoder(x, (tokens != PAD_ID)[:, None, None, :])
        return x[blank] @ self.embedding.weight[len(SPECIALS) :].T + self.bias


class Sentences(Dataset[tuple[Tensor]]):
    """Sentences as ids. Indexed by a batch of indices (B,), it gives (B, T), padded to the longest of them."""

    def __init__(self, rows: tuple[tuple[int, ...], ...]) -> None:
        self.tokens = pad_sequence([torch.tensor(row) for row in rows], True, PAD_ID)
        self.lengths = (self.tokens != PAD_ID).sum(dim=1)

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: Int[Tensor, " B"]) -> tuple[Int[Tensor, "B T"]]:
        return (self.tokens[index, : int(self.lengths[index].max())],)


class EveryBlank(Dataset[tuple[Tensor, Tensor]]):
    """Every word that the vocabulary has, hidden in turn: sentences with their blank (B, T), and the words (B,)."""

    def __init__(self, sentences: Sentences) -> None:
        self.sentences = sentences
        self.places = (sentences.tokens > UNK_ID).nonzero()

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Int[Tensor, " B"]) -> tuple[Int[Tensor, "B T"], Int[Tensor, " B"]]:
        sentence, place = self.places[index].unbind(-1)
        (tokens,) = self.sentences[sentence]
        return hide(tokens, place)


def hide(
    tokens: Int[Tensor, "B T"], place: Int[Tensor, " B"]
) -> tuple[Int[Tensor, "B T"], Int[Tensor, " B"]]:
    """Put a blank at one place of each sentence: the sentences, and which of the V words is hidden in each."""
    place = place[:, None]
    words = tokens.gather(1, place).squeeze(1) - len(SPECIALS)
    return tokens.scatter(1, place, BLANK_ID), words


@dataclass(frozen=True)
class BlanksTask:
    """Guess the hidden word. In training, another word of each sentence is hidden each time it comes up."""

    name: str
    training: Sentences
    validation: EveryBlank
    architecture: Architecture | None = None
    ignore_index: int = IGNORE

    def training_batch(self, batch: Batch, share: Share, augmentation: Augmentation) -> Batch:
        """(sentences with their blanks, the words that these hide): a word of the vocabulary, drawn evenly."""
        (tokens,) = batch
        known = tokens > UNK_ID
        # The nth of the known words, n from the sentence's own draw.
        nth = (share.draws[:, 0] * known.sum(dim=1)).long()
        place = (known.cumsum(dim=1) == nth[:, None] + 1).int().argmax(dim=1)
        return hide(tokens, place)

    def validation_batch(self, batch: Batch) -> Batch:
        """(sentences with their blanks, the words that these hide)."""
        return batch


class BlankFillerArchitecture(Architecture):
    """The sizes of a `BlankFiller`, which `plenary` does not export."""

    def _model(self) -> type[nn.Module]:
        return BlankFiller


def blanks(data_dir: Any = None, name: str = "blanks", num_heads: int = 1) -> tuple[BlanksTask, Recipe]:
    """Fill in a blank of a caption, with two layers of one head and 87,160 parameters."""
    splits = captions(data_dir)
    arguments = {
        "num_words": len(splits.vocabulary) - len(SPECIALS),
        "embed_dim": 48,
        "num_heads": num_heads,
        "num_layers": 2,
        "hidden_dim": 96,
        "max_length": splits.max_length,
    }
    model = BlankFillerArchitecture("BlankFiller", arguments)
    task = BlanksTask(name, Sentences(splits.train), EveryBlank(Sentences(splits.validation)), model)
    return task, Recipe(epochs=80, learning_rate=3e-3, weight_decay=0.01)


def heads(data_dir: Any = None) -> tuple[BlanksTask, Recipe]:
    """The same task and as many parameters, with four heads in either layer."""
    return blanks(data_dir, "heads", 4)


def read(path: Path) -> tuple[BlankFiller, dict[str, Any]]:
    """The model of a run's `model.safetensors`, or of the file that `pack` wrote, in eval mode; and its facts.

    Raises:
        CheckpointError: there is no such file, or it is damaged.
        ValueError: it holds another model.
    """
    weights, facts = store.read(path)
    architecture = facts.get("architecture") or {}
    if architecture.get("name") != "BlankFiller":
        raise ValueError(f"{path}: expected a BlankFiller, found {architecture.get('name')}.")
    model = BlankFiller(**architecture["arguments"])
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    return model.eval(), facts


def measure(model: nn.Module, sentences: tuple[tuple[int, ...], ...], commonest: int) -> dict[str, float]:
    """How often the hidden word is the first guess, or among five; and how often it is the commonest word.

    Each word of the vocabulary is hidden once, in every sentence.

    Args:
        model: a `BlankFiller`.
        sentences: as ids.
        commonest: the id of the word that a guess without a look would name.
    """
    every = EveryBlank(Sentences(sentences))
    batches = [every[index] for index in torch.arange(len(every)).split(256)]
    scores = evaluate(model, batches)
    with torch.no_grad():
        among = [(model(x).topk(5).indices == y[:, None]).any(dim=1) for x, y in batches]
    always = [y == commonest - len(SPECIALS) for _, y in batches]
    shares = {"top5": among, "baseline": always}
    return scores | {name: torch.cat(hits).double().mean().item() for name, hits in shares.items()}


def without_each_head(model: BlankFiller, sentences: tuple[tuple[int, ...], ...]) -> list[dict[str, Any]]:
    """What the model scores with one head silent, for each head of each layer: {"layer", "head", "accuracy"}.

    Layers and heads are counted from 1, as a reader counts them.
    """
    every = EveryBlank(Sentences(sentences))
    batches = [every[index] for index in torch.arange(len(every)).split(256)]
    scores = []
    for number, layer in enumerate(model.encoder.layers):
        attention = layer.attention
        assert isinstance(attention, MultiHeadAttention)
        for head in range(attention.num_heads):
            with without_heads(attention, [head]):
                accuracy = evaluate(model, batches)["accuracy"]
            scores.append({"layer": number + 1, "head": head + 1, "accuracy": accuracy})
    return scores


def pack(run_dir: Path, path: Path, data_dir: Path | None = None) -> dict[str, Any]:
    """Write a finished run's model in float16, with its words and what it scores on the test captions; the figures.

    Raises:
        CheckpointError: there is no finished run, or the file cannot be written.
        ValueError: the run is of another task.
    """
    model, facts = read(run_dir / runs.MODEL)
    sizes = facts["architecture"]["arguments"]
    splits = captions(data_dir, sizes["num_words"], sizes["max_length"])
    words = splits.vocabulary.tokens[len(SPECIALS) :]
    # What is measured is what is shipped: the rounded weights.
    model.load_state_dict({name: tensor.half().float() for name, tensor in model.state_dict().items()})
    counts = Counter(id_ for row in splits.train for id_ in row if id_ > UNK_ID)
    commonest = counts.most_common(1)[0][0]
    figures = {
        **measure(model, splits.test, commonest),
        "commonest": splits.vocabulary.tokens[commonest],
        "blanks": len(EveryBlank(Sentences(splits.test))),
        "captions": len(splits.train),
        "vocabulary": len(words),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "epochs": facts["last"]["epoch"],
        "seed": facts["recipe"]["seed"],
        "seconds": round(log.read(run_dir / runs.LOG)[-1]["seconds"]),
    }
    if sizes["num_heads"] > 1:
        figures["without"] = without_each_head(model, splits.test)
    weights = {name: tensor.half() for name, tensor in model.state_dict().items()}
    store.write(path, weights, {**facts, "figures": figures, "words": list(words)})
    return figures


@click.command()
@click.argument("run_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Default: $PLENARY_DATA.")
def main(run_dir: Path, file: Path, data_dir: Path | None) -> None:
    """Make of the run in RUN_DIR the FILE that the widget reads, and print what the model scores."""
    try:
        click.echo(json.dumps(pack(run_dir, file, data_dir), indent=2))
    except (RuntimeError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
