"""Mistakes in writing word by word."""

import torch
from torch import Tensor, nn

from plenary.checks.exercise import Misconception
from plenary.exercises.tiny_transformer.decoding_build import in_decoding, writer


def _stops_with_the_first(
    model: nn.Module, source: Tensor, bos_id: int, eos_id: int, max_length: int
) -> Tensor:
    written = writer(stop=lambda ended: ended.any())(model, source, bos_id, eos_id, max_length)
    assert isinstance(written, Tensor)
    missing = max_length - written.shape[1]
    return torch.cat([written, torch.full((len(source), missing), eos_id)], 1)


def _fills_a_buffer(model: nn.Module, source: Tensor, bos_id: int, eos_id: int, max_length: int) -> Tensor:
    mode = model.training
    model.eval()
    written = torch.zeros(len(source), max_length + 1, dtype=torch.long)
    written[:, 0] = bos_id
    ended = torch.zeros(len(source), dtype=torch.bool)
    with torch.no_grad():
        for t in range(max_length):
            word = model(source, written)[:, -1].argmax(-1).masked_fill(ended, eos_id)
            written[:, t + 1] = word
            ended = ended | (word == eos_id)
    model.train(mode)
    return written[:, 1:]


def _from_numbers(model: nn.Module, source: Tensor, bos_id: int, eos_id: int, max_length: int) -> Tensor:
    written = torch.ones(len(source), 1) * bos_id
    return torch.cat([written, model(source, written)[:, -1].argmax(-1, keepdim=True)], 1)


def _one_pass(model: nn.Module, source: Tensor, bos_id: int, eos_id: int, max_length: int) -> Tensor:
    mode = model.training
    model.eval()
    with torch.no_grad():
        target = torch.cat([torch.full((len(source), 1), bos_id), source], 1)[:, :max_length]
        words = model(source, target).argmax(-1)
        words = words.masked_fill((words == eos_id).int().cumsum(1) > 0, eos_id)
    model.train(mode)
    return words


def _target_first(model: nn.Module, source: Tensor, bos_id: int, eos_id: int, max_length: int) -> Tensor:
    mode = model.training
    model.eval()
    written = torch.full((len(source), 1), bos_id)
    ended = torch.zeros(len(source), dtype=torch.bool)
    with torch.no_grad():
        for _ in range(max_length):
            word = model(written, source)[:, -1].argmax(-1).masked_fill(ended, eos_id)
            written = torch.cat([written, word[:, None]], 1)
            ended = ended | (word == eos_id)
    model.train(mode)
    return written[:, 1:]


def _source_grows(model: nn.Module, source: Tensor, bos_id: int, eos_id: int, max_length: int) -> Tensor:
    mode = model.training
    model.eval()
    written = torch.full((len(source), 1), bos_id)
    ended = torch.zeros(len(source), dtype=torch.bool)
    with torch.no_grad():
        for _ in range(max_length):
            word = model(source, written)[:, -1].argmax(-1).masked_fill(ended, eos_id)
            written = torch.cat([written, word[:, None]], 1)
            source = torch.cat([source, word[:, None]], 1)
            ended = ended | (word == eos_id)
    model.train(mode)
    return written[:, 1:]


