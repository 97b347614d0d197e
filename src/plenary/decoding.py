"""Writing, one token at a time: greedily, with a beam, or by drawing."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from plenary.transformer import LanguageModel, Transformer


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards every part is in the mode that it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


class _Steps:
    """Asks a model for the logits of the next token, again and again, on sequences that grow."""

    def __init__(self, model: nn.Module, source: Tensor, use_cache: bool) -> None:
        self.model = model
        self.source = source
        self.cache = None
        if use_cache and isinstance(model, Transformer):
            self.memory_mask = (source != model.pad_id)[:, None, None, :]
            self.memory = model.encode(source, self.memory_mask)
            self.cache = model.decoder.empty_cache()

    def next_logits(self, tokens: Tensor) -> Tensor:
        """(B, t) tokens so far, BOS first, to (B, V)."""
        if self.cache is None:
            return self.model(self.source, tokens)[:, -1]
        assert isinstance(self.model, Transformer)
        mask = (tokens != self.model.pad_id)[:, None, None, :]
        logits = self.model.decode(tokens[:, -1:], self.memory, mask, self.memory_mask, self.cache)
        return logits[:, -1]

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order."""
        for kept in self.cache or []:
            kept.select(rows)


def greedy_decode(
    model: nn.Module,
    source: Int[Tensor, "B S"],
    bos_id: int,
    eos_id: int,
    max_length: int,
    use_cache: bool = True,
) -> Int[Tensor, "B {max_length}"]:
    """Write the likeliest next token, until every sequence has ended or is full.

    Args:
        model: maps source (B, S) and target (B, T), which starts with BOS, to logits (B, T, V).
        source: what to read.
        bos_id: the token that begins a target; it is not part of the result.
        eos_id: the token that ends one; it is repeated up to max_length.
        max_length: how many tokens to write.
        use_cache: keep keys and values between the steps when the model is a `Transformer`; the result is the same.

    Returns:
        (B, max_length).
    """
    with evaluating(model):
        steps = _Steps(model, source, use_cache)
        tokens = source.new_full((len(source), 1), bos_id)
        ended = torch.zeros(len(source), dtype=torch.bool, device=source.device)
        for _ in range(max_length):
            chosen = steps.next_logits(tokens).argmax(dim=-1).masked_fill(ended, eos_id)
            tokens = torch.cat([tokens, chosen[:, None]], dim=1)
            ended |= chosen == eos_id
            if ended.all():
                break
    missing = max_length + 1 - tokens.shape[1]
    return torch.nn.functional.pad(tokens[:, 1:], (0, missing), value=eos_id)


def beam_search(
    model: nn.Module,
    source: Int[Tensor, "B S"],
    bos_id: int,
    eos_id: int,
    max_length: int,
    beam_size: int = 4,
    length_penalty: float = 0.6,
    use_cache: bool = True,
) -> tuple[Int[Tensor, "B {max_length}"], Float[Tensor, " B"]]:
    """Keep the `beam_size` best beginnings at every step, and give the best ending.

    Beginnings are ranked by log-probability / ((5 + length) / 6)^length_penalty; 0 ranks by probability alone,
    which favours short ones. One beam is greedy decoding.

    Returns:
        The tokens (B, max_length) as in `greedy_decode`, and the ranking score (B,) of each.

    Raises:
        ValueError: beam_size is less than 1.

    Source: Wu et al. (2016), Google's Neural Machine Translation System, equation 14.
    """
    if beam_size < 1:
        raise ValueError(f"beam_search: beam_size is {beam_size}; it must be 1 or more.")
    batch, device = len(source), source.device
    first_row = beam_size * torch.arange(batch, device=device)[:, None]
    with evaluating(model):
        steps = _Steps(model, source.repeat_interleave(beam_size, dim=0), use_cache)
        tokens = source.new_full((batch * beam_size, 1), bos_id)
        # All beams of a sequence are equal at first, so only one of them may count.
        total = torch.full((batch, beam_size), -torch.inf, device=device)
        total[:, 0] = 0.0
        length = torch.zeros(batch, beam_size, device=device)
        ended = torch.zeros(batch, beam_size, dtype=torch.bool, device=device)
        ranking = total
        for _ in range(max_length):
            log_p = steps.next_logits(tokens).float().log_softmax(dim=-1).view(batch, beam_size, -1)
            vocab_size = log_p.shape[-1]
            # What has ended goes on with EOS, at no cost.
            only_eos = torch.full((vocab_size,), -torch.inf, device=device)
            only_eos[eos_id] = 0.0
            log_p = torch.where(ended[..., None], only_eos, log_p)
            totals = total[..., None] + log_p
            lengths = length + ~ended
            rankings = totals / ((5 + lengths[..., None]) / 6) ** length_penalty
            ranking, chosen = rankings.flatten(1).topk(beam_size)
            beam, token = chosen // vocab_size, chosen % vocab_size
            total, length = totals.flatten(1).gather(1, chosen), lengths.gather(1, beam)
            ended = ended.gather(1, beam) | (token == eos_id)
            rows = (first_row + beam).flatten()
            tokens = torch.cat([tokens[rows], token.view(-1, 1)], dim=1)
            steps.select(rows)
            if ended.all():
                break
    best = tokens.view(batch, beam_size, -1)[:, 0, 1:]
    missing = max_length - best.shape[1]
    return torch.nn.functional.pad(best, (0, missing), value=eos_id), ranking[:, 0]


def generate(
    model: LanguageModel,
    tokens: Int[Tensor, "B T"],
    length: int,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> Int[Tensor, "B _"]:
    """Go on writing: draw `length` more tokens from the model's distribution.

    Args:
        model: the language model; only the last `max_length` tokens are shown to it.
        tokens: the beginning, (B, T) with T >= 1.
        length: how many tokens to add.
        temperature: below 1 sharpens the distribution, 0 takes the likeliest token.
        generator: draws the random numbers.

    Returns:
        (B, T + length): the beginning and what was added.

    Raises:
        ValueError: the beginning is empty, or the temperature is negative.
    """
    if tokens.shape[1] == 0:
        raise ValueError("generate: the beginning is empty; give at least one token.")
    if temperature < 0:
        raise ValueError(f"generate: temperature is {temperature}; it must be 0 or more.")
    with evaluating(model):
        for _ in range(length):
            logits = model(tokens[:, -model.max_length :])[:, -1]
            if temperature == 0:
                drawn = logits.argmax(dim=-1, keepdim=True)
            else:
                drawn = torch.multinomial((logits / temperature).softmax(dim=-1), 1, generator=generator)
            tokens = torch.cat([tokens, drawn], dim=1)
    return tokens
