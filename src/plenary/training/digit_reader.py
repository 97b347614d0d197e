"""The Vision Transformer that reads digits in the book's pages: one small file, and everything that it computes.

plenary train digits
python -m plenary.training.digit_reader runs/digits FILE

The second command rounds the weights of a run to float16, measures them, and writes FILE; without FILE, the one
that the widgets read.
"""

import json
from collections.abc import Iterable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import click
import torch
from jaxtyping import Float
from torch import Tensor

from plenary import data
from plenary.class_token import add_positions, prepend_class_token
from plenary.encoder import EncoderLayer
from plenary.introspection import record_attention, without_heads, without_layer
from plenary.training import log, runs, store
from plenary.training.evaluation import evaluate
from plenary.training.task import Architecture
from plenary.vision_transformer import VisionTransformer

FILE = Path(__file__).parents[1] / "widgets" / "digits.safetensors"


class Look(NamedTuple):
    """What the model computes on its way from pictures to logits."""

    tokens: Float[Tensor, "B N D"]
    """The patches' embeddings, before class token and positions."""
    states: list[Float[Tensor, "B N1 D"]]
    """What the first layer reads, then what each layer leaves; before the norm at the end."""
    attentions: list[Float[Tensor, "B H N1 N1"]]
    """The weights of each layer; a layer or head that is off still has some."""
    logits: Float[Tensor, "B 10"]


def model() -> VisionTransformer:
    """The trained model in eval mode, the same at every call. It reads pictures normalised as in `look`."""
    return _read(FILE)[0]


def facts() -> dict[str, Any]:
    """What its file says: task, architecture, recipe, the pictures' mean and std, and its figures."""
    return _read(FILE)[1]


def look(
    images: Float[Tensor, "B 1 8 8"],
    positions: bool = True,
    off: Iterable[tuple[int, int]] = (),
    skip: Iterable[int] = (),
) -> Look:
    """Read digits, and keep everything that is computed on the way.

    Args:
        images: pixels from 0 (paper) to 1 (ink).
        positions: False leaves them out.
        off: heads that add nothing, as (layer, head).
        skip: layers that pass on what they read.
    """
    reader, about = _read(FILE)
    mean, std = about["mean"][0], about["std"][0]
    silent = set(off)
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        recording = stack.enter_context(record_attention(reader))
        for index, layer in enumerate(reader.layers):
            assert isinstance(layer, EncoderLayer)
            stack.enter_context(without_heads(layer.attention, [head for at, head in silent if at == index]))
            if index in set(skip):
                stack.enter_context(without_layer(layer))
        tokens = reader.patch_embedding((images - mean) / std)
        x = prepend_class_token(tokens, reader.class_token)
        states = [add_positions(x, reader.positions) if positions else x]
        for layer in reader.layers:
            states.append(layer(states[-1]))
        return Look(tokens, states, recording.matching(), reader.head(reader.norm(states[-1])[:, 0]))


@cache
def _read(path: Path) -> tuple[VisionTransformer, dict[str, Any]]:
    weights, about = store.read(path)
    reader = Architecture(**about["architecture"]).build()
    assert isinstance(reader, VisionTransformer)
    reader.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    return reader.eval(), about


def measure(reader: VisionTransformer, mean: float, std: float) -> dict[str, Any]:
    """How much of the test split is read rightly: accuracy in [0, 1], mean loss in nats, and how many are wrong."""
    images, labels = (whole := data.digits().test)[torch.arange(len(whole))]
    scores = evaluate(reader, [((images - mean) / std, labels)])
    wrong = round((1 - scores["accuracy"]) * len(whole))
    return {"accuracy": scores["accuracy"], "loss": scores["loss"], "wrong": wrong, "tested": len(whole)}


def pack(run_dir: Path, path: Path) -> dict[str, Any]:
    """Write a finished run's model in float16, with what it scores on the test split; the figures.

    Raises:
        CheckpointError: there is no finished run, or the file cannot be written.
        ValueError: the run is of another task.
    """
    about = runs.describe(run_dir)
    if about["task"] != "digits":
        raise ValueError(f"{run_dir}: expected a run of digits; it is one of {about['task']}.")
    reader = runs.load(run_dir)
    assert isinstance(reader, VisionTransformer)
    # What is measured is what is shipped: the rounded weights.
    weights = {name: tensor.half() for name, tensor in reader.state_dict().items()}
    reader.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    figures = {
        **measure(reader, about["mean"][0], about["std"][0]),
        "trained": len(data.digits().train),
        "parameters": sum(parameter.numel() for parameter in reader.parameters()),
        "epochs": about["last"]["epoch"],
        "seed": about["recipe"]["seed"],
        "seconds": round(log.read(run_dir / runs.LOG)[-1]["seconds"]),
    }
    store.write(path, weights, {**about, "figures": figures})
    return figures


@click.command()
@click.argument("run_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default=FILE)
def main(run_dir: Path, file: Path) -> None:
    """Make of the run in RUN_DIR the FILE that the pages read, and print what its model scores."""
    try:
        click.echo(json.dumps(pack(run_dir, file), indent=2))
    except (RuntimeError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
