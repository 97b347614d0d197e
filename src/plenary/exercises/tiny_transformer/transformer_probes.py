"""How to ask a model whose weights are its own: change one word, and see which logits move."""

from typing import Any

import torch
from torch import Tensor, nn

from plenary.checks.probe import Backward, Call, Construct, Mode, Probe, construct_probe, normal, plain

BOS, FIRST_SYMBOL = 1, 3
DEPTHS = (1, 2)
WIDTH = 24
"""Wide enough that a layer's 28 D^2 weights outnumber the embeddings many times."""


def probes(seed: int) -> list[Probe]:
    """Ask for reach, padding, order, repetition, gradients, depth, and for a size that cannot be."""
    generator = torch.Generator().manual_seed(seed)
    return [
        _one_by_one("small", _build(7, 8, 2, 1, 3), _words(generator, 7, 1, 2), _words(generator, 7, 1, 3)),
        _one_by_one("first word", _build(7, 8, 2, 1, 3), _words(generator, 7, 1, 2), torch.full((1, 1), BOS)),
        _order(generator),
        _one_by_one("square", _build(7, 8, 2, 1, 5), _words(generator, 7, 3, 3), _words(generator, 7, 3, 3)),
        _all_at_once(generator),
        _repeated(generator),
        _padded("padding", generator, 0),
        _padded("padding with another id", generator, 5),
        _differentiated("gradient, one layer", generator, 1),
        _differentiated("gradient, two layers", generator, 2),
        _depth(),
        construct_probe("four heads on a width of ten", **_build(7, 10, 4, 1, 6)),
    ]


def collect(returned: Any, _arguments: dict[str, Any]) -> tuple[Any, ...]:
    """Take the logits; or, of a model that was only built, the number of its parameters."""
    if isinstance(returned, nn.Module):
        return (float(sum(parameter.numel() for parameter in returned.parameters())),)
    if not isinstance(returned, Tensor):
        what = (
            "None; a return may be missing"
            if returned is None
            else f"a value of type {type(returned).__name__}"
        )
        raise TypeError(f"returned {what}; expected a torch.Tensor of logits (B, T, V).")
    return (returned,)


def _build(
    vocab_size: int, embed_dim: int, num_heads: int, num_layers: int, max_length: int
) -> dict[str, int]:
    return {
        "vocab_size": vocab_size,
        "embed_dim": embed_dim,
        "num_heads": num_heads,
        "num_layers": num_layers,
        "max_length": max_length,
    }


def _words(generator: torch.Generator, vocab_size: int, *shape: int, bos: bool = False) -> Tensor:
    words = torch.randint(FIRST_SYMBOL, vocab_size, shape, generator=generator)
    if bos:
        words[:, 0] = BOS
    return words


def _other(words: Tensor, vocab_size: int) -> Tensor:
    """Return another symbol for each, none of them padding, BOS or EOS."""
    return FIRST_SYMBOL + (words - FIRST_SYMBOL + 1).remainder(vocab_size - FIRST_SYMBOL)


def _with(words: Tensor, row: int, column: int, vocab_size: int) -> Tensor:
    changed = words.clone()
    changed[row, column] = _other(words[row, column], vocab_size)
    return changed


def _call(source: Tensor, target: Tensor, label: str = "") -> Call:
    return Call(plain({"source": source, "target": target}), label and f": {label}")


def _one_by_one(name: str, build: dict[str, int], source: Tensor, target: Tensor) -> Probe:
    """Change one word of the first sequence at a time, a call each; BOS is exchanged for a symbol."""
    vocab_size = build["vocab_size"]
    target = target.clone()
    target[:, 0] = BOS
    calls = [_call(source, target)]
    calls += [_call(source, _with(target, 0, i, vocab_size), f"target {i}") for i in range(target.shape[1])]
    calls += [_call(_with(source, 0, i, vocab_size), target, f"source {i}") for i in range(source.shape[1])]
    return Probe(name, (Construct(build), Mode(False), *calls), shown=True)


