"""Do greedy search, beam search and drawing find what they say, with a cache and without, and change no model?"""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from plenary import (
    LanguageModel,
    TinyTransformer,
    Transformer,
    beam_search,
    generate,
    greedy_decode,
    sequence_loss,
    shift_right,
)

B, S, WORDS, D, H, LONGEST, BOS, EOS, PAD = 5, 7, 11, 12, 3, 13, 1, 2, 0


def sources(seed: int = 1):
    """Token ids, some of the sequences padded."""
    drawn = torch.randint(3, WORDS, (B, S), generator=torch.Generator().manual_seed(seed))
    drawn[1, 3:] = PAD
    drawn[4, 5:] = PAD
    return drawn


@pytest.fixture(scope="module")
def reverser():
    """Has half learned to reverse a sequence: its answers differ, most of them end, and it is often in doubt."""
    torch.manual_seed(0)
    model = TinyTransformer(WORDS, D, H, 1, LONGEST, PAD)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        lengths = torch.randint(1, S + 1, (64,)).tolist()
        source, target = torch.full((64, S), PAD), torch.full((64, S + 1), PAD)
        for b, length in enumerate(lengths):
            source[b, :length] = torch.randint(3, WORDS, (length,))
            target[b, : length + 1] = torch.cat([source[b, :length].flip(0), torch.tensor([EOS])])
        loss = sequence_loss(model(source, shift_right(target, BOS)), target, PAD)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.double().requires_grad_(False)


class Script(nn.Module):
    """Writes prescribed tokens, whatever it reads: logits (B, T, V) from a list of tokens for each sequence."""

    def __init__(self, *lines):
        super().__init__()
        self.lines = torch.tensor(lines)
        self.calls = 0

    def forward(self, source, target):
        self.calls += 1
        assert (target[:, 0] == BOS).all()
        return F.one_hot(self.lines[:, : target.shape[1]], WORDS).float()


def test_greedy_writes_the_likeliest_token_after_the_last(reverser):
    """Against a loop over single sequences that asks the whole model anew at every step."""
    decoded = greedy_decode(reverser, sources(), BOS, EOS, LONGEST)
    assert decoded.shape == (B, LONGEST)
    for source, found in zip(sources(), decoded, strict=True):
        written = [BOS]
        while len(written) <= LONGEST and (len(written) == 1 or written[-1] != EOS):
            logits = reverser(source[None], torch.tensor([written]))
            written.append(int(logits[0, -1].argmax()))
        expected = written[1:] + [EOS] * (LONGEST + 1 - len(written))
        assert found.tolist() == expected
    assert len({tuple(row) for row in decoded.tolist()}) > 1, "the probe should give different answers"
    assert (decoded == EOS).any(), "the probe should end some sequences"


def test_eos_is_repeated_in_each_sequence_alone_and_the_search_stops_when_all_have_ended():
    model = Script([5, EOS, 7, 7, 7, 7], [EOS, 4, 4, 4, 4, 4], [6, 6, 6, EOS, 6, 6])
    decoded = greedy_decode(model, torch.zeros(3, S, dtype=torch.long), BOS, EOS, max_length=6)
    assert decoded.tolist() == [[5, 2, 2, 2, 2, 2], [2, 2, 2, 2, 2, 2], [6, 6, 6, 2, 2, 2]]
    assert model.calls == 4


def test_a_sequence_that_never_ends_is_cut():
    decoded = greedy_decode(Script([5] * 9, [4] * 9), torch.zeros(2, S, dtype=torch.long), BOS, EOS, 3)
    assert decoded.tolist() == [[5, 5, 5], [4, 4, 4]]
    empty = greedy_decode(Script([5] * 9, [4] * 9), torch.zeros(2, S, dtype=torch.long), BOS, EOS, 0)
    assert empty.shape == (2, 0)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=15)
@pytest.mark.parametrize("norm_first", [True, False])
def test_with_a_cache_every_logit_is_the_same(randomised, norm_first, seed):
    """Compared number by number on a target with padding in its middle; the tokens chosen could agree by luck."""
    sizes = {"num_encoder_layers": 1, "num_decoder_layers": 2, "hidden_dim": 17, "max_length": LONGEST}
    model = randomised(Transformer(WORDS, WORDS, D, H, norm_first=norm_first, **sizes), seed=seed)
    source = sources(seed)
    target = torch.randint(WORDS, (B, LONGEST), generator=torch.Generator().manual_seed(seed))
    target[:, 0] = BOS
    assert (target == PAD).any()
    with torch.no_grad():
        expected = model(source, target)
        mask = (source != PAD)[:, None, None]
        memory, cache = model.encode(source, mask), model.decoder.empty_cache()
        for t in range(LONGEST):
            seen = (target[:, : t + 1] != PAD)[:, None, None]
            logits = model.decode(target[:, t : t + 1], memory, seen, mask, cache)
            torch.testing.assert_close(logits[:, 0], expected[:, t], rtol=0, atol=1e-11)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=10)
