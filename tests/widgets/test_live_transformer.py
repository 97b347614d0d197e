"""Does `LiveTransformer` write what its trained model writes, and is what is taken away really away?"""

import copy
import re
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from traitlets import TraitError

from plenary import TinyTransformer, greedy_decode
from plenary.training.packed import read
from plenary.widgets.live_transformer import (
    CELLS,
    END,
    FACTS,
    HEADS,
    KINDS,
    LAYERS,
    PARTS,
    PLACES,
    SYMBOLS,
    LiveTransformer,
    decode,
    demonstrations,
    figures,
    percent,
    read_symbols,
    right_answer,
)

FILE = Path(str(files("plenary.widgets").joinpath("live_transformer.safetensors")))
MODEL = read(FILE)[0].double()
PAD, BOS, EOS = (FACTS["specials"][name] for name in ("pad", "bos", "eos"))
LONGER = " ".join(SYMBOLS[(5 * at) % len(SYMBOLS)] for at in range(PLACES))


def ids(names):
    return torch.tensor([[EOS if name == END else FACTS["symbols"].index(name) for name in names]])


def teach(model, source, written):
    """The logits of a plain forward pass over what was written."""
    target = torch.cat([torch.tensor([[BOS]]), ids(written[:-1])], 1)
    with torch.no_grad():
        return model(source, target)[0]


@pytest.mark.parametrize("text", [*demonstrations(), LONGER])
def test_the_answer_is_that_of_greedy_decoding(text):
    found = decode(text)
    source = ids(read_symbols(text))
    tokens = greedy_decode(MODEL, source, BOS, EOS, PLACES)[0].tolist()
    expected = [END if id_ == EOS else FACTS["symbols"][id_] for id_ in tokens]
    assert found.written == expected[: expected.index(END) + 1 if END in expected else None]
    assert torch.allclose(found.logits, teach(MODEL, source, found.written), atol=1e-9)
    n, m = len(found.written), len(found.source)
    for weights, shape in ((found.encoder, (m, m)), (found.decoder, (n, n)), (found.cross, (n, m))):
        assert weights.shape == (len(LAYERS), len(HEADS), *shape)
        assert torch.allclose(weights.sum(-1), torch.ones(()).double())
    assert not found.decoder.triu(1).any()


def test_the_demonstrations_are_read_whole_and_answered_right():
    assert len(set(demonstrations())) >= 2
    for text in demonstrations():
        assert " ".join(read_symbols(text)) == text
        right = right_answer(text)
        assert right is None or decode(text).written == [*right, END]
    assert LiveTransformer().source == demonstrations()[0]


def test_a_head_that_is_off_is_one_whose_columns_are_zero():
    text = demonstrations()[1]
    size = FACTS["architecture"]["arguments"]["embed_dim"] // len(HEADS)
    for part in ("encoder 1 2", f"decoder {LAYERS[-1]} 1", f"cross {LAYERS[-1]} 3", "cross 1 1"):
        kind, layer, head = part.split()
        model = copy.deepcopy(MODEL)
        own = (model.encoder if kind == "encoder" else model.decoder).layers[int(layer) - 1]
        name = {"encoder": "attention", "decoder": "self_attention", "cross": "cross_attention"}[kind]
        out = own.get_submodule(f"{name}.out_proj").get_parameter("weight")
        out.data[:, (int(head) - 1) * size : int(head) * size] = 0
        found = decode(text, [part])
        expected = teach(model, ids(found.source), found.written)
        assert torch.allclose(found.logits, expected, atol=1e-9)
        assert not torch.allclose(expected, teach(MODEL, ids(found.source), found.written), atol=1e-3)


def test_a_layer_that_is_off_is_one_that_is_not_there():
    for part in ("encoder 1", f"decoder {LAYERS[-1]}"):
        stack, layer = part.split()
        model = copy.deepcopy(MODEL)
        own = model.encoder if stack == "encoder" else model.decoder
        del own.layers[int(layer) - 1]
        found = decode(demonstrations()[0], [part])
        assert torch.allclose(found.logits, teach(model, ids(found.source), found.written), atol=1e-9)


def test_a_column_that_is_shut_is_a_place_that_is_padding():
    text = demonstrations()[0]
    shut = [f"{kind} {row} 2" for kind in ("encoder", "cross") for row in range(1, PLACES + 1)]
    found = decode(text, shut=shut)
    source = ids(found.source)
    source[0, 1] = PAD
    assert torch.allclose(found.logits, teach(MODEL, source, found.written), atol=1e-9)
    assert not found.cross[..., 1].any()


