"""The causal mask: how to ask for it, and what people get wrong."""

import numpy as np
import torch
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Function, Misconception, Property
from plenary.checks.probe import Probe, call_probe, shown_probe
from plenary.exercises.masking.kinds import ALL, PAGE, additive, as_yes_and_no


def probes(_seed: int) -> list[Probe]:
    """Ask for a few lengths. Nothing here is random: a length is all that goes in."""
    return [
        shown_probe("three", length=3),
        shown_probe("two", length=2),
        shown_probe("four", length=4),
        call_probe("one", length=1),
        call_probe("seven", length=7),
        call_probe("thirteen", length=13),
    ]


def reference(length: int) -> Tensor:
    """Ask for every pair whether the key is not later than the query."""
    return torch.from_numpy(np.fromfunction(lambda t, s: s <= t, (length, length), dtype=int))


def position_zero_sees_itself(_probe: Probe, answer: Answer) -> str | None:
    """Every position may attend to itself, and none to a later one."""
    mask = answer.arrays["mask"]
    if mask.ndim != 2 or mask.shape[0] != mask.shape[1]:
        return None
    for t in range(len(mask)):
        if mask[t, t] != 1:
            return f"position {t} may not attend to itself"
        if mask[t, t + 1 :].any():
            return f"position {t} may attend to a later one"
    return None


def _in_causal(*wrong: Function) -> dict[str, tuple[Function, ...]]:
    return {"causal_mask": wrong}


def _lower(length: int, diagonal: int = 0) -> Tensor:
    return torch.ones(length, length, dtype=torch.bool).tril(diagonal)


MISTAKES = (
    Misconception(
        id="causal-strict",
        title="In your mask no position may attend to itself: the diagonal is missing.",
        belief="A word must not see what it is to predict, and that is the next word, not this one. With "
        "the diagonal forbidden the first position has nothing at all to attend to.",
        hint="The diagonal belongs to what is permitted.",
        anchor="mask-causal",
        section="Not later than I",
        wrong=_in_causal(
            lambda length: _lower(length, -1),
            lambda length: torch.arange(length) < torch.arange(length).unsqueeze(-1),
        ),
        evidence="https://github.com/pbloem/former/issues/10",
    ),
    Misconception(
        id="causal-one-ahead",
        title="In your mask every position sees one position ahead.",
        belief="tril(1) keeps one diagonal more than tril(), the one above the main diagonal: the next "
        "word, which is the very answer that has to be predicted. Training looks splendid, and generating "
        "fails.",
        hint="Keep the main diagonal and what is below it.",
        anchor="mask-causal",
        section="Not later than I",
        wrong=_in_causal(lambda length: _lower(length, 1)),
    ),
    Misconception(
        id="causal-transposed",
        title="Your mask is the wrong triangle: every position sees itself and what comes later.",
        belief="Rows are queries and columns are keys. The first row belongs to the first position, and it "
        "may see one key only, so the True entries widen from the top to the bottom. In the upper triangle "
        "they narrow.",
        hint="Row t has its True entries in the columns 0 to t.",
        anchor="mask-rows",
        section="Rows are queries",
        wrong=_in_causal(lambda length: _lower(length).mT),
        evidence="https://github.com/chibohe/CdistNet-pytorch/issues/2",
    ),
    Misconception(
        id="causal-inverted",
        title="Your mask is True where a position may not attend; True means may attend.",
        belief="The triangle above the diagonal is what torch.triu(..., diagonal=1) gives, and what "
        "nn.MultiheadAttention wants: there True means forbidden. Here True means permitted.",
        hint="Turn every entry round.",
        anchor="mask-true",
        section='True means "may attend"',
        wrong=_in_causal(lambda length: ~_lower(length)),
    ),
    Misconception(
        id="causal-everything",
        title="Your mask permits everything.",
        belief="A table of True has the right shape and dtype. What makes it causal is the triangle of "
        "False above the diagonal.",
        hint="There is a function that keeps one triangle of a matrix and clears the rest.",
        anchor="mask-causal",
        section="Not later than I",
        wrong=_in_causal(lambda length: torch.ones(length, length, dtype=torch.bool)),
    ),
    Misconception(
        id="causal-diagonal-only",
        title="In your mask every position sees itself and nothing else.",
        belief="Causal forbids the future, not the past: what a word says depends on all that was said "
        "before it.",
        hint="Row t has t + 1 True entries.",
        anchor="mask-causal",
        section="Not later than I",
        wrong=_in_causal(lambda length: torch.eye(length, dtype=torch.bool)),
    ),
    Misconception(
        id="causal-additive",
        title="You return a mask to add to scores, 0 and minus infinity; asked for is a boolean one.",
        belief="Both kinds exist, and this one is right where a mask is added. Here masks are combined "
        "with & and read by masked_softmax, and for both an entry is True or False.",
        hint="Return the triangle itself, before any number is filled in.",
        anchor="mask-true",
        section='True means "may attend"',
        wrong=_in_causal(
            lambda length: additive(_lower(length)), lambda length: additive(_lower(length), -1e9)
        ),
    ),
    Misconception(
        id="causal-extra-axes",
        title="Your mask has axes of size 1 in front; asked for is a table (T, T).",
        belief="For attention with heads the mask does have to broadcast over a batch and heads. A table "
        "does so by itself: broadcasting adds axes in front.",
        hint="Leave the axes to combine_masks.",
        anchor="mask-shapes",
        section="Four axes",
        wrong=_in_causal(lambda length: _lower(length)[None], lambda length: _lower(length)[None, None]),
    ),
    Misconception(
        id="causal-not-boolean",
        title="The triangle is right, but its entries are numbers, not True and False.",
        belief="torch.ones makes floats, and 1.0 looks like yes. But ~ and & do not work on floats, on "
        "integers they work bit by bit (~1 is -2), and a mask of floats is added to the scores by torch's "
        "own attention.",
        hint="Ask for dtype=torch.bool.",
        anchor="mask-true",
        section='True means "may attend"',
        wrong=_in_causal(
            lambda length: _lower(length).float(),
            lambda length: _lower(length).double(),
            lambda length: _lower(length).long(),
            lambda length: _lower(length).int(),
            lambda length: _lower(length).byte(),
        ),
        evidence="https://github.com/ArcInstitute/state/pull/213",
    ),
)