DECODING_MISTAKES = (
    Misconception(
        id="tiny-written-in-training",
        title="You let the model write in training mode.",
        belief="A model behaves as it did when it was last used, and that was training. With dropout on, "
        "it guesses with parts of it missing, and writes something else each time. The model of this "
        "check shows it: in training mode it is wrong about every word.",
        hint="Put the model in evaluation mode before the first call.",
        anchor="tiny-writing-mode",
        section="Writing is evaluation",
        evidence="https://github.com/karpathy/ng-video-lecture/issues/16",
        wrong=in_decoding(
            writer(evaluate=False),
            writer(evaluate=False, restore=None, no_grad=False),
        ),
    ),
    Misconception(
        id="tiny-mode-not-restored",
        title="You leave the model in evaluation mode, whatever mode it was in.",
        belief="Evaluation mode is right while it writes. But often it is in the middle of training that "
        "one wants to see what a model writes by now, and the training that goes on afterwards has lost "
        "its dropout, without a word.",
        hint="Look at model.training before you change it, and put it back at the end.",
        anchor="tiny-writing-mode",
        section="Writing is evaluation",
        wrong=in_decoding(writer(restore=None), writer(restore=None, no_grad=False)),
    ),
    Misconception(
        id="tiny-mode-always-training",
        title="You leave the model in training mode, also when it came in evaluation mode.",
        belief="eval() before and train() after look like a pair. For a model that was being evaluated, "
        "the second is a change: the next evaluation runs with dropout on.",
        hint="train(...) takes the mode that you want; keep the one that you found.",
        anchor="tiny-writing-mode",
        section="Writing is evaluation",
        evidence="https://github.com/IBM/pytorch-seq2seq/pull/38",
        wrong=in_decoding(writer(restore=False)),
    ),
    Misconception(
        id="tiny-gradients-kept",
        title="You keep gradients while the model writes; nobody will ask for them.",
        belief="Nothing is wrong with the words. But each call's intermediate results stay in memory as "
        "long as a gradient could be wanted, and evaluation mode does not switch that off: it is about "
        "dropout, not about gradients.",
        hint="torch.no_grad() is for this.",
        anchor="tiny-writing-mode",
        section="Writing is evaluation",
        wrong=in_decoding(writer(no_grad=False)),
        harmless=True,
    ),
    Misconception(
        id="tiny-first-position-read",
        title="You read the logits at the first position; the next word is announced at the last.",
        belief="Row t of the logits says what follows target word t. The first row therefore always says "
        "what follows BOS, and it would say so for ever.",
        hint="What should follow all that is written stands behind the last written word.",
        anchor="tiny-word-by-word",
        section="Word by word",
        wrong=in_decoding(writer(lambda logits: logits[:, 0].argmax(-1))),
    ),
    Misconception(
        id="tiny-argmax-over-positions",
        title="Your argmax runs over the positions; it should run over the words.",
        belief="Axis 1 of (B, T, V) is the target's positions. What comes out is a position, a number "
        "below T, and it is taken for a word's id. Once the last position is chosen, (B, V) is left, "
        "and its axis 1 is the words.",
        hint="Choose the position first, then the likeliest word along the last axis.",
        anchor="tiny-word-by-word",
        section="Word by word",
        wrong=in_decoding(writer(lambda logits: logits.argmax(1)[:, -1])),
    ),
    Misconception(
        id="tiny-position-before-read",
        title="You read the logits one position too early.",
        belief="Positions shift by one between what goes in and what comes out, and once more may seem "
        "careful. But the row of the last word is the one that knows the last word.",
        hint="With one word written there is one row, and it is the one to read; with two, the second.",
        anchor="tiny-word-by-word",
        section="Word by word",
        wrong=in_decoding(
            writer(lambda logits: logits[:, max(logits.shape[1] - 2, 0)].argmax(-1)),
        ),
    ),
    Misconception(
        id="tiny-end-of-buffer-read",
        title="You read the end of a buffer that is not yet filled.",
        belief="A tensor of the full length saves the concatenation. But its last row stands behind "
        "padding that nobody has written; what follows word t is in row t.",
        hint="Give the model what is written so far, or read the row of the last word written.",
        anchor="tiny-word-by-word",
        section="Word by word",
        wrong=in_decoding(_fills_a_buffer),
    ),
    Misconception(
        id="tiny-only-last-word-given",
        title="You show the model its last word only; it cannot see what it wrote before.",
        belief="A recurrent network carries the past along, and needs no more than the last word. This "
        "model remembers nothing between two calls: what is not in the target has never been written.",
        hint="Hand over all that is written so far, BOS included.",
        anchor="tiny-word-by-word",
        section="Word by word",
        wrong=in_decoding(writer(read=lambda written: written[:, -1:])),
    ),
    Misconception(
        id="tiny-source-as-target",
        title="You give the model the source as its target, in one pass, and let it write nothing of its "
        "own.",
        belief="In training one pass predicts all positions, because the answer is there. To write is to "
        "do without it: each word depends on those that the model itself has chosen.",
        hint="Start from BOS alone, and call the model once for every word.",
        anchor="tiny-word-by-word",
        section="Word by word",
        wrong=in_decoding(_one_pass),
    ),
    Misconception(
        id="tiny-target-first",
        title="You call the model with what is written first; the source comes first.",
        belief="It is the writing that is being worked on, so it comes to mind first. Both are tables of ids, and "
        "nothing complains: the model takes the words of the source for its own.",
        hint="model(source, target).",
        anchor="tiny-word-by-word",
        section="Word by word",
        wrong=in_decoding(_target_first),
    ),
    Misconception(
        id="tiny-source-grows",
        title="You put the written words behind the source as well; the source stays as it is.",
        belief="A language model without an encoder has one sequence, and everything goes behind it. This model "
        "has two: the source is what it answers, the target is what it has written.",
        hint="Each call gets the source that came in.",
        anchor="tiny-word-by-word",
        section="Word by word",
        wrong=in_decoding(_source_grows),
    ),
    Misconception(
        id="tiny-goes-on-after-eos",
        title="A row goes on writing after its EOS.",
        belief="EOS is a word like others to argmax, and the loop knows nothing of its meaning. Whoever "
        "reads the answer would have to cut it, and the model is asked to go on from where it never was "
        "in training.",
        hint="Remember for each row whether it has ended, and write EOS there from then on.",
        anchor="tiny-each-row-ends",
        section="Each row ends by itself",
        evidence="https://github.com/mistralai/mistral-inference/pull/270",
        wrong=in_decoding(
            writer(fill=lambda word, ended, eos: word),
            writer(fill=lambda word, ended, eos: word, no_grad=False),
        ),
    ),
    Misconception(
        id="tiny-one-end-for-all",
        title="You stop all rows as soon as one has ended.",
        belief="With one sentence, EOS is the end. In a batch it is the end of one row, and the others "
        "are cut off in the middle.",
        hint="Keep one flag for each row; all of them together may stop the loop.",
        anchor="tiny-each-row-ends",
        section="Each row ends by itself",
        evidence="https://github.com/2000ZRL/SOKE/issues/7",
        wrong=in_decoding(_stops_with_the_first),
    ),
    Misconception(
        id="tiny-result-too-short",
        title="You stop before max_length, and return fewer words than asked for.",
        belief="When all rows have ended, to stop is right: what follows is EOS anyway. But the result "
        "was promised with max_length columns, and results of several batches are to be put together.",
        hint="Fill up with EOS what is missing.",
        anchor="tiny-each-row-ends",
        section="Each row ends by itself",
        wrong=in_decoding(writer(stop=lambda ended: ended.all()), writer(stop=lambda ended: ended.any())),
    ),
    Misconception(
        id="tiny-padded-after-eos",
        title="Behind EOS you write padding (0); asked for is EOS, repeated.",
        belief="Padding is what a target has behind its EOS in training, so it is a sensible choice, and "
        "many libraries make it. This function does not know the padding's id, and repeats EOS.",
        hint="Fill with eos_id.",
        anchor="tiny-each-row-ends",
        section="Each row ends by itself",
        wrong=in_decoding(writer(fill=lambda word, ended, eos: torch.where(ended, 0, word))),
    ),
    Misconception(
        id="tiny-bos-returned",
        title="Your result begins with BOS.",
        belief="BOS is what the model needs in order to begin. It was not written by it, and it is no "
        "part of the answer.",
        hint="Leave the first column out; max_length words remain.",
        anchor="tiny-word-by-word",
        section="Word by word",
        wrong=in_decoding(
            writer(result=lambda written: written), writer(result=lambda written: written[:, :-1])
        ),
    ),
    Misconception(
        id="tiny-one-word-short",
        title="You write one word too few.",
        belief="BOS fills the first place of what is written, and so a loop that counts it stops one word "
        "early. max_length counts the answer's words.",
        hint="One call of the model for each of the max_length words.",
        anchor="tiny-word-by-word",
        section="Word by word",
        wrong=in_decoding(writer(extra=-1)),
    ),
    Misconception(
        id="tiny-ids-as-floats",
        title="Your words are floating-point numbers; an embedding looks up whole ones.",
        belief="torch.zeros and torch.ones make float32, and 1.0 prints like 1. A row of a table has a "
        "whole number.",
        hint="Make the first column with the ids' dtype: torch.full with a whole number does, and so does "
        "source.new_full.",
        anchor="tiny-word-by-word",
        section="Word by word",
        wrong=in_decoding(_from_numbers),
    ),
)
