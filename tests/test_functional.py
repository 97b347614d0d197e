"""Is attention what torch says it is, in values and gradients, and does it keep what it promises?"""

import math
from typing import Any

import hypothesis.extra.numpy as arrays
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

import plenary
from plenary import functional

# Sizes are prime and all different, so that two swapped axes cannot pass.
B, H, T, S, D_K, D_V = 2, 3, 5, 7, 11, 13


def inputs(*front: int, dtype=torch.float64, seed: int = 0, grad: bool = False):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(*front, T, D_K), (*front, S, D_K), (*front, S, D_V)]
    return [
        torch.randn(s, generator=generator, dtype=torch.float64).to(dtype).requires_grad_(grad)
        for s in shapes
    ]


def some_mask(*shape: int, seed: int = 1):
    """Neither causal nor symmetric; the first row is empty."""
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.6
    mask[..., 0] = True
    mask[..., 0, :] = False
    return mask


def tolerance(dtype: torch.dtype) -> float:
    return {torch.float32: 2e-6, torch.float64: 1e-14}[dtype]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("front", [(), (B,), (B, H)])
@pytest.mark.parametrize("masked", [False, True])
def test_same_output_and_gradients_as_torch(dtype, front, masked):
    mask = some_mask(T, S) if masked else None
    ours, theirs = inputs(*front, dtype=dtype, grad=True), inputs(*front, dtype=dtype, grad=True)
    query, key, value = ours
    output, weights = plenary.scaled_dot_product_attention(query, key, value, mask)
    query, key, value = theirs
    expected = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)

    torch.testing.assert_close(output, expected, rtol=0, atol=tolerance(dtype))
    assert output.dtype == weights.dtype == dtype
    cotangent = torch.randn(expected.shape, generator=torch.Generator().manual_seed(2)).to(dtype)
    output.backward(cotangent)
    expected.backward(cotangent)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=0, atol=10 * tolerance(dtype))


def test_gradients_agree_with_finite_differences():
    mask = some_mask(T, S)
    call = lambda q, k, v: plenary.scaled_dot_product_attention(q, k, v, mask)  # noqa: E731
    assert torch.autograd.gradcheck(call, inputs(B, grad=True))


def test_a_mask_broadcasts_over_heads():
    query, key, value = inputs(B, H)
    mask = some_mask(B, 1, T, S)
    output, weights = plenary.scaled_dot_product_attention(query, key, value, mask)
    for head in range(H):
        alone = plenary.scaled_dot_product_attention(query[:, head], key[:, head], value[:, head], mask[:, 0])
        torch.testing.assert_close(output[:, head], alone[0])
        torch.testing.assert_close(weights[:, head], alone[1])


def test_an_empty_row_is_exactly_zero_and_so_is_its_gradient():
    query, key, value = inputs(grad=True)
    output, weights = plenary.scaled_dot_product_attention(query, key, value, some_mask(T, S))
    assert (output[0] == 0).all()
    assert (weights[0] == 0).all()
    output.sum().backward()
    gradients = [tensor.grad for tensor in (query, key, value)]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    assert gradients[0] is not None
    assert (gradients[0][0] == 0).all()


@pytest.mark.parametrize(("dtype", "size"), [(torch.float32, 300.0), (torch.float64, 1000.0)])
def test_large_scores_stay_finite(dtype, size):
    query, key, value = (tensor * math.sqrt(size) for tensor in inputs(dtype=dtype))
    scores = plenary.attention_scores(query, key)
    assert scores.abs().max() > size
    with torch.no_grad():
        assert scores.exp().isinf().any(), "the probe should overflow a naive softmax"
    output, weights = plenary.scaled_dot_product_attention(query, key, value)
    assert output.isfinite().all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(T, dtype=dtype))


def test_inputs_are_left_alone():
    query, key, value = inputs(B)
    tensors = [query, key, value, some_mask(T, S)]
    before = [tensor.clone() for tensor in tensors]
    plenary.scaled_dot_product_attention(query, key, value, tensors[-1])
    assert all(torch.equal(now, then) for now, then in zip(tensors, before, strict=True))


scores_and_masks = arrays.array_shapes(min_dims=2, max_dims=4, max_side=6).flatmap(
    lambda shape: st.tuples(
        arrays.arrays("float64", shape, elements=st.floats(-1e3, 1e3)), arrays.arrays("bool", shape)
    )
)


@given(scores_and_masks)
def test_a_row_of_weights_sums_to_one_or_is_empty(drawn):
    scores, mask = map(torch.from_numpy, drawn)
    weights = plenary.masked_softmax(scores, mask)
    assert (weights >= 0).all()
    assert (weights[~mask] == 0).all()
    torch.testing.assert_close(weights.sum(-1), mask.any(-1).to(weights.dtype))


@given(scores_and_masks, st.floats(-1e3, 1e3))
def test_a_forbidden_score_changes_nothing(drawn, other):
    scores, mask = map(torch.from_numpy, drawn)
    changed = torch.where(mask, scores, other)
    assert torch.equal(plenary.masked_softmax(scores, mask), plenary.masked_softmax(changed, mask))


