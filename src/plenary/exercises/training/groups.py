"""Which parameters decay: how to ask for it, and what has to hold."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Property
from plenary.checks.probe import Made, Probe, call_probe, shown_probe
from plenary.exercises.training import models
from plenary.exercises.training.group_mistakes import GROUP_MISTAKES
from plenary.exercises.training.group_ways import NAME, by_rule

OUTPUTS = ("decay", "times", "groups")
DEFAULT_DECAY = 0.01
"""What AdamW does to a group that does not say."""


@lru_cache(maxsize=8)
def probes(seed: int) -> tuple[Probe, ...]:
    """Ask for the small model, for a large one, for one with shared parameters and one with frozen ones."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(20, 220, (3,), generator=generator) / 1000
    dim = int(torch.randint(4, 10, (), generator=generator))

    def made(kind: str) -> Made:
        return Made("model", {"kind": kind, "dim": dim})

    return (
        shown_probe("small", model=made("small"), weight_decay=0.1),
        shown_probe("small, nested", model=made("nested"), weight_decay=0.1),
        call_probe("large", model=made("large"), weight_decay=round(float(drawn[0]), 3)),
        call_probe("shared", model=made("tied"), weight_decay=round(float(drawn[1]), 3)),
        call_probe("frozen", model=made("frozen"), weight_decay=round(float(drawn[2]), 3)),
        call_probe("no decay at all", model=made("large"), weight_decay=0.0),
    )


def collect(returned: Any, arguments: dict[str, Any]) -> tuple[Tensor, ...]:
    """Say for every parameter of the model, in order, how it decays and how often it stands in the groups."""
    if isinstance(returned, dict) or not isinstance(returned, Sequence):
        raise TypeError(f"returned a {type(returned).__name__}; expected a list of two dictionaries")
    for group in returned:
        if not isinstance(group, dict) or "params" not in group:
            raise TypeError('returned a list whose entries are not all dictionaries with the key "params"')
    own = dict(arguments["model"].named_parameters())
    place = {id(parameter): index for index, parameter in enumerate(own.values())}
    decay, times = torch.zeros(len(own)).double(), torch.zeros(len(own)).double()
    for group in returned:
        held = group["params"]
        for entry in [held] if isinstance(held, Tensor) else held:
            parameter = entry[1] if isinstance(entry, tuple) else entry
            if not isinstance(parameter, nn.Parameter) or id(parameter) not in place:
                raise TypeError(
                    f"put a {type(parameter).__name__} that is no parameter of the model into a group"
                )
            times[place[id(parameter)]] += 1
            decay[place[id(parameter)]] = float(group.get("weight_decay", DEFAULT_DECAY))
    return decay, times, torch.tensor(float(len(returned)), dtype=torch.float64)


def every_parameter_once(probe: Probe, answer: Answer) -> str | None:
    """Name the first parameter that is lost, doubled, or decays as it should not."""
    made = probe.arguments["model"]
    assert isinstance(made, Made)
    model = models.model(**made.arguments)  # type: ignore[arg-type]
    right = collect(by_rule(model, float(probe.arguments["weight_decay"])), {"model": model})  # type: ignore[arg-type]
    found = (answer.arrays["times"], answer.arrays["decay"])
    for index, name in enumerate(dict(model.named_parameters())):
        times, decay = (float(one[index]) for one in found)
        if times != float(right[1][index]):
            right_times = f"{float(right[1][index]):g}"
            return f"the parameter {name} stands {times:g} times in the groups, expected {right_times}"
        if not np.isclose(decay, float(right[0][index])):
            return f"the parameter {name} has weight decay {decay:g}, expected {float(right[0][index]):g}"
    groups = float(answer.arrays["groups"])
    return None if groups == 2 else f"there are {groups:g} groups; expected two"


def _by_names(model: nn.Module, weight_decay: float) -> list[dict]:
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            last = name.split(".")[-1]
            groups[parameter.ndim >= 2 and last not in ("class_token", "positions")].append(parameter)
    return [{"params": groups[d], "weight_decay": weight_decay if d else 0.0} for d in (True, False)]


def _no_decay_first(model: nn.Module, weight_decay: float) -> list[dict]:
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    spared = {n for n, p in trained.items() if p.dim() <= 1 or n.endswith(("class_token", "positions"))}
    return [
        {"params": [p for n, p in trained.items() if n in spared], "weight_decay": 0.0},
        {"params": [p for n, p in trained.items() if n not in spared], "weight_decay": weight_decay},
    ]


def _with_names(model: nn.Module, weight_decay: float) -> list[dict]:
    decays, rest = [], []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        spared = len(parameter.shape) < 2 or "positions" in name or "class_token" in name
        (rest if spared else decays).append((name, parameter))
    return [{"params": decays, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0}]


def _by_modules(model: nn.Module, weight_decay: float) -> list[dict]:
    seen, decays, rest = set(), [], []
    kinds = (nn.Linear, nn.Conv2d, nn.Embedding)
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter in seen or not parameter.requires_grad:
                continue
            seen.add(parameter)
            (decays if isinstance(module, kinds) and name == "weight" else rest).append(parameter)
    return [{"params": decays, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]


def _by_sets(model: nn.Module, weight_decay: float) -> list[dict]:
    everything = {p for p in model.parameters() if p.requires_grad}
    vectors = {p for p in everything if p.ndim < 2}
    named = {p for n, p in model.named_parameters() if n.rpartition(".")[2] in {"positions", "class_token"}}
    spared = vectors | (named & everything)
    return [
        {"params": list(everything - spared), "weight_decay": weight_decay},
        {"params": (p for p in spared), "weight_decay": 0.0},
    ]


GROUPS = Exercise(
    name=NAME,
    signature="parameter_groups(model, weight_decay) -> list[dict]",
    page="vision_transformer/training",
    outputs=OUTPUTS,
    probes=probes,
    reference=by_rule,
    properties=(
        Property("two groups", 1, ("small", "large"), ("groups",)),
        Property("every parameter in one group, once", 2, ("small", "small, nested", "large"), ("times",)),
        Property(
            "the right ones decay", 3, ("small", "small, nested", "large", "no decay at all"), ("decay",)
        ),
        Property("shared parameters once", 1, ("shared",), ("decay", "times")),
        Property("frozen parameters left out", 1, ("frozen",), ("decay", "times")),
    ),
    laws=(every_parameter_once,),
    misconceptions=GROUP_MISTAKES,
    correct=(_by_names, _no_decay_first, _with_names, _by_modules, _by_sets),
    makers={"model": models.model},
    collect=collect,
)
