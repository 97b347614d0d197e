"""Ask: put probes to a candidate and bring back plain arrays. Nothing here knows what is right."""

import traceback
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from plenary.checks.answer import Answer, Answers, Fault
from plenary.checks.guard import TimedOut, quiet, time_limit
from plenary.checks.probe import Backward, Call, Probe

LARGEST_OUTPUT = 1_000_000
"""Elements in one returned tensor. Probes are small, so more than this is a mistake, or an attack on memory."""


class _UnusableError(Exception):
    """What the candidate returned has no arrays to take."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.fault = Fault(kind, message)


def ask(
    candidate: Callable[..., Any], probes: Sequence[Probe], outputs: Sequence[str], seconds: float = 10.0
) -> Answers:
    """Run every probe on the candidate; ``outputs`` names what it should return.

    ``seconds`` limits all probes together: once it is over, the probes that are left count as timed out.
    The candidate gets copies, and the state of torch's random numbers is put back afterwards.
    """
    answers: dict[str, Answer] = {}
    with torch.random.fork_rng(devices=[]), quiet() as printed:
        try:
            with time_limit(seconds):
                for probe in probes:
                    answers[probe.name] = _answer(candidate, probe, outputs)
        except TimedOut:
            late = Fault("timeout", f"did not return within {seconds:g} s.")
            answers.update({p.name: Answer(fault=late) for p in probes if p.name not in answers})
    return Answers(answers, printed.getvalue())


def _answer(candidate: Callable[..., Any], probe: Probe, outputs: Sequence[str]) -> Answer:
    differentiate = any(isinstance(step, Backward) for step in probe.steps)
    tensors: dict[str, Tensor] = {}
    arguments: dict[str, Tensor] = {}
    try:
        for step in probe.steps:
            if isinstance(step, Call):
                arguments = {name: torch.tensor(array) for name, array in step.arguments.items()}
                for argument in arguments.values():
                    argument.requires_grad_(differentiate and argument.is_floating_point())
                tensors |= _named(_call(candidate, arguments), outputs)
            else:
                tensors |= _gradients(tensors[step.output], torch.tensor(step.cotangent), arguments)
        return Answer(
            {name: _plain(tensor) for name, tensor in tensors.items()},
            {name: str(tensor.dtype).removeprefix("torch.") for name, tensor in tensors.items()},
            _changed(arguments, probe),
        )
    except _UnusableError as unusable:
        return Answer(fault=unusable.fault, changed=_changed(arguments, probe))


def _call(candidate: Callable[..., Any], arguments: dict[str, Tensor]) -> Any:
    try:
        return candidate(*arguments.values())
    except (KeyboardInterrupt, TimedOut):
        raise
    except BaseException as error:  # whatever a candidate throws, sys.exit() included, ends in a report
        # torch raises NotImplementedError too, but never without a message.
        if isinstance(error, NotImplementedError) and not error.args:
            raise _UnusableError("unwritten", "is not written yet: it raised NotImplementedError.") from None
        unusable = _UnusableError("raised", f"raised {_describe(error)}")
        unusable.fault = Fault("raised", str(unusable), type(error).__name__)
        raise unusable from None


def _describe(error: BaseException) -> str:
    """Say what was raised and in which line of the candidate, leaving out the frames of libraries."""
    try:
        said = str(error)
    except Exception:
        said = "(its message could not be read)"
    said = f"{type(error).__name__}: {said}" if said else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if f.filename != __file__ and "site-packages" not in f.filename]
    where = f" (line {own[-1].lineno}: {own[-1].line})" if own and own[-1].line else ""
    return f"{said[:300]}{where}"


def _named(returned: Any, outputs: Sequence[str]) -> dict[str, Tensor]:
    """Give what was returned the names that the exercise uses, or say why it cannot be done."""
    expected = "a torch.Tensor" if len(outputs) == 1 else f"the tuple ({', '.join(outputs)})"
    if returned is None:
        raise _UnusableError("none", f"returned None; expected {expected}. A return may be missing.")
    if len(outputs) == 1:
        returned = (returned,)
    elif not isinstance(returned, (tuple, list)):
        raise _UnusableError("structure", f"returned {_kind(returned)}; expected {expected}.")
    elif len(returned) != len(outputs):
        raise _UnusableError("structure", f"returned a tuple of {len(returned)}; expected {expected}.")
    for name, part in zip(outputs, returned, strict=True):
        if not isinstance(part, Tensor):
            what = "returned" if len(outputs) == 1 else f"returned, as {name},"
            raise _UnusableError("type", f"{what} {_kind(part)}; expected a torch.Tensor.")
        if part.numel() > LARGEST_OUTPUT:
            raise _UnusableError(
                "size", f"returned {name} with {part.numel():,} numbers, shape {tuple(part.shape)}."
            )
    return dict(zip(outputs, returned, strict=True))


def _gradients(output: Tensor, cotangent: Tensor, arguments: dict[str, Tensor]) -> dict[str, Tensor]:
    wanted = {name: tensor for name, tensor in arguments.items() if tensor.requires_grad}
    if output.shape != cotangent.shape:
        return {}  # a wrong shape speaks for itself
    if not output.requires_grad:
        raise _UnusableError(
            "no-gradient",
            "returned a tensor that no gradient can flow through. Something inside leaves torch: numpy, "
            ".item(), .detach(), or torch.tensor(...) around a result.",
        )
    try:
        found = torch.autograd.grad(output, list(wanted.values()), cotangent, allow_unused=True)
    except RuntimeError as error:
        raise _UnusableError("no-gradient", f"cannot be differentiated: {str(error)[:300]}") from None
    # An argument that the output does not depend on has gradient zero.
    return {
        f"grad_{name}": torch.zeros_like(tensor) if grad is None else grad
        for (name, tensor), grad in zip(wanted.items(), found, strict=True)
    }


def _plain(tensor: Tensor) -> Any:
    try:
        tensor = tensor.detach().cpu()
        # Copied: a view of an input, or an expanded one, would keep more alive than it shows. float64 holds
        # every real dtype of torch exactly, bfloat16 included, which numpy does not have.
        return tensor.to(torch.float64).numpy().copy()
    except Exception as error:
        raise _UnusableError(
            "type", f"returned a tensor that is no plain array: {str(error)[:200]}"
        ) from None


def _changed(arguments: dict[str, Tensor], probe: Probe) -> tuple[str, ...]:
    """Name the arguments that no longer hold what was passed."""
    return tuple(
        name
        for name, tensor in arguments.items()
        if tensor.shape != probe.arguments[name].shape
        or not torch.equal(tensor.detach(), torch.tensor(probe.arguments[name]))
    )


def _kind(value: Any) -> str:
    name = f"{type(value).__module__}.{type(value).__name__}".removeprefix("builtins.")
    return f"a tuple of {len(value)}" if isinstance(value, tuple) else f"a value of type {name}"
