"""Is the Transformer torch's, does it hide what must be hidden, and does its loss count what must be counted?"""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from plenary import (
    LanguageModel,
    TinyTransformer,
    Transformer,
    causal_mask,
    convert,
    make_masks,
    sequence_loss,
    shift_right,
    sinusoidal_encoding,
)

B, H, T, S, D, HIDDEN, SOURCE_WORDS, TARGET_WORDS, LONGEST, PAD = 2, 3, 5, 7, 12, 17, 19, 23, 29, 3


def tokens(words: int, *shape: int, seed: int = 1):
    """Random ids, none of them padding."""
    drawn = torch.randint(words - 1, shape, generator=torch.Generator().manual_seed(seed))
    return drawn + (drawn >= PAD)


def with_padding():
    source, target = tokens(SOURCE_WORDS, B, S), tokens(TARGET_WORDS, B, T, seed=2)
    source[1, 4:] = PAD
    target[0, 3:] = PAD
    return source, target


def model(norm_first: bool = True, **options: Any):
    return Transformer(
        SOURCE_WORDS, TARGET_WORDS, D, H, 2, 3, HIDDEN, LONGEST, norm_first=norm_first, pad_id=PAD, **options
    )


class Reference(nn.Module):
    """torch.nn.Transformer with the embeddings, the positions and the head that it lacks."""

    def __init__(self, norm_first: bool):
        super().__init__()
        options: Any = {"dropout": 0.0, "activation": "gelu", "batch_first": True, "norm_first": norm_first}
        encoder_layer = nn.TransformerEncoderLayer(D, H, HIDDEN, **options)
        decoder_layer = nn.TransformerDecoderLayer(D, H, HIDDEN, **options)
        # Left to itself it ends a post-norm stack in one more norm, which the paper has not.
        norms = [nn.LayerNorm(D) if norm_first else None for _ in range(2)]
        self.transformer = nn.Transformer(
            D,
            H,
            custom_encoder=nn.TransformerEncoder(encoder_layer, 2, norms[0], enable_nested_tensor=False),
            custom_decoder=nn.TransformerDecoder(decoder_layer, 3, norms[1]),
            batch_first=True,
        )
        self.source = nn.Embedding(SOURCE_WORDS, D)
        self.target = nn.Embedding(TARGET_WORDS, D)
        self.head = nn.Linear(D, TARGET_WORDS)

    def forward(self, source, target):
        table = sinusoidal_encoding(LONGEST, D).to(self.head.weight)
        output = self.transformer(
            self.source(source) * math.sqrt(D) + table[: source.shape[1]],
            self.target(target) * math.sqrt(D) + table[: target.shape[1]],
            tgt_mask=~causal_mask(target.shape[1]),
            src_key_padding_mask=source == PAD,
            tgt_key_padding_mask=target == PAD,
            memory_key_padding_mask=source == PAD,
        )
        return self.head(output)


def translate(state):
    """Their names to ours."""
    renamed = {f"{side}_embedding.weight": state[f"{side}.weight"] for side in ("source", "target")}
    renamed |= {name: state[name] for name in ("head.weight", "head.bias")}
    for stack in ("encoder", "decoder"):
        prefix = f"transformer.{stack}."
        below = {name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)}
        renamed |= {f"{stack}.{name}": tensor for name, tensor in convert.stack(below).items()}
    return renamed


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("norm_first", [True, False])
def test_same_logits_and_gradients_as_torch(dtype, norm_first, randomised, run, assert_same):
    theirs = randomised(Reference(norm_first), dtype)
    ours = model(norm_first).to(dtype)
    ours.load_state_dict(translate(theirs.state_dict()))
    assert_same(run(ours, *with_padding()), run(theirs, *with_padding()), translate)


@given(seed=st.integers(0, 2**32), cut=st.integers(1, T - 1))
@settings(max_examples=25)
def test_the_future_changes_nothing(randomised, seed, cut):
    transformer, (source, target) = randomised(model(), seed=seed), with_padding()
    before = transformer(source, target)
    target[:, cut:] = tokens(TARGET_WORDS, B, T - cut, seed=3)
    assert torch.equal(transformer(source, target)[:, :cut], before[:, :cut])


