"""Is an answer that was used instead of written recognised, and nothing else?"""

import math

import torch
import torch.nn.functional as F
from torch import nn

import plenary
from plenary.checks import check
from plenary.checks.borrowed import borrowed, imports_of

NOTEBOOK = """
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.functional import softmax as soft
"""
ANSWERS = (
    "torch.nn.functional.scaled_dot_product_attention",
    "torch.nn.MultiheadAttention",
    "torch.softmax",
    ".softmax",
)


def found(source: str) -> list[str]:
    return borrowed(source, imports_of(NOTEBOOK), ANSWERS)


def test_a_call_is_found_by_its_full_name_whatever_it_is_called_here():
    assert found("def f(q, k, v): return F.scaled_dot_product_attention(q, k, v)") == [ANSWERS[0]]
    assert found(
        "def f(q):\n    from torch.nn import functional as G\n    return G.scaled_dot_product_attention(q)"
    )
    assert found("class A(nn.Module):\n    def __init__(self):\n        self.a = nn.MultiheadAttention(8, 2)")
    assert found("def f(x): return torch.softmax(x, 0)") == ["torch.softmax"]
    assert found("def f(x): return (x @ x.mT).softmax(-1)") == [".softmax"]


def test_the_package_itself_is_always_the_answer():
    assert found("def f(q):\n    import plenary\n    return plenary.attention_scores(q, q)")
    assert found("def f(q):\n    from plenary.functional import attention_scores as a\n    return a(q, q)")
    assert not found("def f(q):\n    from plenary.checks import check\n    return check")


def test_a_name_of_ones_own_is_no_borrowing():
    assert not found("def f(q, k, v): return scaled_dot_product_attention(q, k, v)")
    assert not found("def softmax(x): return x.exp() / x.exp().sum()")
    assert not found("def f(x): return 'torch.softmax'  # torch.softmax")


def test_what_cannot_be_parsed_borrows_nothing():
    assert not found("def f(:")


def test_a_learner_is_told_kindly_and_loses_nothing():
    def attention(query, key, value, mask=None):
        output = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        identity = torch.eye(key.shape[-2], dtype=key.dtype).expand(*key.shape[:-1], -1)
        return output, F.scaled_dot_product_attention(query, key, identity, attn_mask=mask)

    report = check("scaled_dot_product_attention", attention)
    assert report.passed
    assert report.score == 1
    assert report.note is not None
    assert report.note.startswith("torch.nn.functional.scaled_dot_product_attention already holds")
    assert "write it once yourself" in str(report)
    assert "write it once yourself" in report._repr_html_()


def test_the_packages_own_function_is_recognised_as_such():
    report = check("attention_scores", plenary.attention_scores)
    assert report.note is not None
    assert "plenary" in report.note


def test_a_class_that_wraps_the_answer():
    class MultiHeadAttention(nn.Module):
        def __init__(self, embed_dim, num_heads, bias=True, dropout=0.0):
            super().__init__()
            self.inner = nn.MultiheadAttention(embed_dim, num_heads, dropout, bias, batch_first=True)

        def forward(self, query, key, value, mask=None):
            return self.inner(query, key, value)

    note = check("MultiHeadAttention", MultiHeadAttention).note
    assert note is not None
    assert "torch.nn.MultiheadAttention" in note


def test_an_answer_that_was_written_gets_no_note():
    def attention_scores(query, key):
        return query @ key.mT / math.sqrt(query.shape[-1])

    assert check("attention_scores", attention_scores).note is None