def _by_comparing(length: int) -> Tensor:
    position = torch.arange(length)
    return position[:, None] >= position[None, :]


def _by_tril(length: int) -> Tensor:
    return torch.tril(torch.ones(length, length)).bool()


def _by_what_is_forbidden(length: int) -> Tensor:
    return ~torch.triu(torch.ones(length, length, dtype=torch.bool), diagonal=1)


def _by_loops(length: int) -> Tensor:
    mask = torch.zeros(length, length, dtype=torch.bool)
    for query in range(length):
        for key in range(length):
            mask[query, key] = key <= query
    return mask


def _by_filling(length: int) -> Tensor:
    mask = torch.zeros((length, length)).bool()
    for t in range(length):
        mask[t, : t + 1] = True
    return mask


def _by_lists(length: int) -> Tensor:
    return torch.tensor([[s <= t for s in range(length)] for t in range(length)])


def _by_adding_up(length: int) -> Tensor:
    return torch.eye(length).cumsum(-2) > 0


def _by_torch(length: int) -> Tensor:
    return torch.nn.Transformer.generate_square_subsequent_mask(length) == 0


CAUSAL = Exercise(
    name="causal_mask",
    signature="causal_mask(length) -> mask",
    page=PAGE,
    outputs=ALL,
    probes=probes,
    reference=reference,
    properties=(
        Property("the triangle", 3, ("three", "four", "seven", "thirteen"), ALL),
        Property("the shortest sequences", 1, ("two", "one"), ALL),
    ),
    laws=(position_zero_sees_itself,),
    misconceptions=MISTAKES,
    correct=(
        _by_comparing,
        _by_tril,
        _by_what_is_forbidden,
        _by_loops,
        _by_filling,
        _by_lists,
        _by_adding_up,
        _by_torch,
    ),
    derive=as_yes_and_no,
)
