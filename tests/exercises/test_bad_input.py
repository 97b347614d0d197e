"""Whatever a cell holds, for every function of the course: does it end in a message, and never in an exception?"""

import time
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from plenary.checks import check, exercises

NAMES = sorted(exercises())
CLASSES = [name for name in NAMES if exercises()[name].is_class]
# build_model returns a model, which has neither shape nor numbers; find_bug and two more return a verdict.
WITH_NUMBERS = [name for name in NAMES if name != "build_model"]
each_exercise = pytest.mark.parametrize("name", NAMES)


class StoppedError(Exception):
    """What a candidate raises in these tests."""


def tensors_in(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for one in value for t in tensors_in(one)] if isinstance(value, (tuple, list)) else []


def mapped(value: Any, change: Any) -> Any:
    """Change every tensor and number in what was returned, keeping its structure."""
    if isinstance(value, (Tensor, bool, int, float)):
        return change(value)
    if isinstance(value, dict):
        return {key: mapped(one, change) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(mapped(one, change) for one in value)
    return value


def behaving(name: str, before: Any = None, after: Any = None) -> Any:
    """The right answer, but for what is done before it is computed, or to what it returns."""
    reference = exercises()[name].reference

    if not isinstance(reference, type):

        def function(*arguments, **named):
            if before is not None:
                before(arguments)
            returned = reference(*arguments, **named)
            return returned if after is None else after(returned)

        return function

    class Changed(reference):  # type: ignore[misc, valid-type]
        def forward(self, *arguments, **named):
            if before is not None:
                before(arguments)
            returned = super().forward(*arguments, **named)
            return returned if after is None else after(returned)

    return Changed


def fails(name: str, candidate: Any, seconds: float | None = None) -> str:
    report = check(name, candidate, seconds=seconds)
    assert not report.passed
    assert 0 <= report.score < 1
    assert str(report)
    assert report._repr_html_()
    assert type(report.points(3)) is float
    return report.message


@each_exercise
def test_raising(name):
    def stop(_):
        raise StoppedError("at the door")

    message = fails(name, behaving(name, before=stop))
    assert (
        "StoppedError" in message or "RuntimeError" in message or "False" in message or "expected" in message
    )
    assert check(name, behaving(name, before=stop)).score < 0.5  # what a constructor does may be right


@each_exercise
def test_not_written_yet(name):
    def unwritten(_):
        raise NotImplementedError

    assert "not written yet" in fails(name, behaving(name, before=unwritten))


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_whose_constructor_is_not_written(name):
    class Unwritten(nn.Module):
        def __init__(self, *arguments, **named):
            super().__init__()
            raise NotImplementedError

    assert "not written yet" in fails(name, Unwritten)


@each_exercise
def test_hanging(name):
    def hang(_):
        while True:
            pass

    started = time.monotonic()
    assert "did not return within 0.3 s" in fails(name, behaving(name, before=hang), seconds=0.3)
    assert time.monotonic() - started < 20


@each_exercise
def test_nothing_returned(name):
    message = fails(name, behaving(name, after=lambda returned: None))
    assert "None" in message, message


@each_exercise
def test_another_type_returned(name):
    assert fails(name, behaving(name, after=lambda returned: "a text"))


@pytest.mark.parametrize("name", WITH_NUMBERS)
def test_another_shape_returned(name):
    def longer(one):
        return torch.stack([one, one]) if isinstance(one, Tensor) else torch.ones(2, 3)

    message = fails(name, behaving(name, after=lambda returned: mapped(returned, longer)))
    assert message


@pytest.mark.parametrize("name", WITH_NUMBERS)
def test_nan_returned(name):
    def nan(one):
        if isinstance(one, Tensor):
            return one * float("nan") if one.is_floating_point() else torch.full(one.shape, float("nan"))
        return float("nan")

    assert fails(name, behaving(name, after=lambda returned: mapped(returned, nan)))


def takes_tensors(name: str) -> bool:
    return any(hasattr(v, "dtype") for p in exercises()[name].probes(0) for v in p.arguments.values())


@pytest.mark.parametrize("name", [name for name in NAMES if takes_tensors(name)])
def test_an_input_changed_in_place(name):
    exercise = exercises()[name]

    def spoil(arguments):
        with torch.no_grad():
            for tensor in tensors_in(arguments):
                tensor.copy_(tensor.logical_not() if tensor.dtype == torch.bool else tensor + 1)

    reference = exercise.reference

    def keep(arguments):
        return [t.clone() for t in tensors_in(arguments)]

    if isinstance(reference, type):

        class Spoiling(reference):  # type: ignore[misc, valid-type]
            def forward(self, *arguments, **named):
                kept = [a.clone() if isinstance(a, Tensor) else a for a in arguments]
                returned = super().forward(*kept, **named)
                spoil(arguments)
                return returned

        candidate = Spoiling
    else:

        def candidate(*arguments, **named):
            kept = [mapped(a, lambda one: one.clone() if isinstance(one, Tensor) else one) for a in arguments]
            returned = reference(*kept, **named)
            spoil(arguments)
            return returned

    message = fails(name, candidate)
    assert "in place" in message or "must not be changed" in message or exercises()[name].derive, message


def test_who_takes_no_tensor():
    """Sizes, a list of tables, a model, a file or a box: of these there is nothing to change in place."""
    without = {name for name in NAMES if not takes_tensors(name)}
    assert without == {
        "attention_rollout",
        "build_model",
        "causal_mask",
        "count_parameters",
        "evaluate",
        "find_bug",
        "parameter_groups",
        "rotation_matrix",
        "sinusoidal_encoding",
        "warmup_cosine",
        "warmup_lr",
    }


@each_exercise
def test_a_flood_of_prints(name, capfd):
    def flood(_):
        for _line in range(2000):
            print("round and round")

    report = check(name, behaving(name, before=flood))
    assert report.passed, str(report)
    assert len(report.printed) <= 400
    assert capfd.readouterr() == ("", "")


@each_exercise
def test_nothing_to_call(name):
    for nothing in (None, 3, "text", torch.ones(2)):
        report = check(name, nothing)
        assert report.score == 0
        assert "There is nothing to" in report.message


@pytest.mark.parametrize("name", CLASSES)
def test_a_function_where_a_class_is_asked_for(name):
    assert "Expected a class" in check(name, lambda *arguments: None).message


@each_exercise
def test_a_cell_that_was_not_run_deleted_or_renamed(name):
    namespace = {"check": check}
    exec(f"report = check({name!r})", namespace)
    report: Any = namespace["report"]
    assert report.score == 0
    assert f"There is no {name} here yet" in report.message
    exec(f"def {name}_(*arguments): pass\nreport = check({name!r})", namespace)
    report = namespace["report"]
    assert f"There is '{name}_'" in report.message
