"""Is MultiHeadAttention torch's on both of its paths, and does it use masks, dropout and caches as it says?"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from plenary import (
    KeyValueCache,
    MultiHeadAttention,
    RotaryEncoding,
    causal_mask,
    convert,
    merge_heads,
    split_heads,
)

# Sizes are pairwise different, and prime where they can be.
B, H, T, S, D = 2, 3, 5, 7, 12


def normal(*shape: int, seed: int = 1, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def some_mask(*shape: int, seed: int = 1):
    """Neither causal nor symmetric, no row empty."""
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.5
    mask[..., 2] = True
    return mask


def inputs(dtype=torch.float64):
    return (
        normal(B, T, D, seed=1, dtype=dtype),
        normal(B, S, D, seed=2, dtype=dtype),
        normal(B, S, D, seed=3, dtype=dtype),
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("masked", [None, "one for all", "one for each head"])
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_same_output_and_gradients_as_torch(dtype, masked, need_weights, bias, randomised, run, assert_same):
    theirs = randomised(nn.MultiheadAttention(D, H, bias=bias, batch_first=True), dtype)
    ours = randomised(MultiHeadAttention(D, H, bias=bias), dtype, seed=5)
    ours.load_state_dict(convert.multi_head_attention(theirs.state_dict()))
    mask = {None: None, "one for all": some_mask(T, S), "one for each head": some_mask(B, H, T, S)}[masked]
    # Their boolean masks say who may NOT be attended to, and hold one slice for each sequence and head.
    forbidden = None if mask is None else ~mask if mask.ndim == 2 else ~mask.flatten(0, 1)
    assert_same(
        run(ours, *inputs(dtype), mask, need_weights=need_weights),
        run(theirs, *inputs(dtype), attn_mask=forbidden, need_weights=need_weights),
        convert.multi_head_attention,
    )


def test_same_weights_as_torch_head_by_head(randomised):
    theirs = randomised(nn.MultiheadAttention(D, H, batch_first=True))
    ours = MultiHeadAttention(D, H).double()
    ours.load_state_dict(convert.multi_head_attention(theirs.state_dict()))
    mask = some_mask(T, S)
    _, expected = theirs(*inputs(), attn_mask=~mask, average_attn_weights=False)
    _, weights = ours(*inputs(), mask)
    torch.testing.assert_close(weights, expected, rtol=0, atol=1e-12)


MASKS = {
    "none": None,
    "keys": some_mask(S),
    "square": some_mask(T, S),
    "heads": some_mask(H, T, S),
    "padding": some_mask(B, 1, 1, S),
    "all": some_mask(B, H, T, S),
    "rows and keys forbidden": some_mask(T, S) & (torch.arange(T)[:, None] != 1) & (torch.arange(S) != 4),
    "everything forbidden": torch.zeros(1, 1, dtype=torch.bool),
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=list(MASKS))
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_fused_path_is_the_explicit_one(mask, dtype, randomised, run, assert_same):
    attention = randomised(MultiHeadAttention(D, H), dtype)
    explicit = run(attention, *inputs(dtype), mask)
    fused = run(attention, *inputs(dtype), mask, need_weights=False)
    assert_same(fused, explicit)
    assert all(gradient.isfinite().all() for gradient in [*fused.inputs, *fused.parameters.values()])


def test_the_fused_path_returns_no_weights():
    assert MultiHeadAttention(D, H).double()(*inputs(), need_weights=False)[1] is None


@pytest.mark.parametrize("need_weights", [True, False])
def test_an_empty_row_gives_the_bias_of_out_proj(need_weights, randomised):
    attention = randomised(MultiHeadAttention(D, H))
    mask = some_mask(B, 1, T, S)
    mask[1, :, 3] = False
    output, weights = attention(*inputs(), mask, need_weights=need_weights)
    torch.testing.assert_close(output[1, 3], attention.out_proj.bias, rtol=0, atol=1e-15)
    assert not torch.allclose(output[0, 3], attention.out_proj.bias)
    if need_weights:
        assert (weights[1, :, 3] == 0).all()


def test_heads_are_slices_of_the_width_and_merging_puts_them_back():
    x = normal(B, T, D)
    heads = split_heads(x, H)
    assert heads.shape == (B, H, T, D // H)
    for head in range(H):
        assert torch.equal(heads[:, head], x[..., 4 * head : 4 * head + 4])
    assert torch.equal(merge_heads(heads), x)


@given(seed=st.integers(0, 2**32), allowed=st.lists(st.booleans(), min_size=T * S, max_size=T * S))
@settings(max_examples=25)
def test_rows_of_weights_sum_to_one_or_are_empty(randomised, seed, allowed):
    attention = randomised(MultiHeadAttention(D, H), seed=seed)
    mask = torch.tensor(allowed).view(T, S)
    _, weights = attention(*inputs(), mask)
    assert weights.shape == (B, H, T, S)
    assert (weights >= 0).all()
    assert (weights[..., ~mask] == 0).all()
    torch.testing.assert_close(weights.sum(-1), mask.any(-1).double().expand(B, H, T))


@given(seed=st.integers(0, 2**32), rows=st.permutations(range(T)), keys=st.permutations(range(S)))
@settings(max_examples=25)
@pytest.mark.parametrize("need_weights", [True, False])
def test_rows_follow_their_queries_and_the_order_of_keys_does_not_matter(
    randomised, need_weights, seed, rows, keys
):
    attention = randomised(MultiHeadAttention(D, H), seed=seed)
    query, key, value = inputs()
    output, _ = attention(query, key, value, need_weights=need_weights)
    shuffled, _ = attention(query[:, rows], key[:, keys], value[:, keys], need_weights=need_weights)
    torch.testing.assert_close(shuffled, output[:, rows])


@given(seed=st.integers(0, 2**32), hidden=st.lists(st.booleans(), min_size=S, max_size=S))
@settings(max_examples=25)
@pytest.mark.parametrize("need_weights", [True, False])
def test_a_masked_key_changes_nothing(randomised, need_weights, seed, hidden):
    attention = randomised(MultiHeadAttention(D, H), seed=seed)
    query, key, value = inputs()
    hide = torch.tensor(hidden)
    before, _ = attention(query, key, value, ~hide, need_weights=need_weights)
    key[:, hide], value[:, hide] = 100.0, -100.0
    after, _ = attention(query, key, value, ~hide, need_weights=need_weights)
    assert torch.equal(before, after)


@pytest.mark.parametrize("need_weights", [True, False])
def test_dropout_acts_in_training_only(need_weights, randomised):
    attention = randomised(MultiHeadAttention(D, H, dropout=0.5))
    undropped = randomised(MultiHeadAttention(D, H)).eval()
    expected, _ = undropped(*inputs())
    torch.manual_seed(0)
    first, second = (attention(*inputs(), need_weights=need_weights)[0] for _ in range(2))
    assert not torch.allclose(first, second)
    attention.eval()
    torch.testing.assert_close(
        attention(*inputs(), need_weights=need_weights)[0], expected, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("need_weights", [True, False])
def test_dropout_keeps_the_mean(need_weights, randomised):
    """What survives is scaled up, so over many draws the output is the undropped one."""
    attention = randomised(MultiHeadAttention(D, H, dropout=0.5))
    query, key, value = inputs()
    draws = 4000
    torch.manual_seed(0)
    wide = (x[:1].expand(draws, -1, -1) for x in (query, key, value))
    output = attention(*wide, need_weights=need_weights)[0]
    expected = attention.eval()(query[:1], key[:1], value[:1])[0][0]
    error = (output.mean(0) - expected) / (output.std(0) / draws**0.5)
    assert error.abs().max() < 4.5


def test_returned_weights_are_those_before_dropout(randomised):
    attention = randomised(MultiHeadAttention(D, H, dropout=0.5))
    _, trained = attention(*inputs())
    _, expected = attention.eval()(*inputs())
    torch.testing.assert_close(trained, expected)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("rotary", [None, RotaryEncoding(D // H)], ids=["plain", "rotary"])
def test_a_cache_that_grows_gives_the_same_as_all_at_once(need_weights, rotary, randomised):
    attention = randomised(MultiHeadAttention(D, H, rotary=rotary))
    x = normal(B, S, D)
    mask = causal_mask(S) & some_mask(B, 1, 1, S)
    expected, _ = attention(x, x, x, mask)
    cache, pieces = KeyValueCache(), []
    for start, end in [(0, 1), (1, 4), (4, 5), (5, 7)]:
        new = x[:, start:end]
        pieces.append(attention(new, new, new, mask[:, :, start:end, :end], need_weights, cache)[0])
        assert len(cache) == end
    torch.testing.assert_close(torch.cat(pieces, dim=1), expected, rtol=0, atol=1e-12)


def test_a_cache_of_the_memory_is_filled_once(randomised):
    attention = randomised(MultiHeadAttention(D, H))
    query, key, value = inputs()
    expected, _ = attention(query, key, value)
    cache = KeyValueCache(grows=False)
    attention(query[:, :1], key, value, cache=cache)
    # The second call reads the cache: other keys make no difference to it.
    rest, _ = attention(query[:, 1:], torch.zeros_like(key), torch.zeros_like(value), cache=cache)
    torch.testing.assert_close(rest, expected[:, 1:])
    assert len(cache) == S


def test_a_cache_follows_the_rows_that_a_search_keeps(randomised):
    attention = randomised(MultiHeadAttention(D, H))
    x = normal(B, T, D)
    cache, rows = KeyValueCache(), torch.tensor([1, 1, 0])
    attention(x[:, :-1], x[:, :-1], x[:, :-1], cache=cache)
    cache.select(rows)
    new = x[rows, -1:]
    output, _ = attention(new, new, new, cache=cache)
    torch.testing.assert_close(output, attention(x[:, -1:], x, x)[0][rows])


def test_an_empty_cache_has_nothing_to_read():
    with pytest.raises(RuntimeError, match="nothing to read yet; an attention fills it"):
        KeyValueCache().read()


def test_rotary_scores_depend_on_the_distance_alone(randomised):
    """The same token everywhere: then a score says nothing but how far query and key are apart."""
    attention = randomised(MultiHeadAttention(D, H, rotary=RotaryEncoding(D // H)))
    x = normal(B, 1, D).expand(B, S, D)
    _, weights = attention(x, x, x)
    scores = weights.log()
    odds = scores - scores.diagonal(dim1=-2, dim2=-1)[..., None]
    for distance in range(-3, 4):
        same = odds.diagonal(distance, dim1=-2, dim2=-1)
        torch.testing.assert_close(same, same[..., :1].expand_as(same))
    assert not torch.allclose(odds[..., 0, 1], odds[..., 0, 2])


@pytest.mark.parametrize("need_weights", [True, False])
def test_autocast_computes_in_bfloat16(need_weights, randomised):
    attention = randomised(MultiHeadAttention(D, H), torch.float32)
    x = inputs(torch.float32)
    expected, _ = attention(*x, some_mask(T, S))
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = attention(*x, some_mask(T, S), need_weights=need_weights)
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output.float(), expected, rtol=0, atol=0.05)


X = normal(B, T, D)
MEMORY = normal(B, S, D)
ATTENTION = MultiHeadAttention(D, H).double()


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (
            {"mask": torch.ones(T, S)},
            TypeError,
            "boolean tensor, True = may attend; this one is torch.float32",
        ),
        ({"mask": [[True]]}, TypeError, "boolean tensor, True = may attend; this one is list"),
        ({"mask": some_mask(S, T)}, ValueError, r"the scores, \(2, 3, 5, 7\); its own shape is \(7, 5\)"),
        # Right for a batch of masks, wrong without the axis of the heads: it would broadcast to neither.
        (
            {"mask": some_mask(B, T, S)},
            ValueError,
            r"the scores, \(2, 3, 5, 7\); its own shape is \(2, 5, 7\)",
        ),
        ({"mask": some_mask(1, B, H, T, S)}, ValueError, r"its own shape is \(1, 2, 3, 5, 7\)"),
        (
            {"query": X[..., 1:]},
            ValueError,
            r"query must be \(batch, length, 12\).* its shape is \(2, 5, 11\)",
        ),
        ({"query": X[0]}, ValueError, r"query must be \(batch, length, 12\).* its shape is \(5, 12\)"),
        (
            {"key": MEMORY[..., :5]},
            ValueError,
            r"key must be \(batch, length, 12\).* its shape is \(2, 7, 5\)",
        ),
        ({"value": MEMORY[:, 1:]}, ValueError, "length S .* key has 7 .* value has 6"),
        ({"query": X[:1]}, ValueError, r"same batch .* query has 1 \(shape \(1, 5, 12\)\), key has 2"),
    ],
)
def test_a_bad_input_says_what_was_expected_and_what_came(call, error, said, need_weights):
    arguments = {"query": X, "key": MEMORY, "value": MEMORY, "need_weights": need_weights} | call
    with pytest.raises(error, match=said):
        ATTENTION(**arguments)


@pytest.mark.usefixtures("as_users_run_it")
def test_bad_sizes_say_so():
    with pytest.raises(
        ValueError, match=r"embed_dim 13 does not divide by num_heads 3: 13 = 4 x 3 .*Take 12 or 15"
    ):
        MultiHeadAttention(13, H)
    with pytest.raises(ValueError, match="split_heads: width 12 does not divide by num_heads 5"):
        split_heads(X, 5)
    with pytest.raises(ValueError, match="must be 1 or more; they are 12 and 0"):
        MultiHeadAttention(D, 0)


def test_rotary_positions_refuse_a_cache_that_does_not_grow():
    attention = MultiHeadAttention(D, H, rotary=RotaryEncoding(D // H)).double()
    with pytest.raises(ValueError, match=r"need a cache that grows .* made with grows=False"):
        attention(X, MEMORY, MEMORY, cache=KeyValueCache(grows=False))
