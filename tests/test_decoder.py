"""Are DecoderLayer and Decoder torch's, pre- and post-norm, and is decoding with a cache the same as without?"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from plenary import Decoder, DecoderLayer, causal_mask, convert

B, H, T, S, D, HIDDEN, DEPTH = 2, 3, 5, 7, 12, 17, 3


def normal(*shape: int, seed: int = 1, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def some_mask(*shape: int, seed: int = 1):
    """Neither causal nor symmetric, no row empty."""
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.5
    mask[..., 2] = True
    return mask


def inputs(dtype=torch.float64):
    return normal(B, T, D, seed=1, dtype=dtype), normal(B, S, D, seed=2, dtype=dtype)


def torch_layer(norm_first: bool, eps: float = 1e-5):
    options = {
        "dropout": 0.0,
        "activation": "gelu",
        "batch_first": True,
        "norm_first": norm_first,
        "layer_norm_eps": eps,
    }
    return nn.TransformerDecoderLayer(D, H, HIDDEN, **options)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("masked", [False, True])
def test_a_layer_gives_the_same_output_and_gradients_as_torch(
    dtype, norm_first, masked, randomised, run, assert_same
):
    theirs = randomised(torch_layer(norm_first, eps=0.01), dtype)
    ours = DecoderLayer(D, H, HIDDEN, norm_first=norm_first, eps=0.01).to(dtype)
    ours.load_state_dict(convert.decoder_layer(theirs.state_dict()))
    masks = (some_mask(T, T), some_mask(T, S, seed=2)) if masked else (None, None)
    forbidden = [None if mask is None else ~mask for mask in masks]
    assert_same(
        run(ours, *inputs(dtype), *masks),
        run(theirs, *inputs(dtype), tgt_mask=forbidden[0], memory_mask=forbidden[1]),
        convert.decoder_layer,
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("norm_first", [True, False])
def test_a_stack_gives_the_same_output_and_gradients_as_torch(
    dtype, norm_first, randomised, run, assert_same
):
    norm = nn.LayerNorm(D) if norm_first else None
    theirs = randomised(nn.TransformerDecoder(torch_layer(norm_first), DEPTH, norm), dtype)
    ours = Decoder(DEPTH, D, H, HIDDEN, norm_first=norm_first).to(dtype)
    ours.load_state_dict(convert.stack(theirs.state_dict()))
    real = some_mask(B, S)
    assert_same(
        run(ours, *inputs(dtype), causal_mask(T), real[:, None, None]),
        run(theirs, *inputs(dtype), tgt_mask=~causal_mask(T), memory_key_padding_mask=~real),
        convert.stack,
    )


@given(seed=st.integers(0, 2**32), cut=st.integers(1, T - 1))
@settings(max_examples=25)
@pytest.mark.parametrize("norm_first", [True, False])
def test_the_future_changes_nothing(randomised, norm_first, seed, cut):
    decoder, (x, memory) = randomised(Decoder(2, D, H, HIDDEN, norm_first=norm_first), seed=seed), inputs()
    before = decoder(x, memory, causal_mask(T))
    x[:, cut:] = 100 * normal(B, T - cut, D, seed=3)
    after = decoder(x, memory, causal_mask(T))
    assert torch.equal(before[:, :cut], after[:, :cut])
    assert not torch.isclose(before[:, cut:], after[:, cut:]).all(-1).any()


@given(seed=st.integers(0, 2**32), padding=st.integers(1, 4), order=st.permutations(range(S)))
@settings(max_examples=25)
def test_neither_padding_of_the_memory_nor_its_order_changes_anything(randomised, seed, padding, order):
    decoder, (x, memory) = randomised(Decoder(2, D, H, HIDDEN), seed=seed), inputs()
    padded = torch.cat([memory[:, order], 100 * normal(B, padding, D, seed=3)], dim=1)
    mask = torch.arange(S + padding) < S
    expected = decoder(x, memory, causal_mask(T))
    torch.testing.assert_close(decoder(x, padded, causal_mask(T), mask), expected)


@given(
    seed=st.integers(0, 2**32),
    pieces=st.lists(st.integers(1, T), min_size=1, max_size=T).filter(lambda sizes: sum(sizes) == T),
)
@settings(max_examples=25)
@pytest.mark.parametrize("norm_first", [True, False])
def test_with_a_cache_piece_by_piece_is_the_same_as_all_at_once(randomised, norm_first, seed, pieces):
    decoder, (x, memory) = randomised(Decoder(2, D, H, HIDDEN, norm_first=norm_first), seed=seed), inputs()
    # The target has padding in its middle, the memory anywhere.
    real = torch.tensor([[True, True, True, True, True], [True, False, True, False, True]])
    mask, memory_mask = causal_mask(T) & real[:, None, None], some_mask(B, 1, 1, S)
    expected = decoder(x, memory, mask, memory_mask)
    cache, outputs, start = decoder.empty_cache(), [], 0
    for size in pieces:
        end = start + size
        part = mask[:, :, start:end, :end]
        outputs.append(decoder(x[:, start:end], memory, part, memory_mask, cache))
        start = end
    torch.testing.assert_close(torch.cat(outputs, dim=1), expected, rtol=0, atol=1e-11)
    assert [(len(kept.target), len(kept.memory)) for kept in cache] == [(T, S)] * 2


def test_a_cache_follows_the_rows_that_a_search_keeps(randomised):
    decoder, (x, memory) = randomised(Decoder(2, D, H, HIDDEN)), inputs()
    cache, rows = decoder.empty_cache(), torch.tensor([1, 0, 1])
    decoder(x[:, :-1], memory, causal_mask(T - 1), cache=cache)
    for kept in cache:
        kept.select(rows)
    last = decoder(x[rows, -1:], memory[rows], cache=cache)
    torch.testing.assert_close(last, decoder(x, memory, causal_mask(T))[rows, -1:])


@pytest.mark.parametrize("norm_first", [True, False])
def test_dropout_acts_in_training_only_and_on_what_a_sublayer_adds(norm_first, randomised):
    layer = randomised(DecoderLayer(D, H, HIDDEN, dropout=0.3, norm_first=norm_first))
    x, memory = inputs()
    torch.manual_seed(0)
    assert not torch.allclose(layer(x, memory), layer(x, memory))
    plain = randomised(DecoderLayer(D, H, HIDDEN, norm_first=norm_first))
    torch.testing.assert_close(layer.eval()(x, memory), plain(x, memory))
    # With everything dropped that is added, the residual path is left.
    layer.train().dropout.p = 1.0
    expected = x if norm_first else layer.norm3(layer.norm2(layer.norm1(x)))
    torch.testing.assert_close(layer(x, memory), expected)


def test_autocast_stays_near_float32(randomised):
    decoder, (x, memory) = randomised(Decoder(2, D, H, HIDDEN), torch.float32), inputs(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        output = decoder(x, memory, causal_mask(T))
    torch.testing.assert_close(output.float(), decoder(x, memory, causal_mask(T)), rtol=0, atol=0.1)


LAYER = DecoderLayer(D, H, HIDDEN)
X, MEMORY = inputs(torch.float32)


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: DecoderLayer(D, 7, HIDDEN), ValueError, "embed_dim 12 does not divide by num_heads 7"),
        (lambda: LAYER(X, MEMORY, torch.zeros(T, T)), TypeError, "boolean tensor, True = may attend"),
        (
            lambda: LAYER(X, MEMORY, None, causal_mask(T)),
            ValueError,
            r"\(2, 3, 5, 7\); its own shape is \(5, 5\)",
        ),
        (
            lambda: LAYER(X, MEMORY[..., 1:]),
            ValueError,
            r"key must be \(batch, length, 12\).* is \(2, 7, 11\)",
        ),
        (lambda: LAYER(X, MEMORY[:1]), ValueError, r"same batch .* query has 2 .* key has 1"),
    ],
)
def test_a_bad_input_says_what_was_expected_and_what_came(call, error, said):
    with pytest.raises(error, match=said):
        call()
