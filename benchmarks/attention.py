"""Attention over 512 to 16,384 tokens: how do time and memory grow?

    .venv/bin/python benchmarks/attention.py

Batch 1, width 256, 4 heads, float32. Contenders: `plenary.MultiHeadAttention` without weights; attention written
out ("naive", the same module when it is asked for its weights), as far as memory allows; `nn.MultiheadAttention`
without weights; and the least that can be done, four linear layers around a bare `F.scaled_dot_product_attention`.
Each as inference and as forward and backward. Memory is the peak of what the call allocated through PyTorch's CPU
allocator.
"""

import argparse
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness import machine, medians, peak_megabytes, table, take_turns
from plenary import MultiHeadAttention

WIDTH, HEADS = 256, 4
NAIVE_LIMIT = 8 * 2**30
"""The most bytes that the naive one may be expected to need."""


class Bare(nn.Module):
    """Four linear layers around the kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            layer(x).view(*x.shape[:2], HEADS, -1).transpose(1, 2) for layer in (self.q, self.k, self.v)
        )
        return self.o(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape))


def contenders() -> dict[str, Callable[[Tensor], Tensor]]:
    ours, theirs, bare = (
        MultiHeadAttention(WIDTH, HEADS),
        nn.MultiheadAttention(WIDTH, HEADS, batch_first=True),
        Bare(),
    )
    return {
        "plenary": lambda x: ours(x, x, x, need_weights=False)[0],
        "naive": lambda x: ours(x, x, x)[0],
        "nn.MultiheadAttention": lambda x: theirs(x, x, x, need_weights=False)[0],
        "linear layers + kernel": bare,
    }


def inference(call: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[], None]:
    def run() -> None:
        with torch.inference_mode():
            call(x)

    return run


def training(call: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[], None]:
    x = x.clone().requires_grad_()

    def run() -> None:
        call(x).sum().backward()
        x.grad = None

    return run


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--longest", type=int, default=16_384, help="the last length; the first is 512")
    parser.add_argument(
        "--rounds", type=int, default=9, help="at 512 to 4,096 tokens; a third of them beyond"
    )
    arguments = parser.parse_args()
    print(machine())
    torch.manual_seed(0)
    lengths = [512 * 2**i for i in range(int(math.log2(arguments.longest / 512)) + 1)]
    for kind, wrap in (("inference", inference), ("forward and backward", training)):
        rows = []
        for length in lengths:
            x = torch.randn(1, length, WIDTH)
            calls = {name: wrap(call, x) for name, call in contenders().items()}
            # Scores and weights, and their gradients beside them: (T, T) floats for each head.
            if HEADS * length**2 * 4 * (2 if kind == "inference" else 4) > NAIVE_LIMIT:
                del calls["naive"]
            rounds = arguments.rounds if length <= 4096 else max(3, arguments.rounds // 3)
            times = medians(take_turns(calls, rounds, warm_up=1))
            memory = {name: peak_megabytes(call) for name, call in calls.items()}
            reference = "linear layers + kernel"
            rows += [
                (
                    f"{length:,}",
                    name,
                    f"{1e3 * times[name]:.1f}",
                    f"{times[name] / times[reference]:.2f}",
                    f"{memory[name]:.1f}",
                    f"{memory[name] / memory[reference]:.2f}",
                    f"{1024 * memory[name] / length:.1f}",
                )
                for name in calls
            ]
        print(f"\n## {kind}\n")
        print(
            table(("tokens", "who", "ms", "time ratio", "MiB", "memory ratio", "KiB a token"), rows),
            flush=True,
        )


if __name__ == "__main__":
    main()
