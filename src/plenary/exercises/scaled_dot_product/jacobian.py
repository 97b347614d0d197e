"""The softmax Jacobian: how to ask for it, and what people get wrong."""

import numpy as np
import torch
from torch import Tensor

from plenary.checks.answer import Answer
from plenary.checks.exercise import Exercise, Misconception, Property
from plenary.checks.probe import Probe, call_probe, normal, shown_probe

NAME = "softmax_jacobian"
ALL = ("jacobian",)


def probes(seed: int) -> list[Probe]:
    """Ask at one small p, at vectors and batches, at a saturated p, and in float32."""
    generator = torch.Generator().manual_seed(seed)

    def weights(*shape: int, scale: float = 1.0) -> Tensor:
        return normal(generator, *shape, scale=scale).softmax(-1)

    certain = torch.tensor([[0.0, 1.0, 0.0, 0.0, 0.0], [0.5, 0.0, 0.25, 0.0, 0.25]], dtype=torch.float64)
    return [
        shown_probe("small", p=torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)),
        call_probe("vector", p=weights(7)),
        call_probe("batch", p=weights(5, 7)),
        call_probe("two axes in front", p=weights(2, 3, 5)),
        call_probe("square batch", p=weights(5, 5)),
        call_probe("saturated", p=weights(3, 7, scale=12.0)),
        call_probe("certain", p=certain),
        call_probe("float32", p=weights(2, 5).float()),
    ]


def reference(p: Tensor) -> Tensor:
    """Differentiate torch's own softmax at logits log(p), of which p is the softmax."""
    rows = p.reshape(-1, p.shape[-1]).log()
    jacobians = [torch.autograd.functional.jacobian(lambda x: x.softmax(-1), row) for row in rows]
    return torch.stack([j for j in jacobians if isinstance(j, Tensor)]).reshape(*p.shape, p.shape[-1])


def rows_sum_to_zero(_probe: Probe, answer: Answer) -> str | None:
    """If one score rises, what one key gains the others lose."""
    sums = answer.arrays["jacobian"].sum(-1)
    worst = np.unravel_index(np.abs(sums).argmax(), sums.shape)
    if abs(sums[worst]) > 1e-4:
        place = ", ".join(str(int(i)) for i in worst)
        return f"row [{place}] of the Jacobian sums to {sums[worst]:.3f}; every row sums to zero"
    return None


