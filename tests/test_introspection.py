"""Does looking inside a model show what happened in it, leave it as it was, and count right?"""

import copy
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer as TorchvisionViT

import plenary
from plenary.introspection import (
    attention_rollout,
    class_attention_map,
    count_flops,
    flops_of_vit,
    parameter_table,
    record_attention,
    without_heads,
    without_layer,
)

# Sizes are prime, or pairwise different where they have to divide.
B, H, D, LAYERS, CLASSES, HIDDEN = 2, 3, 33, 5, 7, 37
HEIGHT, WIDTH, P, C = 14, 22, 2, 3
GRID = (HEIGHT // P, WIDTH // P)
N1 = 1 + GRID[0] * GRID[1]


def vit(randomised: Any, pool: str = "class", dropout: float = 0.0) -> plenary.VisionTransformer:
    sizes = ((HEIGHT, WIDTH), P, C, CLASSES, D, LAYERS, H, HIDDEN)
    return randomised(plenary.VisionTransformer(*sizes, dropout=dropout, pool=pool)).eval()


def images(dtype: torch.dtype = torch.float64, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(B, C, HEIGHT, WIDTH, generator=generator, dtype=torch.float64).to(dtype)


def hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def weights_by_hand(model: plenary.VisionTransformer, pictures: Tensor) -> list[Tensor]:
    """What each layer's attention weighs, asked for one by one and without hooks."""
    x, weights = model.embed(pictures), []
    for layer in model.layers:
        assert isinstance(layer, plenary.EncoderLayer)
        normed = layer.norm1(x)
        weights.append(layer.attention(normed, normed, normed)[1])
        x = layer(x)
    return weights


@pytest.mark.parametrize("pool", ["class", "mean"])
def test_are_the_recorded_weights_those_of_every_layer_and_square(randomised, pool):
    model = vit(randomised, pool)
    with torch.no_grad(), record_attention(model) as recording:
        model(images())
    assert recording.names == [f"layers.{index}.attention" for index in range(LAYERS)]
    expected = weights_by_hand(model, images())
    assert len(recording) == LAYERS
    for found, by_hand in zip(recording.matching(), expected, strict=True):
        assert found.shape == (B, H, N1, N1)
        torch.testing.assert_close(found, by_hand, rtol=0, atol=1e-12)


@pytest.mark.parametrize("pool", ["class", "mean"])
def test_do_outputs_and_gradients_stay_the_same(randomised, run, assert_same, pool):
    plain = run(vit(randomised, pool), images())
    model = vit(randomised, pool)
    with record_attention(model):
        recorded = run(model, images())
    assert_same(recorded, plain)


def test_are_all_hooks_gone_afterwards_also_after_an_error(randomised):
    model = vit(randomised)
    with record_attention(model):
        assert hooks(model) > 0
    assert hooks(model) == 0
    with pytest.raises(ZeroDivisionError), record_attention(model):
        raise ZeroDivisionError
    assert hooks(model) == 0
    assert model.layers[0].attention(*[torch.ones(B, 5, D).double()] * 3, need_weights=False)[1] is None  # type: ignore[operator,union-attr]


def test_is_a_recording_detached_and_kept_after_the_block(randomised):
    model = vit(randomised)
    with record_attention(model) as recording:
        model(images())
    model(images())
    assert len(recording) == LAYERS
    assert not any(weights.requires_grad for _, weights in recording)


def test_do_two_recordings_at_once_both_hear_everything(randomised):
    model = vit(randomised)
    expected = model(images())
    with record_attention(model) as outer, record_attention(model) as inner:
        found = model(images())
    torch.testing.assert_close(found, expected)
    assert outer.names == inner.names
    for one, other in zip(outer.matching(), inner.matching(), strict=True):
        assert torch.equal(one, other)
        assert one.shape == (B, H, N1, N1)


def test_does_a_caller_get_what_it_asked_the_attention_for(randomised):
    attention = randomised(plenary.MultiHeadAttention(D, H))
    x = torch.randn(B, 5, D, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with record_attention(attention) as recording:
        assert attention(x, x, x, need_weights=False)[1] is None
        assert attention(x, x, x, None, False)[1] is None
        weights = attention(x, x, x)[1]
    assert len(recording) == 3
    assert torch.equal(weights, recording.matching()[0])


def test_does_a_layer_give_the_rows_that_were_asked_for(randomised):
    layer = randomised(plenary.EncoderLayer(D, H, HIDDEN))
    x = torch.randn(B, 7, D, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mask = torch.ones(B, 1, 5, 7, dtype=torch.bool)
    with record_attention(layer) as recording:
        assert layer(x, rows=5).shape == layer(x, None, 5).shape == layer(x, mask, rows=5).shape == (B, 5, D)
        assert layer(x).shape == (B, 7, D)
    torch.testing.assert_close(layer(x, rows=5), layer(x)[:, :5])
    assert [tuple(w.shape[-2:]) for w in recording.matching()] == [(7, 7), (7, 7), (5, 7), (7, 7)]


def test_is_an_encoder_decoder_recorded_part_by_part_and_step_by_step(randomised):
    # 7 and 11 words; decoding with a cache calls every attention of the decoder once a token.
    model = randomised(plenary.Transformer(7, 11, 12, H, 2, 2, 13, max_length=17))
    source, target = torch.tensor([[1, 2, 3, 4, 0], [2, 3, 4, 5, 6]]), torch.tensor([[1, 5, 9], [1, 2, 0]])
    with record_attention(model) as recording:
        model(source, target)
    assert [tuple(w.shape) for w in recording.matching("encoder.*")] == [(2, H, 5, 5)] * 2
    assert [tuple(w.shape) for w in recording.matching("decoder.*.self_attention")] == [(2, H, 3, 3)] * 2
    assert [tuple(w.shape) for w in recording.matching("decoder.*.cross_attention")] == [(2, H, 3, 5)] * 2
    assert [name for name, _ in recording][2:4] == [
        "decoder.layers.0.self_attention",
        "decoder.layers.0.cross_attention",
    ]
    assert (recording.matching("encoder.*")[0][0, :, :, 4] == 0).all(), "padding must not be listened to"

    expected = plenary.greedy_decode(model, source, bos_id=1, eos_id=99, max_length=3)
    with record_attention(model) as recording:
        written = plenary.greedy_decode(model, source, bos_id=1, eos_id=99, max_length=3)
    assert torch.equal(written, expected)
    steps = recording.matching("decoder.layers.1.self_attention")
    assert [tuple(w.shape) for w in steps] == [(2, H, 1, 1), (2, H, 1, 2), (2, H, 1, 3)]


class Learners(nn.Module):
    """An attention as a learner writes it in chapter 7: it always returns its weights."""

    class MultiHeadAttention(nn.Module):
        def forward(self, query, key, value, mask=None):
            return value, torch.full((len(query), H, query.shape[1], key.shape[1]), 1 / key.shape[1])

    def __init__(self):
        super().__init__()
        self.attention = self.MultiHeadAttention()

    def forward(self, x):
        return self.attention(x, x, x)[0]


def test_is_a_learners_own_attention_heard():
    model = Learners()
    with record_attention(model) as recording:
        model(torch.zeros(B, 5, D))
    assert recording.matching("attention")[0].shape == (B, H, 5, 5)


@pytest.mark.parametrize("training", [False, True])
def test_are_torchs_own_layers_recorded_without_their_fast_path(training):
    torch.manual_seed(0)
    # An even number of heads: with an odd one torch never takes its fast path.
    layer = nn.TransformerEncoderLayer(44, 4, HIDDEN, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).train(training)
    x = torch.randn(B, 5, 44)
    with torch.no_grad():
        expected = model(x)
        with record_attention(model) as recording:
            found = model(x)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert [tuple(w.shape) for w in recording.matching()] == [(B, 4, 5, 5)] * 2
    attention = layer.self_attn
    mean = attention(x, x, x)[1]
    with record_attention(attention) as recording:
        torch.testing.assert_close(attention(x, x, x)[1], mean)
    torch.testing.assert_close(recording.matching()[0].mean(1), mean)


def timm_vit() -> nn.Module:
    sizes: dict[str, Any] = {"patch_size": 2, "embed_dim": D, "depth": 2, "num_heads": H}
    return timm.models.VisionTransformer(img_size=10, num_classes=CLASSES, mlp_ratio=1, **sizes).eval()


def test_are_the_libraries_vits_recorded_and_put_back():
    torch.manual_seed(0)
    pictures = torch.randn(B, 3, 10, 10)
    theirs = TorchvisionViT(10, 2, 2, H, D, HIDDEN, num_classes=CLASSES).eval()
    for model, convert in [
        (theirs, plenary.VisionTransformer.from_torchvision),
        (timm_vit(), plenary.VisionTransformer.from_timm),
    ]:
        ours = convert(model)
        with torch.no_grad(), record_attention(model) as recording, record_attention(ours) as expected:
            found = model(pictures)
            ours(pictures)
        with torch.no_grad():
            torch.testing.assert_close(found, model(pictures), rtol=0, atol=1e-5)
        for one, other in zip(recording.matching(), expected.matching(), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
        assert hooks(model) == 0
        assert all(getattr(module, "fused_attn", True) for module in model.modules())


def test_rollout_by_hand_for_two_layers():
    # Two tokens, one head. Token 1 hears token 0 in the first layer; token 0 hears token 1 in the second.
    first = torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])
    second = torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]])
    assert attention_rollout([first])[0].tolist() == [[1.0, 0.0], [0.5, 0.5]]
    # (1/2) [[1, 1], [0, 2]] times the first: the later layer stands on the left.
    assert attention_rollout([first, second])[0].tolist() == [[0.75, 0.25], [0.5, 0.5]]
    assert attention_rollout([second, first])[0].tolist() == [[0.5, 0.5], [0.25, 0.75]]


