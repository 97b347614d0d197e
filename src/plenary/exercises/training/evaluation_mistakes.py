"""What people get wrong when they evaluate."""

from collections.abc import Callable

from plenary.checks.exercise import Misconception
from plenary.exercises.training import evaluation_ways as ways
from plenary.exercises.training.evaluation_ways import NAME, evaluate_by


def _mistake(
    name: str,
    title: str,
    belief: str,
    hint: str,
    *wrong: Callable[..., object],
    place: tuple[str, str] = ("train-evaluate", "Means over samples"),
    seen: str | None = None,
) -> Misconception:
    return Misconception(f"evaluate-{name}", title, belief, hint, *place, {NAME: wrong}, evidence=seen)


_MODE = ("train-mode", "In eval mode, without gradients")

EVALUATION_MISTAKES = (
    _mistake(
        "mean-of-batches",
        "You average over batches; asked for is the mean over samples.",
        "A mean of means looks like a mean. It is one when all batches are of one size; the last batch is "
        "usually smaller, and each of its samples then counts for more.",
        "Add up sums over samples and count the samples, and divide once at the end.",
        evaluate_by(ways.batch_means),
        evaluate_by(ways.mean_loss, ways.loss_of_batches),
        evaluate_by(ways.mean_accuracy, ways.accuracy_of_batches),
        seen="https://github.com/udacity/deep-learning-v2-pytorch/pull/74",
    ),
    _mistake(
        "mixed-up-divisors",
        "You divide a sum over samples by the number of batches, or a sum of means by the number of samples.",
        "cross_entropy averages unless it is told to add, so what was added up is easily taken for the "
        "other. What is divided and what it is divided by have to count the same things.",
        'Either add up with reduction="sum", or multiply the mean of each batch by its size; then divide by '
        "the number of samples.",
        evaluate_by(ways.mean_loss),
        evaluate_by(finish=ways.loss_of_batches),
        evaluate_by(
            finish=lambda sums, loader: {"loss": sums[0] / len(loader), "accuracy": sums[1] / len(loader)}
        ),
        evaluate_by(ways.mean_accuracy),
        evaluate_by(ways.batch_means_per_sample),
        evaluate_by(ways.mean_loss, ways.whole_set),
    ),
    _mistake(
        "full-batches",
        "You count every batch as full; the last one is smaller.",
        "loader.batch_size is the size that was asked for, and what is left over at the end makes a smaller "
        "batch. The samples that are not there are counted as wrong.",
        "Ask the batch itself how many samples it has.",
        evaluate_by(ways.full_batches),
    ),
    _mistake(
        "whole-set-counted",
        "You divide by the length of the dataset; the loader did not give all of it.",
        "len(loader.dataset) is often the number of samples. A loader that drops the last batch, or draws "
        "from a part only, gives fewer.",
        "Count the samples that come.",
        evaluate_by(finish=ways.whole_set),
    ),
    _mistake(
        "last-batch-only",
        "You keep the last batch alone.",
        "An = in the loop where a += belongs overwrites what came before, and the numbers that come out "
        "look like any others.",
        "What is added up starts at 0 before the loop.",
        evaluate_by(ways.last),
        evaluate_by(ways.last_loss),
        seen="https://github.com/google/prettytensor/issues/35",
    ),
    _mistake(
        "first-batch-only",
        "You stop after the first batch.",
        "A return that stands one step too far to the right belongs to the loop, and ends it when it has "
        "hardly begun.",
        "Divide and return after the loop, not in it.",
        evaluate_by(batches=1),
    ),
    _mistake(
        "not-divided",
        "You return sums; asked for are means.",
        "The sums are right. Twice as many samples would make them twice as large, though, and nothing "
        "could be compared.",
        "Divide both by the number of samples.",
        evaluate_by(finish=lambda sums, loader: {"loss": sums[0], "accuracy": sums[1]}),
        evaluate_by(finish=lambda sums, loader: {"loss": sums[0] / sums[2], "accuracy": sums[1]}),
        evaluate_by(finish=lambda sums, loader: {"loss": sums[0], "accuracy": sums[1] / sums[2]}),
    ),
    _mistake(
        "percent",
        "Your accuracy is in per cent; asked for is a share between 0 and 1.",
        "93 is how one says it. Code that compares or averages accuracies expects 0.93.",
        "Leave out the factor of 100.",
        evaluate_by(
            finish=lambda sums, loader: {"loss": sums[0] / sums[2], "accuracy": 100 * sums[1] / sums[2]}
        ),
    ),
    _mistake(
        "error-rate",
        "You return the share of wrong answers as the accuracy.",
        "Error rate and accuracy add up to 1, and papers give now the one, now the other.",
        "Count where the best class is the label.",
        evaluate_by(
            finish=lambda sums, loader: {"loss": sums[0] / sums[2], "accuracy": 1 - sums[1] / sums[2]}
        ),
    ),
    _mistake(
        "softmax-first",
        "You take the softmax before cross_entropy, which takes it again.",
        "A cross-entropy is of probabilities, so they would have to be made first. PyTorch's wants logits: "
        "the softmax is inside. Twice softened, even a perfect model's loss stays far above 0.",
        "Hand over what the model returns.",
        evaluate_by(ways.after_softmax),
        seen="https://github.com/bkitano/llama-from-scratch/issues/5",
    ),
    _mistake(
        "nll-of-logits",
        "You use nll_loss on logits, without a logarithm of probabilities.",
        "Negative log-likelihood is what is meant. nll_loss only picks numbers and turns their sign; the "
        "logarithm of the softmax has to be taken before.",
        "cross_entropy does both steps.",
        evaluate_by(ways.no_logarithm),
    ),
    _mistake(
        "argmax-over-batch",
        "Your argmax runs over the batch; it should run over the classes.",
        "Axis 0 is the first one, and for a single picture it is the classes. In a batch it is the "
        "pictures: for each class you ask which picture has most of it.",
        "The classes are the last axis.",
        evaluate_by(ways.over_the_batch),
    ),
    _mistake(
        "no-eval-mode",
        "You evaluate the model in the mode it comes in: in training mode, here.",
        "Evaluating is what the function does, but the model cannot know. In training mode, dropout drops, "
        "and batch norm uses the batch's own mean; worse, it goes on learning from the test data.",
        "Tell the model, before the loop.",
        evaluate_by(evaluating=False),
        place=_MODE,
        seen="https://github.com/wolny/pytorch-3dunet/issues/53",
    ),
    _mistake(
        "mode-not-restored",
        "The model is left in eval mode.",
        "The numbers are right. Training goes on after this call, and now without dropout, unless the "
        "caller thinks of it.",
        "Remember model.training before you change it, and put it back.",
        evaluate_by(after=lambda was: False),
        place=_MODE,
        seen="https://github.com/shubhamagarwal92/mmd/issues/14",
    ),
    _mistake(
        "always-back-to-training",
        "The model is put in training mode, whatever it was in before.",
        "After an evaluation in the middle of training, this is right. A finished model that is evaluated "
        "comes back with its dropout on.",
        "Remember model.training before you change it, and put that back.",
        evaluate_by(after=lambda was: True),
        place=_MODE,
    ),
    _mistake(
        "gradients-recorded",
        "You let torch record everything for a backward pass that never comes.",
        "eval() sounds as if it did this as well. It changes what layers do; what is recorded is another "
        "switch. The numbers are the same, and the memory of every layer's output is kept for nothing.",
        "Put the loop into torch.no_grad().",
        evaluate_by(recorded=True),
        place=_MODE,
    ),
    _mistake(
        "tensors-returned",
        "You return tensors; asked for are Python numbers.",
        "A tensor with one number prints like a number. It also holds on to its device, and to the graph if "
        "there is one; it does not go into JSON; and a list of them fills the memory.",
        "A tensor of one number has a method that takes it out.",
        evaluate_by(ways.tensors),
        place=_MODE,
    ),
)
