"""The Vision Transformer of the page, in a real browser, against the same file read by PyTorch."""

from base64 import b64encode
from importlib.resources import files
from typing import Any

import pytest
import torch
from playwright.sync_api import Page

import plenary.widgets
from plenary import attention_rollout, class_attention_map, data
from plenary.training import digit_reader

READ = """async ([source, base64, pictures, options]) => {
    const text = source + `\\nexport default (base64, pictures, options) => {
        const vit = readVit(base64);
        return pictures.map((pixels) => {
            const { tokens, states, weights, logits, probabilities } = lookAt(vit, pixels, options);
            const rollout = rolledOut(weights);
            return { tokens: rowsOf(tokens), states: states.map(rowsOf),
                weights: weights.map((heads) => heads.map(rowsOf)),
                logits: Array.from(logits), probabilities: Array.from(probabilities), rollout: rowsOf(rollout),
                map: classMap(rollout), last: Array.from(logitsOf(vit, states.at(-1), 0)) };
        });
    };`;
    const module = await import("data:text/javascript;charset=utf-8," + encodeURIComponent(text));
    return module.default(base64, pictures, options);
}"""
SOURCE = "\n".join(
    files(plenary.widgets).joinpath(name).read_text(encoding="utf-8")
    for name in ("maths.mjs", "layers.mjs", "vit.mjs")
)
CASES: dict[str, dict[str, Any]] = {
    "whole": {},
    "without positions": {"positions": False},
    "heads off": {"off": [[0, 1], [0, 3], [2, 0]]},
    "a layer skipped": {"skip": [1]},
    "all at once": {"positions": False, "off": [[1, 2]], "skip": [0]},
}


@pytest.mark.parametrize("case", CASES)
def test_every_number_is_pytorchs(page: Page, case: str):
    """Embeddings, states, each head's weights, logits and rollout, of thirty test digits."""
    page.goto("about:blank")
    options = CASES[case]
    images, _ = data.digits().test[torch.arange(30)]
    base64 = b64encode(digit_reader.FILE.read_bytes()).decode()
    found = page.evaluate(READ, [SOURCE, base64, images.flatten(1).tolist(), options])

    def of(name: str) -> torch.Tensor:
        return torch.tensor([one[name] for one in found])

    expected = digit_reader.look(
        images,
        positions=options.get("positions", True),
        off=[(layer, head) for layer, head in options.get("off", [])],
        skip=options.get("skip", []),
    )
    rollout = attention_rollout(expected.attentions)
    pairs = {
        "tokens": expected.tokens,
        "states": torch.stack(expected.states, dim=1),
        "weights": torch.stack(expected.attentions, dim=1),
        "logits": expected.logits,
        "last": expected.logits,
        "probabilities": expected.logits.softmax(dim=-1),
        "rollout": rollout,
        "map": class_attention_map(rollout, (4, 4)).flatten(1),
    }
    for name, values in pairs.items():
        torch.testing.assert_close(
            of(name), values, atol=1e-4, rtol=0, msg=lambda text, n=name: f"{n}: {text}"
        )
