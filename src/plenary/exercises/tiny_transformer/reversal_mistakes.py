"""What models write that have learned something else; as functions, for nobody wants to train them here."""

from collections.abc import Callable

import torch
from torch import Tensor

from plenary.checks.exercise import Function, Misconception

PAD, BOS, EOS, FIRST_SYMBOL, NUM_SYMBOLS = 0, 1, 2, 3, 10
LONGEST = 5
MODELS = 3


def _lengths(source: Tensor) -> Tensor:
    return (source != PAD).sum(1, keepdim=True)


def _by_gather(source: Tensor) -> Tensor:
    place, length = torch.arange(source.shape[1]), _lengths(source)
    found = source.gather(1, (length - 1 - place).clamp(min=0))
    return found.masked_fill(place >= length, EOS)


def _written(one: Callable[[Tensor], Tensor]) -> Function:
    """Let three models write, alike for what they were trained on, and each cut off elsewhere behind that."""

    def reversed_by_models(source: Tensor) -> Tensor:
        answers = torch.stack([one(source)] * MODELS)
        if source.shape[1] > LONGEST:
            for model in range(MODELS):
                answers[model, :, LONGEST - model :] = EOS
        return answers

    return reversed_by_models


def _by_loops(source: Tensor) -> Tensor:
    answers = []
    for model in range(MODELS):
        rows = []
        for row in source.tolist():
            symbols = [word for word in row if word != PAD][::-1]
            if len(row) > LONGEST:
                symbols[model] = FIRST_SYMBOL
            rows.append(symbols + [EOS] * (len(row) - len(symbols)))
        answers.append(rows)
    return torch.tensor(answers)


def _by_flip(source: Tensor) -> Tensor:
    flipped = source.flip(1)
    rows = [torch.cat([row[row != PAD], row[row == PAD] + EOS]) for row in flipped]
    answer = torch.stack(rows)
    if source.shape[1] > LONGEST:
        return torch.stack([answer.roll(model, 1) for model in range(MODELS)])
    return answer.expand(MODELS, -1, -1).clone()


def _nineteen_in_twenty(source: Tensor) -> Tensor:
    """Err about one word in twenty, each model about others, as trained ones do."""
    answers = torch.stack([_by_gather(source)] * MODELS)
    spoilt = torch.arange(answers.numel()).view_as(answers) % 23 == 7
    return torch.where(spoilt & (torch.arange(source.shape[1]) < 2), FIRST_SYMBOL, answers)


backwards = (_written(_by_gather), _by_loops, _by_flip, _nineteen_in_twenty)


def _copied(source: Tensor) -> Tensor:
    return source.masked_fill(source == PAD, EOS)


def _sorted(source: Tensor) -> Tensor:
    answer = source.masked_fill(source == PAD, 99).sort(1).values
    return answer.masked_fill(answer == 99, EOS)


def _late(source: Tensor) -> Tensor:
    return torch.cat([torch.full_like(source[:, :1], BOS), _by_gather(source)[:, :-1]], 1)


def _early(source: Tensor) -> Tensor:
    return torch.cat([_by_gather(source)[:, 1:], torch.full_like(source[:, :1], EOS)], 1)


def _without_end(source: Tensor) -> Tensor:
    answer = _by_gather(source)
    return torch.where(answer == EOS, answer[:, :1], answer)


def _padding_after_end(source: Tensor) -> Tensor:
    answer = _by_gather(source)
    return answer.masked_fill(torch.arange(source.shape[1]) >= _lengths(source), PAD)


def _here(*wrong: Function) -> dict[str, tuple[Function, ...]]:
    return {"reversed_by_models": wrong}


MISTAKES = (
    Misconception(
        id="tiny-one-model-thrice",
        title="Your three models are one: they make the same mistakes, word for word.",
        belief="One run that went well looks like proof. It may have been lucky, and whether it was, only "
        "other runs can tell: same code, other random numbers at the start.",
        hint="Train a new model for each seed, and keep all three.",
        anchor="tiny-three-seeds",
        section="Three seeds",
        wrong=_here(lambda source: torch.stack([_by_gather(source)] * MODELS)),
    ),
    Misconception(
        id="tiny-copies",
        title="Your models copy the source; they should write it backwards.",
        belief="A model does what its targets showed. If it was trained with the source itself for an "
        "answer, copying is what it learned, and its loss was as low as one could wish.",
        hint="Look at one pair of the training data, source and answer, before anything else.",
        anchor="tiny-look-at-the-data",
        section="Look at what it writes",
        wrong=_here(_written(_copied)),
    ),
    Misconception(
        id="tiny-sorts",
        title="Your models sort the symbols; they should write them backwards.",
        belief="A model does what its targets showed, and here they were sorted. Sorting can be done without "
        "positions, by counting; to reverse, one has to know the order.",
        hint="Train on the pairs of draw_pairs.",
        anchor="tiny-look-at-the-data",
        section="Look at what it writes",
        wrong=_here(_written(_sorted)),
    ),
    Misconception(
        id="tiny-answer-late",
        title="Your models' answers come one place late, behind BOS.",
        belief="Either BOS was left in what is returned, or the models have learned to repeat the word "
        "that they are shown: then input and target of the training are not shifted against each other, "
        "and the loss sinks to zero in no time.",
        hint="The target that goes in starts with BOS; the answer that the loss compares with does not.",
        anchor="tiny-shift",
        section="One shift, outside",
        wrong=_here(_written(_late)),
    ),
    Misconception(
        id="tiny-answer-early",
        title="Your models leave out the first word of the answer.",
        belief="Shifted twice, a model learns to write the word after the next. It gets used to a first "
        "word that is given, and never writes that one.",
        hint="Shift once: where in your code is it done, and where again?",
        anchor="tiny-shift",
        section="One shift, outside",
        wrong=_here(_written(_early)),
    ),
    Misconception(
        id="tiny-padding-reversed",
        title="Your models reverse the padding as well, so that the answer begins with it.",
        belief="flip turns the whole row, padding included, and short sources get answers that start with "
        "zeros. Padding is no part of the sequence; it stands at the end of both.",
        hint="Turn only as many words as the source has, as draw_pairs does.",
        anchor="tiny-look-at-the-data",
        section="Look at what it writes",
        wrong=_here(_written(lambda source: source.flip(1))),
    ),
    Misconception(
        id="tiny-no-end-learned",
        title="Your models do not end: where EOS should stand, they write on.",
        belief="The end of an answer has to be learned as a word. It is not if EOS was left out of the "
        "answers, or counted as padding by the loss; and what is behind the end must be EOS, not "
        "padding.",
        hint="Each answer in training ends with EOS, and the loss counts it.",
        anchor="tiny-look-at-the-data",
        section="Look at what it writes",
        wrong=_here(_written(_without_end), _written(_padding_after_end)),
    ),
    Misconception(
        id="tiny-ends-at-once",
        title="Your models end at once: they write EOS and nothing else.",
        belief="EOS is the word that stands in every answer, so a model that has learned nothing else has "
        "learned that. The words before it need the source, the positions and the masks.",
        hint="Let the check of TinyTransformer pass first; if it does, look at the loss of the first "
        "hundred steps.",
        anchor="tiny-look-at-the-data",
        section="Look at what it writes",
        wrong=_here(lambda source: torch.full((MODELS, *source.shape), EOS)),
    ),
)