def some_attentions(layers: int = LAYERS, tokens: int = 7) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    shape = (layers, B, H, tokens, tokens)
    return list(torch.randn(shape, generator=generator, dtype=torch.float64).softmax(-1))


def test_is_rollout_a_mean_over_heads_with_rows_that_sum_to_one():
    attentions = some_attentions()
    before = [weights.clone() for weights in attentions]
    rollout = attention_rollout(attentions)
    assert rollout.shape == (B, 7, 7)
    torch.testing.assert_close(rollout.sum(-1), torch.ones(B, 7, dtype=torch.float64))
    mixing = [(a.mean(1) + torch.eye(7)) / 2 for a in before]
    for sample in range(B):
        expected = torch.linalg.multi_dot([m[sample] for m in reversed(mixing)])
        torch.testing.assert_close(rollout[sample], expected)
    assert all(torch.equal(now, then) for now, then in zip(attentions, before, strict=True))


def test_is_the_class_map_the_class_tokens_row_as_the_patches_lie():
    rollout = torch.arange(B * 7 * 7, dtype=torch.float64).view(B, 7, 7)
    found = class_attention_map(rollout, (2, 3))
    assert found[0].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert found[1].tolist() == [[50, 51, 52], [53, 54, 55]]


def test_does_the_table_count_every_parameter_once_and_by_part(randomised):
    model = vit(randomised)
    table = parameter_table(model)
    assert list(table.counts) == ["class_token", "positions", "patch_embedding", "layers", "norm", "head"]
    sizes = ((HEIGHT, WIDTH), P, C, CLASSES, D, LAYERS, HIDDEN)
    assert table.total == plenary.count_parameters(*sizes)
    assert table.counts["head"] == (D + 1) * CLASSES
    assert parameter_table(model, depth=3).counts["layers.0.attention"] == 4 * (D + 1) * D
    shared = nn.Linear(3, 5, bias=False)
    assert parameter_table(nn.ModuleList([shared, shared])).counts == {"0": 15}


