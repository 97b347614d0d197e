"""Is the Vision Transformer torchvision's and timm's, number by number, and does it say what it cannot take?"""

import gc

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from timm.layers.pos_embed import resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer as TimmViT
from torch import nn
from torchvision.models import VisionTransformer as TorchvisionViT

from plenary import (
    VisionTransformer,
    add_positions,
    convert,
    count_parameters,
    interpolate_positions,
    patchify,
    prepend_class_token,
    unpatchify,
)
from plenary.vision_transformer import SIZES

# A picture of 20 x 28 in patches of 4: a grid of 5 x 7.
B, C, P, CLASSES, D, DEPTH, H, HIDDEN = 2, 3, 4, 11, 12, 2, 3, 17


def normal(*shape: int, seed: int = 1, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def ours(image_size=(20, 28), pool: str = "class", **options):
    return VisionTransformer(image_size, P, C, CLASSES, D, DEPTH, H, HIDDEN, pool=pool, **options)


def of_gradients(converter, reference: nn.Module):
    """Translate gradients with the converter of weights: it reads them out of the reference, where they are put."""

    def translate(gradients):
        with torch.no_grad():
            for name, parameter in reference.named_parameters():
                parameter.data = gradients[name]
        return converter(reference)[1]

    return translate


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_vit_b_16_is_torchvisions(dtype, randomised, run, assert_same):
    """The whole of it: 86 million weights, 224 x 224 pixels, logits, and every gradient."""
    theirs = randomised(torchvision.models.vit_b_16(), dtype)
    mine = VisionTransformer.from_torchvision(theirs)
    images = normal(1, 3, 224, 224, dtype=dtype)
    assert_same(run(mine, images), run(theirs, images), of_gradients(convert.torchvision_vit, theirs))
    del mine, theirs
    gc.collect()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_vit_tiny_patch16_224_is_timms(dtype, randomised, run, assert_same):
    theirs = randomised(timm.create_model("vit_tiny_patch16_224"), dtype)
    mine = VisionTransformer.from_timm(theirs)
    images = normal(1, 3, 224, 224, dtype=dtype)
    assert_same(run(mine, images), run(theirs, images), of_gradients(convert.timm_vit, theirs))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("eps", [1e-6, 0.1])
@pytest.mark.parametrize("training", [True, False])
def test_a_small_one_is_torchvisions(dtype, eps, training, randomised, run, assert_same):
    def norm(dim):
        return nn.LayerNorm(dim, eps)

    theirs = TorchvisionViT(28, P, DEPTH, H, D, HIDDEN, num_classes=CLASSES, norm_layer=norm)
    theirs = randomised(theirs, dtype).train(training)
    mine = VisionTransformer.from_torchvision(theirs)
    assert mine.training == training
    images = normal(B, C, 28, 28, dtype=dtype)
    assert_same(run(mine, images), run(theirs, images), of_gradients(convert.torchvision_vit, theirs))


def timm_vit(**options):
    sizes = {"img_size": (20, 28), "patch_size": P, "in_chans": C, "num_classes": CLASSES}
    widths = {"embed_dim": D, "depth": DEPTH, "num_heads": H, "mlp_ratio": 1.5}
    return TimmViT(**sizes, **widths | options)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("pool", ["class", "mean"])
@pytest.mark.parametrize("training", [True, False])
def test_a_small_one_is_timms(dtype, pool, training, randomised, run, assert_same):
    """Pictures that are not square, and both ways of reading the class."""
    pooled = {"class": {}, "mean": {"global_pool": "avg", "fc_norm": False}}[pool]
    theirs = randomised(timm_vit(**pooled), dtype).train(training)
    mine = VisionTransformer.from_timm(theirs)
    assert (mine.pool, mine.training) == (pool, training)
    images = normal(B, C, 20, 28, dtype=dtype)
    assert_same(run(mine, images), run(theirs, images), of_gradients(convert.timm_vit, theirs))


class AllRows(nn.Module):
    """The same model, with a last layer that computes every token."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        x = self.model.embed(images)
        for layer in self.model.layers:
            x = layer(x)
        x = self.model.norm(x)
        return self.model.head(x[:, 0] if self.model.pool == "class" else x[:, 1:].mean(dim=1))


@pytest.mark.parametrize("pool", ["class", "mean"])
def test_the_head_reads_what_the_whole_last_layer_would_give_it(pool, randomised, run, assert_same):
    model, images = randomised(ours(pool=pool)), normal(B, C, 20, 28)
    alone = run(model, images)
    assert_same(
        alone,
        run(AllRows(model), images),
        lambda state: {name.removeprefix("model."): gradient for name, gradient in state.items()},
    )


def test_it_is_what_the_book_says_step_by_step(randomised):
    """Patches, a linear layer, the class token first, positions once, layers, a norm, the class's row, a head."""
    model, images = randomised(ours()), normal(B, C, 20, 28)
    x = F.linear(patchify(images, P), *model.patch_embedding.projection.parameters())
    x = torch.cat([model.class_token.expand(B, 1, D), x], dim=1) + model.positions
    for layer in model.layers:
        x = layer(x)
    x = F.layer_norm(x, (D,), model.norm.weight, model.norm.bias, 1e-6)
    torch.testing.assert_close(model(images), x[:, 0] @ model.head.weight.T + model.head.bias)


@given(seed=st.integers(0, 2**32), order=st.permutations(range(35)))
@settings(max_examples=25)
def test_without_positions_the_order_of_the_patches_does_not_matter(randomised, seed, order):
    model = randomised(ours(), seed=seed)
    tokens = normal(B, 35, D)

    def logits(patches):
        x = prepend_class_token(patches, model.class_token)
        for layer in model.layers:
            x = layer(x)
        return model.head(model.norm(x)[:, 0])

    torch.testing.assert_close(logits(tokens[:, order]), logits(tokens))


def test_with_positions_the_order_of_the_patches_matters(randomised):
    model, images = randomised(ours()), normal(B, C, 20, 28)
    assert not torch.allclose(model(images.flip(-2)), model(images))


def test_dropout_acts_in_training_only(randomised):
    dropped, plain = randomised(ours(dropout=0.3)), randomised(ours())
    images = normal(B, C, 20, 28)
    torch.manual_seed(0)
    assert not torch.allclose(dropped(images), dropped(images))
    torch.testing.assert_close(dropped.eval()(images), plain(images))


def test_a_new_model_is_undecided_and_a_seed_makes_it_again():
    models = []
    for _ in range(2):
        torch.manual_seed(7)
        models.append(ours())
    images = normal(B, C, 20, 28).float()
    assert (models[0](images) == 0).all()
    for (name, one), other in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
        assert torch.equal(one, other), name
    models[0].reset_parameters()
    assert not torch.equal(models[0].positions, models[1].positions)
    assert models[0].positions.std().item() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize(
    "sizes",
    [
        (8, 4, 1, 10, 48, 3, 96, 4),
        ((20, 28), 4, 3, 11, 12, 2, 17, 3),
        ((6, 3), 3, 5, 2, 10, 1, 7, 5),
    ],
)
@pytest.mark.parametrize("pool", ["class", "mean"])
def test_parameters_are_counted_without_building_the_model(sizes, pool):
    names = (
        "image_size",
        "patch_size",
        "in_channels",
        "num_classes",
        "embed_dim",
        "num_layers",
        "hidden_dim",
    )
    *counting, num_heads = sizes
    arguments = dict(zip(names, counting, strict=True))
    model = VisionTransformer(**arguments, num_heads=num_heads, pool=pool)
    assert count_parameters(**arguments) == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("size", "theirs", "published"),
    [
        ("Ti", lambda: timm.create_model("vit_tiny_patch16_224"), 5_717_416),
        ("S", lambda: timm.create_model("vit_small_patch16_224"), 22_050_664),
        ("B", lambda: torchvision.models.vit_b_16(), 86_567_656),
        ("L", lambda: torchvision.models.vit_l_16(), 304_326_632),
    ],
)
def test_named_sizes_are_the_published_ones(size, theirs, published):
    """On the meta device: shapes without numbers."""
    with torch.device("meta"):
        model, reference = VisionTransformer.named(size), theirs()
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == sum(parameter.numel() for parameter in reference.parameters()) == published
    s = SIZES[size]
    assert count_parameters(224, 16, 3, 1000, s.embed_dim, s.num_layers, s.hidden_dim) == published
    heads = [
        {getattr(module, "num_heads", None) for module in built.modules()} for built in (model, reference)
    ]
    assert heads[0] == heads[1]


