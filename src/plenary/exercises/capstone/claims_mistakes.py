"""What goes wrong between a trained model and a number that can be believed."""

from plenary.checks.exercise import Misconception
from plenary.exercises.capstone import claims_candidates as wrong

NAME = "capstone"

MISTAKES = (
    Misconception(
        id="capstone-training-accuracy",
        title="You claim a higher accuracy than your models reach on the test split.",
        belief="A number like that mostly comes from the pictures of training, and sometimes from an earlier run. The model "
        "has seen the former forty times: how many of them it names rightly says how well it remembers, and the question "
        "was how it does on pictures that it has never seen.",
        hint="Measure on splits.test, after training, with the models that you hand in, and claim that.",
        anchor="cap-claims",
        section="A claim is a number that comes out again",
        wrong={NAME: (wrong.training_accuracy,)},
    ),
    Misconception(
        id="capstone-percent",
        title="You claim percentages; expected are shares between 0 and 1.",
        belief="97.8 and 0.978 are the same to a reader and a factor of a hundred apart to whoever compares them.",
        hint="Leave the mean of right answers as it comes.",
        anchor="cap-claims",
        section="A claim is a number that comes out again",
        wrong={NAME: (wrong.percent,)},
    ),
    Misconception(
        id="capstone-claims-in-another-order",
        title="Your three accuracies are right, and stand in another order than the logits.",
        belief="Sorted, the best first, they read well. But the first number belongs to the first model, and is compared with "
        "what that one reaches.",
        hint="State them in the order of the logits.",
        anchor="cap-claims",
        section="A claim is a number that comes out again",
        wrong={NAME: (wrong.another_order,)},
    ),
    Misconception(
        id="capstone-rounded",
        title="You claim accuracies that are rounded to two digits.",
        belief="0.98 is precise enough for a sentence. One picture of 360 is 0.003, so two digits do not say how many were "
        "right.",
        hint="Compute the number where you state it, and do not round it, or to four digits.",
        anchor="cap-claims",
        section="A claim is a number that comes out again",
        wrong={NAME: (wrong.two_digits, wrong.two_digits_of_three)},
    ),
    Misconception(
        id="capstone-best-seed",
        title="You claim the best seed's accuracy for all three.",
        belief="The best of several runs is chosen by its luck, so its number promises more than the next run will "
        "keep. The spread of the seeds is a result of its own.",
        hint="State each seed's own accuracy, in the order of the logits.",
        anchor="cap-seeds",
        section="Three seeds",
        wrong={NAME: (wrong.best_seed,)},
    ),
    Misconception(
        id="capstone-one-model-three-times",
        title="Your three seeds are one model three times.",
        belief="Three copies agree perfectly, and it looks like great certainty. The seed has to be set before the model "
        "is built as well as before it is trained, and each run needs a file of its own.",
        hint="Train with three seeds, save under three names, load all three.",
        anchor="cap-seeds",
        section="Three seeds",
        wrong={NAME: (wrong.one_model,)},
    ),
    Misconception(
        id="capstone-averaged",
        title="You hand in the mean of the three models' logits in place of each.",
        belief="An ensemble is a good idea and another model: it is better than its members, and it hides how far they lie "
        "apart.",
        hint="Stack the three, and leave them as they are.",
        anchor="cap-seeds",
        section="Three seeds",
        wrong={NAME: (wrong.averaged,)},
    ),
    Misconception(
        id="capstone-dropout-on",
        title="Your models are in training mode while they are measured.",
        belief="Dropout switches off a tenth of the features at random, in use as in training, until the model is told "
        "that training is over. The same picture then gets another answer each time.",
        hint="model.eval() before anything is measured.",
        anchor="cap-by-itself",
        section="Every picture by itself",
        wrong={NAME: (wrong.dropping,)},
        evidence="https://github.com/ipolharvard/ethos-ares/issues/20",
    ),
    Misconception(
        id="capstone-batch-statistics",
        title="You normalise pictures by the mean of their own batch, so a picture's answer depends on its neighbours.",
        belief="Over a large batch the mean is nearly that of the data set, and nothing shows. A batch of one dark picture is "
        "then as bright as all others.",
        hint="Take mean and standard deviation from the training split, once, or leave the pixels alone.",
        anchor="cap-by-itself",
        section="Every picture by itself",
        wrong={NAME: (wrong.by_batch,)},
    ),
    Misconception(
        id="capstone-untrained",
        title="Your models answer as if they had never been trained.",
        belief="build_model makes fresh weights. Those that were trained lie in the files, and have to be loaded each time.",
        hint="load_model for each of the three files.",
        anchor="cap-reload",
        section="What comes back has to be what was kept",
        wrong={NAME: (wrong.untrained,)},
    ),
    Misconception(
        id="capstone-ablation-has-positions",
        title="Your ablation still knows where each patch lies.",
        belief="A file of weights does not say how the model was built. Loaded into a model with positions, or trained with "
        "them by accident, the ablation is one more run of the same model.",
        hint="Build it with positions=False when it is trained and when it is loaded.",
        anchor="cap-ablation",
        section="An ablation takes one thing away",
        wrong={NAME: (wrong.still_placed,)},
    ),
    Misconception(
        id="capstone-softmax-returned",
        title="You return probabilities; asked for are logits.",
        belief="The digit that is named is the same for both. But logits of different models can be compared and averaged in "
        "ways that probabilities cannot, and the softmax can always be taken later.",
        hint="Return what the model returns.",
        anchor="cap-by-itself",
        section="Every picture by itself",
        wrong={NAME: (wrong.probabilities,)},
    ),
    Misconception(
        id="capstone-pixel-scale",
        title="Your models get pixels on another scale than they were trained on.",
        belief="scikit-learn keeps these digits as numbers from 0 to 16, plenary.data as numbers from 0 to 1. A model "
        "that was trained on one reads the other as glaring white.",
        hint="The pictures come with pixels from 0 to 1, as in splits.train. Leave them so.",
        anchor="cap-by-itself",
        section="Every picture by itself",
        wrong={NAME: (wrong.other_scale,)},
    ),
    Misconception(
        id="capstone-one-seed",
        title="You answer with one model; three seeds are asked for.",
        belief="One run gives one number, and no way to tell luck from merit.",
        hint="Stack the logits of the three models on a new first axis: (3, B, 10).",
        anchor="cap-seeds",
        section="Three seeds",
        wrong={NAME: (wrong.one_seed,)},
    ),
)
