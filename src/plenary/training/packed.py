"""A finished run of a sequence task as one small file: weights in float16, symbols, recipe and figures.

plenary train totals --run-dir runs/totals
python -m plenary.training.packed runs/totals FILE
"""

import json
from pathlib import Path
from typing import Any

import click
from jaxtyping import Int
from torch import Tensor, nn

from plenary import data
from plenary.data.sequences import SequenceSplits
from plenary.decoding import greedy_decode
from plenary.training import log, runs, store
from plenary.training.evaluation import evaluate
from plenary.transformer import TinyTransformer

TASKS = {"reverse": data.reverse, "totals": data.totals, "sort": data.sort, "recall": data.recall}
"""The tasks whose models can be packed, as `plenary train` names them."""


def read(path: Path) -> tuple[TinyTransformer, dict[str, Any]]:
    """The model of a run's `model.safetensors`, or of the file that `pack` wrote, in eval mode; and its facts.

    Raises:
        CheckpointError: there is no such file, or it is damaged.
        ValueError: it holds another model, or one of another task.
    """
    weights, facts = store.read(path)
    architecture = facts.get("architecture") or {}
    if architecture.get("name") != "TinyTransformer" or facts["task"] not in TASKS:
        raise ValueError(
            f"{path}: expected a TinyTransformer of {', '.join(TASKS)}; found {architecture.get('name')} of "
            f"{facts.get('task')}."
        )
    model = TinyTransformer(**architecture["arguments"])
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    return model.eval(), facts


def answers(
    model: nn.Module, source: Int[Tensor, "B S"], splits: SequenceSplits, max_length: int
) -> Int[Tensor, "B {max_length}"]:
    """What a model writes by itself, greedily, one word after the other: ids, EOS repeated after the first EOS."""
    return greedy_decode(model, source, splits.bos_id, splits.eos_id, max_length)


def measure(model: nn.Module, splits: SequenceSplits) -> dict[str, float]:
    """How much of the test is right.

    Returns:
        {"exact": the share of sources whose whole answer is right when the model writes it by itself, "words": the
        share of words that are right when all words before are given, EOS counted}, each in [0, 1].
    """
    source, target = splits.test.tensors
    expected = target[:, 1:].masked_fill(target[:, 1:] == splits.pad_id, splits.eos_id)
    exact = (answers(model, source, splits, expected.shape[1]) == expected).all(dim=1)
    scores = evaluate(model, [(source, target[:, :-1], target[:, 1:])], splits.pad_id)
    return {"exact": exact.double().mean().item(), "words": scores["accuracy"]}


def pack(run_dir: Path, path: Path) -> dict[str, Any]:
    """Write a finished run's model in float16, with its symbols and what it scores on the test; the figures.

    Raises:
        CheckpointError: there is no finished run, or the file cannot be written.
        ValueError: the run is of another task.
    """
    model, facts = read(run_dir / runs.MODEL)
    splits = TASKS[facts["task"]]()
    # What is measured is what is shipped: the rounded weights.
    model.load_state_dict({name: tensor.half().float() for name, tensor in model.state_dict().items()})
    last = log.read(run_dir / runs.LOG)[-1]
    figures = {
        **measure(model, splits),
        "tested": len(splits.test),
        "trained": len(splits.train),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "epochs": facts["last"]["epoch"],
        "steps": facts["last"]["step"],
        "seed": facts["recipe"]["seed"],
        "seconds": round(last["seconds"]),
    }
    about = {
        "figures": figures,
        "symbols": list(splits.symbols),
        "specials": {"pad": splits.pad_id, "bos": splits.bos_id, "eos": splits.eos_id},
    }
    weights = {name: tensor.half() for name, tensor in model.state_dict().items()}
    store.write(path, weights, {**facts, **about})
    return figures


@click.command()
@click.argument("run_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def main(run_dir: Path, file: Path) -> None:
    """Make of the run in RUN_DIR the one FILE that a page reads, and print what its model scores."""
    try:
        click.echo(json.dumps(pack(run_dir, file), indent=2))
    except (RuntimeError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
