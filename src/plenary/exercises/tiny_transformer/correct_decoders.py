"""Right decoders, written in different ways. Every one must pass."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _stops_early(model: nn.Module, source: Tensor, bos_id: int, eos_id: int, max_length: int) -> Tensor:
    training = model.training
    model.eval()
    written = source.new_full((source.shape[0], 1), bos_id)
    ended = torch.zeros(source.shape[0], dtype=torch.bool)
    with torch.inference_mode():
        while written.shape[1] <= max_length and not ended.all():
            word = model(source, written)[:, -1].softmax(-1).argmax(-1)
            word = torch.where(ended, eos_id, word)
            written = torch.cat((written, word.unsqueeze(1)), dim=1)
            ended |= word == eos_id
    model.train(training)
    return F.pad(written[:, 1:], (0, max_length + 1 - written.shape[1]), value=eos_id)


@torch.no_grad()
def _fills_afterwards(model: nn.Module, source: Tensor, bos_id: int, eos_id: int, max_length: int) -> Tensor:
    mode = model.training
    model.eval()
    written = torch.tensor([[bos_id]] * len(source))
    for _ in range(max_length):
        written = torch.hstack([written, model(source, written)[:, -1:].argmax(dim=-1)])
    model.train(mode)
    answer = written[:, 1:]
    return answer.masked_fill((answer == eos_id).cumsum(dim=1) > 0, eos_id)


def _in_a_buffer(model: nn.Module, source: Tensor, bos_id: int, eos_id: int, max_length: int) -> Tensor:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    buffer = torch.full((len(source), max_length + 1), eos_id)
    buffer[:, 0] = bos_id
    going = torch.ones(len(source), dtype=torch.bool)
    try:
        with torch.no_grad():
            for t in range(max_length):
                word = model(source, buffer[:, : t + 1])[:, t].topk(1).indices[:, 0]
                buffer[going, t + 1] = word[going]
                going = going & (word != eos_id)
    finally:
        for module, training in modes:
            module.training = training
    return buffer[:, 1:]


def _row_by_row(model: nn.Module, source: Tensor, bos_id: int, eos_id: int, max_length: int) -> Tensor:
    was_training = model.training
    model.train(False)
    rows = []
    with torch.no_grad():
        for words in source.split(1):
            row = [bos_id]
            for _ in range(max_length):
                row.append(
                    eos_id if row[-1] == eos_id else int(model(words, torch.tensor([row]))[0, -1].argmax())
                )
            rows.append(row[1:])
    if was_training:
        model.train()
    return torch.tensor(rows)


def _only_those_that_go_on(
    model: nn.Module, source: Tensor, bos_id: int, eos_id: int, max_length: int
) -> Tensor:
    mode = model.training
    model.eval()
    answer = source.new_full((len(source), max_length), eos_id)
    rows = torch.arange(len(source))
    target = source.new_full((len(source), 1), bos_id)
    with torch.no_grad():
        for t in range(max_length):
            if len(rows) == 0:
                break
            word = model(source[rows], target)[:, -1].log_softmax(-1).max(-1).indices
            answer[rows, t] = word
            kept = word != eos_id
            rows, target = rows[kept], torch.cat([target, word[:, None]], 1)[kept]
    model.train(mode)
    return answer


DECODERS = (_stops_early, _fills_afterwards, _in_a_buffer, _row_by_row, _only_those_that_go_on)