def test_can_the_table_be_read_in_a_terminal_and_in_a_notebook():
    table = parameter_table(nn.ModuleDict({"wide<": nn.Linear(1999, 2), "thin": nn.Linear(1, 1)}))
    lines = str(table).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[2].split() == ["wide<", "4,000", "100.0%"]
    assert lines[-1].split() == ["total", "4,002", "100.0%"]
    html = table._repr_html_()
    assert '<th scope="row">wide&lt;</th><td>4,000</td>' in html
    assert str(parameter_table(nn.ReLU())).endswith("0.0%")


@pytest.mark.parametrize("pool", ["class", "mean"])
def test_do_counted_and_closed_form_flops_agree(randomised, pool):
    model = vit(randomised, pool).train()
    sizes = ((HEIGHT, WIDTH), P, C, CLASSES, D, LAYERS, HIDDEN)
    assert count_flops(model, images()) == B * flops_of_vit(*sizes, pool=pool)
    assert model.training


@pytest.mark.parametrize(("width", "heads"), [(33, 3), (44, 4)])
def test_are_torchs_layers_counted_as_ours_are(width, heads):
    # Torch's fast path, which the counter does not see into, is taken for an even number of heads.
    x = torch.zeros(B, 5, width)
    theirs = nn.TransformerEncoderLayer(width, heads, HIDDEN, batch_first=True, norm_first=True).eval()
    linear = 2 * B * 5 * (4 * width * width + 2 * width * HIDDEN)
    products = 2 * 2 * B * 5 * 5 * width
    ours = plenary.EncoderLayer(width, heads, HIDDEN)
    assert count_flops(theirs, x) == count_flops(ours, x) == linear + products
    assert torch.backends.mha.get_fastpath_enabled()


