"""Weights of other libraries under the names that this package has for them.

Every function here takes a state dict or a model and copies; the original is left as it is.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from plenary.patches import linear_weight_from_conv

State = dict[str, Tensor]


def multi_head_attention(state: Mapping[str, Tensor]) -> State:
    """From `torch.nn.MultiheadAttention`, whose three projections are one matrix.

    Raises:
        ValueError: it has other parts (keys or values of another width, or learned ones that are added).
    """
    for name in state:
        if not re.fullmatch(r"(in_proj_|out_proj\.)(weight|bias)", name):
            raise ValueError(
                "multi_head_attention: expected in_proj_weight, in_proj_bias and out_proj of an attention whose "
                f"queries, keys and values have one width; it has {name}, which MultiHeadAttention has not."
            )
    renamed = {name: tensor for name, tensor in state.items() if name.startswith("out_proj.")}
    for kind in ("weight", "bias"):
        if f"in_proj_{kind}" in state:
            for projection, part in zip("qkv", state[f"in_proj_{kind}"].chunk(3), strict=True):
                renamed[f"{projection}_proj.{kind}"] = part
    return _copied(renamed)


def encoder_layer(state: Mapping[str, Tensor]) -> State:
    """From `torch.nn.TransformerEncoderLayer`."""
    return _layer(state, {"self_attn": "attention"})


def decoder_layer(state: Mapping[str, Tensor]) -> State:
    """From `torch.nn.TransformerDecoderLayer`."""
    return _layer(state, {"self_attn": "self_attention", "multihead_attn": "cross_attention"})


def stack(state: Mapping[str, Tensor]) -> State:
    """From `torch.nn.TransformerEncoder` or `TransformerDecoder`, to `Encoder` or `Decoder`."""
    renamed = {name: tensor for name, tensor in state.items() if name.startswith("norm.")}
    layers = sorted({int(name.split(".")[1]) for name in state if name.startswith("layers.")})
    for layer in layers:
        part = _below(state, f"layers.{layer}.")
        convert = decoder_layer if any(name.startswith("multihead_attn.") for name in part) else encoder_layer
        renamed |= _under(f"layers.{layer}.", convert(part))
    return _copied(renamed)


def _layer(state: Mapping[str, Tensor], attentions: Mapping[str, str]) -> State:
    renamed: State = {}
    for name, tensor in state.items():
        if re.match(r"linear[12]\.", name):
            renamed[f"feed_forward.{name}"] = tensor
        elif name.startswith("norm"):
            renamed[name] = tensor
    for theirs, ours in attentions.items():
        renamed |= _under(f"{ours}.", multi_head_attention(_below(state, f"{theirs}.")))
    return _copied(renamed)


def torchvision_vit(model: Any) -> tuple[dict[str, Any], State]:
    """From `torchvision.models.VisionTransformer`: the arguments for ours, and its weights.

    Raises:
        TypeError: it is another kind of model.
        ValueError: it has a convolutional stem or a representation layer.
    """
    from torchvision.models import VisionTransformer

    if not isinstance(model, VisionTransformer):
        raise TypeError(
            f"from_torchvision: expected a torchvision VisionTransformer, got {type(model).__name__}."
        )
    state = model.state_dict()
    weight = state.get("conv_proj.weight")
    if weight is None or "heads.head.weight" not in state or "heads.pre_logits.weight" in state:
        raise ValueError(
            "from_torchvision: expected one convolution as patch embedding and one linear layer as head; this "
            "model has a convolutional stem or a representation layer, which VisionTransformer has not."
        )
    layers: Any = model.encoder.layers
    sizes = {
        "image_size": model.image_size,
        "patch_size": model.patch_size,
        "in_channels": weight.shape[1],
        "num_classes": model.num_classes,
        "embed_dim": model.hidden_dim,
        "num_layers": len(layers),
        "num_heads": layers[0].num_heads,
        "hidden_dim": model.mlp_dim,
        "dropout": model.dropout,
        "eps": layers[0].ln_1.eps,
    }
    renamed = _patch_embedding(weight, state["conv_proj.bias"])
    renamed |= {"class_token": state["class_token"], "positions": state["encoder.pos_embedding"]}
    renamed |= _under("norm.", _below(state, "encoder.ln.")) | _under("head.", _below(state, "heads.head."))
    names = {
        "ln_1": "norm1",
        "ln_2": "norm2",
        "mlp.0": "feed_forward.linear1",
        "mlp.3": "feed_forward.linear2",
    }
    for index in range(len(layers)):
        part = _below(state, f"encoder.layers.encoder_layer_{index}.")
        renamed |= _vit_layer(index, part, names, _below(part, "self_attention."))
    return sizes, _copied(renamed)


def timm_vit(model: Any) -> tuple[dict[str, Any], State]:
    """From timm's `VisionTransformer`: the arguments for ours, and its weights. Dropout is left at none.

    Raises:
        TypeError: it is another kind of model.
        ValueError: it has parts that ours has not, or lacks some that ours has.
    """
    if type(model).__module__ != "timm.models.vision_transformer" or not hasattr(model, "patch_embed"):
        raise TypeError(f"from_timm: expected a timm VisionTransformer, got {type(model).__name__}.")
    state = model.state_dict()
    _plain_timm(model, state)
    weight = state["patch_embed.proj.weight"]
    sizes = {
        "image_size": tuple(model.patch_embed.img_size),
        "patch_size": weight.shape[-1],
        "in_channels": weight.shape[1],
        "num_classes": model.num_classes,
        "embed_dim": model.embed_dim,
        "num_layers": len(model.blocks),
        "num_heads": model.blocks[0].attn.num_heads,
        "hidden_dim": len(state["blocks.0.mlp.fc1.bias"]),
        "pool": TIMM_POOLS[model.global_pool],
        "eps": model.norm.eps,
    }
    renamed = _patch_embedding(weight, state["patch_embed.proj.bias"])
    renamed |= {"class_token": state["cls_token"], "positions": state["pos_embed"]}
    renamed |= _under("norm.", _below(state, "norm.")) | _under("head.", _below(state, "head."))
    names = {
        "norm1": "norm1",
        "norm2": "norm2",
        "mlp.fc1": "feed_forward.linear1",
        "mlp.fc2": "feed_forward.linear2",
    }
    for index in range(len(model.blocks)):
        part = _below(state, f"blocks.{index}.")
        packed = {f"in_proj_{kind}": part[f"attn.qkv.{kind}"] for kind in ("weight", "bias")}
        renamed |= _vit_layer(index, part, names, packed | _under("out_proj.", _below(part, "attn.proj.")))
    return sizes, _copied(renamed)


TIMM_POOLS = {"token": "class", "avg": "mean"}
TIMM_NAMES = (
    r"cls_token|pos_embed|patch_embed\.proj\.(weight|bias)|norm\.(weight|bias)|head\.(weight|bias)|"
    r"blocks\.\d+\.(norm[12]|attn\.qkv|attn\.proj|mlp\.fc[12])\.(weight|bias)"
)


def _plain_timm(model: Any, state: Mapping[str, Tensor]) -> None:
    """Raise unless the model has the parts of ours and no others."""
    unknown = [name for name in state if not re.fullmatch(TIMM_NAMES, name)]
    layer = ("blocks.0.attn.qkv.bias", "blocks.0.attn.proj.bias", "blocks.0.norm1.bias")
    needed = ("cls_token", "pos_embed", "norm.weight", "norm.bias", "head.weight", *layer)
    missing = [name for name in needed if name not in state]
    if unknown:
        found = f"it has {unknown[0]}"
    elif missing:
        found = f"it lacks {missing[0]}"
    elif model.global_pool not in TIMM_POOLS:
        found = f"its global_pool is {model.global_pool!r}"
    elif model.global_pool == "avg" and model.pool_include_prefix:
        found = "its mean includes the class token"
    elif model.no_embed_class:
        found = "its class token has no position"
    elif len(set(model.patch_embed.patch_size)) > 1:
        found = f"its patches are {' x '.join(map(str, model.patch_embed.patch_size))}"
    elif not isinstance(model.blocks[0].mlp.act, nn.GELU):
        found = f"its activation is {type(model.blocks[0].mlp.act).__name__}"
    else:
        return
    raise ValueError(
        "from_timm: expected a plain Vision Transformer (square patches, class token, learned positions, "
        "biases, GELU, a norm before the head, pooling by the class token or by the mean of the patches); "
        f"{found}."
    )


def _patch_embedding(weight: Tensor, bias: Tensor) -> State:
    return {
        "patch_embedding.projection.weight": linear_weight_from_conv(weight),
        "patch_embedding.projection.bias": bias,
    }


def _vit_layer(index: int, part: State, names: Mapping[str, str], attention: State) -> State:
    renamed = _under(f"layers.{index}.attention.", multi_head_attention(attention))
    for theirs, ours in names.items():
        renamed |= _under(f"layers.{index}.{ours}.", _below(part, f"{theirs}."))
    return renamed


def _below(state: Mapping[str, Tensor], prefix: str) -> State:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _under(prefix: str, state: Mapping[str, Tensor]) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def _copied(state: Mapping[str, Tensor]) -> State:
    return {name: torch.clone(tensor) for name, tensor in state.items()}
