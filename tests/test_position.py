"""Do positions follow the paper's formula, does turning shift them, and do rotary scores know distance alone?"""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from plenary import (
    EncoderLayer,
    LearnedEncoding,
    RotaryEncoding,
    SinusoidalEncoding,
    TokenEmbedding,
    is_permutation_equivariant,
    rotation_matrix,
    sinusoidal_encoding,
)

B, T, D, V = 2, 5, 14, 11


@pytest.fixture
def double():
    """Tables come in the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def normal(*shape: int, seed: int = 1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.usefixtures("double")
def test_the_table_is_the_papers_formula():
    """Written out number by number, in Python's floats."""
    table = sinusoidal_encoding(101, D)
    for t in range(101):
        for i in range(D // 2):
            angle = t / 10000 ** (2 * i / D)
            assert table[t, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-12)
            assert table[t, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-12)


def test_in_float32_late_positions_are_as_exact_as_early_ones():
    """Angles computed in float32 would be wrong by 1e-3 at position 30,000."""
    row = sinusoidal_encoding(30_001, D)[-1]
    assert row.dtype == torch.float32
    for i in range(D // 2):
        assert row[2 * i].item() == pytest.approx(math.sin(30_000 / 10000 ** (2 * i / D)), abs=1e-7)


def test_a_table_of_no_positions_is_empty():
    assert sinusoidal_encoding(0, D).shape == (0, D)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("offset", [-3, 0, 1, 7])
def test_a_rotation_shifts_the_positions(offset):
    table = sinusoidal_encoding(20, D)
    R = rotation_matrix(offset, D)
    torch.testing.assert_close((table @ R.T)[3:10], table[3 + offset : 10 + offset], rtol=0, atol=1e-12)
    torch.testing.assert_close(R @ R.T, torch.eye(D))


def test_a_layer_without_positions_is_equivariant_and_one_with_them_is_not():
    layer = EncoderLayer(D, 7, 13).double()
    x, permutation = normal(B, T, D), torch.tensor([3, 0, 4, 1, 2])
    assert is_permutation_equivariant(layer, x, permutation)
    positions = SinusoidalEncoding(T, D).double()
    assert not is_permutation_equivariant(lambda tokens: layer(positions(tokens)), x, permutation)
    # The identity permutation tells nothing: every layer passes.
    assert is_permutation_equivariant(lambda tokens: layer(positions(tokens)), x, torch.arange(T))


def test_an_embedding_is_a_one_hot_product_times_the_root_of_the_width():
    embedding = TokenEmbedding(V, D).double()
    tokens = torch.tensor([[0, 10, 3, 3, 7], [1, 2, 9, 0, 5]])
    expected = F.one_hot(tokens, V).double() @ embedding.weight * math.sqrt(D)
    torch.testing.assert_close(embedding(tokens), expected)


def test_an_embedding_starts_with_variance_one():
    torch.manual_seed(0)
    rows = TokenEmbedding(1009, 64)(torch.arange(1009)[None])
    assert rows.std().item() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("kind", [SinusoidalEncoding, LearnedEncoding])
def test_positions_are_added_from_an_offset_on(kind):
    positions = kind(13, D)
    x = normal(B, T, D).float()
    for offset in (0, 3, 13 - T):
        assert torch.equal(positions(x, offset), x + positions.table[offset : offset + T])


def test_learned_positions_are_learned_and_sinusoidal_ones_are_not_saved():
    learned, fixed = LearnedEncoding(T, D), SinusoidalEncoding(T, D)
    learned(torch.zeros(B, T, D)).sum().backward()
    assert [name for name, _ in learned.named_parameters()] == ["table"]
    assert learned.table.grad is not None
    assert (learned.table.grad == B).all()
    assert not fixed.state_dict()
    assert not list(fixed.parameters())


def turned(x, t: int):
    """One vector at position t, by complex multiplication."""
    pairs = torch.view_as_complex(x.view(-1, 2))
    angles = t / 10000 ** (torch.arange(0, len(x), 2, dtype=torch.float64) / len(x))
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten()


def test_rotary_turns_each_pair_by_its_angle():
    x = normal(B, 3, T, D)
    turned_x = RotaryEncoding(D)(x, offset=17)
    for t in range(T):
        torch.testing.assert_close(turned_x[1, 2, t], turned(x[1, 2, t], 17 + t), rtol=0, atol=1e-12)
    torch.testing.assert_close(turned_x.norm(dim=-1), x.norm(dim=-1))


@given(t=st.integers(0, 5000), s=st.integers(0, 5000), shift=st.integers(0, 5000))
def test_rotary_scores_depend_on_the_distance_alone(t, s, shift):
    rotary, query, key = RotaryEncoding(D), normal(1, D, seed=1), normal(1, D, seed=2)
    score = (rotary(query, t) * rotary(key, s)).sum()
    shifted = (rotary(query, t + shift) * rotary(key, s + shift)).sum()
    torch.testing.assert_close(shifted, score, rtol=0, atol=1e-9)


def test_rotary_angles_survive_a_model_in_bfloat16():
    """Rounded to bfloat16, the angles would be off by radians at position 1000."""
    x = normal(1, D)
    rounded = RotaryEncoding(D).bfloat16()(x.bfloat16(), offset=1000).double()
    torch.testing.assert_close(rounded, RotaryEncoding(D)(x, offset=1000), rtol=0, atol=0.05)


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: sinusoidal_encoding(T, 7), "the width is 7; .* must be even. Take 8"),
        (lambda: sinusoidal_encoding(T, 0), "the width is 0; .* must be even. Take 2"),
        (lambda: rotation_matrix(1, 5), "the width is 5; .* Take 6"),
        (lambda: RotaryEncoding(3), "the width is 3; .* Take 4"),
        (lambda: sinusoidal_encoding(-1, D), "length is -1; a length is 0 or more"),
        (
            lambda: SinusoidalEncoding(T, D)(torch.zeros(B, T, D), offset=2),
            "reaches position 6, and the table ends at 4. .* max_length=7",
        ),
        (
            lambda: LearnedEncoding(T, D)(torch.zeros(B, 7, D)),
            "reaches position 6, and the table ends at 4. .* max_length=7",
        ),
    ],
)
def test_a_bad_size_says_what_was_expected_and_what_came(call, said):
    with pytest.raises(ValueError, match=said):
        call()
