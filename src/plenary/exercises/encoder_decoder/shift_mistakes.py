"""What people get wrong when they shift the target."""

import torch
import torch.nn.functional as F
from torch import Tensor

from plenary.checks.exercise import Function, Misconception

NAME = "shift_right"


def _bos(tokens: Tensor, bos_id: int) -> Tensor:
    return torch.full_like(tokens[:, :1], bos_id)


def _wrong(*ways: Function) -> dict[str, tuple[Function, ...]]:
    return {NAME: ways}


def _right(tokens: Tensor, bos_id: int) -> Tensor:
    return torch.cat([_bos(tokens, bos_id), tokens[:, :-1]], 1)


def _overwritten(tokens: Tensor, bos_id: int) -> Tensor:
    shifted = tokens.clone()
    shifted[:, 0] = bos_id
    return shifted


def _in_place(tokens: Tensor, bos_id: int) -> Tensor:
    tokens[:, 1:] = tokens[:, :-1].clone()
    tokens[:, 0] = bos_id
    return tokens


def _one_by_one(tokens: Tensor, bos_id: int) -> Tensor:
    shifted = tokens.clone()
    for t in range(1, tokens.shape[1]):
        shifted[:, t] = shifted[:, t - 1]
    shifted[:, 0] = bos_id
    return shifted


def _last_dropped_only_first_row(tokens: Tensor, bos_id: int) -> Tensor:
    shifted = tokens.roll(1, dims=1)
    shifted[0] = shifted[0].clone()
    shifted[0, 0] = bos_id
    return shifted


def _batch_rolled(tokens: Tensor, bos_id: int) -> Tensor:
    shifted = tokens.roll(1, dims=0)
    shifted[0] = bos_id
    return shifted


def _zeros(tokens: Tensor, bos_id: int) -> Tensor:
    shifted = torch.zeros(tokens.shape)
    shifted[:, 0] = bos_id
    shifted[:, 1:] = tokens[:, :-1]
    return shifted