MISTAKES = (
    Misconception(
        id="diagonal-only",
        title="Your Jacobian has the diagonal p (1 - p) and zeros beside it.",
        belief="For the sigmoid p (1 - p) is the whole derivative, because each output has an input of its "
        "own. The softmax shares one sum: raising score j lowers every other probability i, by p_i "
        "p_j.",
        hint="Fill in the derivative of p_i by x_j for i and j different.",
        anchor="sdp-jacobian-off-diagonal",
        section="Why the off-diagonal is there",
        wrong={NAME: (lambda p: torch.diag_embed(p * (1 - p)),)},
    ),
    Misconception(
        id="elementwise-derivative",
        title="You return the vector p (1 - p); a Jacobian is a matrix.",
        belief="One number per output is enough for a function that works element by element. Each of the n "
        "outputs of a softmax depends on all n inputs: n times n derivatives.",
        hint="The result has one axis more than p.",
        anchor="sdp-jacobian",
        section="The Jacobian of the softmax",
        wrong={NAME: (lambda p: p * (1 - p),)},
        evidence="https://newbe.dev/numpy-calculate-the-derivative-of-the-softmax-function",
    ),
    Misconception(
        id="product-term-missing",
        title="Your Jacobian is diag(p); the term - p p^T is missing.",
        belief="diag(p) is what the numerator of the softmax gives. The denominator depends on every score "
        "as well, and the quotient rule brings it in.",
        hint="Differentiate the sum under the fraction bar too.",
        anchor="sdp-jacobian",
        section="The Jacobian of the softmax",
        wrong={NAME: (torch.diag_embed,)},
    ),
    Misconception(
        id="diagonal-term-missing",
        title="Your Jacobian is - p p^T; the term diag(p) is missing.",
        belief="- p p^T is what the denominator of the softmax gives. The numerator of p_i depends on x_i as "
        "well, which adds p_i on the diagonal.",
        hint="Differentiate the exponential over the fraction bar too.",
        anchor="sdp-jacobian",
        section="The Jacobian of the softmax",
        wrong={NAME: (lambda p: -p.unsqueeze(-1) * p.unsqueeze(-2),)},
    ),
    Misconception(
        id="jacobian-sign",
        title="Your Jacobian has the opposite sign.",
        belief="Raising a score raises its own probability: the diagonal, p_i (1 - p_i), is not negative.",
        hint="It is diag(p) minus p p^T, not the other way round.",
        anchor="sdp-jacobian",
        section="The Jacobian of the softmax",
        wrong={NAME: (lambda p: p.unsqueeze(-1) * p.unsqueeze(-2) - torch.diag_embed(p),)},
    ),
    Misconception(
        id="jacobian-plus",
        title="Your Jacobian adds p p^T; it should subtract it.",
        belief="With a plus, raising one score would raise every probability, and they could not go on "
        "adding up to one.",
        hint="The quotient rule has a minus before the term from the denominator.",
        anchor="sdp-jacobian-off-diagonal",
        section="Why the off-diagonal is there",
        wrong={NAME: (lambda p: torch.diag_embed(p) + p.unsqueeze(-1) * p.unsqueeze(-2),)},
    ),
    Misconception(
        id="square-subtracted-twice",
        title="Your diagonal subtracts p_i squared twice.",
        belief="p (1 - p) is the diagonal already finished: its - p_i^2 comes from p p^T. Subtracting p p^T "
        "as well takes it away a second time.",
        hint="Either build the diagonal from p and subtract all of p p^T, or fill diagonal and "
        "off-diagonal apart.",
        anchor="sdp-jacobian",
        section="The Jacobian of the softmax",
        wrong={NAME: (lambda p: torch.diag_embed(p * (1 - p)) - p.unsqueeze(-1) * p.unsqueeze(-2),)},
    ),
    Misconception(
        id="softmax-taken-again",
        title="You take the softmax of p; p is the softmax's output already.",
        belief="The derivative is usually written as a function of the scores x. It depends on them only "
        "through p, which is what you are given.",
        hint="Use p as it comes.",
        anchor="sdp-jacobian",
        section="The Jacobian of the softmax",
        wrong={
            NAME: (
                lambda p: (
                    torch.diag_embed(p.softmax(-1))
                    - p.softmax(-1).unsqueeze(-1) * p.softmax(-1).unsqueeze(-2)
                ),
            )
        },
    ),
    Misconception(
        id="one-vector-only",
        title="Your Jacobian is right for one vector, and fails with axes in front.",
        belief="torch.diag and torch.outer are made for vectors. Given a matrix, torch.diag does the "
        "opposite: it reads the diagonal.",
        hint="torch.diag_embed works on the last axis and leaves the others alone; a product of p as "
        "column and p as row broadcasts.",
        anchor="sdp-jacobian",
        section="The Jacobian of the softmax",
        wrong={
            NAME: (
                lambda p: torch.diag(p) - torch.outer(p, p),
                lambda p: torch.diagflat(p) - torch.outer(p, p),
            )
        },
    ),
    Misconception(
        id="batch-flattened",
        title="You treat the whole batch as one long vector.",
        belief="Probabilities of different rows come from different softmaxes and do not compete: no "
        "derivative runs from one row to another.",
        hint="Each vector along the last axis has its own (n, n) matrix; the axes in front stay as they are.",
        anchor="sdp-jacobian",
        section="The Jacobian of the softmax",
        wrong={NAME: (lambda p: torch.diag(p.flatten()) - torch.outer(p.flatten(), p.flatten()),)},
        evidence="https://stackoverflow.com/questions/59286911/vectorized-softmax-gradient",
    ),
)


def _by_einsum(p: Tensor) -> Tensor:
    return torch.diag_embed(p) - torch.einsum("...i,...j->...ij", p, p)


def _by_identity(p: Tensor) -> Tensor:
    return p.unsqueeze(-1) * (torch.eye(p.shape[-1], dtype=p.dtype) - p.unsqueeze(-2))


def _by_loops(p: Tensor) -> Tensor:
    jacobian = p.new_zeros(*p.shape, p.shape[-1])
    for i in range(p.shape[-1]):
        for j in range(p.shape[-1]):
            jacobian[..., i, j] = p[..., i] * ((1.0 if i == j else 0.0) - p[..., j])
    return jacobian


def _by_filled_diagonal(p: Tensor) -> Tensor:
    jacobian = -p[..., :, None] * p[..., None, :]
    jacobian.diagonal(dim1=-2, dim2=-1).copy_(p * (1 - p))
    return jacobian


def _by_autograd(p: Tensor) -> Tensor:
    jacobian = torch.func.jacrev(lambda x: x.softmax(-1))
    for _ in range(p.ndim - 1):
        jacobian = torch.func.vmap(jacobian)
    return jacobian(p.log())


JACOBIAN = Exercise(
    name=NAME,
    signature="softmax_jacobian(p) -> jacobian",
    page="attention/scaled_dot_product",
    outputs=ALL,
    probes=probes,
    reference=reference,
    properties=(
        Property("the Jacobian at one vector", 3, ("small", "vector"), ALL),
        Property("the Jacobian at a saturated softmax", 1, ("saturated", "certain"), ALL),
        Property(
            "any number of axes in front", 2, ("batch", "two axes in front", "square batch", "float32"), ALL
        ),
    ),
    laws=(rows_sum_to_zero,),
    misconceptions=MISTAKES,
    correct=(_by_einsum, _by_identity, _by_loops, _by_filled_diagonal, _by_autograd),
)