def test_the_test_size_takes_all_options():
    model = VisionTransformer.named("test", (20, 28), P, 1, CLASSES, dropout=0.25, pool="mean")
    assert (model.pool, model.grid, model.dropout.p) == ("mean", (5, 7), 0.25)
    assert model(torch.zeros(B, 1, 20, 28)).shape == (B, CLASSES)


@pytest.mark.parametrize("new_grid", [(5, 7), (7, 5), (3, 4), (10, 14), (1, 1)])
def test_positions_are_stretched_as_timm_does_without_antialias(new_grid):
    """timm smooths when it shrinks (antialias=True by default), torchvision aligns corners; ours does neither."""
    positions = normal(1, 36, D, dtype=torch.float32)
    stretched = interpolate_positions(positions, (5, 7), new_grid)
    theirs = resample_abs_pos_embed(positions, list(new_grid), [5, 7], antialias=False)
    torch.testing.assert_close(stretched, theirs, rtol=0, atol=1e-6)
    assert torch.equal(stretched[:, 0], positions[:, 0])
    if new_grid == (5, 7):
        torch.testing.assert_close(stretched, positions, rtol=0, atol=1e-6)


def test_a_resized_model_reads_the_new_pictures_and_the_old_one_stays(randomised):
    model = randomised(ours())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    other = model.resized((12, 40))
    assert other(normal(B, C, 12, 40)).shape == (B, CLASSES)
    assert (other.image_size, other.grid, model.grid) == ((12, 40), (3, 10), (5, 7))
    assert torch.equal(other.positions, interpolate_positions(model.positions, (5, 7), (3, 10)))
    other.head.weight.data.zero_()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    images = normal(B, C, 20, 28)
    torch.testing.assert_close(model.resized((20, 28))(images), model(images))
    assert "positions" in dict(other.named_parameters())