def test_a_row_that_is_shut_listens_to_nothing_and_rows_before_it_are_as_they_were():
    text = demonstrations()[0]
    found, intact = decode(text, shut=["decoder 3 1", "decoder 3 2", "decoder 3 3"]), decode(text)
    assert not found.decoder[:, :, 2].any()
    assert torch.allclose(found.logits[:2], intact.logits[:2], atol=1e-9)
    assert not torch.allclose(found.logits[2], intact.logits[2], atol=1e-3)
    for own, whole in zip(found[3:], intact[3:], strict=True):
        assert own[:, :, :2, :2].allclose(whole[:, :, :2, :2])


def test_the_weights_are_small_and_half_and_those_that_pytorch_loads():
    tensors = load_file(FILE)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert sum(tensor.numel() for tensor in tensors.values()) == figures()["parameters"] <= 100_000
    model = TinyTransformer(**FACTS["architecture"]["arguments"])
    model.load_state_dict(tensors)
    assert torch.equal(model.head.weight.double(), MODEL.head.weight)
    widget = LiveTransformer()
    assert len(widget.twin().encode()) < 1_000_000


def test_every_name_of_a_part_and_of_a_cell_is_one():
    assert len(set(PARTS)) == len(PARTS) == len(LAYERS) * (3 * len(HEADS) + 2)
    assert len(set(CELLS)) == len(CELLS) == 2 * PLACES**2 + PLACES * (PLACES + 1) // 2
    widget = LiveTransformer(off=[PARTS[-1], PARTS[0]], shut=[CELLS[5], CELLS[1]])
    assert (widget.off, widget.shut) == ([PARTS[0], PARTS[-1]], [CELLS[1], CELLS[5]])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"step": PLACES + 1}, f"step is {PLACES + 1}; expected a whole number from 0 to {PLACES}"),
        ({"kind": "self"}, "kind is 'self'; expected encoder, decoder or cross"),
        ({"layer": 0}, f"layer is 0; expected {' or '.join(map(str, LAYERS))}"),
        ({"head": 1.0}, f"head is 1.0; expected {' or '.join(map(str, HEADS))}"),
        ({"source": 3}, "source is 3; expected a text of at most 120 characters"),
        ({"off": ["cross 0 1"]}, "off is ['cross 0 1']; expected a list of some of encoder 1 1, "),
        ({"shut": ["decoder 1 2"]}, "shut is ['decoder 1 2']; expected a list of cells, each at most once: "),
    ],
)
def test_wrong_value_is_told_what_is_expected(settings, message):
    with pytest.raises(TraitError) as raised:
        LiveTransformer(**settings)
    assert str(raised.value).startswith(f"LiveTransformer: {message}")


def test_decode_refuses_what_is_not_there():
    with pytest.raises(ValueError, match="expected a source of symbols"):
        decode("?!")
    with pytest.raises(ValueError, match="off has 'cross 9 9'; expected names like 'encoder 1 1'"):
        decode(demonstrations()[0], ["cross 9 9"])
    with pytest.raises(ValueError, match="shut has 'cross 0 1'"):
        decode(demonstrations()[0], shut=["cross 0 1"])
    # Symbols that are none are left out, and those that find no place.
    assert read_symbols(f"?{SYMBOLS[0]}, {SYMBOLS[1]}~") == list(SYMBOLS[:2])
    assert len(read_symbols(" ".join(SYMBOLS[:1] * (PLACES + 1)))) == PLACES
    assert right_answer("?!") is None


def test_the_still_has_words_and_every_step():
    for kind in KINDS:
        widget = LiveTransformer(
            kind=kind, layer=1, head=2, off=["cross 1 2"], source=f"{demonstrations()[0]} <b>"
        )
        still, found = widget.still(), decode(demonstrations()[0], ["cross 1 2"])
        said = f"reads {' '.join(found.source)} and writes {' '.join(found.written)}"
        assert re.search(rf'role="img" aria-label="[^"]*{said}[^"]*head 2 of', still)
        cells = re.findall(r'<th scope="row">\d+</th><td>(.*?)</td><td>(.*?)</td>', still)
        chances = found.logits.softmax(-1).amax(-1).tolist()
        shown = [
            (word, percent(p).replace(">", "&gt;")) for word, p in zip(found.written, chances, strict=True)
        ]
        assert cells == shown
        assert "Taken away: cross 1 2." in still
        assert "<b>" not in still
    assert "no symbols yet" in LiveTransformer(source="").still()
    assert set(LiveTransformer().state()) == {"source", "step", "kind", "layer", "head", "off", "shut"}


def test_a_share_that_is_not_all_is_not_called_all():
    assert [percent(p) for p in (0, 0.004, 0.4, 0.9949, 0.996, 1)] == [
        "0 %",
        "< 1 %",
        "40 %",
        "99 %",
        "> 99 %",
        "100 %",
    ]
