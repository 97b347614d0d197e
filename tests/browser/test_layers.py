"""The layers behind the trained models of the page, in a real browser, against plenary's own modules."""

from base64 import b64encode
from importlib.resources import files
from typing import Any, TypeVar

import pytest
import torch
from playwright.sync_api import Page
from torch import Tensor, nn

import plenary.widgets
from plenary import DecoderLayer, EncoderLayer, MultiHeadAttention, causal_mask
from plenary.introspection import record_attention, without_heads, without_layer
from plenary.position import TokenEmbedding
from plenary.training.store import write

# The functions are not exported: a module that is put in front of another has nobody to import it.
CALL = """async ([source, code, given]) => {
    const text = source + `\\nexport default (given) => {
        const m = (rows) => matrix(rows);
        const tensors = Object.fromEntries(Object.entries(given.state ?? {}).map(
            ([name, one]) => [name, Array.isArray(one[0]) ? matrix(one) : Float64Array.from(one)]));
        const plain = (x) => x === null || typeof x !== "object" ? x : x.cols ? rowsOf(x)
            : x instanceof Float64Array || Array.isArray(x) ? Array.from(x, plain)
            : Object.fromEntries(Object.entries(x).map(([name, one]) => [name, plain(one)]));
        return plain((() => { ${code} })());
    };`;
    const module = await import("data:text/javascript;charset=utf-8," + encodeURIComponent(text));
    return module.default(given);
}"""
SOURCE = "\n".join(
    files(plenary.widgets).joinpath(name).read_text(encoding="utf-8") for name in ("maths.mjs", "layers.mjs")
)
D, H, T, S = 12, 3, 5, 7
Module = TypeVar("Module", bound=nn.Module)


@pytest.fixture
def compute(page: Page):
    """Run JavaScript on `given` with maths.mjs and layers.mjs in reach; `state` becomes `tensors`."""
    page.goto("about:blank")

    def run(code: str, **given: Any) -> Any:
        plain = {name: one.tolist() if isinstance(one, Tensor) else one for name, one in given.items()}
        return page.evaluate(CALL, [SOURCE, code, plain])

    return run


def randomised(module: Module) -> Module:
    """The module in float64 with random weights everywhere, norms and biases included."""
    draw = torch.Generator().manual_seed(0)
    module = module.double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw, dtype=torch.float64) / 2)
    return module


def state_of(module: nn.Module, prefix: str) -> dict[str, Any]:
    return {f"{prefix}.{name}": tensor.tolist() for name, tensor in module.state_dict().items()}


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def close(found: Any, expected: Tensor) -> None:
    torch.testing.assert_close(
        torch.tensor(found, dtype=torch.float64), expected.detach(), rtol=1e-9, atol=1e-9
    )


def positions(first: int, last: int) -> Tensor:
    """The rows `first` to `last` of the table, in float64."""
    angles = torch.arange(first, last).double()[:, None] / 10000 ** (torch.arange(0, D, 2).double() / D)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


def test_positions_and_embedding(compute):
    close(compute("return sinusoids(given.T, given.D, 4)", T=T, D=D), positions(4, T + 4))
    table = randomised(TokenEmbedding(9, D))
    tokens = torch.tensor([3, 8, 0, 3, 1])
    found = compute("return embed(given.tokens, m(given.table))", tokens=tokens, table=table.weight.detach())
    close(found, table(tokens[None])[0] + positions(0, T))


MASK = [[(3 * t + s * s) % 4 != 0 and t != 2 for s in range(S)] for t in range(T)]


def test_attention_of_many_heads_with_a_mask_and_with_silent_heads(compute):
    attention = randomised(MultiHeadAttention(D, H))
    query, source, mask = normal(T, D), normal(S, D, seed=2), torch.tensor(MASK)
    given = {"state": state_of(attention, "own"), "q": query, "s": source, "mask": MASK, "H": H}
    code = """return multiHead(m(given.q), m(given.s), tensors, 'own', given.H,
        { mask: m(given.mask), off: given.off })"""
    for off in ([], [1], [0, 2]):
        with without_heads(attention, off):
            output, weights = attention(query[None], source[None], source[None], mask)
        found = compute(code, **given, off=off)
        close(found["output"], output[0])
        close(found["weights"], weights[0])
    # A mask for each head, and none for one of them.
    masks = torch.stack([mask, torch.ones(T, S).bool(), ~mask])
    output, weights = attention(query[None], source[None], source[None], masks)
    each = "[m(given.mask), null, m(given.other)]"
    found = compute(
        f"return multiHead(m(given.q), m(given.s), tensors, 'own', given.H, {{ mask: {each} }})",
        **given,
        other=(~mask).int(),
    )
    close(found["output"], output[0])
    close(found["weights"], weights[0])


def test_encoder_layer(compute):
    layer = randomised(EncoderLayer(D, H, 2 * D))
    x, mask = normal(T, D), [row[:T] for row in MASK]
    given = {"state": state_of(layer, "own"), "x": x, "mask": mask, "H": H}
    code = (
        "return encoderLayer(m(given.x), tensors, 'own', given.H, { mask: m(given.mask), ...given.options })"
    )
    with record_attention(layer) as recording:
        output = layer(x[None], torch.tensor(mask))
        with without_heads(layer.attention, [2]):
            silent = layer(x[None], torch.tensor(mask))
    found = compute(code, **given, options={})
    close(found["x"], output[0])
    close(found["weights"], recording.matching()[0][0])
    close(compute(code, **given, options={"off": [2]})["x"], silent[0])
    skipped = compute(code, **given, options={"skip": True})
    with without_layer(layer):
        close(skipped["x"], layer(x[None], torch.tensor(mask))[0])
    close(skipped["x"], x)
    assert skipped["weights"] == found["weights"]


def test_decoder_layer(compute):
    layer = randomised(DecoderLayer(D, H, 2 * D))
    x, memory, mask = normal(T, D), normal(S, D, seed=2), torch.tensor(MASK)
    given = {"state": state_of(layer, "own"), "x": x, "memory": memory, "mask": MASK, "H": H}
    code = """return decoderLayer(m(given.x), m(given.memory), tensors, 'own', given.H,
        { selfMask: causalMask(given.x.length), memoryMask: m(given.mask), ...given.options })"""
    with record_attention(layer) as recording:
        output = layer(x[None], memory[None], causal_mask(T), mask)
        with without_heads(layer.self_attention, [0]), without_heads(layer.cross_attention, [1, 2]):
            silent = layer(x[None], memory[None], causal_mask(T), mask)
    found = compute(code, **given, options={})
    close(found["x"], output[0])
    close(found["self"], recording.matching("self_attention")[0][0])
    close(found["cross"], recording.matching("cross_attention")[0][0])
    close(compute(code, **given, options={"offSelf": [0], "offCross": [1, 2]})["x"], silent[0])
    close(compute(code, **given, options={"skip": True})["x"], x)


def test_a_file_of_float16_numbers(compute, tmp_path):
    tensors = {"a.weight": normal(3, 4).half(), "a.bias": normal(4).half()}
    write(tmp_path / "model.safetensors", tensors, {"words": ["ä", "b"], "figures": {"accuracy": 0.5}})
    encoded = b64encode((tmp_path / "model.safetensors").read_bytes()).decode()
    found = compute("return readTensors(given.file)", file=encoded)
    assert found["facts"] == {"words": ["ä", "b"], "figures": {"accuracy": 0.5}}
    assert set(found["tensors"]) == set(tensors)
    for name, tensor in tensors.items():
        assert torch.tensor(found["tensors"][name]).half().equal(tensor)
