"""Are EncoderLayer and Encoder torch's, pre- and post-norm, and do they keep what the book promises of them?"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from plenary import Encoder, EncoderLayer, causal_mask, convert

B, H, T, D, HIDDEN, DEPTH = 2, 3, 5, 12, 17, 3


def normal(*shape: int, seed: int = 1, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def some_mask(*shape: int, seed: int = 1):
    """Neither causal nor symmetric, no row empty."""
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.5
    mask[..., 2] = True
    return mask


def torch_layer(norm_first: bool, eps: float = 1e-5):
    options = {
        "dropout": 0.0,
        "activation": "gelu",
        "batch_first": True,
        "norm_first": norm_first,
        "layer_norm_eps": eps,
    }
    return nn.TransformerEncoderLayer(D, H, HIDDEN, **options)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("masked", [False, True])
def test_a_layer_gives_the_same_output_and_gradients_as_torch(
    dtype, norm_first, masked, randomised, run, assert_same
):
    theirs = randomised(torch_layer(norm_first, eps=0.01), dtype)
    ours = EncoderLayer(D, H, HIDDEN, norm_first=norm_first, eps=0.01).to(dtype)
    ours.load_state_dict(convert.encoder_layer(theirs.state_dict()))
    x, mask = normal(B, T, D, dtype=dtype), some_mask(T, T) if masked else None
    assert_same(
        run(ours, x, mask), run(theirs, x, src_mask=None if mask is None else ~mask), convert.encoder_layer
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("norm_first", [True, False])
def test_a_stack_gives_the_same_output_and_gradients_as_torch(
    dtype, norm_first, randomised, run, assert_same
):
    norm = nn.LayerNorm(D) if norm_first else None
    theirs = nn.TransformerEncoder(torch_layer(norm_first), DEPTH, norm, enable_nested_tensor=False)
    theirs = randomised(theirs, dtype)
    ours = Encoder(DEPTH, D, H, HIDDEN, norm_first=norm_first).to(dtype)
    ours.load_state_dict(convert.stack(theirs.state_dict()))
    x, real = normal(B, T, D, dtype=dtype), some_mask(B, T)
    assert_same(run(ours, x, real[:, None, None]), run(theirs, x, src_key_padding_mask=~real), convert.stack)


class FirstRows(nn.Module):
    """The whole layer, then the first rows of it."""

    def __init__(self, layer, rows):
        super().__init__()
        self.layer, self.rows = layer, rows

    def forward(self, x, mask):
        return self.layer(x, mask)[:, : self.rows]


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("rows", [1, 2, T])
@pytest.mark.parametrize("masked", [False, True])
def test_the_first_rows_alone_are_the_first_rows_of_all(
    norm_first, rows, masked, randomised, run, assert_same
):
    layer = randomised(EncoderLayer(D, H, HIDDEN, norm_first=norm_first))
    # A mask of the keys serves all queries; one with a row for each query is cut to the rows that are asked for.
    mask = some_mask(B, 1, T, T) if masked else None
    alone = run(layer, normal(B, T, D), None if mask is None else mask[:, :, :rows], rows=rows)
    assert alone.output.shape == (B, rows, D)
    all_rows = run(FirstRows(layer, rows), normal(B, T, D), mask)
    assert_same(alone, all_rows, lambda state: {n.removeprefix("layer."): g for n, g in state.items()})


@given(seed=st.integers(0, 2**32), order=st.permutations(range(T)))
@settings(max_examples=25)
@pytest.mark.parametrize("norm_first", [True, False])
def test_permuted_tokens_give_permuted_outputs(randomised, norm_first, seed, order):
    encoder = randomised(Encoder(2, D, H, HIDDEN, norm_first=norm_first), seed=seed)
    x = normal(B, T, D)
    torch.testing.assert_close(encoder(x[:, order]), encoder(x)[:, order])


@given(seed=st.integers(0, 2**32), cut=st.integers(1, T - 1))
@settings(max_examples=25)
def test_under_a_causal_mask_the_future_changes_nothing(randomised, seed, cut):
    encoder, x = randomised(Encoder(2, D, H, HIDDEN), seed=seed), normal(B, T, D)
    before = encoder(x, causal_mask(T))
    x[:, cut:] = 100 * normal(B, T - cut, D, seed=2)
    after = encoder(x, causal_mask(T))
    assert torch.equal(before[:, :cut], after[:, :cut])
    assert not torch.isclose(before[:, cut:], after[:, cut:]).all(-1).any()


@given(seed=st.integers(0, 2**32), padding=st.integers(1, 4))
@settings(max_examples=25)
def test_padding_changes_nothing(randomised, seed, padding):
    encoder, x = randomised(Encoder(2, D, H, HIDDEN), seed=seed), normal(B, T, D)
    padded = torch.cat([x, 100 * normal(B, padding, D, seed=2)], dim=1)
    mask = torch.arange(T + padding) < T
    torch.testing.assert_close(encoder(padded, mask)[:, :T], encoder(x))


@pytest.mark.parametrize("norm_first", [True, False])
def test_dropout_acts_in_training_only_and_on_what_a_sublayer_adds(norm_first, randomised):
    layer = randomised(EncoderLayer(D, H, HIDDEN, dropout=0.3, norm_first=norm_first))
    x = normal(B, T, D)
    torch.manual_seed(0)
    assert not torch.allclose(layer(x), layer(x))
    plain = randomised(EncoderLayer(D, H, HIDDEN, norm_first=norm_first))
    torch.testing.assert_close(layer.eval()(x), plain(x))
    # With everything dropped that is added, the residual path is left.
    layer.train().dropout.p = 1.0
    torch.testing.assert_close(layer(x), x if norm_first else layer.norm2(layer.norm1(x)))


def test_a_pre_norm_stack_ends_in_a_norm_and_a_post_norm_stack_does_not():
    assert isinstance(Encoder(2, D, H, HIDDEN, norm_first=False).norm, nn.Identity)
    x = Encoder(2, D, H, HIDDEN).double()(100 * normal(B, T, D))
    torch.testing.assert_close(x.mean(-1), torch.zeros(B, T, dtype=torch.float64), rtol=0, atol=1e-6)
    assert len({id(layer) for layer in Encoder(DEPTH, D, H, HIDDEN).layers}) == DEPTH


@pytest.mark.parametrize("norm_first", [True, False])
def test_autocast_stays_near_float32(norm_first, randomised, run):
    encoder, x = (
        randomised(Encoder(2, D, H, HIDDEN, norm_first=norm_first), torch.float32),
        normal(B, T, D).float(),
    )
    expected = run(encoder, x)
    with torch.autocast("cpu", torch.bfloat16):
        found = run(encoder, x)
    torch.testing.assert_close(found.output.float(), expected.output, rtol=0, atol=0.1)
    assert all(gradient.dtype == torch.float32 for gradient in found.parameters.values())


LAYER = EncoderLayer(D, H, HIDDEN)
TOKENS = torch.zeros(B, T, D)


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: EncoderLayer(D, 5, HIDDEN), ValueError, "embed_dim 12 does not divide by num_heads 5"),
        (lambda: LAYER(TOKENS, torch.ones(T, T)), TypeError, "boolean tensor, True = may attend"),
        (
            lambda: LAYER(TOKENS, torch.ones(T, 7) > 0),
            ValueError,
            r"\(2, 3, 5, 5\); its own shape is \(5, 7\)",
        ),
        (
            lambda: LAYER(TOKENS, causal_mask(T), rows=2),
            ValueError,
            r"\(2, 3, 2, 5\); its own shape is \(5, 5\)",
        ),
        (lambda: LAYER(TOKENS[0]), (ValueError, RuntimeError), r"query must be \(batch, length, 12\)"),
    ],
)
def test_a_bad_input_says_what_was_expected_and_what_came(call, error, said):
    with pytest.raises(error, match=said):
        call()
