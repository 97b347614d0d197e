"""What all tests share: shapes are checked at run time, models are compared with their references in one way, and
tests that did not run are counted aloud."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import settings
from jaxtyping import config, install_import_hook
from torch import Tensor, nn

MODEL_MODULES = [
    "functional",
    "attention",
    "cache",
    "class_token",
    "convert",
    "decoder",
    "decoding",
    "encoder",
    "feed_forward",
    "norm",
    "patches",
    "position",
    "transformer",
    "vision_transformer",
]

# Before anything imports them: from here on every call of a model function checks the shapes in its signature.
install_import_hook([f"plenary.{name}" for name in MODEL_MODULES], "beartype.beartype")

# Deadlines test the machine, not the code; the same examples in every run keep a failure repeatable.
settings.register_profile("plenary", deadline=None, derandomize=True)
settings.load_profile("plenary")


@pytest.fixture
def as_users_run_it():
    """Switch the shape checks off, to see the error messages that users see."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


def _randomised(module: Any, dtype: torch.dtype = torch.float64, seed: int = 0) -> Any:
    generator = torch.Generator().manual_seed(seed)
    module.to(dtype)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.normal_(generator=generator)
            if parameter.ndim > 1:
                parameter.mul_(parameter[0].numel() ** -0.5)  # outputs as large as inputs
            elif name.endswith("weight"):
                parameter.mul_(0.3).add_(1.0)  # a norm's scale, away from its initial 1
    return module


@pytest.fixture(scope="session")
def randomised() -> Callable[..., Any]:
    """Give every parameter of a module a random value of the dtype. Norms and biases too: their initial ones and
    zeros would hide that two were swapped or one was forgotten."""
    return _randomised


class Run(NamedTuple):
    """One pass forward and backward: the output, and the gradients of the inputs and of the parameters."""

    output: Tensor
    inputs: list[Tensor | None]
    parameters: dict[str, Tensor]


def _run(module: nn.Module, *inputs: Any, **options: Any) -> Run:
    inputs = tuple(
        x.detach().clone().requires_grad_() if isinstance(x, Tensor) and x.is_floating_point() else x
        for x in inputs
    )
    module.zero_grad()
    output = module(*inputs, **options)
    output = output[0] if isinstance(output, tuple) else output
    cotangent = torch.randn(output.shape, generator=torch.Generator().manual_seed(97), dtype=torch.float64)
    output.backward(cotangent.to(output))
    parameters = {name: parameter.grad for name, parameter in module.named_parameters()}
    missing = [name for name, gradient in parameters.items() if gradient is None]
    assert not missing, f"no gradient reaches {missing}"
    return Run(
        output.detach(),
        [x.grad for x in inputs if isinstance(x, Tensor) and x.is_floating_point()],
        {name: gradient for name, gradient in parameters.items() if gradient is not None},
    )


@pytest.fixture(scope="session")
def run() -> Callable[..., Run]:
    """Pass inputs through a module and one fixed random cotangent back. A parameter without gradient fails."""
    return _run


TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


def _assert_close(found: Tensor, expected: Tensor, what: str) -> None:
    assert found.shape == expected.shape, f"{what}: shape {tuple(found.shape)} for {tuple(expected.shape)}"
    assert found.dtype == expected.dtype, f"{what}: {found.dtype} for {expected.dtype}"
    assert expected.isfinite().all(), f"{what}: the reference is not finite"
    # Relative to the largest entry: a sum over many tokens is rounded as a number of its size is.
    size = max(1.0, float(expected.abs().max())) if expected.numel() else 1.0
    error = float((found - expected).abs().max()) if expected.numel() else 0.0
    allowed = TOLERANCE[expected.dtype] * size
    assert error <= allowed, f"{what}: off by {error:.1e}, {allowed:.1e} is allowed"


def _assert_same(
    ours: Run, theirs: Run, translate: Callable[[dict[str, Tensor]], Mapping[str, Tensor]] = dict
):
    _assert_close(ours.output, theirs.output, "output")
    for index, (found, expected) in enumerate(zip(ours.inputs, theirs.inputs, strict=True)):
        if found is not None and expected is not None:
            _assert_close(found, expected, f"gradient of input {index}")
        assert (found is None) == (expected is None), f"input {index} has a gradient in one of the two only"
    expected_gradients = translate(theirs.parameters)
    assert ours.parameters.keys() == expected_gradients.keys()
    for name, found in ours.parameters.items():
        _assert_close(found, expected_gradients[name], f"gradient of {name}")


@pytest.fixture(scope="session")
def assert_same() -> Callable[..., None]:
    """Fail unless two runs agree: outputs, gradients of inputs, gradients of every parameter. `translate` puts
    their parameters' names and layouts into ours. Within 1e-10 in float64 and 1e-5 in float32, times the largest
    entry where that is more than 1."""
    return _assert_same


def pytest_terminal_summary(terminalreporter):
    """Say last, and loudly, how many tests did not run and what to install for them."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        reasons = sorted({str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped})
        terminalreporter.section(f"{len(skipped)} TESTS DID NOT RUN", red=True, bold=True)
        for reason in reasons:
            terminalreporter.line(reason, red=True)
