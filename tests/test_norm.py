"""Is LayerNorm torch's, and is it blind to what the book says it is blind to?"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from plenary import LayerNorm

B, T, D = 2, 5, 11


def normal(*shape: int, seed: int = 1, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("eps", [1e-5, 0.3])
@pytest.mark.parametrize("shape", [(D,), (T, D), (B, T, D), (B, 3, T, D)])
def test_same_output_and_gradients_as_torch(dtype, eps, shape, randomised, run, assert_same):
    theirs = randomised(nn.LayerNorm(D, eps), dtype)
    ours = LayerNorm(D, eps).to(dtype)
    ours.load_state_dict(theirs.state_dict())
    x = normal(*shape, dtype=dtype)
    assert_same(run(ours, x), run(theirs, x))


def test_it_is_the_formula_with_the_biased_variance_and_eps_inside_the_root(randomised):
    norm, x = randomised(LayerNorm(D, eps=0.3)), normal(B, T, D)
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, correction=0, keepdim=True)
    expected = norm.weight * (x - mean) / (variance + 0.3).sqrt() + norm.bias
    torch.testing.assert_close(norm(x), expected, rtol=0, atol=1e-13)


@given(seed=st.integers(0, 2**32), shift=st.floats(-10, 10), scale=st.floats(0.1, 10))
def test_shifting_and_scaling_a_token_changes_nothing(randomised, seed, shift, scale):
    norm, x = randomised(LayerNorm(D, eps=0.0), seed=seed), normal(B, T, D, seed=seed)
    torch.testing.assert_close(norm(scale * x + shift), norm(x), rtol=0, atol=1e-9)


def test_tokens_do_not_see_each_other():
    norm, x = LayerNorm(D).double(), normal(B, T, D)
    before = norm(x)
    x[1, 3] = 100 * normal(D, seed=2)
    after = norm(x)
    changed = (before != after).any(-1)
    assert changed.nonzero().tolist() == [[1, 3]]


def test_it_starts_as_the_identity_on_normal_tokens_and_prints_its_sizes():
    norm = LayerNorm(D, eps=1e-6)
    assert (norm.weight == 1).all()
    assert (norm.bias == 0).all()
    assert repr(norm) == "LayerNorm(11, eps=1e-06)"