def test_are_the_flops_of_vit_b_16_the_published_ones():
    # Torchvision prints 17.56 GFLOPS for vit_b_16, counting a multiplication with an addition as one.
    assert flops_of_vit(224, 16, 3, 1000, 768, 12, 3072, pool="mean") / 2e9 == pytest.approx(17.56, abs=0.01)


NOT_A_MODEL: Any = "a model"


def nothing_recorded() -> None:
    with record_attention(plenary.MultiHeadAttention(D, H)) as recording:
        pass
    recording.matching()


def no_such_name() -> None:
    attention = plenary.MultiHeadAttention(D, H)
    with record_attention(attention) as recording:
        attention(*[torch.zeros(B, 5, D)] * 3)
    recording.matching("decoder.*")


def record(model: nn.Module) -> None:
    with record_attention(model):
        pass


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: record(NOT_A_MODEL), TypeError, "expected a torch.nn.Module, got str"),
        (lambda: record(nn.Linear(2, 3)), ValueError, "no attention in this Linear that can be recorded"),
        (nothing_recorded, ValueError, "nothing was recorded. Call the model inside the with block"),
        (no_such_name, ValueError, "no attention is called 'decoder"),
        (lambda: attention_rollout([]), ValueError, "at least one layer, got an empty list"),
        (
            lambda: attention_rollout([*some_attentions(), some_attentions(1, 5)[0]]),
            ValueError,
            r"attentions\[0\] has shape \(2, 3, 7, 7\), attentions\[5\] has \(2, 3, 5, 5\)",
        ),
        (
            lambda: attention_rollout([some_attentions()[0][:, :, :1]]),
            ValueError,
            r"attentions\[0\] must be \(B, H, N \+ 1, N \+ 1\).*\(2, 3, 1, 7\)",
        ),
        (lambda: attention_rollout([some_attentions()[0][0]]), ValueError, "needs at least 4 axes"),
        (
            lambda: class_attention_map(torch.zeros(B, 7, 7), (2, 5)),
            ValueError,
            "2 x 5 has 10 patches; the rollout has 7 tokens, the class token and 6 patches",
        ),
        (lambda: class_attention_map(torch.zeros(B, 7, 7), (-2, -3)), ValueError, "a grid of -2 x -3"),
        (lambda: class_attention_map(torch.zeros(7, 7), (2, 3)), ValueError, r"got \(7, 7\)"),
        (lambda: parameter_table(nn.ReLU(), depth=0), ValueError, "depth is 0"),
        (lambda: flops_of_vit(9, 2, 1, 5, 7, 2, 3), ValueError, "9 = 4 x 2 \\+ 1"),
        (lambda: flops_of_vit(8, 2, 1, 5, 7, 2, 3, pool="max"), ValueError, "pool is 'max'"),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(call, error, said):
    with pytest.raises(error, match=said):
        call()


def attention_of(model: plenary.VisionTransformer) -> plenary.MultiHeadAttention:
    """The second layer's."""
    layer = model.layers[1]
    assert isinstance(layer, plenary.EncoderLayer)
    return layer.attention


def test_a_silent_head_is_one_whose_columns_are_zero(randomised):
    model = vit(randomised)
    other = copy.deepcopy(model)
    attention, size = attention_of(model), D // H
    with torch.no_grad():
        for head in (0, 2):
            attention_of(other).out_proj.weight[:, head * size : (head + 1) * size] = 0
        before = model(images())
        with without_heads(attention, [2, 0, 2]):
            assert torch.allclose(model(images()), other(images()), atol=1e-12)
        assert torch.equal(model(images()), before)
    assert hooks(model) == 0
    with pytest.raises(ValueError, match="there is no head 3; this attention has the heads 0 to 2"):
        without_heads(attention, [3]).__enter__()


def test_a_layer_that_is_left_out_passes_on_what_it_got(randomised):
    model = vit(randomised)
    layer = model.layers[0]
    x = torch.randn(2, 5, D, dtype=torch.float64)
    with without_layer(layer):
        assert torch.equal(layer(x), x)
    assert not torch.allclose(layer(x), x)
    assert hooks(model) == 0