@pytest.mark.parametrize("beam_size", [None, 1, 3])
def test_decoding_with_a_cache_writes_the_same(reverser, beam_size, seed):
    source = sources(seed)
    if beam_size is None:
        found, expected = (
            greedy_decode(reverser, source, BOS, EOS, LONGEST, cache) for cache in (True, False)
        )
    else:
        (found, score), (expected, expected_score) = (
            beam_search(reverser, source, BOS, EOS, LONGEST, beam_size, use_cache=cache)
            for cache in (True, False)
        )
        torch.testing.assert_close(score, expected_score)
    assert torch.equal(found, expected)


def test_a_cache_spares_the_model_the_tokens_it_has_seen(reverser):
    lengths = {True: [], False: []}
    for use_cache, seen in lengths.items():
        hook = reverser.decoder.register_forward_pre_hook(
            lambda _, args, seen=seen: seen.append(args[0].shape[1])
        )
        greedy_decode(reverser, sources(), BOS, -1, 4, use_cache)  # no token is -1, so nothing ends
        hook.remove()
    assert lengths == {True: [1, 1, 1, 1], False: [1, 2, 3, 4]}


@given(seed=st.integers(0, 2**32), penalty=st.sampled_from([0.0, 0.6, 1.0]))
@settings(max_examples=10)
def test_one_beam_is_greedy(reverser, seed, penalty):
    source = sources(seed)
    beam, _ = beam_search(reverser, source, BOS, EOS, LONGEST, beam_size=1, length_penalty=penalty)
    assert torch.equal(beam, greedy_decode(reverser, source, BOS, EOS, LONGEST))


@torch.no_grad()
def score_of(model, source, written, penalty):
    """log p(written) / ((5 + length) / 6)^penalty from one pass of the model, up to the first EOS."""
    length = written.index(EOS) + 1 if EOS in written else len(written)
    target = torch.tensor([[BOS, *written[: length - 1]]])
    log_p = model(source[None], target)[0].log_softmax(-1)
    total = sum(float(log_p[t, written[t]]) for t in range(length))
    return total / ((5 + length) / 6) ** penalty


