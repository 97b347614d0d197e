"""A tiny Transformer, alive: it writes token by token, and any of its parts can be taken away."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import cache
from importlib.resources import files
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from plenary.functional import causal_mask
from plenary.widgets.base import PlenaryWidget
from plenary.widgets.settings import Asset, Choice, Picks, Text
from plenary.widgets.still import still

if TYPE_CHECKING:
    from plenary.transformer import TinyTransformer

WEIGHTS = "live_transformer.safetensors"
LONGEST = 120
START, END = "start", "end"


def _facts() -> dict[str, Any]:
    """The facts that stand in the head of the file, without its weights."""
    content = files("plenary.widgets").joinpath(WEIGHTS).read_bytes()
    head = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return json.loads(head["__metadata__"]["plenary"])["facts"]


FACTS = _facts()
SIZES = FACTS["architecture"]["arguments"]
LAYERS = range(1, SIZES["num_layers"] + 1)
HEADS = range(1, SIZES["num_heads"] + 1)
PLACES = SIZES["max_length"]
"""The most symbols that are read, and the most tokens that are written."""
SYMBOLS = tuple(name for id_, name in enumerate(FACTS["symbols"]) if id_ not in FACTS["specials"].values())

KINDS = {
    "encoder": "the encoder’s self-attention",
    "decoder": "the decoder’s self-attention",
    "cross": "the cross-attention",
}
"""The three kinds of attention, in words."""
PARTS = (
    *(f"{kind} {layer} {head}" for kind in KINDS for layer in LAYERS for head in HEADS),
    *(f"{stack} {layer}" for stack in ("encoder", "decoder") for layer in LAYERS),
)
"""What can be switched off: heads, "cross 1 2" is head 2 of layer 1; and layers, "decoder 1"."""
CELLS = tuple(
    f"{kind} {row} {column}"
    for kind in KINDS
    for row in range(1, PLACES + 1)
    for column in range(1, (row if kind == "decoder" else PLACES) + 1)
)
"""What can be shut: "cross 3 1" is row 3, column 1 of the mask of the cross-attention."""


def _totals(source: Sequence[str]) -> list[str]:
    """The running total from the right, of which the last digit is written."""
    sums = accumulate(SYMBOLS.index(name) for name in reversed(source))
    return [SYMBOLS[total % len(SYMBOLS)] for total in sums]


class Known(NamedTuple):
    """What is known of a task by its name; live_transformer.mjs has the same."""

    right: Callable[[Sequence[str]], list[str]]
    offers: tuple[str, ...]


TASKS = {
    "totals": Known(_totals, ("3 1 4 1 5", "2 7 1 8 2 8 1 8 2 8", "3 5 9")),
    "reverse": Known(lambda source: list(source)[::-1], ("3 1 4 1 5", "2 7 1 8 2 8 1 8 2 8", "7 7 7 0 7 7")),
}


def right_answer(source: str) -> list[str] | None:
    """What the task asks for, or None where that is not known."""
    known, read = TASKS.get(FACTS["task"]), read_symbols(source)
    return (known.right(read) or None) if known and read else None


def demonstrations() -> tuple[str, ...]:
    """The sources that the widget offers: those of a known task, else two that go through the symbols."""
    if known := TASKS.get(FACTS["task"]):
        return known.offers
    return tuple(
        " ".join(SYMBOLS[(step * at) % len(SYMBOLS)] for at in range(length))
        for step, length in ((7, PLACES // 2), (3, PLACES))
    )


def _cells() -> Picks:
    """The setting of the mask; its message does not list hundreds of names."""
    picks = Picks(CELLS, ())
    picks.expected = (
        f'a list of cells, each at most once: "cross 3 1" is row 3, column 1; encoder, decoder or cross, up to '
        f"{PLACES}, and in the decoder up to the row's own number"
    )
    return picks


def _pieces(text: str) -> list[str]:
    """A text cut into symbols, the longest first, and what is none; spaces and commas separate."""
    names = "|".join(map(re.escape, sorted(SYMBOLS, key=len, reverse=True)))
    return re.findall(rf"{names}|\S", re.sub(r"[\s,]+", " ", text))


class LiveTransformer(PlenaryWidget):
    """Let a small trained Transformer write, look into all its attentions, and take parts of it away.

    Args:
        source: what it reads; what is no symbol of its task is left out.
        step: how many tokens it has written; past the end of its answer it is all of them.
        kind: which attention is shown large: "encoder", "decoder" (both on themselves) or "cross".
        layer: of which layer, counted from 1.
        head: which head of it, counted from 1.
        off: what is switched off: heads such as "cross 1 2" (layer 1, head 2), layers such as "decoder 1".
        shut: pairs that the mask of a kind forbids, in all its layers and heads: "cross 3 1" is row 3, column 1.

    Raises:
        traitlets.TraitError: a value that is not among these.
    """

    module = "live_transformer.mjs"
    uses = ("layers.mjs",)
    style = "live_transformer.css"

    source = Text(demonstrations()[0], longest=LONGEST)
    step = Choice(range(PLACES + 1), 3, f"a whole number from 0 to {PLACES}")
    kind = Choice(tuple(KINDS), "cross", "encoder, decoder or cross")
    layer = Choice(LAYERS, LAYERS[-1], " or ".join(map(str, LAYERS)))
    head = Choice(HEADS, 1, " or ".join(map(str, HEADS)))
    off = Picks(PARTS, ())
    shut = _cells()
    weights = Asset(WEIGHTS)

    def still(self) -> str:
        """The attention that is chosen, for the whole answer, and what was written with which chance."""
        return _still(self)


class Decoded(NamedTuple):
    """An answer, and everything that was computed for it. n tokens were written, END counted, to m symbols."""

    source: list[str]
    """The m symbols that were read."""
    written: list[str]
    """The n tokens: symbols, and "end" unless the places ran out."""
    logits: Tensor
    """(n, V), float64: row t is what token t was chosen from."""
    encoder: Tensor
    """(layers, heads, m, m): the weights of the encoder's self-attention."""
    decoder: Tensor
    """(layers, heads, n, n): those of the decoder's. Row t wrote token t, and read "start" or token t - 1."""
    cross: Tensor
    """(layers, heads, n, m): those of the cross-attention."""


