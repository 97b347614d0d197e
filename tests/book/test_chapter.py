"""Does the chapter keep what it promises: its targets, its checked formulas, its explanations?"""

import io
import re
import warnings
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path

import jupytext
import pytest

CHAPTER = Path(__file__).parents[2] / "book" / "attention" / "scaled_dot_product.md"

# The checks link to these; a link to a paragraph that is gone helps nobody.
TARGETS = (
    "sdp-scores",
    "sdp-three-roles",
    "sdp-root",
    "sdp-root-not-dk",
    "sdp-root-not-length",
    "sdp-before-softmax",
    "sdp-softmax-axis",
    "sdp-overflow",
    "sdp-mask-before",
    "sdp-mask-meaning",
    "sdp-mask-not-zero",
    "sdp-empty-row",
    "sdp-output",
    "sdp-jacobian",
    "sdp-jacobian-off-diagonal",
    "sdp-saturation",
)

# What the page claims, and what a wrong page might claim instead. Each must stop the build.
WRONG_CLAIMS = {
    "sigma squared": ("d_k * sigma**4", "d_k * sigma**2"),
    "variance like the root": ("d_k * sigma**4", "d_k**0.5 * sigma**4"),
    "variance like the square": ("d_k * sigma**4", "d_k**2 * sigma**4"),
    "variance off by a twentieth": ("d_k * sigma**4", "1.05 * d_k * sigma**4"),
    "Jacobian: diagonal only": ("torch.diag(p) - torch.outer(p, p)", "torch.diag(p * (1 - p))"),
    "Jacobian: everybody gains": ("torch.diag(p) - torch.outer(p, p)", "torch.diag(p) + torch.outer(p, p)"),
    "Jacobian: no competition": ("torch.diag(p) - torch.outer(p, p)", "torch.diag(p)"),
    "saturation: half the bound": ("middle <= 2 * epsilon", "middle <= epsilon"),
    "saturation: middle too small": (
        "middle = 1 - p.square().sum(dim=-1)",
        "middle = 1 - p.max(dim=-1).values",
    ),
    "soft lookup: twice the temperature": ("k @ q / tau", "k @ q / (2 * tau)"),
    "soft lookup: keys of unequal length": ("k = 1.5 * k / k.norm(dim=-1, keepdim=True)", "k = 1.5 * k"),
    "one score by hand": ("query[0, 2] @ key[0, 4]", "query[0, 2] @ key[0, 3]"),
    "by hand: a weight": ("torch.tensor([1.0, 2, 3])", "torch.tensor([1.0, 4, 9])"),
    "by hand: an output": ("torch.tensor([[4.0, 6], [5, 5]])", "torch.tensor([[5.0, 5], [4, 6]])"),
    "by hand: without the root": ("torch.tensor([1.0, 4, 9])", "torch.tensor([1.0, 2, 3])"),
    "output from the keys": (
        "assert torch.allclose(output, weights @ value)",
        "assert torch.allclose(output[..., :4], weights @ key)",
    ),
    "overflow does no harm": ("assert naive.isnan().any()", "assert not naive.isnan().any()"),
    "mask: zero would do": ("masked_softmax(scores, mask)", "scores.masked_fill(~mask, 0.0).softmax(dim=-1)"),
}


@cache
def cells() -> tuple[str, ...]:
    """The sources of the chapter's code cells, in order."""
    notebook = jupytext.read(CHAPTER)
    return tuple(cell.source for cell in notebook.cells if cell.cell_type == "code")


def run(sources: tuple[str, ...], namespace: dict) -> dict:
    # The kernel turns the last expression into an output; here it is evaluated and dropped.
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("error")
        for source in sources:
            exec(compile(source, str(CHAPTER), "exec"), namespace)
    return namespace


@pytest.fixture(scope="module")
def states() -> list[dict]:
    """The names known before each cell, so that a test need only run the cell that it changes."""
    namespace: dict = {"__name__": "chapter"}
    before = []
    for source in cells():
        before.append(dict(namespace))
        run((source,), namespace)
    return before


def test_every_target_that_the_checks_link_to_is_there():
    lines = CHAPTER.read_text(encoding="utf-8").splitlines()
    assert [target for target in TARGETS if lines.count(f"({target})=") != 1] == []


@pytest.mark.parametrize("claim", WRONG_CLAIMS)
def test_a_wrong_claim_stops_the_build(claim: str, states: list[dict]):
    right, wrong = WRONG_CLAIMS[claim]
    found = [number for number, source in enumerate(cells()) if right in source]
    assert len(found) == 1, f"{right!r} stands in cells {found}, expected in one"
    (number,) = found
    changed = cells()[number].replace(right, wrong)
    with pytest.raises(AssertionError):
        run((changed,), dict(states[number]))


def test_every_boxed_formula_has_a_wrong_claim_above():
    boxed = re.findall(r"\\boxed\{.*?\$\$ \((eq-[a-z]+)\)", CHAPTER.read_text(encoding="utf-8"), re.DOTALL)
    assert boxed == ["eq-variance", "eq-jacobian", "eq-saturation"]


def self_checks() -> dict[str, str]:
    text = CHAPTER.read_text(encoding="utf-8")
    pattern = r"^::::\{admonition\} (Check yourself.*?)\n:class: self-check\n(.*?)^::::$"
    return dict(re.findall(pattern, text, re.DOTALL | re.MULTILINE))


def test_there_are_at_least_three_self_checks():
    assert len(self_checks()) >= 3


@pytest.mark.parametrize("title", self_checks())
def test_every_choice_of_a_self_check_is_explained(title: str):
    choices = re.findall(
        r"^:::\{dropdown\} \*\*([a-z])\.\*\* (.+?)\n(.*?)^:::$",
        self_checks()[title],
        re.DOTALL | re.MULTILINE,
    )
    assert [letter for letter, _, _ in choices] == list("abcdefg"[: len(choices)])
    assert len(choices) >= 3
    explanations = [" ".join(body.split()) for _, _, body in choices]
    assert [text for text in explanations if len(text.split()) < 12] == [], "says too little to explain"
    assert len(set(explanations)) == len(explanations)
    assert sum(text.startswith("Yes") for text in explanations) == 1, "one choice is right"
    assert not any(
        re.match(r"(wrong|incorrect|no\b|try again)", text, re.IGNORECASE) for text in explanations
    )


def test_prose_takes_its_numbers_from_cells_that_make_them(states: list[dict]):
    used = set(re.findall(r"\{glue:text\}`(\w+)", CHAPTER.read_text(encoding="utf-8")))
    names = re.compile(r'glue\(f?"([\w{}]+)"')
    glued = set()
    for number, source in enumerate(cells()):
        for name in names.findall(source):
            glued |= {name.format(name=key) for key in states[number].get("divisors", {"": None})}
    assert used <= glued
    assert glued <= used, "a number is made and not used"
