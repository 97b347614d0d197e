"""One Vision Transformer, five implementations: how long do a training step and inference take?

    .venv/bin/python benchmarks/models.py              # eager
    .venv/bin/python benchmarks/models.py --compile    # all of them through torch.compile

Contenders are built with the same sizes: torchvision, timm, vit-pytorch's ViT and SimpleViT, and ours. They are the
libraries' models as they come: SimpleViT has no class token and fixed positions; vit-pytorch has two more norms
around the patch embedding, and no biases in the query, key and value projections. A training step is forward,
cross-entropy, backward and a fused AdamW step; inference is `torch.inference_mode()` in evaluation mode.

"every row" is our model with the last layer computed for all tokens, as the others do, instead of for the class
token alone. "matrix products alone" are the linear layers' products, and in a training step their two gradients,
with nothing between them: no eager float32 model that computes every row can be faster with this machine's library.
"""

import argparse
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer as TimmViT
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torchvision.models import VisionTransformer as TorchvisionViT
from vit_pytorch import SimpleViT, ViT

from harness import keep_memory, machine, medians, table, take_turns
from plenary import VisionTransformer

# image_size, patch_size, classes, width, depth, heads, hidden width; batch size
SIZES = {
    "32 x 32, patch 4, width 192, depth 6, 3 heads": ((32, 4, 10, 192, 6, 3, 768), 64),
    "ViT-B/16 at 224 x 224": ((224, 16, 1000, 768, 12, 12, 3072), 4),
}


class EveryRow(VisionTransformer):
    """Ours without the one thing that the others do not do."""

    def forward(self, images: Tensor) -> Tensor:
        x = self.embed(images)
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x)[:, 0])


def contenders(image: int, patch: int, classes: int, width: int, depth: int, heads: int, hidden: int):
    """Name to model."""
    ours = (image, patch, 3, classes, width, depth, heads, hidden)
    lucid: dict[str, Any] = {
        "image_size": image,
        "patch_size": patch,
        "num_classes": classes,
        "dim": width,
        "depth": depth,
    }
    lucid |= {"heads": heads, "mlp_dim": hidden, "dim_head": width // heads}
    return {
        "plenary": VisionTransformer(*ours),
        "plenary, every row": EveryRow(*ours),
        "torchvision": TorchvisionViT(image, patch, depth, heads, width, hidden, num_classes=classes),
        "timm": TimmViT(image, patch, num_classes=classes, embed_dim=width, depth=depth, num_heads=heads),
        "vit-pytorch ViT": ViT(**lucid),
        "vit-pytorch SimpleViT": SimpleViT(**lucid),
    }


PEERS = ("torchvision", "timm", "vit-pytorch ViT", "vit-pytorch SimpleViT")


def training_step(model: nn.Module, run: Callable, images: Tensor, labels: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)

    def step() -> None:
        model.train()
        F.cross_entropy(run(images), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def inference(model: nn.Module, run: Callable, images: Tensor) -> Callable[[], None]:
    def call() -> None:
        model.eval()
        with torch.inference_mode():
            run(images)

    return call


def matrix_products(model: nn.Module, images: Tensor, backward: bool) -> Callable[[], None]:
    """The products of the model's linear layers, on the shapes that they really meet, and nothing else."""
    products: list[tuple[Tensor, Tensor, Tensor]] = []

    def remember(layer: Any, inputs: tuple[Tensor]) -> None:
        x = inputs[0].detach().flatten(0, -2).clone()
        products.append((x, layer.weight.detach(), torch.empty(len(x), len(layer.weight))))

    hooks = [m.register_forward_pre_hook(remember) for m in model.modules() if isinstance(m, nn.Linear)]
    model.eval()(images)
    for hook in hooks:
        hook.remove()

    def call() -> None:
        for x, weight, out in products:
            torch.mm(x, weight.t(), out=out)
        if backward:
            for x, weight, out in reversed(products):
                torch.mm(out, weight)
                torch.mm(out.t(), x)

    return call


def compare(name: str, compiled: bool, rounds: int) -> None:
    sizes, batch = SIZES[name]
    torch.manual_seed(0)
    models = contenders(*sizes)
    images, labels = torch.randn(batch, 3, sizes[0], sizes[0]), torch.randint(sizes[2], (batch,))
    how = (lambda model: torch.compile(model)) if compiled else (lambda model: model)
    print(f"\n## {name}, batch {batch}, {'compiled' if compiled else 'eager'}, {rounds} rounds\n", flush=True)
    kinds = {
        "inference": {k: inference(m, how(m), images) for k, m in models.items()},
        "training step": {k: training_step(m, how(m), images, labels) for k, m in models.items()},
    }
    rows = []
    for kind, calls in kinds.items():
        calls["matrix products alone"] = matrix_products(
            models["plenary, every row"], images, backward=kind == "training step"
        )
        times = medians(take_turns(calls, rounds))
        fastest = min(times[peer] for peer in PEERS)
        floor = times["matrix products alone"]
        rows += [
            (kind, k, f"{1e3 * t:.1f}", f"{t / fastest:.2f}", f"{t / floor:.2f}") for k, t in times.items()
        ]
    print(table(("what", "who", "ms", "against the fastest peer", "against the products"), rows), flush=True)
    if not compiled:
        print(
            f"\nWhere our training step's time goes:\n\n{shares(kinds['training step']['plenary'])}",
            flush=True,
        )


def shares(call: Callable[[], None]) -> str:
    """The operators that take the most time themselves, in percent."""
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        call()
    spent = {event.key: event.self_cpu_time_total for event in recorded.key_averages()}
    total = sum(spent.values())
    top = sorted(spent.items(), key=lambda item: -item[1])[:8]
    return table(("operator", "% of the time"), [(k, f"{100 * t / total:.1f}") for k, t in top])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--compile", action="store_true", help="compile every model with torch.compile")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", choices=("small", "base"), help="one of the two sizes")
    arguments = parser.parse_args()
    keep_memory()
    print(machine())
    for index, name in enumerate(SIZES):
        if arguments.only in (None, ("small", "base")[index]):
            # The big one takes ten times as long for each call.
            compare(
                name, arguments.compile, arguments.rounds if index == 0 else max(3, arguments.rounds // 2)
            )


if __name__ == "__main__":
    main()
