"""Ask: put probes to a candidate and bring back plain arrays. Nothing here knows what is right."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from plenary.checks.answer import Answer, Answers, Fault
from plenary.checks.form import Form
from plenary.checks.guard import TimedOut, one_thread, quiet, time_limit
from plenary.checks.probe import Backward, Call, Construct, Load, Made, Mode, Plain, Probe, Read, Stub, Value

LARGEST_OUTPUT = 1_000_000
"""Elements in one returned tensor. Probes are small, so more than this is a mistake, or an attack on memory."""

Serve = Callable[..., Any]
"""Called with an oracle's name and the arguments that a candidate gave to its stub."""


class _UnusableError(Exception):
    """What the candidate returned has no arrays to take."""

    def __init__(self, kind: str, message: str, exception: str = "") -> None:
        super().__init__(message)
        self.fault = Fault(kind, message, exception)


def ask(
    candidate: Callable[..., Any],
    probes: Sequence[Probe],
    form: Form,
    seconds: float = 10.0,
    serve: Serve | None = None,
) -> Answers:
    """Run every probe on the candidate.

    ``seconds`` limits all probes together: once it is over, the probes that are left count as timed out.
    The candidate gets copies; torch's random numbers start anew for each probe, and are put back afterwards.
    ``serve`` answers for stubs; it stands on the judge's side of the wall.
    """
    answers: dict[str, Answer] = {}
    with torch.random.fork_rng(devices=[]), one_thread(), quiet() as printed:
        try:
            with time_limit(seconds):
                for probe in probes:
                    # torch.manual_seed would look for every kind of device, each time.
                    torch.default_generator.manual_seed(0)
                    answers[probe.name] = _Session(candidate, form, serve).run(probe)
        except TimedOut:
            late = Fault("timeout", f"did not return within {seconds:g} s.")
            answers.update({p.name: Answer(fault=late) for p in probes if p.name not in answers})
    return Answers(answers, printed.getvalue())


class _Session:
    """One probe in progress: the candidate, its last arguments, and what has come back."""

    def __init__(self, candidate: Callable[..., Any], form: Form, serve: Serve | None) -> None:
        self._candidate = candidate
        self._form = form
        self._serve = serve
        self._sent: dict[str, Value] = {}
        self._arguments: dict[str, Any] = {}
        self._tensors: dict[str, Tensor] = {}
        self._dtypes: dict[str, str] = {}

    def run(self, probe: Probe) -> Answer:
        differentiate = any(isinstance(step, Backward) for step in probe.steps)
        try:
            for step in probe.steps:
                self._do(step, differentiate)
            return Answer(
                {name: _plain(tensor) for name, tensor in self._tensors.items()},
                dict(self._dtypes),
                self._changed(),
            )
        except _UnusableError as unusable:
            return Answer(fault=unusable.fault, changed=self._changed())

    def _do(self, step: object, differentiate: bool) -> None:
        match step:
            case Construct(arguments):
                self._candidate = self._construct({k: _received(v) for k, v in arguments.items()})
            case Load(weights):
                _load(self._candidate, weights)
            case Mode(training):
                _guarded(self._candidate.train, training)  # type: ignore[attr-defined]
            case Call(arguments, label):
                self._call(arguments, label, differentiate)
            case Backward(output, cotangent):
                self._keep(_gradients(self._tensors[output], torch.tensor(cotangent), self._wanted()))
            case Read(names):
                own = dict(self._candidate.named_parameters(remove_duplicate=False))  # type: ignore[attr-defined]
                _expect_names(own, names, exactly=False)
                self._keep({name: own[name] for name in names})

    def _construct(self, arguments: dict[str, Any]) -> Callable[..., Any]:
        made = _guarded(self._candidate, **arguments)
        if not isinstance(made, nn.Module):
            raise _UnusableError("type", f"made {_kind(made)}; expected a torch.nn.Module.")
        return made

    def _call(self, arguments: Mapping[str, Value], label: str, differentiate: bool) -> None:
        self._sent = dict(arguments)
        self._arguments = {name: self._receive(value) for name, value in arguments.items()}
        for argument in self._arguments.values():
            if isinstance(argument, Tensor):
                argument.requires_grad_(differentiate and argument.is_floating_point())
        returned = _guarded(self._candidate, *self._arguments.values())
        if self._form.collect is not None:
            returned = self._collect(returned)
        named = _named(returned, self._form.outputs, self._form.numbers or self._form.collect is not None)
        self._keep({f"{name}{label}": value for name, value in named.items()})

    def _collect(self, returned: Any) -> Any:
        assert self._form.collect is not None
        try:
            collected = self._form.collect(returned, self._arguments)
        except TimedOut:
            raise
        except Exception as error:
            said = str(error.args[0]) if error.args else type(error).__name__
            raise _UnusableError("structure", said, type(error).__name__) from None
        return collected[0] if len(self._form.outputs) == 1 else collected

    def _receive(self, value: Value) -> Any:
        if isinstance(value, Made):
            return self._form.makers[value.maker](**{k: _received(v) for k, v in value.arguments.items()})
        if isinstance(value, Stub):
            return _stub(self._serve, value.oracle)
        return _received(value)

    def _keep(self, found: Mapping[str, Any]) -> None:
        for name, value in found.items():
            if isinstance(value, Tensor):
                self._dtypes[name] = str(value.dtype).removeprefix("torch.")
                self._tensors[name] = value
            else:
                self._tensors[name] = torch.tensor(value, dtype=torch.float64)

    def _wanted(self) -> dict[str, Tensor]:
        """Return what gradients are wanted of: the arguments that are real, and the parameters."""
        wanted = {n: t for n, t in self._arguments.items() if isinstance(t, Tensor) and t.requires_grad}
        if isinstance(self._candidate, nn.Module):
            wanted |= dict(self._candidate.named_parameters(remove_duplicate=False))
        return wanted

    def _changed(self) -> tuple[str, ...]:
        """Name the arguments that no longer hold what was passed."""
        return tuple(name for name, held in self._arguments.items() if _differs(held, self._sent[name]))