def read_symbols(text: str) -> list[str]:
    """The symbols in a text that are read: of the known ones, as many as there are places."""
    return [piece for piece in _pieces(text) if piece in SYMBOLS][:PLACES]


def decode(source: str, off: Iterable[str] = (), shut: Iterable[str] = ()) -> Decoded:
    """Write an answer greedily, with PyTorch, and write down every logit and every weight.

    Args:
        source: symbols of the task.
        off: heads and layers that say nothing, see `PARTS`.
        shut: pairs that are masked, see `CELLS`.

    Raises:
        ValueError: no symbols, or something to take away that is not there.
    """
    from plenary.introspection import record_attention, without_heads, without_layer

    read, off, shut = read_symbols(source), list(off), list(shut)
    if not read:
        raise ValueError(f"decode: expected a source of symbols such as {SYMBOLS[0]!r}, got {source!r}.")
    for what, names, allowed in (("off", off, PARTS), ("shut", shut, CELLS)):
        if wrong := [name for name in names if name not in allowed]:
            raise ValueError(f"decode: {what} has {wrong[0]!r}; expected names like {allowed[0]!r}.")
    model = _model()
    bos, eos = FACTS["specials"]["bos"], FACTS["specials"]["eos"]
    tokens = torch.tensor([[FACTS["symbols"].index(symbol) for symbol in read]])
    masks = {kind: torch.ones(PLACES, PLACES, dtype=torch.bool) for kind in KINDS}
    masks["decoder"] &= causal_mask(PLACES)
    for name in shut:
        kind, row, column = name.split()
        masks[kind][int(row) - 1, int(column) - 1] = False
    m = len(read)

    def run(target: Tensor, memory: Tensor) -> Tensor:
        n = target.shape[1]
        return model.decode(target, memory, masks["decoder"][:n, :n], masks["cross"][:n, :m])[0]

    with torch.no_grad(), ExitStack() as parts:
        for name in off:
            kind, layer, *head = name.split()
            if head:
                parts.enter_context(without_heads(_attention(model, kind, int(layer)), [int(head[0]) - 1]))
            else:
                stack = model.encoder if kind == "encoder" else model.decoder
                parts.enter_context(without_layer(stack.layers[int(layer) - 1]))
        memory = model.encode(tokens, masks["encoder"][:m, :m])
        target = torch.tensor([[bos]])
        while target.shape[1] <= PLACES and (target.shape[1] == 1 or target[0, -1] != eos):
            target = torch.cat([target, run(target, memory)[-1:].argmax(-1, keepdim=True)], 1)
        # A row of the decoder depends on earlier ones alone: one last run has what each step has computed.
        with record_attention(model) as recording:
            memory = model.encode(tokens, masks["encoder"][:m, :m])
            logits = run(target[:, :-1], memory)
    weights = [
        torch.stack(recording.matching(pattern))[:, 0]
        for pattern in ("encoder.*", "decoder.*.self_attention", "decoder.*.cross_attention")
    ]
    written = [END if id_ == eos else FACTS["symbols"][id_] for id_ in target[0, 1:].tolist()]
    return Decoded(read, written, logits, *weights)


