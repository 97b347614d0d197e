"""Decoding with the committed translation model: what does the cache save, and what does a beam cost?

    .venv/bin/python benchmarks/decoding.py

The model of the widget `TwoLanguages` (width 128, 3 + 3 layers, 4 heads, 4,560 English tokens) translates the
widget's 12 sentences: one after another, and 96 in one batch (each eight times). Contenders: greedy with and
without a cache of keys and values, and beams of 1, 2, 4 and 8 with one. Without a cache, source and beginning are
read anew for every word, as `use_cache=False` does it.

Then the time of one step by how many words are written so far, for the same model with positions up to 64: it goes
on after the end of the sentence, so that all rows are as long. There the source is read once in both manners, so
that only the decoder differs. What is written with and without the cache is compared, and must be equal.
"""

import argparse
import statistics
import time
from importlib.resources import files
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from harness import machine, medians, table, take_turns
from plenary.data.translation import BOS_ID, EOS_ID, PAD_ID
from plenary.decoding import beam_search, greedy_decode
from plenary.training.task import Architecture
from plenary.training.translator import read
from plenary.transformer import Transformer, make_masks
from plenary.widgets.two_languages import SENTENCES, WEIGHTS

REFERENCE = "greedy, cache"
LENGTHS = (8, 16, 32, 64)
REPEATS = 8


def decode(model: Transformer, batches: list[Tensor], beam: int | None, cache: bool) -> list[Tensor]:
    """Translate batch after batch; a beam of None is greedy."""
    length = model.max_length
    if beam is None:
        return [greedy_decode(model, batch, BOS_ID, EOS_ID, length, use_cache=cache) for batch in batches]
    return [beam_search(model, batch, BOS_ID, EOS_ID, length, beam, use_cache=cache)[0] for batch in batches]


def whole_sentences(model: Transformer, batches: list[Tensor], rounds: int) -> str:
    """Time to translate, against greedy decoding with a cache."""
    options: dict[str, tuple[int | None, bool]] = {
        REFERENCE: (None, True),
        "greedy, no cache": (None, False),
        **{f"beam {size}, cache": (size, True) for size in (1, 2, 4, 8)},
    }
    for beam in (None, 4):
        for one, other in zip(
            decode(model, batches, beam, True), decode(model, batches, beam, False), strict=True
        ):
            assert torch.equal(one, other), "the cache changes what is written"
    times = medians(
        take_turns(
            {name: lambda at=at: decode(model, batches, *at) for name, at in options.items()}, rounds, 1
        )
    )
    sentences = sum(map(len, batches))
    return table(
        ("how", "ms a sentence", "sentences a second", "time ratio"),
        [
            (
                name,
                f"{1e3 * seconds / sentences:.2f}",
                f"{sentences / seconds:.1f}",
                f"{seconds / times[REFERENCE]:.2f}",
            )
            for name, seconds in times.items()
        ],
    )


@torch.no_grad()
def steps(model: Transformer, source: Tensor, cache: bool) -> tuple[list[float], Tensor]:
    """The seconds of every step of a greedy decoding that does not stop, and what is written."""
    source_mask, _, _ = make_masks(source, source, PAD_ID)
    memory = model.encode(source, source_mask)
    kept = model.decoder.empty_cache() if cache else None
    tokens = source.new_full((len(source), 1), BOS_ID)
    seconds = []
    for _ in range(model.max_length):
        start = time.perf_counter()
        _, target_mask, _ = make_masks(source, tokens, PAD_ID)
        if cache:
            mask = target_mask[..., -1:, :]
            logits = model.decode(tokens[:, -1:], memory, mask, source_mask, kept)
        else:
            logits = model.decode(tokens, memory, target_mask, source_mask)
        # Padding is never written: what follows could not listen to it.
        logits[..., PAD_ID] = -torch.inf
        tokens = torch.cat([tokens, logits[:, -1].argmax(-1, keepdim=True)], dim=1)
        seconds.append(time.perf_counter() - start)
    return seconds, tokens


def by_length(model: Transformer, source: Tensor, rounds: int) -> str:
    """The median time of the last steps before each length, over rounds in which the two take turns."""
    found: dict[bool, list[list[float]]] = {True: [], False: []}
    for number in range(rounds + 1):
        written = {}
        for cache in (True, False) if number % 2 else (False, True):
            seconds, written[cache] = steps(model, source, cache)
            if number:  # the first round warms up
                found[cache].append(seconds)
        assert torch.equal(written[True], written[False]), "the cache changes what is written"
    rows, first = [], {}
    for length in LENGTHS:
        ms = {
            cache: 1e3 * statistics.median(t for seconds in runs for t in seconds[length - 4 : length])
            for cache, runs in found.items()
        }
        first = first or ms
        rows.append(
            (
                length,
                f"{ms[True]:.2f}",
                f"{ms[True] / first[True]:.2f}",
                f"{ms[False]:.2f}",
                f"{ms[False] / first[False]:.2f}",
                f"{ms[False] / ms[True]:.2f}",
            )
        )
    return table(
        (
            "word",
            "ms, cache",
            f"against word {LENGTHS[0]}",
            "ms, no cache",
            f"against word {LENGTHS[0]}",
            "no cache / cache",
        ),
        rows,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=11, help="how often each contender has its turn")
    rounds = parser.parse_args().rounds
    model, german, _, facts = read(Path(str(files("plenary.widgets").joinpath(WEIGHTS))))
    sources = [torch.tensor(german.encode(sentence.german)) for sentence in SENTENCES]
    together = pad_sequence(sources * REPEATS, True, PAD_ID)
    longer = Architecture("Transformer", facts["architecture"]["arguments"] | {"max_length": max(LENGTHS)})
    endless = longer.build()
    assert isinstance(endless, Transformer)
    endless.load_state_dict(model.state_dict())
    endless.eval()

    print(machine())
    print(f"\n## {len(sources)} sentences, one after another, {rounds} rounds\n")
    print(whole_sentences(model, [source[None] for source in sources], rounds), flush=True)
    print(f"\n## {len(together)} sentences in one batch, {rounds} rounds\n")
    print(whole_sentences(model, [together], rounds), flush=True)
    for name, source in (("one sentence", together[:1]), (f"a batch of {len(together)}", together)):
        print(f"\n## One step of greedy decoding, {name}, {rounds} rounds\n")
        print(by_length(endless, source, rounds), flush=True)


if __name__ == "__main__":
    main()
