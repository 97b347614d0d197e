"""AdamW, with weight decay where it belongs: on the matrices."""

import torch
from torch import nn

from plenary.position import LearnedEncoding
from plenary.training.recipe import Recipe

NO_DECAY = {"positions", "position", "class_token", "pos_embed", "pos_embedding", "cls_token"}
"""Names of learned positions and class tokens: ours, timm's and torchvision's."""


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Two groups for the optimizer: parameters that decay, then those that do not.

    No decay on biases, norms, learned positions and the class token: they are offsets and scales, and pulling
    them to zero makes the function no simpler. Each trainable parameter stands in one group once, also when
    several modules share it; frozen ones are left out.

    Raises:
        ValueError: weight_decay is negative.

    Source: Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization, for the decay; Dosovitskiy et al.
    (2021) and Touvron et al. (2021) train Vision Transformers with these exceptions.
    """
    if weight_decay < 0:
        raise ValueError(f"parameter_groups: weight_decay is {weight_decay}; it must be 0 or more.")
    decay: list[nn.Parameter] = []
    no_decay: list[nn.Parameter] = []
    seen: set[nn.Parameter] = set()
    for module_name, module in model.named_modules():
        for name, parameter in module.named_parameters(module_name, recurse=False):
            if parameter.requires_grad and parameter not in seen:
                seen.add(parameter)
                (decay if _decays(module, name, parameter) else no_decay).append(parameter)
    return [{"params": decay, "weight_decay": weight_decay}, {"params": no_decay, "weight_decay": 0.0}]


def _decays(module: nn.Module, name: str, parameter: nn.Parameter) -> bool:
    parts = name.split(".")
    return not (
        parameter.ndim < 2  # biases, and the norms' scales
        or parts[-1].endswith("bias")
        or type(module).__name__.endswith("Norm")
        or isinstance(module, LearnedEncoding)
        or NO_DECAY.intersection(parts)
    )


def optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW over the model's two parameter groups, in one fused kernel.

    Raises:
        ValueError: the model has nothing to train.
    """
    groups = [group for group in parameter_groups(model, recipe.weight_decay) if group["params"]]
    if not groups:
        raise ValueError(
            "optimizer: the model has no parameter that requires a gradient, so there is nothing to train. "
            "Unfreeze some: parameter.requires_grad_(True)."
        )
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=recipe.betas, fused=True)
