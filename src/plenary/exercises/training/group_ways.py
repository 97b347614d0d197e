"""The function in pieces, right and wrong: which parameters are met, which decay, and what groups they make."""

from collections.abc import Callable, Iterable

from torch import nn

NAME = "parameter_groups"
Decays = Callable[[nn.Module, str, nn.Parameter], bool]
Walk = Callable[[nn.Module], Iterable[tuple[nn.Module, str, nn.Parameter]]]

LAST = ("positions", "class_token")


def right(_module: nn.Module, name: str, parameter: nn.Parameter) -> bool:
    """Say whether a parameter decays."""
    return parameter.ndim > 1 and name.rsplit(".", 1)[-1] not in LAST


def walk(model: nn.Module, shared: bool = False) -> Iterable[tuple[nn.Module, str, nn.Parameter]]:
    """Yield each parameter with its owner and full name; shared ones once, or as often as they are held."""
    for name, parameter in model.named_parameters(remove_duplicate=not shared):
        yield model.get_submodule(name.rpartition(".")[0]), name, parameter


def by_rule(model: nn.Module, weight_decay: float) -> list[dict]:
    """Make the groups as they should be."""
    return groups_by()(model, weight_decay)  # type: ignore[return-value]


def groups_by(
    decays: Decays = right,
    walk: Walk = walk,
    spared: Callable[[float], float] = lambda decay: 0.0,
    frozen: bool = False,
) -> Callable[..., object]:
    """Write the function with one thing changed."""

    def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
        kept = [one for one in walk(model) if one[2].requires_grad or frozen]
        return [
            {"params": [p for m, n, p in kept if decays(m, n, p)], "weight_decay": weight_decay},
            {"params": [p for m, n, p in kept if not decays(m, n, p)], "weight_decay": spared(weight_decay)},
        ]

    return parameter_groups


def one_group(model: nn.Module, weight_decay: float) -> list[dict]:
    """Put all trained parameters into one group."""
    return [{"params": [p for p in model.parameters() if p.requires_grad], "weight_decay": weight_decay}]


def one_group_of_all(model: nn.Module, weight_decay: float) -> list[dict]:
    """Put all parameters into one group."""
    return [{"params": list(model.parameters()), "weight_decay": weight_decay}]


def no_key(model: nn.Module, weight_decay: float) -> list[dict]:
    """Leave the second group without a weight decay."""
    decaying, rest = by_rule(model, weight_decay)
    return [decaying, {"params": rest["params"]}]


def exchanged(model: nn.Module, weight_decay: float) -> list[dict]:
    """Exchange the two weight decays."""
    decaying, rest = by_rule(model, weight_decay)
    return [{**decaying, "weight_decay": 0.0}, {**rest, "weight_decay": weight_decay}]


def first_only(model: nn.Module, weight_decay: float) -> list[dict]:
    """Return the first group alone."""
    return by_rule(model, weight_decay)[:1]


def nested(model: nn.Module) -> Iterable[tuple[nn.Module, str, nn.Parameter]]:
    """Meet every parameter at every level above it."""
    for module in model.modules():
        for name, parameter in module.named_parameters():
            yield module, name, parameter


def own_of_each_module(model: nn.Module) -> Iterable[tuple[nn.Module, str, nn.Parameter]]:
    """Meet each module's own parameters: a shared module once, a shared parameter once for each holder."""
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            yield module, name, parameter


def no_else(model: nn.Module, weight_decay: float) -> list[dict]:
    """Let what is spared go on into the group that decays."""
    decaying, rest = by_rule(model, weight_decay)
    return [{**decaying, "params": [p for p in model.parameters() if p.requires_grad]}, rest]


def no_else_turned(model: nn.Module, weight_decay: float) -> list[dict]:
    """Let what decays go on into the group that is spared."""
    decaying, rest = by_rule(model, weight_decay)
    return [decaying, {**rest, "params": [p for p in model.parameters() if p.requires_grad]}]


def known_layers(model: nn.Module) -> Iterable[tuple[nn.Module, str, nn.Parameter]]:
    """Meet the parameters of two kinds of layer."""
    kinds = (nn.Linear, nn.LayerNorm)
    return (one for one in walk(model) if isinstance(one[0], kinds))


def layers_without_tokens(model: nn.Module) -> Iterable[tuple[nn.Module, str, nn.Parameter]]:
    """Meet what is called weight or bias."""
    return (one for one in walk(model) if one[1].rsplit(".", 1)[-1] in ("weight", "bias"))


def also(*names: str) -> Decays:
    """Let some parameters decay as well, by the end of their names."""
    return lambda m, n, p: right(m, n, p) or n.endswith(names)


def top_level(m: nn.Module, n: str, p: nn.Parameter) -> bool:
    """Compare full names."""
    return p.ndim > 1 and n not in LAST


def norms_called_norm(m: nn.Module, n: str, p: nn.Parameter) -> bool:
    """Know norms by name."""
    return not (n.endswith("bias") or "norm" in n.lower() or n.endswith(LAST))


def norms_called_norm_or_ln(m: nn.Module, n: str, p: nn.Parameter) -> bool:
    """Know norms by two names."""
    return not (n.endswith("bias") or "norm" in n.lower() or "ln" in n or n.endswith(LAST))


def layer_norms_only(m: nn.Module, n: str, p: nn.Parameter) -> bool:
    """Know one class of norm."""
    return not (n.endswith("bias") or isinstance(m, nn.LayerNorm) or n.endswith(LAST))


def not_embeddings(m: nn.Module, n: str, p: nn.Parameter) -> bool:
    """Spare embeddings."""
    return right(m, n, p) and not isinstance(m, nn.Embedding)


def two_axes(m: nn.Module, n: str, p: nn.Parameter) -> bool:
    """Let what has two axes decay, and no more than two."""
    return p.ndim == 2


def linear_only(m: nn.Module, n: str, p: nn.Parameter) -> bool:
    """Let linear layers decay, and nothing else."""
    return isinstance(m, nn.Linear) and n.endswith("weight")
