"""Is FeedForward two linear layers with a GELU between them, the same for every token?"""

import pytest
import torch
from torch import nn

from plenary import FeedForward

B, T, D, HIDDEN = 2, 5, 11, 17


def normal(*shape: int, seed: int = 1, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_same_output_and_gradients_as_torch_layers_in_a_row(dtype, randomised, run, assert_same):
    theirs = randomised(nn.Sequential(nn.Linear(D, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, D)), dtype)
    names = {"0": "linear1", "2": "linear2"}

    def translate(state):
        return {f"{names[name[0]]}{name[1:]}": tensor for name, tensor in state.items()}

    ours = FeedForward(D, HIDDEN).to(dtype)
    ours.load_state_dict(translate(theirs.state_dict()))
    x = normal(B, T, D, dtype=dtype)
    assert_same(run(ours, x), run(theirs, x), translate)


def test_a_token_is_treated_alone(randomised):
    feed_forward, x = randomised(FeedForward(D, HIDDEN)), normal(B, T, D)
    output = feed_forward(x)
    for b in range(B):
        for t in range(T):
            torch.testing.assert_close(feed_forward(x[b, t]), output[b, t])


def test_dropout_acts_on_the_hidden_features_and_in_training_only(randomised):
    feed_forward, plain = randomised(FeedForward(D, HIDDEN, dropout=0.5)), randomised(FeedForward(D, HIDDEN))
    x = normal(B, T, D)
    torch.manual_seed(0)
    assert not torch.allclose(feed_forward(x), feed_forward(x))
    torch.testing.assert_close(feed_forward.eval()(x), plain(x))
    # With everything dropped, what is left is linear2's bias: dropout stands before it, not after.
    feed_forward.train().dropout.p = 1.0
    torch.testing.assert_close(feed_forward(x), plain.linear2.bias.expand(B, T, D))