def test_the_class_token_comes_first_and_is_the_same_for_all():
    x, token = normal(B, 7, D), normal(1, 1, D, seed=2)
    joined = prepend_class_token(x, token)
    assert torch.equal(joined[:, 1:], x)
    assert all(torch.equal(row, token[0, 0]) for row in joined[:, 0])
    positions = normal(1, 8, D, seed=3)
    assert torch.equal(add_positions(joined, positions)[1, 5], joined[1, 5] + positions[0, 5])


def test_weights_survive_safetensors(tmp_path, randomised):
    saved, other = randomised(ours()), randomised(ours(), seed=1)
    save_file(saved.state_dict(), tmp_path / "model.safetensors")
    other.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert torch.equal(saved(normal(B, C, 20, 28)), other(normal(B, C, 20, 28)))


@pytest.mark.parametrize("pool", ["class", "mean"])
def test_autocast_stays_near_float32(pool, randomised, run):
    model, images = randomised(ours(pool=pool), torch.float32), normal(B, C, 20, 28).float()
    expected = run(model, images)
    with torch.autocast("cpu", torch.bfloat16):
        found = run(model, images)
    assert found.output.dtype == torch.bfloat16
    torch.testing.assert_close(found.output.float(), expected.output, rtol=0, atol=0.1)
    assert all(gradient.dtype == torch.float32 for gradient in found.parameters.values())


@pytest.mark.usefixtures("as_users_run_it")
def test_it_compiles_to_one_graph_with_the_same_gradients(randomised, run, assert_same):
    """Without Inductor, which takes half a minute to start; the benchmarks run the whole of `torch.compile`."""
    model, images = randomised(ours()), normal(B, C, 20, 28)
    expected = run(model, images)
    compiled = run(torch.compile(model, backend="aot_eager", fullgraph=True), images)
    assert_same(
        compiled,
        expected,
        lambda state: {f"_orig_mod.{name}": gradient for name, gradient in state.items()},
    )


