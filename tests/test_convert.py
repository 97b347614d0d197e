"""Are other libraries' weights copied without touching them, and are models that ours cannot be refused aloud?"""

import copy
from functools import partial

import pytest
import torch
import torchvision
from timm.layers.norm import RmsNorm
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer as TimmViT
from torch import nn
from torchvision.models import VisionTransformer as TorchvisionViT
from torchvision.models.vision_transformer import ConvStemConfig

from plenary import Encoder, MultiHeadAttention, VisionTransformer, convert

D, H, HIDDEN, CLASSES = 12, 3, 24, 5

torchvision_vit = partial(TorchvisionViT, 8, 4, 2, H, D, HIDDEN, num_classes=CLASSES)
timm_vit = partial(
    TimmViT, img_size=8, patch_size=4, embed_dim=D, depth=2, num_heads=H, mlp_ratio=2, num_classes=CLASSES
)


def all_of(model: nn.Module):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize(
    ("theirs", "convert_it"),
    [
        (torchvision_vit, VisionTransformer.from_torchvision),
        (timm_vit, VisionTransformer.from_timm),
    ],
    ids=["torchvision", "timm"],
)
def test_the_copy_and_the_original_share_nothing(theirs, convert_it, randomised):
    original = randomised(theirs())
    before, modes = all_of(original), [module.training for module in original.modules()]
    requires_grad = [parameter.requires_grad for parameter in original.parameters()]
    ours = convert_it(original)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.fill_(97.0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in original.state_dict().items())
    assert [module.training for module in original.modules()] == modes
    assert [parameter.requires_grad for parameter in original.parameters()] == requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_copy_has_the_dtype_and_the_mode_of_the_original(dtype):
    ours = VisionTransformer.from_timm(timm_vit().to(dtype).eval())
    assert {parameter.dtype for parameter in ours.parameters()} == {dtype}
    assert not ours.training
    assert VisionTransformer.from_torchvision(torchvision_vit().train()).training


def test_every_weight_is_copied_exactly_once(randomised):
    """No two of our parameters come from one of theirs, and none of theirs is left out."""
    for theirs, converter in ((torchvision_vit, convert.torchvision_vit), (timm_vit, convert.timm_vit)):
        original = randomised(theirs())
        values = torch.cat([tensor.flatten() for tensor in original.state_dict().values()])
        copied = torch.cat([tensor.flatten() for tensor in converter(original)[1].values()])
        assert torch.equal(values.sort().values, copied.sort().values)


def test_the_dropout_of_torchvision_is_taken_over():
    ours = VisionTransformer.from_torchvision(torchvision_vit(dropout=0.25))
    assert {module.p for module in ours.modules() if isinstance(module, torch.nn.Dropout)} == {0.25}


def test_state_dicts_are_copied_not_shared(randomised):
    layer = nn.TransformerEncoderLayer(D, H, HIDDEN, activation="gelu", batch_first=True, norm_first=True)
    theirs = randomised(nn.TransformerEncoder(layer, 11, nn.LayerNorm(D), enable_nested_tensor=False))
    before = all_of(theirs)
    converted = convert.stack(theirs.state_dict())
    Encoder(11, D, H, HIDDEN).double().load_state_dict(converted)  # layers 10 and 1 are not confused
    assert torch.equal(converted["layers.10.norm1.bias"], before["layers.10.norm1.bias"])
    for tensor in converted.values():
        tensor.fill_(97.0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in theirs.state_dict().items())


def test_the_three_projections_are_cut_in_the_order_query_key_value():
    theirs = nn.MultiheadAttention(D, H)
    with torch.no_grad():
        for part, value in zip(theirs.in_proj_weight.chunk(3), (1.0, 2.0, 3.0), strict=True):
            part.fill_(value)
    ours = MultiHeadAttention(D, H)
    ours.load_state_dict(convert.multi_head_attention(theirs.state_dict()))
    assert [p.weight.unique().tolist() for p in (ours.q_proj, ours.k_proj, ours.v_proj)] == [
        [1.0],
        [2.0],
        [3.0],
    ]


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"kdim": 7}, "q_proj_weight"),
        ({"add_bias_kv": True}, "bias_k"),
    ],
)
def test_an_attention_with_other_parts_is_refused(options, found):
    with pytest.raises(ValueError, match=rf"it has {found}, which MultiHeadAttention has not"):
        convert.multi_head_attention(nn.MultiheadAttention(D, H, **options).state_dict())


STEM = [ConvStemConfig(out_channels=8, kernel_size=3, stride=4)]


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize("options", [{"conv_stem_configs": STEM}, {"representation_size": 7}])
def test_a_torchvision_model_with_other_parts_is_refused(options):
    with pytest.raises(
        ValueError, match=r"from_torchvision: expected one convolution .* convolutional stem or"
    ):
        VisionTransformer.from_torchvision(torchvision_vit(**options))


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"reg_tokens": 2}, "it has reg_token"),
        ({"init_values": 0.1}, r"it has blocks.0.ls1.gamma"),
        ({"class_token": False, "global_pool": "avg", "fc_norm": False}, "it lacks cls_token"),
        ({"global_pool": "avg"}, r"it has fc_norm.weight"),
        ({"global_pool": "max", "fc_norm": False}, "its global_pool is 'max'"),
        (
            {"global_pool": "avg", "fc_norm": False, "pool_include_prefix": True},
            "its mean includes the class token",
        ),
        ({"pos_embed": "none"}, "it lacks pos_embed"),
        ({"no_embed_class": True}, "its class token has no position"),
        ({"num_classes": 0}, r"it lacks head.weight"),
        ({"qkv_bias": False}, r"it lacks blocks.0.attn.qkv.bias"),
        ({"proj_bias": False}, r"it lacks blocks.0.attn.proj.bias"),
        ({"qk_norm": True}, r"it has blocks.0.attn.q_norm.weight"),
        ({"pre_norm": True}, r"it has norm_pre.weight"),
        ({"final_norm": False}, r"it lacks norm.weight"),
        ({"norm_layer": RmsNorm}, r"it lacks norm.bias"),
        ({"act_layer": nn.SiLU}, "its activation is SiLU"),
        ({"act_layer": "gelu_tanh"}, "its activation is GELUTanh"),
        ({"patch_size": (4, 2)}, "its patches are 4 x 2"),
    ],
)
def test_a_timm_model_with_other_parts_is_refused(options, found):
    model = timm_vit(**options)
    with pytest.raises(ValueError, match=f"from_timm: expected a plain Vision Transformer .*; {found}"):
        VisionTransformer.from_timm(model)


@pytest.mark.usefixtures("as_users_run_it")
def test_another_kind_of_model_is_refused():
    distilled = VisionTransformerDistilled(img_size=8, patch_size=4, embed_dim=D, depth=1, num_heads=H)
    for model in (torchvision.models.resnet18(), timm_vit(), distilled):
        name = type(model).__name__
        with pytest.raises(TypeError, match=f"expected a torchvision VisionTransformer, got {name}"):
            VisionTransformer.from_torchvision(model)
    for model in (torchvision.models.resnet18(), torchvision_vit(), distilled):
        name = type(model).__name__
        with pytest.raises(TypeError, match=f"expected a timm VisionTransformer, got {name}"):
            VisionTransformer.from_timm(model)


def test_a_converted_model_can_be_copied_and_trained(randomised):
    ours = copy.deepcopy(VisionTransformer.from_timm(randomised(timm_vit(), torch.float32)))
    ours(torch.ones(1, 3, 8, 8)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in ours.parameters())
