"""How each kind of attention is made to tell its weights: hooks that ask, keep, and give the caller what it wants.

Hooks before the call go to the end of the line, hooks after it to the front, so that two recordings at once nest.
"""

import inspect
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from torch import Tensor, nn

from plenary.attention import MultiHeadAttention
from plenary.encoder import EncoderLayer

Keep = Callable[[Tensor], None]


def listen(module: nn.Module, keep: Keep, hooks: ExitStack) -> bool:
    """Have `keep` called with the weights of every call, until `hooks` closes. False: no known attention."""
    if isinstance(module, MultiHeadAttention | nn.MultiheadAttention):
        _ask(module, keep, hooks)
    elif type(module).__name__ == "MultiHeadAttention":
        hooks.enter_context(module.register_forward_hook(lambda _, args, output: keep(output[1])))
    # timm is not imported for this: its modules say where they come from.
    elif type(module).__module__.startswith("timm.") and hasattr(module, "fused_attn"):
        _unfuse(module, keep, hooks)
    else:
        return False
    return True


def _ask(module: MultiHeadAttention | nn.MultiheadAttention, keep: Keep, hooks: ExitStack) -> None:
    """Set need_weights, and take the weights out of the output again where nobody had asked for them."""
    signature = inspect.signature(module.forward)
    asked = averaged = False

    def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        nonlocal asked, averaged
        call = signature.bind(*args, **kwargs)
        call.apply_defaults()
        asked, call.arguments["need_weights"] = call.arguments["need_weights"], True
        if "average_attn_weights" in call.arguments:
            averaged, call.arguments["average_attn_weights"] = call.arguments["average_attn_weights"], False
        return call.args, call.kwargs

    def after(
        _: nn.Module, args: tuple[Any, ...], result: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor | None]:
        output, weights = result
        keep(weights)
        if not asked:
            return output, None
        return output, weights.mean(dim=-3) if averaged else weights

    hooks.enter_context(module.register_forward_pre_hook(before, with_kwargs=True))
    hooks.enter_context(module.register_forward_hook(after, prepend=True))


def _unfuse(module: Any, keep: Keep, hooks: ExitStack) -> None:
    """timm: switch the fused kernel off; the dropout behind the softmax then reads the weights."""
    hooks.callback(setattr, module, "fused_attn", module.fused_attn)
    module.fused_attn = False
    hooks.enter_context(module.attn_drop.register_forward_pre_hook(lambda _, args: keep(args[0])))


def compute_all_rows(layer: EncoderLayer, hooks: ExitStack) -> None:
    """Have a layer that is asked for its first rows compute all of them, and cut its output to what was asked."""
    signature = inspect.signature(layer.forward)
    rows: int | None = None

    def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        nonlocal rows
        call = signature.bind(*args, **kwargs)
        call.apply_defaults()
        # A mask may have been made for these rows alone; then the map stays as short as the mask.
        rows = call.arguments["rows"] if call.arguments["mask"] is None else None
        if rows is not None:
            call.arguments["rows"] = None
        return call.args, call.kwargs

    def after(_: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        return output[:, :rows]

    hooks.enter_context(layer.register_forward_pre_hook(before, with_kwargs=True))
    hooks.enter_context(layer.register_forward_hook(after, prepend=True))