def _guarded(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call into the candidate; whatever it throws, sys.exit() included, ends in a report."""
    try:
        return function(*arguments, **named)
    except (KeyboardInterrupt, TimedOut):
        raise
    except BaseException as error:
        # torch raises NotImplementedError too, but never without a message, but for a module without forward.
        if isinstance(error, NotImplementedError) and (
            not error.args or 'missing the required "forward"' in str(error)
        ):
            raise _UnusableError("unwritten", "is not written yet: it raised NotImplementedError.") from None
        raise _UnusableError("raised", f"raised {_describe(error)}", type(error).__name__) from None


def _stub(serve: Serve | None, oracle: str) -> Callable[..., Any]:
    """Make a function that asks the judge's side. Arrays go out and come back; what it computes cannot be read."""

    def black_box(*arguments: Any, **named: Any) -> Any:
        if serve is None:
            raise RuntimeError("nobody answers for this function here.")
        sent = [_sent(one) for one in arguments]
        answer = serve(oracle, *sent, **{name: _sent(one) for name, one in named.items()})
        if isinstance(answer, tuple):
            return tuple(torch.tensor(one) for one in answer)
        return torch.tensor(answer)

    return black_box


def _sent(value: Any) -> Any:
    return value.detach().cpu().numpy().copy() if isinstance(value, Tensor) else value


def _received(value: Plain) -> Any:
    if isinstance(value, np.ndarray):
        return torch.tensor(value)
    if isinstance(value, (tuple, list)):
        return type(value)(_received(one) for one in value)
    return value


def _load(module: Any, weights: Mapping[str, np.ndarray]) -> None:
    dtype = next((torch.tensor(array).dtype for array in weights.values()), torch.float32)
    _guarded(module.to, dtype)
    own = dict(module.named_parameters(remove_duplicate=False))
    # A layer may stand under a second name too, in an nn.Sequential say.
    known = {id(own[name]) for name in weights if name in own}
    own = {name: p for name, p in own.items() if name in weights or id(p) not in known}
    _expect_names(own, tuple(weights), exactly=True)
    unmade = [n for n in weights if isinstance(own[n], UninitializedParameter)]
    if unmade:
        raise _UnusableError(
            "weights", f"leaves {unmade[0]} without a size until it is called; give it one.", "lazy"
        )
    wrong = {n: tuple(own[n].shape) for n in weights if own[n].shape != weights[n].shape}
    if wrong:
        name, shape = next(iter(wrong.items()))
        raise _UnusableError(
            "weights",
            f"has a parameter {name} of shape {shape}; expected {weights[name].shape}.",
            f"shape of {', '.join(wrong)}",
        )
    with torch.no_grad():
        for name, array in weights.items():
            own[name].copy_(torch.tensor(array))


def _expect_names(own: Mapping[str, Any], names: Sequence[str], exactly: bool) -> None:
    missing = [name for name in names if name not in own]
    extra = [name for name in own if name not in names] if exactly else []
    if not missing and not extra:
        return
    said = []
    if missing:
        said.append(f"has no parameter {_some(missing)}")
    if extra:
        said.append(f"has {'also ' if missing else ''}a parameter {_some(extra)}, which was not asked for")
    ending = (
        ". Submodules count only under the names that the text gives, and in nn.ModuleList, not in a plain list."
        if missing
        else "."
    )
    fingerprint = f"missing {' '.join(missing)}; extra {' '.join(extra)}"
    raise _UnusableError("weights", f"{' and '.join(said)}{ending}", fingerprint)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


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


def _named(returned: Any, outputs: Sequence[str], numbers: bool) -> dict[str, Any]:
    """Give what was returned the names that the exercise uses, or say why it cannot be done."""
    one = "a number" if numbers else "a torch.Tensor"
    expected = one if len(outputs) == 1 else f"the tuple ({', '.join(outputs)})"
    if returned is None:
        raise _UnusableError("none", f"returned None; expected {expected}. A return may be missing.")
    if len(outputs) == 1:
        returned = (returned,)
    elif not isinstance(returned, (tuple, list)):
        raise _UnusableError("structure", f"returned {_kind(returned)}; expected {expected}.")
    elif len(returned) != len(outputs):
        raise _UnusableError("structure", f"returned a tuple of {len(returned)}; expected {expected}.")
    for name, part in zip(outputs, returned, strict=True):
        if not isinstance(part, Tensor) and not (numbers and isinstance(part, (bool, int, float, np.number))):
            what = "returned" if len(outputs) == 1 else f"returned, as {name},"
            raise _UnusableError("type", f"{what} {_kind(part)}; expected {one}.")
        if isinstance(part, Tensor) and part.numel() > LARGEST_OUTPUT:
            raise _UnusableError(
                "size", f"returned {name} with {part.numel():,} numbers, shape {tuple(part.shape)}."
            )
    return dict(zip(outputs, returned, strict=True))


def _gradients(output: Tensor, cotangent: Tensor, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
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


def _plain(tensor: Tensor) -> np.ndarray:
    try:
        tensor = tensor.detach().cpu()
        # Copied: a view of an input, or an expanded one, would keep more alive than it shows. float64 holds
        # every real dtype of torch exactly, bfloat16 included, which numpy does not have.
        return tensor.to(torch.float64).numpy().copy()
    except Exception as error:
        raise _UnusableError(
            "type", f"returned a tensor that is no plain array: {str(error)[:200]}"
        ) from None


def _differs(held: Any, sent: Value) -> bool:
    if isinstance(sent, np.ndarray):
        return held.shape != sent.shape or not torch.equal(held.detach(), torch.tensor(sent))
    if isinstance(sent, list):
        return len(held) != len(sent) or any(_differs(h, s) for h, s in zip(held, sent, strict=True))
    return False


def _kind(value: Any) -> str:
    name = f"{type(value).__module__}.{type(value).__name__}".removeprefix("builtins.")
    return f"a tuple of {len(value)}" if isinstance(value, tuple) else f"a value of type {name}"
