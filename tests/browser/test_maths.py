"""The computing behind the widgets, in a real browser, against PyTorch on the same numbers."""

from base64 import b64encode
from importlib.resources import files
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from playwright.sync_api import Page
from torch import Tensor

import plenary.widgets

# The functions are not exported: a module that is put in front of another has nobody to import it.
CALL = """async ([source, code, given]) => {
    const text = source + `\\nexport default (given) => { const m = (rows) => matrix(rows); ${code} };`;
    const module = await import("data:text/javascript;charset=utf-8," + encodeURIComponent(text));
    const plain = (found) => found && found.data ? rowsOf(found) : found;
    function rowsOf({ rows, cols, data }) {
        return Array.from({ length: rows }, (_, i) => Array.from(data.slice(i * cols, (i + 1) * cols)));
    }
    const found = module.default(given);
    if (found instanceof Float64Array) return Array.from(found);
    if (found && typeof found === "object" && !found.data && !Array.isArray(found)) {
        return Object.fromEntries(Object.entries(found).map(([key, value]) => [key, plain(value)]));
    }
    return plain(found);
}"""
SOURCE = files(plenary.widgets).joinpath("maths.mjs").read_text(encoding="utf-8")
T, S, D, V = 5, 7, 4, 6
MASKS = {
    "no mask": None,
    "a mask": [[(3 * t + s * s) % 4 != 0 for s in range(S)] for t in range(T)],
    "an empty row": [[t != 2 and s % 3 != t % 3 for s in range(S)] for t in range(T)],
}


@pytest.fixture
def compute(page: Page):
    """Run JavaScript on `given` with the functions of maths.mjs in reach: matrices come back as tensors."""
    page.goto("about:blank")

    def run(code: str, **given: Any) -> Any:
        plain = {name: one.tolist() if isinstance(one, Tensor) else one for name, one in given.items()}
        found = page.evaluate(CALL, [SOURCE, code, plain])
        if isinstance(found, dict):
            return {name: torch.tensor(one, dtype=torch.float64) for name, one in found.items()}
        return torch.tensor(found, dtype=torch.float64)

    return run


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def close(found: Tensor, expected: Tensor | None) -> None:
    assert expected is not None
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def expected_attention(query: Tensor, key: Tensor, value: Tensor, mask: Any) -> Tensor:
    allowed = None if mask is None else torch.tensor(mask)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=allowed)


def test_products_and_transposes(compute):
    a, b = normal(T, D), normal(D, S, seed=1)
    close(compute("return matmul(m(given.a), m(given.b))", a=a, b=b), a @ b)
    close(compute("return matmulT(m(given.a), m(given.b))", a=a, b=b.mT), a @ b)
    close(compute("return transpose(m(given.a))", a=a), a.mT)
    close(
        compute("return map(m(given.a), (x, i, j) => x * i + j)", a=a),
        a * torch.arange(T)[:, None] + torch.arange(D),
    )
    close(
        compute("return combine(m(given.a), m(given.b), (x, y) => x - 2 * y)", a=a, b=b.mT[:T]),
        a - 2 * b.mT[:T],
    )


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("scale", [1.0, 20.0, 1000.0])
def test_softmax_and_masks(compute, mask: str, scale: float):
    scores, allowed = normal(T, S, scale=scale), MASKS[mask]
    found = compute(
        "return softmax(m(given.scores), given.mask && m(given.mask))", scores=scores, mask=allowed
    )
    expected = scores if allowed is None else scores.masked_fill(~torch.tensor(allowed), -torch.inf)
    close(found, expected.softmax(-1).nan_to_num(0.0))
    if mask == "an empty row":
        assert torch.equal(found[2], torch.zeros(S, dtype=torch.float64))


