"""The gradient-flow widget without a browser: its settings, its numbers against autograd, its still picture."""

import re
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from traitlets import TraitError

from plenary.widgets.gradient_flow import GRAD_OUTPUT, KEY, MOST, QUERY, VALUE, GradientFlow, measure


def tensors() -> list[torch.Tensor]:
    return [torch.tensor(rows, dtype=torch.float64) for rows in (QUERY, KEY, VALUE, GRAD_OUTPUT)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"query": 0}, "GradientFlow: query is 0; expected 1, 2 or 3, the number of a query"),
        ({"query": True}, "GradientFlow: query is True; expected 1, 2 or 3, the number of a query"),
        ({"key": 5}, "GradientFlow: key is 5; expected 1, 2, 3 or 4, the number of a key"),
        ({"push": -1}, "GradientFlow: push is -1; expected a number from 0 to 10"),
        ({"push": "much"}, "GradientFlow: push is 'much'; expected a number from 0 to 10"),
    ],
)
def test_a_wrong_value_is_told_what_is_expected(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(TraitError) as raised:
        GradientFlow(**settings)
    assert str(raised.value) == message
    widget = GradientFlow()
    with pytest.raises(TraitError):
        widget.set_trait(*next(iter(settings.items())))
    assert widget.state() == {"query": 1, "key": 3, "push": 0.0}


@pytest.mark.parametrize("query", [1, 2, 3])
@pytest.mark.parametrize("key", [1, 2, 3, 4])
@pytest.mark.parametrize("push", [0.0, 0.75, 10.0])
def test_gradients_are_those_of_autograd(query: int, key: int, push: float) -> None:
    *inputs, incoming = tensors()
    inputs = [x.requires_grad_() for x in inputs]
    bias = torch.zeros(3, 4, dtype=torch.float64)
    bias[query - 1, key - 1] = push
    bias.requires_grad_()
    # The push is a bias on the scores, so its gradient is that of the scores.
    output = F.scaled_dot_product_attention(*(x[None] for x in inputs), attn_mask=bias)[0]
    expected = torch.autograd.grad(output, [*inputs, bias], incoming)
    found = measure(query, key, push)
    ours = (found.grad_query, found.grad_key, found.grad_value, found.grad_scores)
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("push", [0.0, 2.5])
def test_the_parts_through_the_scores_add_up_to_the_whole(push: float) -> None:
    # With the same push on the same score, the parts of all scores of row 1 are all that query 1 gets.
    found = measure(1, 3, push)
    key = torch.tensor(KEY, dtype=torch.float64)
    parts = [found.grad_scores[0, s] * key[s] / 2 for s in range(4)]
    torch.testing.assert_close(parts[2], found.part_query)
    torch.testing.assert_close(torch.stack(parts).sum(0), found.grad_query[0])
    # And what key 3 and its value get is this row's part and that of the other two rows.
    query, incoming = (torch.tensor(rows, dtype=torch.float64) for rows in (QUERY, GRAD_OUTPUT))
    others = [1, 2]
    torch.testing.assert_close(
        found.part_key + (found.grad_scores[others, 2, None] * query[others] / 2).sum(0), found.grad_key[2]
    )
    torch.testing.assert_close(
        found.part_value + (found.weights[others, 2, None] * incoming[others]).sum(0), found.grad_value[2]
    )


def test_norms_are_those_of_what_the_row_alone_sends() -> None:
    query, key, value, incoming = tensors()
    for push in (0.0, 3.0):
        leaves = [x.clone().requires_grad_() for x in (query[1:2], key, value)]
        bias = torch.zeros(1, 4, dtype=torch.float64)
        bias[0, 0] = push
        output = ((leaves[0] @ leaves[1].mT / 2 + bias).softmax(-1)) @ leaves[2]
        expected = [g.norm().item() for g in torch.autograd.grad(output, leaves, incoming[1:2])]
        assert measure(2, 1, push).norms == pytest.approx(expected, abs=1e-12)


def test_a_push_kills_the_gradients_of_query_and_key_and_not_that_of_the_value() -> None:
    for query in (1, 2, 3):
        for key in (1, 2, 3, 4):
            found = measure(query, key, MOST)
            left = 1 - found.weights[query - 1, key - 1].item()
            size = found.grad_weights[query - 1].norm().item()
            assert found.grad_scores[query - 1].norm().item() <= 2 * left * size
            assert max(found.norms[:2]) < 0.05
            assert found.norms[2] > 0.98 * torch.tensor(GRAD_OUTPUT[query - 1]).norm().item()


def test_the_winner_of_the_question_is_far_ahead_and_shrinks_at_once() -> None:
    gradients = [measure(1, 3, push / 4).grad_scores[0, 2].item() for push in range(41)]
    assert measure(1, 3, 0).weights[0].tolist()[2] > 0.75
    assert all(later < earlier for earlier, later in pairwise(gradients))
    loser = [abs(measure(2, 1, push / 4).grad_scores[1, 0].item()) for push in range(41)]
    assert loser[0] < max(loser) > loser[-1]


def test_the_still_picture_has_words_and_a_table_of_the_setting() -> None:
    still = GradientFlow(query=2, key=4, push=1.5).still()
    assert re.search('aria-label="Pushing up the score of query 2 with key 4 from 0 to 10 takes', still)
    assert "needs JavaScript" in still
    found = measure(2, 4, 1.5)
    rows = re.findall(r'<th scope="row">key (\d)</th>((?:<td>[^<]+</td>)+)', still)
    assert [number for number, _ in rows] == ["1", "2", "3", "4"]
    for number, cells in rows:
        numbers = [float(x) for x in re.findall(r"<td>([^<]+)</td>", cells)]
        at = (1, int(number) - 1)
        expected = [
            t[at].item() for t in (found.scores, found.weights, found.grad_weights, found.grad_scores)
        ]
        assert numbers == pytest.approx(expected, abs=0.006)
    assert "Row 2 with 1.50 added to the score of key 4" in still


def test_the_page_gets_little_and_loads_nothing() -> None:
    widget = GradientFlow()
    html = widget.twin()
    assert len(html.encode()) - len(widget.still().encode()) < 60_000
    assert not re.search(r"@import|\bsrc=|<link|url\((?!#)", html)
    assert repr(widget) == "GradientFlow(query=1, key=3, push=0.0)"
