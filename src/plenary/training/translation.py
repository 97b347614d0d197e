"""German to English: what a trained run writes, what it scores, and the one file that is kept of it.

plenary train multi30k --run-dir runs/multi30k
python -m plenary.training.translation runs/multi30k two_languages.safetensors

The first command trains; the second translates the 1,000 test captions (test_2016_flickr) greedily and with beams,
scores them with sacreBLEU, and writes weights in float16, both vocabularies and the figures into one file.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from plenary.data.translation import EOS_ID, PAD_ID, sentence_pairs
from plenary.data.vocabulary import BOS, EOS, PAD, SPECIALS, UNK, Vocabulary, words
from plenary.training import log, runs, store
from plenary.training.tasks import multi30k_splits
from plenary.training.translator import detokenise, look, replace_unknown, transformer_of, write
from plenary.transformer import Transformer

UNK_ID = SPECIALS.index(UNK)
BEAMS = (1, 2, 4, 8)
BATCH = 50
PEER = {
    "who": "Ben Trevett, pytorch-seq2seq, tutorial 6: Attention is All You Need",
    "address": "https://github.com/bentrevett/pytorch-seq2seq/blob/041994c351cc1d743fc589756dd888d146336cc2/"
    "6%20-%20Attention%20is%20All%20You%20Need.ipynb",
    "bleu": 36.09,
}
"""A published figure for a small Transformer on the same 1,000 captions: width 256, 3 + 3 layers, 8 heads; greedy,
torchtext's BLEU on lower-cased tokens of spaCy."""


def bleu(written: Sequence[str], references: Sequence[str], tokenize: str = "13a") -> tuple[float, str]:
    """The BLEU of a set of translations in lower case, and sacreBLEU's signature of how it was computed.

    Source: Papineni, Roukos, Ward, and Zhu (2002), BLEU: a Method for Automatic Evaluation of Machine
    Translation; Post (2018), A Call for Clarity in Reporting BLEU Scores.
    """
    # Here and not above: only those who measure need it.
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(lowercase=True, tokenize=tokenize, force=True)
    score = metric.corpus_score(written, [references])
    return score.score, str(metric.get_signature())


def measure(
    model: Transformer,
    german: Vocabulary,
    english: Vocabulary,
    pairs: Sequence[tuple[str, str]],
    beams: Sequence[int] = BEAMS,
) -> dict[str, Any]:
    """BLEU on sentence pairs for every beam size, in four manners; the sizes are the keys, as text.

    `unknown_heard` says for each layer how often the source word that a greedy <unk> listened to most is unknown
    itself, as it should be.

    Args:
        model: in eval mode.
        german: the words of the source.
        english: the words of the target.
        pairs: German sentences and their English translations, as they were written by people.
        beams: the sizes; 1 is greedy.
    """
    sources = [words(sentence) for sentence, _ in pairs]
    ids = [torch.tensor(german.encode(sentence)) for sentence, _ in pairs]
    references = [reference for _, reference in pairs]
    split = [" ".join(words(reference)) for reference in references]
    names = ("bleu", "bleu_last", "bleu_unknown", "bleu_tokens", "unknown", "length", "changed")
    figures: dict[str, Any] = {name: {} for name in names}
    greedy: list[list[int]] = []
    for size in beams:
        rows = _write_all(model, ids, size)
        greedy = greedy or rows
        key = str(size)
        tokens = [[english.tokens[number] for number in row] for row in rows]
        plain = [[word for word in row if word not in (PAD, BOS, EOS)] for row in tokens]
        spoken, last = list(plain), list(plain)
        heard = []
        for at, row in enumerate(rows):
            if UNK_ID in row:
                _, attention = look(model, ids[at][None], row)
                spoken[at] = replace_unknown(tokens[at], sources[at], attention)
                last[at] = replace_unknown(tokens[at], sources[at], attention, layer=-1)
                unknown = torch.tensor([number == UNK_ID for number in row])
                heard.append(ids[at][attention.mean(1).argmax(-1)[:, unknown]] == UNK_ID)
        if size == beams[0]:
            figures["unknown_heard"] = torch.cat(heard, 1).double().mean(1).tolist() if heard else []
        figures["bleu"][key], figures["signature"] = bleu([*map(detokenise, spoken)], references)
        figures["bleu_last"][key], _ = bleu([*map(detokenise, last)], references)
        # An unknown word counts as one wrong word, and not as the three that "<unk>" would be cut into.
        kept = [detokenise(["unk" if word == UNK else word for word in row]) for row in plain]
        figures["bleu_unknown"][key], _ = bleu(kept, references)
        figures["bleu_tokens"][key], figures["signature_tokens"] = bleu(
            [*map(" ".join, plain)], split, tokenize="none"
        )
        figures["unknown"][key] = sum(row.count(UNK) for row in plain)
        figures["length"][key] = sum(map(len, plain)) / sum(len(one.split()) for one in split)
        figures["changed"][key] = sum(row != first for row, first in zip(rows, greedy, strict=True))
    restored = sum(detokenise(words(one)) == one.lower() for one in references)
    return {**figures, "sentences": len(pairs), "restored": restored / len(pairs)}


