"""Writing word by word, with any one step done in another way."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from plenary.checks.exercise import Function

Choose = Callable[[Tensor], Tensor]


def in_decoding(*wrong: Function) -> dict[str, tuple[Function, ...]]:
    """Say that these are wrong ways of decoding."""
    return {"greedy_decode": wrong}


def last(logits: Tensor) -> Tensor:
    """Choose as it should be done, for mistakes that are made elsewhere."""
    return logits[:, -1].argmax(-1)


def writer(
    choose: Choose = last,
    *,
    evaluate: bool = True,
    restore: bool | None = True,
    no_grad: bool = True,
    fill: Callable[[Tensor, Tensor, int], Tensor] = Tensor.masked_fill,
    stop: Callable[[Tensor], Tensor] | None = None,
    read: Callable[[Tensor], Tensor] = lambda written: written,
    result: Callable[[Tensor], Tensor] = lambda written: written[:, 1:],
    extra: int = 0,
) -> Function:
    """Build a decoder with one step done in another way."""

    def decode(model: nn.Module, source: Tensor, bos_id: int, eos_id: int, max_length: int) -> Tensor:
        mode = model.training
        if evaluate:
            model.eval()
        written = torch.full((len(source), 1), bos_id)
        ended = torch.zeros(len(source), dtype=torch.bool)
        with torch.set_grad_enabled(not no_grad):
            for _ in range(max_length + extra):
                word = choose(model(source, read(written)))
                word = fill(word, ended, eos_id)
                written = torch.cat([written, word[:, None]], 1)
                ended = ended | (word == eos_id)
                if stop is not None and stop(ended):
                    break
        if restore is not None:
            model.train(mode if restore else True)
        return result(written)

    return decode