def _all_at_once(generator: torch.Generator) -> Probe:
    """Change one word in each row of a batch: first no word, then each of the target, then each of the source."""
    # Three layers and a width that three does not divide: a depth taken for a number of heads is refused.
    build, (T, S) = _build(13, 16, 2, 3, 7), (5, 7)
    source = _words(generator, 13, 1, S).repeat(1 + T + S, 1)
    target = _words(generator, 13, 1, T, bos=True).repeat(1 + T + S, 1)
    for i in range(T):
        target = _with(target, 1 + i, i, 13)
    for i in range(S):
        source = _with(source, 1 + T + i, i, 13)
    return Probe("a batch of changes", (Construct(build), Mode(False), _call(source, target)))


def _order(generator: torch.Generator) -> Probe:
    """Reverse the source, then exchange two words of the target; one layer, for several could tell by the mask."""
    # Symbols that all differ, or another order would be the same one.
    source = (FIRST_SYMBOL + torch.randperm(6, generator=generator)[:4])[None]
    target = (FIRST_SYMBOL + torch.randperm(6, generator=generator)[:3])[None]
    target[:, 0] = BOS
    calls = (
        _call(source, target),
        _call(source.flip(1), target, "source reversed"),
        _call(source, target[:, [1, 0, 2]], "target exchanged"),
    )
    return Probe("order", (Construct(_build(9, 32, 2, 1, 5)), Mode(False), *calls), shown=True)


def _repeated(generator: torch.Generator) -> Probe:
    """Ask the same twice, then each row of the batch alone; there are more words than features."""
    source, target = _words(generator, 29, 2, 5), _words(generator, 29, 2, 3, bos=True)
    source[0, 0] = target[1, 2] = 28
    calls = (
        _call(source, target),
        _call(source, target, "again"),
        _call(source[:1], target[:1], "row 0 alone"),
        _call(source[1:], target[1:], "row 1 alone"),
    )
    return Probe("repeated", (Construct(_build(29, 12, 3, 1, 7)), Mode(False), *calls), shown=True)


def _padded(name: str, generator: torch.Generator, pad_id: int) -> Probe:
    """Put two words of padding behind the source, then behind the target."""
    source, target = _words(generator, 11, 2, 5), _words(generator, 11, 2, 3, bos=True)
    if pad_id:  # then padding's usual id is a word like others
        source[source == pad_id] = 0
        target[target == pad_id] = 0
        source[:, 1] = 0
    source[1, 3:] = pad_id
    more = torch.full((2, 2), pad_id)
    calls = (
        _call(source, target),
        _call(torch.cat([source, more], 1), target, "source longer"),
        _call(source, torch.cat([target, more], 1), "target longer"),
    )
    build = _build(11, 12, 3, 1, 7)
    build = {**build, "pad_id": pad_id} if pad_id else build
    return Probe(name, (Construct(build), Mode(False), *calls), shown=True)


def _differentiated(name: str, generator: torch.Generator, num_layers: int) -> Probe:
    """Backpropagate, in training mode, from random numbers on all logits."""
    # With one layer, source and target have one length, so that mistakes which only run there can be told apart.
    source, target = (
        _words(generator, 11, 2, 3 if num_layers == 1 else 5),
        _words(generator, 11, 2, 3, bos=True),
    )
    steps = (
        Construct(_build(11, 12, 3, num_layers, 7)),
        Mode(True),
        _call(source, target),
        Backward("logits", normal(generator, 2, 3, 11).float().numpy()),
    )
    return Probe(name, steps, shown=True)


def _depth() -> Probe:
    """Build models of one layer and of two, and count their parameters; then see that such a model runs.

    To be built is not enough: source and target have one length, where most of what is wrong runs too.
    """
    counted = [Call(_build(5, WIDTH, 3, depth, 7), f": {depth} layers") for depth in DEPTHS]
    words = torch.full((2, 2), FIRST_SYMBOL)
    run = (Construct(_build(5, WIDTH, 3, 1, 7)), Mode(False), _call(words, words))
    return Probe("depth", (*counted, *run), shown=True)