@given(seed=st.integers(0, 2**32), more_source=st.integers(0, 5), more_target=st.integers(0, 5))
@settings(max_examples=25)
@pytest.mark.parametrize("norm_first", [True, False])
def test_padding_changes_nothing(randomised, norm_first, seed, more_source, more_target):
    transformer = randomised(model(norm_first), seed=seed)
    source, target = tokens(SOURCE_WORDS, B, S), tokens(TARGET_WORDS, B, T, seed=2)
    padded_source, padded_target = (
        F.pad(source, (0, more_source), value=PAD),
        F.pad(target, (0, more_target), value=PAD),
    )
    torch.testing.assert_close(transformer(padded_source, padded_target)[:, :T], transformer(source, target))


def test_the_order_of_the_source_and_of_the_target_matters(randomised):
    transformer = randomised(model())
    source, target = tokens(SOURCE_WORDS, B, S), tokens(TARGET_WORDS, B, T, seed=2)
    expected = transformer(source, target)
    assert not torch.allclose(transformer(source.flip(1), target), expected)
    assert not torch.allclose(transformer(source, target[:, [1, 0, 2, 3, 4]])[:, -1], expected[:, -1])


def test_dropout_acts_in_training_only(randomised):
    dropped, plain = randomised(model(dropout=0.3)), randomised(model())
    torch.manual_seed(0)
    assert not torch.allclose(dropped(*with_padding()), dropped(*with_padding()))
    torch.testing.assert_close(dropped.eval()(*with_padding()), plain(*with_padding()))


def test_shift_right_drops_the_last_token():
    assert shift_right(torch.tensor([[5, 6, 7], [8, 9, 0]]), bos_id=1).tolist() == [[1, 5, 6], [1, 8, 9]]
    assert shift_right(torch.zeros(B, 0, dtype=torch.long), bos_id=1).shape == (B, 0)


def test_the_three_masks_hide_what_they_should():
    source, target = with_padding()
    of_source, of_target, of_memory = make_masks(source, target, PAD)
    assert of_source.shape == of_memory.shape == (B, 1, 1, S)
    assert of_target.shape == (B, 1, T, T)
    for b in range(B):
        for s in range(S):
            assert of_source[b, 0, 0, s] == of_memory[b, 0, 0, s] == (source[b, s] != PAD)
        for t in range(T):
            for s in range(T):
                assert of_target[b, 0, t, s] == (s <= t and target[b, s] != PAD)