@pytest.mark.parametrize("mask", MASKS)
def test_attention_forward_and_backward(compute, mask: str):
    query, key, value = normal(T, D), normal(S, D, seed=1), normal(S, V, seed=2)
    grad = normal(T, V, seed=3)
    given = {"query": query, "key": key, "value": value, "grad": grad, "mask": MASKS[mask]}
    names = "m(given.query), m(given.key), m(given.value), given.mask && m(given.mask)"
    found = compute(f"return attention({names})", **given)
    for one in (query, key, value):
        one.requires_grad_(True)
    output = expected_attention(query, key, value, MASKS[mask])
    output.backward(grad)
    close(found["output"], output.detach())
    close(found["scores"], (query @ key.mT / D**0.5).detach())
    close(found["weights"] @ value.detach(), output.detach())
    back = compute(f"return attentionBackward(m(given.grad), {names})", **given)
    for name, one in (("query", query), ("key", key), ("value", value)):
        close(back[name], one.grad)
    close(back["weights"], found["weights"])
    close(back["gradWeights"], grad @ value.detach().mT)
    close(back["gradScores"].sum(-1), torch.zeros(T, dtype=torch.float64))


def test_the_softmax_backwards(compute):
    scores, grad = normal(T, S).requires_grad_(True), normal(T, S, seed=1)
    weights = scores.softmax(-1)
    weights.backward(grad)
    found = compute("return softmaxBackward(m(given.a), m(given.g))", a=weights.detach(), g=grad)
    close(found, scores.grad)


def test_layers(compute):
    x, weight, bias = normal(T, D, scale=3), normal(S, D, seed=1), normal(S, seed=2)
    close(
        compute("return project(m(given.x), m(given.w), given.b)", x=x, w=weight, b=bias),
        F.linear(x, weight, bias),
    )
    close(compute("return project(m(given.x), m(given.w))", x=x, w=weight), F.linear(x, weight))
    scale, shift = normal(D, seed=3), normal(D, seed=4)
    for eps in (1e-5, 0.5):
        found = compute(
            "return layerNorm(m(given.x), given.w, given.b, given.eps)", x=x, w=scale, b=shift, eps=eps
        )
        close(found, F.layer_norm(x, (D,), scale, shift, eps))


def test_gelu_over_its_whole_range(compute):
    x = torch.linspace(-12, 12, 4801, dtype=torch.float64)
    found = compute("return given.x.map(gelu)", x=x)
    torch.testing.assert_close(found, F.gelu(x), rtol=0, atol=1e-14)


def test_causal_mask_and_entropy(compute):
    close(compute("return causalMask(5)"), torch.ones(5, 5, dtype=torch.float64).tril())
    p = torch.cat([normal(6).softmax(-1), torch.zeros(2, dtype=torch.float64)])
    close(compute("return entropy(given.p)", p=p), torch.special.entr(p).sum())


def test_half_precision_weights(compute):
    # Every pattern of sixteen bits that is a number.
    every = torch.arange(2**16, dtype=torch.int32).to(torch.int16).view(torch.float16)
    finite = every[every.isfinite()]
    text = b64encode(finite.numpy().tobytes()).decode()
    assert torch.equal(compute("return decodeFloat16(given.text)", text=text), finite.double())


def test_nothing_that_is_given_is_changed(compute):
    code = """
        const [q, k, v, g] = ["query", "key", "value", "grad"].map((name) => m(given[name]));
        const mask = causalMask(5), before = JSON.stringify([q, k, v, g, mask].map(rowsOf));
        attention(q, k, v, mask); attentionBackward(g, q, k, v, mask); softmax(q); transpose(q); map(q, () => 0);
        combine(q, k, (x) => x + 1); layerNorm(q, Array(4).fill(1), Array(4).fill(0)); project(q, k);
        return [JSON.stringify([q, k, v, g, mask].map(rowsOf)) === before ? 1 : 0];
    """
    given = {"query": normal(5, 4), "key": normal(5, 4, seed=1), "value": normal(5, 6), "grad": normal(5, 6)}
    assert compute(code, **given).item() == 1
