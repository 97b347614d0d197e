"""Keys and values kept between decoding steps, so that a new token is the only one to be projected."""

import torch
from torch import Tensor


class KeyValueCache:
    """What one attention has projected so far: keys and values (B, H, S, d_k).

    With `grows=True` (self-attention) every call appends the keys of the new tokens. With `grows=False`
    (cross-attention) the first call fills it, for the memory never changes, and later calls read it.
    """

    def __init__(self, grows: bool = True) -> None:
        self.grows = grows
        self._kept: tuple[Tensor, Tensor] | None = None

    def __len__(self) -> int:
        return 0 if self._kept is None else self._kept[0].shape[-2]

    @property
    def complete(self) -> bool:
        """Whether everything there is to project has been projected."""
        return self._kept is not None and not self.grows

    def read(self) -> tuple[Tensor, Tensor]:
        """The keys and the values.

        Raises:
            RuntimeError: nothing has been stored yet.
        """
        if self._kept is None:
            raise RuntimeError(
                "KeyValueCache: there is nothing to read yet; an attention fills it when called."
            )
        return self._kept

    def extend(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Append keys and values along the sequence and give all that are stored now."""
        if self._kept is not None:
            key = torch.cat([self._kept[0], key], dim=-2)
            value = torch.cat([self._kept[1], value], dim=-2)
        self._kept = key, value
        return self._kept

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order: a beam search drops some sequences and doubles others."""
        if self._kept is not None:
            self._kept = self._kept[0][rows], self._kept[1][rows]