def _write_all(model: Transformer, ids: list[Tensor], beam_size: int) -> list[list[int]]:
    """What the model writes for each source, in batches of like lengths."""
    order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
    found: dict[int, list[int]] = {}
    for chosen in (order[start : start + BATCH] for start in range(0, len(order), BATCH)):
        batch = pad_sequence([ids[at] for at in chosen], True, PAD_ID)
        found |= dict(zip(chosen, write(model, batch, beam_size), strict=True))
    return [found[at] for at in range(len(ids))]


def align(
    model: Transformer, german: Vocabulary, english: Vocabulary, pairs: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """How often a word's own translation is the source word to which it listened most, for each layer and head.

    The right answer is known without an annotator for words that are spelt alike in both languages: those of four
    letters or more that occur once in either sentence, such as "park". The model is shown the person's translation
    word by word, and asked where it listened before each anchor.

    Returns:
        anchors: how many there are. aligned: the share for each head of each layer. aligned_mean: for the mean of
        a layer's heads. chance: what a blind choice among the source's words would get.
    """
    hits: list[Tensor] = []
    means: list[Tensor] = []
    chances: list[float] = []
    for sentence, reference in pairs:
        source, target = words(sentence), words(reference)
        anchors = [
            word
            for word in sorted({*source} & {*target})
            if len(word) >= 4 and word.isalpha() and source.count(word) == target.count(word) == 1
        ]
        if not anchors or max(len(source), len(target) + 1) > model.max_length:
            continue
        written = [*english.encode(reference), EOS_ID]
        _, attention = look(model, torch.tensor([german.encode(sentence)]), written)
        for word in anchors:
            rows, right = attention[:, :, target.index(word)], source.index(word)
            hits.append(rows.argmax(-1) == right)
            means.append(rows.mean(1).argmax(-1) == right)
            chances.append(1 / len(source))
    if not hits:
        return {"anchors": 0, "aligned_mean": []}
    return {
        "anchors": len(hits),
        "aligned": torch.stack(hits).double().mean(0).tolist(),
        "aligned_mean": torch.stack(means).double().mean(0).tolist(),
        "chance": sum(chances) / len(chances),
    }


def pack(run_dir: Path, path: Path, data_dir: Path | None = None) -> dict[str, Any]:
    """Write a finished run's model in float16, with its words and what it scores on the test captions; the figures.

    Raises:
        CheckpointError: there is no finished run, or the file cannot be written.
        ValueError: the run is of another task, or of other data.
    """
    weights, facts = store.read(run_dir / runs.MODEL)
    model = transformer_of(run_dir / runs.MODEL, facts)
    splits = multi30k_splits(data_dir)
    german, english = splits.source_vocabulary, splits.target_vocabulary
    sizes = facts["architecture"]["arguments"]
    expected = (sizes["source_vocab_size"], sizes["target_vocab_size"])
    if expected != (len(german), len(english)):
        raise ValueError(
            f"{run_dir}: the model has {expected[0]} German and {expected[1]} English words, and the data have "
            f"{len(german)} and {len(english)}. Name the data that it was trained with (--data-dir)."
        )
    # What is measured is what is shipped: the rounded weights.
    half = {name: tensor.half() for name, tensor in weights.items()}
    model.load_state_dict({name: tensor.float() for name, tensor in half.items()})
    last = facts["last"]
    figures = {
        **measure(model.eval(), german, english, splits.test_sentences),
        **align(model, german, english, splits.test_sentences),
        "validation_aligned_mean": align(model, german, english, sentence_pairs("val", data_dir))[
            "aligned_mean"
        ],
        "peer": PEER,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "german_words": len(german) - len(SPECIALS),
        "english_words": len(english) - len(SPECIALS),
        "pairs": len(splits.train),
        "epochs": last["epoch"],
        "seed": facts["recipe"]["seed"],
        "seconds": round(log.read(run_dir / runs.LOG)[-1]["seconds"]),
        "validation_loss": last["validation_loss"],
        "validation_accuracy": last["validation_accuracy"],
    }
    about = {"figures": figures, "german": list(german.tokens), "english": list(english.tokens)}
    store.write(path, half, {**facts, **about})
    return figures


@click.command()
@click.argument("run_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Default: $PLENARY_DATA.")
def main(run_dir: Path, file: Path, data_dir: Path | None) -> None:
    """Make of the run in RUN_DIR the FILE that `translator.read` reads, and print what the model scores."""
    try:
        click.echo(json.dumps(pack(run_dir, file, data_dir), indent=2))
    except (RuntimeError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