def figures() -> dict[str, Any]:
    """What was measured: exact and words (shares of the test), tested, trained, parameters and more."""
    return FACTS["figures"]


def percent(share: float) -> str:
    """A share in whole per cent, as the page writes it: what is not all is not called all, nor nothing."""
    if 0.995 <= share < 1 - 1e-9:
        return "> 99 %"
    return "< 1 %" if 1e-9 < share < 0.005 else f"{int(100 * share + 0.5)} %"


@cache
def _model() -> "TinyTransformer":
    """The model in float64."""
    # Here and not above: the training package takes half a second.
    from plenary.training.packed import read

    model, _ = read(Path(str(files("plenary.widgets").joinpath(WEIGHTS))))
    return model.double()


def _attention(model: "TinyTransformer", kind: str, layer: int) -> Any:
    if kind == "encoder":
        return model.encoder.layers[layer - 1].attention
    own = model.decoder.layers[layer - 1]
    return own.self_attention if kind == "decoder" else own.cross_attention


def _still(widget: LiveTransformer) -> str:
    if not read_symbols(widget.source):
        return "<p>This figure is interactive and needs JavaScript. Its source has no symbols yet.</p>"
    # Here and not above: matplotlib takes half a second, which only a widget that is shown should cost.
    from matplotlib import rc_context

    from plenary.plotting import attention_heatmap

    found = decode(widget.source, widget.off, widget.shut)
    weights = getattr(found, widget.kind)[widget.layer - 1, widget.head - 1]
    rows = found.source if widget.kind == "encoder" else [START, *found.written[:-1]]
    columns = rows if widget.kind == "decoder" else found.source
    chances = found.logits.softmax(-1)
    name = f"head {widget.head} of {KINDS[widget.kind]} in layer {widget.layer}"
    text, answer = " ".join(found.source), " ".join(found.written)
    strongest = [
        f"{row} to {columns[int(own.argmax())]} ({percent(own.max().item())})"
        for row, own in zip(rows, weights, strict=True)
    ]
    # The style of the book is for this picture; the reader's own plots keep theirs.
    with rc_context():
        picture = attention_heatmap(
            weights,
            rows=rows,
            columns=columns,
            alt=f"The model reads {text} and writes {answer}. Strongest weights of {name}, by row: "
            f"{', '.join(strongest)}.",
        )
    taken = [*widget.off, *(f"{cell} of the mask" for cell in widget.shut)]
    without = f" Taken away: {', '.join(taken)}." if taken else ""
    lines = [
        [
            f"{at + 1}",
            token,
            percent(chances[at].max().item()),
            ", ".join(
                f"{found.source[int(own[at].argmax())]} ({percent(own[at].max().item())})"
                for own in found.cross[-1]
            ),
        ]
        for at, token in enumerate(found.written)
    ]
    return still(
        picture.svg,
        f"A trained Transformer of {figures()['parameters']:,} parameters reads {text} and writes {answer}."
        f"{without} Shown: {name}. Computed in Python with the weights that run in the page.",
        f"What it writes, and where each of the {len(HEADS)} heads of the last cross-attention looks most.",
        ["step", "writes", "chance", "looks most at"],
        lines,
    )