@pytest.mark.parametrize("penalty", [0.0, 0.6, 2.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_beam_wide_enough_finds_the_best_of_all_sequences(randomised, penalty, seed):
    words, length = 4, 3
    model = randomised(TinyTransformer(words, D, H, 1, LONGEST, pad_id=3), seed=seed)
    source = torch.tensor([[0, 1, 1, 3, 3], [1, 0, 0, 1, 0]])
    found, score = beam_search(
        model, source, BOS, EOS, length, beam_size=words**length, length_penalty=penalty
    )
    for b in range(2):
        endings = set()
        for written in itertools.product(range(words), repeat=length):
            cut = written.index(EOS) if EOS in written else length
            endings.add(written[:cut] + (EOS,) * (length - cut))
        scores = {written: score_of(model, source[b], list(written), penalty) for written in endings}
        best = max(scores, key=lambda written: scores[written])
        assert tuple(found[b].tolist()) == best
        assert score[b].item() == pytest.approx(scores[best], abs=1e-5)


def test_a_beam_does_not_lose_to_greedy_and_sometimes_wins(reverser):
    """On this model; a beam can lose in general, when it drops the beginning of the greedy answer."""
    source = sources()
    greedy = greedy_decode(reverser, source, BOS, EOS, LONGEST)
    beam, scores = beam_search(reverser, source, BOS, EOS, LONGEST, beam_size=6)
    of_greedy = [score_of(reverser, source[b], greedy[b].tolist(), 0.6) for b in range(B)]
    of_beam = [score_of(reverser, source[b], beam[b].tolist(), 0.6) for b in range(B)]
    assert scores.tolist() == pytest.approx(of_beam, abs=1e-4)
    assert all(ours >= theirs - 1e-6 for ours, theirs in zip(of_beam, of_greedy, strict=True))
    assert any(ours > theirs + 1e-3 for ours, theirs in zip(of_beam, of_greedy, strict=True))


def test_a_sequence_is_searched_as_if_it_were_alone(reverser):
    """Its length counts the padding, as its neighbours' do; beams of one never mix with another's."""
    source = sources()
    together, scores = beam_search(reverser, source, BOS, EOS, LONGEST, beam_size=3)
    for b in range(B):
        alone, score = beam_search(reverser, source[b : b + 1], BOS, EOS, LONGEST, beam_size=3)
        assert torch.equal(alone[0], together[b])
        torch.testing.assert_close(score[0], scores[b])


class Choices(nn.Module):
    """p(first) and p(second | first) given as tables: what greedy search walks past."""

    def forward(self, source, target):
        p = torch.full((len(source), target.shape[1], WORDS), 1e-6)
        p[:, 0, 4], p[:, 0, 5] = 0.6, 0.4
        if target.shape[1] > 1:
            p[:, 1, 6:9] = torch.where(
                target[:, 1:2] == 4, torch.tensor([0.4, 0.3, 0.3]), torch.tensor([0.9, 0.05, 0.05])
            )
        return p.log()


def test_a_beam_of_two_finds_what_greedy_misses():
    source = torch.zeros(2, S, dtype=torch.long)
    assert greedy_decode(Choices(), source, BOS, EOS, 2).tolist() == [[4, 6]] * 2  # 0.6 x 0.4 = 0.24
    found, score = beam_search(Choices(), source, BOS, EOS, 2, beam_size=2, length_penalty=0.0)
    assert found.tolist() == [[5, 6]] * 2  # 0.4 x 0.9 = 0.36
    assert score.tolist() == pytest.approx([math.log(0.36)] * 2, abs=1e-4)


class Temperamental(LanguageModel):
    """Has parts in different modes, and may fail."""

    def __init__(self, fails: bool):
        nn.Module.__init__(self)
        self.frozen, self.other, self.fails = nn.Dropout(0.5).eval(), nn.Dropout(0.5), fails
        self.max_length = LONGEST

    def forward(self, tokens, target=None):
        assert not any(module.training for module in self.modules())
        assert not torch.is_grad_enabled()
        if self.fails:
            raise RuntimeError("no answer")
        return torch.zeros(len(tokens), 1 if target is None else target.shape[1], WORDS)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(
    "decode",
    [
        lambda model, source: greedy_decode(model, source, BOS, EOS, 3),
        lambda model, source: beam_search(model, source, BOS, EOS, 3),
        lambda model, source: generate(model, source, 3),
    ],
    ids=["greedy", "beam", "generate"],
)
def test_it_decodes_in_evaluation_mode_and_gives_every_part_its_mode_back(decode, fails):
    model = Temperamental(fails)
    if fails:
        with pytest.raises(RuntimeError, match="no answer"):
            decode(model, sources())
    else:
        decode(model, sources())
    assert [module.training for module in model.modules()] == [True, False, True]
    assert torch.is_grad_enabled()


def test_decoding_works_under_autocast_and_leaves_the_source_alone(randomised):
    model, source = randomised(TinyTransformer(WORDS, D, H, 2, LONGEST), torch.float32), sources()
    with torch.autocast("cpu", torch.bfloat16):
        assert greedy_decode(model, source, BOS, EOS, LONGEST).shape == (B, LONGEST)
        assert beam_search(model, source, BOS, EOS, LONGEST)[1].isfinite().all()
    assert torch.equal(source, sources())


def test_generate_goes_on_from_the_beginning_and_at_temperature_zero_takes_the_likeliest(randomised):
    model = randomised(LanguageModel(WORDS, D, H, 2, LONGEST))
    text = sources()
    written = generate(model, text, 9, temperature=0.0)
    assert written.shape == (B, S + 9)
    assert torch.equal(written[:, :S], text)
    for end in range(S, S + 9):
        # Only the last `max_length` tokens are shown to the model.
        expected = model(written[:, max(0, end - LONGEST) : end])[:, -1].argmax(-1)
        assert torch.equal(written[:, end], expected)


def test_generate_draws_from_the_models_distribution(randomised):
    model = randomised(LanguageModel(WORDS, D, H, 1, LONGEST))
    text, draws = sources()[:1], 20_000
    p = (model(text)[0, -1] / 0.7).softmax(-1)
    drawn = generate(model, text.expand(draws, -1), 1, 0.7, torch.Generator().manual_seed(0))[:, -1]
    share = torch.bincount(drawn, minlength=WORDS) / draws
    assert ((share - p).abs() < 4.5 * (p * (1 - p) / draws).sqrt() + 1e-9).all()


def test_the_same_generator_gives_the_same_text(randomised):
    model, text = randomised(LanguageModel(WORDS, D, H, 1, LONGEST)), sources()
    first, second, other = (
        generate(model, text, 9, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.usefixtures("as_users_run_it")
def test_a_bad_input_says_what_was_expected_and_what_came():
    model, source = TinyTransformer(WORDS, D, H, 1, 5), sources()
    with pytest.raises(ValueError, match="beam_size is 0; it must be 1 or more"):
        beam_search(model, source, BOS, EOS, 3, beam_size=0)
    with pytest.raises(ValueError, match="reaches position 6, and the table ends at 4"):
        greedy_decode(model, source, BOS, EOS, 3)
    with pytest.raises(ValueError, match="reaches position 5, and the table ends at 4"):
        greedy_decode(model, source[:, :4], BOS, -1, 6)
    language_model = LanguageModel(WORDS, D, H, 1, 5)
    with pytest.raises(ValueError, match="the beginning is empty; give at least one token"):
        generate(language_model, source[:, :0], 3)
    with pytest.raises(ValueError, match=r"temperature is -1\.0; it must be 0 or more"):
        generate(language_model, source, 3, temperature=-1.0)
