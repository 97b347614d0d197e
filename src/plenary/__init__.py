"""Plenary: the Transformer, from attention to a Vision Transformer, in small modules that read top to bottom.

Public names are imported on first use (PEP 562), so ``import plenary`` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plenary.functional import (
        attention_scores,
        causal_mask,
        combine_masks,
        masked_softmax,
        padding_mask,
        scaled_dot_product_attention,
        softmax_jacobian,
    )

__version__ = "0.1.0"

__all__ = [
    "attention_scores",
    "causal_mask",
    "combine_masks",
    "masked_softmax",
    "padding_mask",
    "scaled_dot_product_attention",
    "softmax_jacobian",
]

_MODULE_OF = dict.fromkeys(__all__, "plenary.functional")


def __getattr__(name: str) -> Any:
    """Import a public name from its module the first time that it is asked for."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'plenary' has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List what ``plenary.<tab>`` offers."""
    return sorted({*globals(), *__all__})