def test_the_loss_is_the_mean_over_the_real_tokens():
    logits = torch.randn(B, T, TARGET_WORDS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    _, target = with_padding()
    losses = [
        -logits[b, t].log_softmax(-1)[target[b, t]] for b in range(B) for t in range(T) if target[b, t] != PAD
    ]
    assert len(losses) == 8
    torch.testing.assert_close(sequence_loss(logits, target, PAD), torch.stack(losses).mean())
    # More padding is no more loss.
    more = F.pad(logits, (0, 0, 0, 2), value=9.0), F.pad(target, (0, 2), value=PAD)
    torch.testing.assert_close(sequence_loss(*more, PAD), sequence_loss(logits, target, PAD))
    smoothed = F.cross_entropy(logits.mT, target, ignore_index=PAD, label_smoothing=0.1)
    torch.testing.assert_close(sequence_loss(logits, target, PAD, label_smoothing=0.1), smoothed)


def test_a_batch_of_padding_alone_has_no_loss_and_no_gradient():
    logits = torch.randn(B, T, TARGET_WORDS, requires_grad=True)
    loss = sequence_loss(logits, torch.full((B, T), PAD), PAD)
    loss.backward()
    assert loss == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_a_tiny_transformer_is_a_transformer_of_one_vocabulary(randomised):
    torch.manual_seed(0)
    tiny = TinyTransformer(TARGET_WORDS, D, H, 2, LONGEST, pad_id=PAD)
    whole = Transformer(TARGET_WORDS, TARGET_WORDS, D, H, 2, 2, 4 * D, LONGEST, pad_id=PAD)
    whole.load_state_dict(tiny.state_dict())
    source, target = tokens(TARGET_WORDS, B, S), tokens(TARGET_WORDS, B, T)
    assert torch.equal(tiny(source, target), whole(source, target))
    assert TinyTransformer(TARGET_WORDS, D, H, 2, LONGEST).pad_id == 0


@given(seed=st.integers(0, 2**32), cut=st.integers(1, T - 1))
@settings(max_examples=25)
def test_a_language_model_does_not_see_what_it_is_to_predict(randomised, seed, cut):
    language_model = randomised(LanguageModel(TARGET_WORDS, D, H, 2, LONGEST), seed=seed)
    text = tokens(TARGET_WORDS, B, T)
    before = language_model(text)
    text[:, cut:] = (text[:, cut:] + 1) % TARGET_WORDS
    after = language_model(text)
    assert torch.equal(before[:, :cut], after[:, :cut])
    assert not torch.allclose(before[:, cut], after[:, cut])


def test_a_language_model_is_torch_s_encoder_under_a_causal_mask(randomised, run, assert_same):
    class Gpt(nn.Module):
        def __init__(self):
            super().__init__()
            layer = nn.TransformerEncoderLayer(
                D, H, 4 * D, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            self.encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(D), enable_nested_tensor=False)
            self.embedding, self.head = nn.Embedding(TARGET_WORDS, D), nn.Linear(D, TARGET_WORDS)

        def forward(self, text):
            x = self.embedding(text) * math.sqrt(D) + sinusoidal_encoding(text.shape[1], D)
            return self.head(self.encoder(x, mask=~causal_mask(text.shape[1])))

    def ours_from(state):
        encoder = {n.removeprefix("encoder."): x for n, x in state.items() if n.startswith("encoder.")}
        rest = {n: x for n, x in state.items() if not n.startswith("encoder.")}
        return rest | {f"encoder.{n}": x for n, x in convert.stack(encoder).items()}

    theirs = randomised(Gpt())
    ours = LanguageModel(TARGET_WORDS, D, H, 2, LONGEST).double()
    ours.load_state_dict(ours_from(theirs.state_dict()))
    text = tokens(TARGET_WORDS, B, T)
    assert_same(run(ours, text), run(theirs, text), ours_from)


def test_weights_survive_safetensors(tmp_path, randomised):
    saved, other = randomised(model()), randomised(model(), seed=1)
    save_file(saved.state_dict(), tmp_path / "model.safetensors")
    other.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert torch.equal(saved(*with_padding()), other(*with_padding()))


def test_autocast_stays_near_float32(randomised):
    transformer = randomised(model(), torch.float32)
    source, target = with_padding()
    with torch.autocast("cpu", torch.bfloat16):
        logits = transformer(source, target)
        loss = sequence_loss(logits, target, PAD)
    torch.testing.assert_close(logits.float(), transformer(source, target), rtol=0, atol=0.1)
    loss.backward()
    assert loss.dtype == torch.float32
    assert all(p.grad is not None and p.grad.isfinite().all() for p in transformer.parameters())


MODEL = model()
SOURCE, TARGET = with_padding()
LOGITS = torch.zeros(B, T, TARGET_WORDS)


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (
            lambda: MODEL(SOURCE.float(), TARGET),
            TypeError,
            r"source holds token ids.* torch.float32.*source.long\(\)",
        ),
        (
            lambda: MODEL(SOURCE, TARGET + 20),
            ValueError,
            "target holds ids from .* has 23 words.* from 0 to 22",
        ),
        (
            lambda: MODEL(SOURCE - 9, TARGET),
            ValueError,
            "source holds ids from -.* has 19 words.* from 0 to 18",
        ),
        (
            lambda: MODEL(SOURCE.repeat(1, 5), TARGET),
            ValueError,
            "reaches position 34, and the table ends at 28",
        ),
        (lambda: MODEL(SOURCE[:1], TARGET), ValueError, "same batch .* query has 2 .* key has 1"),
        (lambda: Transformer(5, 5, 13, H, 1, 1, 7, 9), ValueError, "the width is 13; .* must be even"),
        (
            lambda: Transformer(5, 5, 14, H, 1, 1, 7, 9),
            ValueError,
            "embed_dim 14 does not divide by num_heads 3",
        ),
        (lambda: LanguageModel(5, D, H, 1, 9)(TARGET), ValueError, "tokens holds ids .* has 5 words"),
        (lambda: LanguageModel(30, D, H, 1, 4)(TARGET), ValueError, "reaches position 4, .* max_length=5"),
        (lambda: sequence_loss(LOGITS, TARGET.T, PAD), ValueError, r"\(2, 5, 23\) and \(5, 2\)"),
    ],
)
def test_a_bad_input_says_what_was_expected_and_what_came(call, error, said):
    with pytest.raises(error, match=said):
        call()
