"""Plenary: the Transformer, from attention to a Vision Transformer, in small modules that read top to bottom.

Public names are imported on first use (PEP 562), so ``import plenary`` costs next to nothing. They are listed once,
in ``__init__.pyi``.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
