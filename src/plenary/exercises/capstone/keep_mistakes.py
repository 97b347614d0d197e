"""What goes wrong between a trained model and the file that it is kept in."""

from plenary.checks.exercise import Misconception
from plenary.exercises.capstone.keep_candidates import (
    fresh,
    keep_in_memory,
    keys_alone,
    left_training,
    load,
    load_from_memory,
    load_one_file,
    loosely,
    nothing,
    one_file,
    roundtrip,
    save,
    save_half,
    save_rounded,
    weights_alone,
    without_arguments,
    without_positions,
    wrong,
)

MISTAKES = (
    Misconception(
        id="capstone-loaded-in-training-mode",
        title="Your loaded model is in training mode: it drops a tenth of its features at random.",
        belief="A new module starts in training mode, and loading weights does not change the mode. Dropout then goes on "
        "when the model is used, and the same picture gets another answer each time.",
        hint="Put it in evaluation mode before you return it.",
        anchor="cap-reload",
        section="What comes back has to be what was kept",
        wrong=wrong(save, left_training),
        evidence="https://github.com/OpenTrafficCam/OTVision/issues/132",
    ),
    Misconception(
        id="capstone-weights-not-loaded",
        title="Your load_model makes a new model and leaves it as it is.",
        belief="load_file returns a dictionary of tensors. A model does not know of it until it is given that dictionary.",
        hint="Hand the dictionary to load_state_dict.",
        anchor="cap-reload",
        section="What comes back has to be what was kept",
        wrong=wrong(save, fresh),
    ),
    Misconception(
        id="capstone-half-precision",
        title="Your weights are rounded to half precision when they are saved.",
        belief="Half the bytes, and accuracy hardly moves: often a good trade. But a number that was measured with one "
        "set of weights is then claimed for another, and nobody can find the difference again.",
        hint="Save the dtype that the model has.",
        anchor="cap-reload",
        section="What comes back has to be what was kept",
        wrong={"roundtrip": (roundtrip(save_half, load), roundtrip(save_rounded, load))},
    ),
    Misconception(
        id="capstone-kept-by-reference",
        title="You keep the model's tensors themselves; when training goes on, what you kept changes with them.",
        belief="state_dict() gives the tensors of the model, not copies. It is a snapshot only once it has been written to a "
        "file, or cloned.",
        hint="Write to the path that is given, and read from it.",
        anchor="cap-reload",
        section="What comes back has to be what was kept",
        wrong=wrong(keep_in_memory, load_from_memory),
    ),
    Misconception(
        id="capstone-arguments-ignored",
        title="Your load_model builds the default model, whatever the arguments say.",
        belief="A file of weights does not say what they are weights of. Where the sizes differ the weights do not fit; "
        "where only the pool differs they fit, and the model is another one without a word.",
        hint="Hand the arguments on to build_model.",
        anchor="cap-reload",
        section="What comes back has to be what was kept",
        wrong=wrong(save, without_arguments),
    ),
    Misconception(
        id="capstone-one-file",
        title="Your models are all saved under one name, so the last one overwrites the others.",
        belief="With a name of its own inside save_model the path that is given is not used. The first model trained "
        "is then gone, and three seeds are one.",
        hint="Use the path.",
        anchor="cap-reload",
        section="What comes back has to be what was kept",
        wrong=wrong(one_file, load_one_file),
    ),
    Misconception(
        id="capstone-loosely-loaded",
        title="Part of your weights are not in the file, and strict=False keeps quiet about it.",
        belief="strict=False is for fine-tuning, where some layers are meant to be new. Here it turns an error that says "
        "which weights are missing into a model that is partly random.",
        hint="Save the whole state_dict(), and let load_state_dict complain.",
        anchor="cap-reload",
        section="What comes back has to be what was kept",
        wrong=wrong(without_positions, loosely),
    ),
    Misconception(
        id="capstone-weights-returned",
        title="Your load_model does not return a model.",
        belief="load_file returns a dictionary of weights, load_state_dict a list of what did not fit, and a function "
        "without a return returns None. Weights are half of a model: which numbers are multiplied by which is in the "
        "code of build_model.",
        hint="Build the model, give it the weights, and return it.",
        anchor="cap-reload",
        section="What comes back has to be what was kept",
        wrong={"roundtrip": tuple(roundtrip(save, one) for one in (weights_alone, keys_alone, nothing))},
    ),
)