MODEL = ours()
POSITIONS = torch.zeros(1, 36, D)


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: MODEL(torch.zeros(B, C, 28, 20)),
            r"expected images of 20 x 28, got 28 x 20. Resize them, or take model.resized\(\(height, width\)\)",
        ),
        (lambda: MODEL(torch.zeros(B, 1, 20, 28)), r"expected images \(B, 3, H, W\), got \(2, 1, 20, 28\)"),
        (lambda: MODEL(torch.zeros(C, 20, 28)), r"expected images \(B, 3, H, W\), got \(3, 20, 28\)"),
        (
            lambda: ours(image_size=(20, 30)),
            "VisionTransformer: the image's width 30 does not divide by patch_size 4: 30 = 7 x 4 .* Take 28 or 32",
        ),
        (lambda: ours(image_size=30), "the image's height 30 does not divide by patch_size 4"),
        (lambda: ours(pool="max"), 'pool is \'max\'; expected "class" or "mean"'),
        (lambda: VisionTransformer(8, 4, 1, 2, 10, 1, 3, 7), "embed_dim 10 does not divide by num_heads 3"),
        (lambda: VisionTransformer.named("XL"), "size is 'XL'; expected one of test, Ti, S, B, L"),
        (lambda: MODEL.resized(30), "VisionTransformer.resized: the image's height 30 does not divide"),
        (lambda: count_parameters(30, 4, 3, 2, 8, 1, 8), "count_parameters: the image's height 30"),
        (
            lambda: add_positions(torch.zeros(B, 35, D), POSITIONS),
            "35 tokens of width 12 need as many positions; there are 36 of width 12.* interpolate_positions",
        ),
        (lambda: add_positions(torch.zeros(B, 36, 11), POSITIONS), "36 tokens of width 11 .* 36 of width 12"),
        (
            lambda: interpolate_positions(POSITIONS, (5, 6), (3, 4)),
            r"a grid of 5 x 6 has 1 \+ 30 positions with the class token's; 36 came",
        ),
        (
            lambda: interpolate_positions(POSITIONS, (5, 7), (0, 4)),
            r"new grid is \(0, 4\); both sides must be 1",
        ),
    ],
)
def test_a_bad_size_says_what_was_expected_and_what_came(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_without_positions_the_rest_is_drawn_as_it_was_and_the_order_is_lost():
    """The ablation differs in one thing: no position is added, and none is learned."""
    torch.manual_seed(0)
    whole = ours().double()
    torch.manual_seed(0)
    without = ours(positional=False).double()
    for (name, one), other in zip(whole.named_parameters(), without.parameters(), strict=True):
        assert torch.equal(one, other) is (name != "positions"), name
    assert not without.positions.any()
    assert not without.positions.requires_grad
    assert not without.resized((12, 16)).positions.requires_grad
    images = normal(B, C, 20, 28)
    order = torch.randperm(35, generator=torch.Generator().manual_seed(0))
    shuffled = unpatchify(patchify(images, P)[:, order], P, 20, 28)
    for model, same in ((whole, False), (without, True)):
        with torch.no_grad():
            model.head.weight.normal_()
            assert torch.allclose(model(images), model(shuffled), atol=1e-9) is same


def test_post_norm_layers_are_torchs_and_no_norm_comes_after_them(randomised):
    mine = randomised(ours(norm_first=False), torch.float64).eval()
    assert isinstance(mine.norm, nn.Identity)
    images = normal(B, C, 20, 28)
    with torch.no_grad():
        x = mine.embed(images)
        for layer in mine.layers:
            theirs = (
                nn.TransformerEncoderLayer(D, H, HIDDEN, 0.0, "gelu", 1e-6, batch_first=True).double().eval()
            )
            state = layer.state_dict()
            projections = {
                f"in_proj_{kind}": torch.cat([state[f"attention.{one}_proj.{kind}"] for one in "qkv"])
                for kind in ("weight", "bias")
            }
            theirs.self_attn.load_state_dict(
                projections
                | {f"out_proj.{kind}": state[f"attention.out_proj.{kind}"] for kind in ("weight", "bias")}
            )
            rest = {
                n.replace("feed_forward.", ""): t for n, t in state.items() if not n.startswith("attention.")
            }
            theirs.load_state_dict(rest, strict=False)
            x = theirs(x)
        torch.testing.assert_close(mine(images), mine.head(x[:, 0]), rtol=0, atol=1e-9)