@given(st.integers(0, 2**32), st.permutations(range(S)))
def test_the_order_of_the_keys_does_not_matter(seed, order):
    query, key, value = inputs(B, seed=seed)
    output, weights = plenary.scaled_dot_product_attention(query, key, value)
    shuffled = plenary.scaled_dot_product_attention(query, key[:, order], value[:, order])
    torch.testing.assert_close(shuffled[0], output)
    torch.testing.assert_close(shuffled[1], weights[..., order])


@given(arrays.arrays("float64", (3, 5), elements=st.floats(-30, 30)))
def test_the_jacobian_is_the_derivative_of_the_softmax(logits):
    x = torch.from_numpy(logits)
    derivative = torch.func.vmap(torch.func.jacrev(lambda row: row.softmax(-1)))(x)
    jacobian = plenary.softmax_jacobian(x.softmax(-1))
    torch.testing.assert_close(jacobian, derivative, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(jacobian.sum(-1), torch.zeros(3, 5, dtype=torch.float64))


@given(
    arrays.arrays("float64", (2, 3, 5), elements=st.floats(-1e3, 1e3)),
    st.integers(-3, 2),
    st.floats(-1e3, 1e3),
)
def test_softmax_is_torchs_along_any_axis_and_blind_to_a_shift(numbers, dim, shift):
    x = torch.from_numpy(numbers)
    torch.testing.assert_close(plenary.softmax(x, dim), x.softmax(dim), rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(plenary.softmax(x, dim).sum(dim), torch.ones_like(x.sum(dim)))
    torch.testing.assert_close(plenary.softmax(x + shift, dim), x.softmax(dim), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_softmax_has_torchs_gradient_and_survives_large_numbers(dtype):
    x, other = (
        (1000 * inputs(dtype=dtype)[0]).requires_grad_(),
        (1000 * inputs(dtype=dtype)[0]).requires_grad_(),
    )
    weight = inputs(dtype=dtype, seed=5)[0]
    assert x.exp().isinf().any(), "the probe should overflow a naive softmax"
    (plenary.softmax(x, -1) * weight).sum().backward()
    (other.softmax(-1) * weight).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, other.grad)


def test_a_small_softmax_is_exactly_what_can_be_worked_out_by_hand():
    p = plenary.softmax(torch.tensor([0.0, math.log(3.0)], dtype=torch.float64), dim=0)
    torch.testing.assert_close(p, torch.tensor([0.25, 0.75], dtype=torch.float64))
    assert torch.equal(plenary.softmax(torch.tensor(7.0), dim=0), torch.tensor(1.0))


def test_a_soft_lookup_is_the_kernel_weighted_average():
    """Nadaraya and Watson, written out in Python's floats."""
    query, keys, values = inputs()[0][0], inputs()[1], inputs()[2]
    kernel = [
        math.exp(-sum((float(q) - float(k)) ** 2 for q, k in zip(query, key, strict=True)) / 14)
        for key in keys
    ]
    expected = [
        sum(w * float(v) for w, v in zip(kernel, column, strict=True)) / sum(kernel) for column in values.T
    ]
    assert plenary.soft_lookup(query, keys, values, temperature=7.0).tolist() == pytest.approx(
        expected, abs=1e-12
    )


@given(st.integers(0, 2**32), st.floats(0.01, 100.0), st.permutations(range(S)))
def test_a_soft_lookup_stays_among_its_values_whatever_their_order(seed, temperature, order):
    queries, keys, values = inputs(seed=seed)
    output = plenary.soft_lookup(queries[0], keys, values, temperature)
    assert (output <= values.amax(0) + 1e-12).all()
    assert (output >= values.amin(0) - 1e-12).all()
    shuffled = plenary.soft_lookup(queries[0], keys[order], values[order], temperature)
    torch.testing.assert_close(shuffled, output)


def test_a_cold_lookup_takes_the_nearest_value_and_a_hot_one_the_mean():
    queries, keys, values = inputs()
    nearest = (queries[0] - keys).norm(dim=-1).argmin()
    torch.testing.assert_close(plenary.soft_lookup(queries[0], keys, values, 1e-4), values[nearest])
    torch.testing.assert_close(plenary.soft_lookup(queries[0], keys, values, 1e9), values.mean(0))


@pytest.mark.parametrize("front", [(), (B,), (B, H)])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_by_hand_are_autograds(front, masked, dtype):
    mask = some_mask(T, S) if masked else None
    tensors = query, key, value = inputs(*front, dtype=dtype, grad=True)
    output, _ = plenary.scaled_dot_product_attention(query, key, value, mask)
    cotangent = torch.randn(output.shape, generator=torch.Generator().manual_seed(2)).to(dtype)
    expected = torch.autograd.grad(output, tensors, cotangent)
    query, key, value = (tensor.detach() for tensor in tensors)
    found = plenary.attention_backward(cotangent, query, key, value, mask)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=10 * tolerance(dtype))


def test_by_hand_what_is_forbidden_has_no_gradient():
    query, key, value = inputs()
    mask = some_mask(T, S)
    mask[:, 3] = False
    cotangent = inputs(seed=9)[2][:T]
    of_query, of_key, of_value = plenary.attention_backward(cotangent, query, key, value, mask)
    assert (of_query[0] == 0).all()
    assert (of_key[3] == 0).all()
    assert (of_value[3] == 0).all()


def test_masks_hold_what_they_say():
    assert plenary.causal_mask(3).tolist() == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
    padding = plenary.padding_mask(torch.tensor([0, 2, 3]), 3)
    assert padding.tolist() == [[False, False, False], [True, True, False], [True, True, True]]
    both = plenary.combine_masks(plenary.causal_mask(3), padding)
    assert both.shape == (3, 1, 3, 3)
    assert torch.equal(both[2, 0], plenary.causal_mask(3))
    assert not both[0].any()
    assert both[1, 0].tolist() == [[True, False, False], [True, True, False], [True, True, False]]


def test_a_causal_mask_hides_the_future():
    query, key, value = inputs()
    key, value = key[:T], value[:T]
    before, _ = plenary.scaled_dot_product_attention(query, key, value, plenary.causal_mask(T))
    key[-1], value[-1] = 100.0, -100.0
    after, _ = plenary.scaled_dot_product_attention(query, key, value, plenary.causal_mask(T))
    assert torch.equal(before[:-1], after[:-1])
    assert not torch.equal(before[-1], after[-1])


QUERY, KEY, VALUE = inputs(B)
AS_A_LIST: Any = [[1.0]]


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: functional.attention_scores(QUERY, VALUE), ValueError, "query has 11 .* key has 13"),
        (lambda: functional.attention_scores(QUERY.long(), KEY), TypeError, "query must be floating point"),
        (lambda: functional.attention_scores(QUERY.float(), KEY), TypeError, "query is torch.float32"),
        (lambda: functional.attention_scores(QUERY[0, 0], KEY), ValueError, "at least 2 axes"),
        (
            lambda: functional.attention_scores(AS_A_LIST, KEY),
            TypeError,
            "query must be a torch.Tensor; it is list",
        ),
        (
            lambda: functional.scaled_dot_product_attention(QUERY, KEY, VALUE[:, 1:]),
            ValueError,
            "key has 7 .* value has 6",
        ),
        (
            lambda: functional.scaled_dot_product_attention(QUERY, KEY, VALUE, torch.zeros(T, S)),
            TypeError,
            "boolean tensor, True = may attend; this one is torch.float32",
        ),
        (
            lambda: functional.scaled_dot_product_attention(QUERY, KEY, VALUE, torch.ones(S, T) > 0),
            ValueError,
            r"broadcast to the shape of the scores, \(2, 5, 7\); its own shape is \(7, 5\)",
        ),
        (
            # This one would broadcast, but to more than the scores.
            lambda: functional.masked_softmax(torch.zeros(T, S), torch.ones(B, T, S) > 0),
            ValueError,
            r"its own shape is \(2, 5, 7\)",
        ),
        (lambda: functional.softmax_jacobian(torch.tensor(1.0)), ValueError, "at least 1 axes"),
        (lambda: functional.softmax(torch.arange(3), 0), TypeError, "softmax: x must be floating point"),
        (
            lambda: functional.soft_lookup(QUERY[0, 0], KEY[0], VALUE[0], 0.0),
            ValueError,
            "temperature is 0.0",
        ),
        (
            lambda: functional.soft_lookup(QUERY[0, 0], KEY[0], VALUE[0], math.nan),
            ValueError,
            "must be positive",
        ),
        (
            lambda: functional.soft_lookup(QUERY[0, 0], VALUE[0], VALUE[0], 1.0),
            ValueError,
            "width d .* query has 11 .* keys has 13",
        ),
        (
            lambda: functional.soft_lookup(QUERY[0, 0], KEY[0], VALUE[0, 1:], 1.0),
            ValueError,
            "number n .* keys has 7 .* values has 6",
        ),
        (
            lambda: functional.attention_backward(KEY, QUERY, KEY, VALUE),
            ValueError,
            r"the output's shape \(2, 5, 13\); its own is \(2, 7, 11\)",
        ),
        (lambda: functional.causal_mask(-1), ValueError, "length is -1"),
        (lambda: functional.padding_mask(torch.tensor([4]), 3), ValueError, "between 0 and max_length = 3"),
        (
            lambda: functional.combine_masks(functional.causal_mask(3), torch.ones(B, 4) > 0),
            ValueError,
            "causal has 3 .* padding has 4",
        ),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_shapes_are_checked_under_pytest():
    with pytest.raises(Exception, match="Type-check error"):
        functional.attention_scores(QUERY, VALUE)
