"""Is a score the mean over samples, in eval mode, with the model left as it was?"""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from plenary.training import evaluate


class Model(nn.Module):
    """Dropout that must be off, a frozen part that is in eval mode already, and a note of what was asked."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(7, 5)
        self.dropout = nn.Dropout(0.5)
        self.frozen = nn.Dropout(0.5)
        self.train()
        self.frozen.eval()
        self.asked = []

    def forward(self, x):
        self.asked.append((self.dropout.training, torch.is_grad_enabled()))
        return self.linear(self.frozen(self.dropout(x)))


@pytest.fixture
def batches():
    generator = torch.Generator().manual_seed(0)
    draw = lambda n: (torch.randn(n, 7, generator=generator), torch.randint(5, (n,), generator=generator))  # noqa: E731
    *many, (x, y) = draw(13), draw(13), draw(3)
    return [*many, (3 * x, y)]  # the small batch is unlike the others


def test_means_are_over_samples_not_batches(batches):
    model = Model()
    x, y = (torch.cat(parts) for parts in zip(*batches, strict=True))
    logits = model.linear(x)
    found = evaluate(model, batches)
    assert found["loss"] == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-6)
    assert found["accuracy"] == pytest.approx((logits.argmax(-1) == y).double().mean().item())
    of_batches = torch.stack([F.cross_entropy(model.linear(x), y) for x, y in batches]).mean().item()
    assert found["loss"] != pytest.approx(of_batches, rel=1e-3)


def test_eval_mode_without_gradients_and_every_mode_is_restored(batches):
    model = Model()
    evaluate(model, batches)
    assert model.asked == [(False, False)] * 3
    assert (model.training, model.dropout.training, model.frozen.training) == (True, True, False)


def test_modes_are_restored_after_an_error():
    model = Model()
    with pytest.raises(RuntimeError):
        evaluate(model, [(torch.zeros(2, 3), torch.zeros(2, dtype=torch.long))])
    assert model.dropout.training


def test_ignored_targets_count_for_nothing():
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[1, 4, 0], [2, 0, 0]])
    found = evaluate(nn.Identity(), [(logits, targets)], ignore_index=0)
    real = targets != 0
    assert found["loss"] == pytest.approx(F.cross_entropy(logits[real], targets[real]).item())
    assert found["accuracy"] == pytest.approx((logits.argmax(-1) == targets)[real].double().mean().item())
    # A model that answers with the ignored class is not right where the target is ignored.
    always_0 = torch.tensor([9.0, 0, 0, 0, 0]).expand(2, 3, 5)
    assert evaluate(nn.Identity(), [(always_0, targets)], ignore_index=0)["accuracy"] == 0


def test_an_empty_loader_is_an_error():
    with pytest.raises(ValueError, match="no sample to average over"):
        evaluate(Model(), [])