SHIFT_MISTAKES = (
    Misconception(
        id="shift-none",
        title="You return the tokens as they came.",
        belief="If input and target are the same, nothing can be out of step. But then position t reads "
        "token t and is asked to predict token t: the answer lies on the table, and copying is all that "
        "is learned.",
        hint="Position t may read tokens before t, and at the start there is only BOS.",
        anchor="dec-shift",
        section="Shifted by one",
        wrong=_wrong(lambda tokens, bos_id: tokens.clone(), lambda tokens, bos_id: tokens),
        evidence="https://github.com/Project-MONAI/GenerativeModels/issues/314",
    ),
    Misconception(
        id="shift-overwrites-first",
        title="You put BOS over the first token, and nothing moves.",
        belief="Every row starts with BOS now, as it should. But the first token is lost, and every "
        "other position still reads the very token that it is to predict.",
        hint="The tokens move one place to the right to make room.",
        anchor="dec-shift",
        section="Shifted by one",
        wrong=_wrong(_overwritten),
    ),
    Misconception(
        id="shift-keeps-last",
        title="You put BOS in front and keep all tokens, so the result is one too long.",
        belief="With BOS in front nothing seems to be lost. But no one predicts what follows the last "
        "token, and a row of T + 1 inputs has no partner among T targets.",
        hint="Input and target have the same length: what falls out at the other end?",
        anchor="dec-shift",
        section="Shifted by one",
        wrong=_wrong(lambda tokens, bos_id: torch.cat([_bos(tokens, bos_id), tokens], 1)),
    ),
    Misconception(
        id="shift-drops-last-only",
        title="You drop the last token and put no BOS in front.",
        belief="tokens[:, :-1] is right where BOS is in the data already, as in many tutorials. Here "
        "the tokens are those to be written, and the first of them has nothing to be predicted from.",
        hint="After the last token has gone there is room for BOS.",
        anchor="dec-shift",
        section="Shifted by one",
        wrong=_wrong(lambda tokens, bos_id: tokens[:, :-1]),
    ),
    Misconception(
        id="shift-drops-first-only",
        title="You drop the first token: that is what is predicted when BOS is in the data, not what is "
        "read.",
        belief="tokens[:, 1:] and tokens[:, :-1] come in a pair in many programs, and are easily taken "
        "for one another. The one that ends early is read, the one that starts late is predicted.",
        hint="The decoder reads what came before, with BOS in front.",
        anchor="dec-shift",
        section="Shifted by one",
        wrong=_wrong(lambda tokens, bos_id: tokens[:, 1:]),
    ),
    Misconception(
        id="shift-left",
        title="You shift to the left.",
        belief="Right and left depend on what is thought to move. On paper the tokens move to the "
        "right, so that position t reads token t - 1. Moved to the left it reads token t + 1, the "
        "future.",
        hint="The first token ends up at position 1, not at -1.",
        anchor="dec-shift",
        section="Shifted by one",
        wrong=_wrong(
            lambda tokens, bos_id: torch.cat([tokens[:, 1:], _bos(tokens, bos_id)], 1),
            lambda tokens, bos_id: tokens.roll(-1, dims=1),
        ),
    ),
    Misconception(
        id="shift-rolls-without-bos",
        title="You roll the tokens round: each row starts with its last token.",
        belief="Rolling moves everything to the right, but what falls out at the end comes in again at "
        "the front. The sentence then starts with its own end, or with padding.",
        hint="Roll, then put BOS at the start of each row; or do not roll.",
        anchor="dec-shift",
        section="Shifted by one",
        wrong=_wrong(lambda tokens, bos_id: tokens.roll(1, dims=1), lambda tokens, bos_id: tokens.roll(1)),
    ),
    Misconception(
        id="shift-bos-in-first-row-only",
        title="Only your first row starts with BOS.",
        belief="shifted[0] of a single sentence is its first token. With a batch in front it is the "
        "first sentence.",
        hint="Every row gets BOS: leave the first axis whole.",
        anchor="dec-shift",
        section="Shifted by one",
        wrong=_wrong(_last_dropped_only_first_row),
    ),
    Misconception(
        id="shift-wrong-axis",
        title="You shift the sentences of the batch, not the tokens of a sentence.",
        belief="The first axis is time in some libraries, PyTorch's older ones among them. Here it is "
        "the batch, and time is the second.",
        hint="Shift along axis 1.",
        anchor="dec-shift",
        section="Shifted by one",
        wrong=_wrong(_batch_rolled, lambda tokens, bos_id: tokens.roll(1, dims=0)),
    ),
    Misconception(
        id="shift-twice",
        title="You shift twice: position t reads token t - 2.",
        belief="The shift may have been made elsewhere already, in the data or in the loss, and it is "
        "safe to make it again, it seems. Then each position has to predict two steps ahead, and the "
        "last word it may read is missing.",
        hint="One BOS, one place to the right.",
        anchor="dec-shift",
        section="Shifted by one",
        wrong=_wrong(
            lambda tokens, bos_id: _right(_right(tokens, bos_id), bos_id),
            lambda tokens, bos_id: torch.cat([_bos(tokens, bos_id), _bos(tokens, bos_id), tokens[:, :-2]], 1),
        ),
        evidence="https://github.com/huggingface/transformers/issues/46897",
    ),
    Misconception(
        id="shift-zero-in-front",
        title="Your rows start with an id of their own, not with bos_id.",
        belief="In many vocabularies BOS is 1, or padding with id 0 does its work, as in T5. Which id "
        "it is belongs to the vocabulary, so it is an argument.",
        hint="bos_id says what goes in front.",
        anchor="dec-shift",
        section="Shifted by one",
        wrong=_wrong(
            lambda tokens, bos_id: F.pad(tokens[:, :-1], (1, 0)),
            lambda tokens, bos_id: F.pad(tokens[:, :-1], (1, 0), value=1),
        ),
    ),
    Misconception(
        id="shift-copies-one-token-along",
        title="Your loop copies the first token along the whole row.",
        belief="Going from left to right, position t takes what position t - 1 holds now; and that has "
        "been overwritten in the step before.",
        hint="Read from tokens and write to the result, or go from right to left.",
        anchor="dec-shift",
        section="Shifted by one",
        wrong=_wrong(_one_by_one),
    ),
    Misconception(
        id="shift-in-place",
        title="Your numbers are right, but you overwrite the tokens in place.",
        belief="The tokens seem to have done their work. They are the targets too: the loss compares "
        "with them next, and would compare with the shifted ones.",
        hint="Write into a new tensor.",
        anchor="dec-shift",
        section="Shifted by one",
        wrong=_wrong(_in_place),
    ),
    Misconception(
        id="shift-makes-long",
        title="Your numbers are right, but ids that came in as int32 leave as int64.",
        belief="torch.full and torch.tensor make int64 of whole numbers, and joining two integer types "
        "gives the wider one. A function of the course keeps the dtype that it was given.",
        hint="Give BOS the tokens' dtype, or start from a method of tokens.",
        anchor="dec-shift",
        section="Shifted by one",
        wrong=_wrong(
            lambda tokens, bos_id: torch.cat([torch.full((len(tokens), 1), bos_id), tokens[:, :-1]], 1)
        ),
    ),
    Misconception(
        id="shift-makes-floats",
        title="Your numbers are right, but they are floating-point numbers; ids are whole.",
        belief="torch.zeros and torch.ones make float32. The numbers look the same, and an embedding "
        "refuses them.",
        hint="Give the new tensor the tokens' dtype: torch.zeros_like does.",
        anchor="dec-shift",
        section="Shifted by one",
        wrong=_wrong(_zeros),
    ),
)
