"""Mistakes in the stack of layers."""

from typing import Any

import torch
from torch import Tensor, nn

from plenary.checks.exercise import Misconception
from plenary.exercises._references import EncoderLayer
from plenary.exercises.vision_transformer.build import Reference, in_model


class _Causal(Reference):
    def encoded(self, x: Tensor) -> Tensor:
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
        for layer in self.layers:
            x = layer(x, mask)
        return x


class _OneObject(Reference):
    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        self.layers = nn.ModuleList([self.layers[0]] * len(self.layers))


class _FirstAgainAndAgain(Reference):
    def encoded(self, x: Tensor) -> Tensor:
        for _ in self.layers:
            x = self.layers[0](x)
        return x


class _OneLayer(Reference):
    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        self.layers = self.layers[:1]


class _PlainList(Reference):
    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        layers = list(self.layers)
        del self.layers
        self.layers = layers  # type: ignore[assignment]


class _ResultDropped(Reference):
    def encoded(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            layer(x)
        return x


class _LastResultOnly(Reference):
    def encoded(self, x: Tensor) -> Tensor:
        y = x
        for layer in self.layers:
            y = layer(x)
        return y


class _SecondResidual(Reference):
    def encoded(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + layer(x)
        return x


class _NormEachTime(Reference):
    def encoded(self, x: Tensor) -> Tensor:
        *layers, last = self.layers
        for layer in layers:
            x = self.norm(layer(x))
        return last(x)


def _post_norm(*sizes: Any, eps: float) -> nn.Module:
    return EncoderLayer(*sizes, norm_first=False, eps=eps)


def _default_eps(*sizes: Any, eps: float) -> nn.Module:
    return EncoderLayer(*sizes)


def _own_eps(*sizes: Any, eps: float) -> nn.Module:
    return EncoderLayer(*sizes, eps=1e-6)


def _no_dropout(dim: int, heads: int, hidden: int, dropout: float, eps: float) -> nn.Module:
    return EncoderLayer(dim, heads, hidden, eps=eps)


def _exchanged(dim: int, heads: int, hidden: int, dropout: float, eps: float) -> nn.Module:
    return EncoderLayer(dim, hidden, heads, dropout, eps=eps)


def _four_times(dim: int, heads: int, hidden: int, dropout: float, eps: float) -> nn.Module:
    return EncoderLayer(dim, heads, 4 * dim, dropout, eps=eps)


def _layered(make: Any, norm_eps: float | None = None) -> type[Reference]:
    """Make a model with another kind of layer, and perhaps another eps in its last norm."""

    class Changed(Reference):
        layer = staticmethod(make)

        def __init__(self, *arguments: object, **named: object) -> None:
            super().__init__(*arguments, **named)  # type: ignore[arg-type]
            if norm_eps is not None:
                self.norm.eps = norm_eps  # type: ignore[assignment]

    return Changed


LAYER_MISTAKES = (
    Misconception(
        id="vit-causal-mask",
        title="Your layers run with a causal mask.",
        belief="The mask was right for the decoder, where the next word must not be seen. A picture has no "
        "next patch; and the class token, which stands first, would hear nobody but itself.",
        hint="An encoder's layer is called without a mask.",
        anchor="vit-stack",
        section="The stack",
        wrong=in_model(_Causal),
    ),
    Misconception(
        id="vit-shared-layers",
        title="Your model uses one layer several times.",
        belief="[layer] * n is a list of n entries, and each of them is the same object: one set of "
        "weights, however long the list. Such a model trains, with a fraction of the parameters.",
        hint="Call the constructor once for every layer.",
        anchor="vit-stack",
        section="The stack",
        wrong=in_model(_OneObject, _FirstAgainAndAgain, _OneLayer),
        evidence="https://github.com/espnet/espnet/issues/1278",
    ),
    Misconception(
        id="vit-layers-in-a-list",
        title="Your layers stand in a plain list, where their parameters do not count.",
        belief="A Python list holds modules as well as anything. But a module looks for parameters among "
        "its own modules only: the optimizer never sees these layers, nor does state_dict, and "
        ".to(device) leaves them behind.",
        hint="Put the list into nn.ModuleList.",
        anchor="vit-parameters",
        section="What the model holds",
        wrong=in_model(_PlainList),
    ),
    Misconception(
        id="vit-result-dropped",
        title="Your layers run, but what they return is not passed on from one to the next.",
        belief="A layer does not change its input: it returns new tokens. A call whose result has no name "
        "is lost, and the head reads the embeddings, or one layer's work alone.",
        hint="Each layer's output is the next one's input, under the same name.",
        anchor="vit-stack",
        section="The stack",
        wrong=in_model(_ResultDropped, _LastResultOnly),
        evidence="https://github.com/simon-ging/coot-videotext/issues/5",
    ),
    Misconception(
        id="vit-second-residual",
        title="You add a residual path around each layer, which has its own already.",
        belief="Residual paths are what deep stacks live on. EncoderLayer holds two of them; a third adds "
        "the whole input once more, and the sum doubles with every layer.",
        hint="Take what the layer returns as it is.",
        anchor="vit-stack",
        section="The stack",
        wrong=in_model(_SecondResidual),
    ),
    Misconception(
        id="vit-norm-between-layers",
        title="You apply the last norm between the layers as well.",
        belief="A norm after each layer keeps the numbers tame. It also sits in the residual path, which "
        "pre-norm leaves free on purpose, so that gradients pass unchanged from the last layer to "
        "the first.",
        hint="norm comes once, after the loop.",
        anchor="vit-norm",
        section="The norm that stands alone",
        wrong=in_model(_NormEachTime),
    ),
    Misconception(
        id="vit-post-norm",
        title="Your layers are post-norm; the Vision Transformer's are pre-norm.",
        belief="The Transformer of 2017 normalises after each sum. The Vision Transformer normalises what "
        "goes into the branches, and the names of the parameters are the same in both.",
        hint="EncoderLayer is pre-norm unless it is told otherwise.",
        anchor="vit-stack",
        section="The stack",
        wrong=in_model(_layered(_post_norm)),
    ),
    Misconception(
        id="vit-eps-not-passed",
        title="You build a norm without passing eps on.",
        belief="Every norm has a default, so nothing is missing, and 1e-5 for 1e-6 shows only in the sixth "
        "digit. But two models with the same weights are the same model only if their eps agree. (A "
        "fifth argument of EncoderLayer by position is norm_first, not eps.)",
        hint="Pass eps by name to each layer, and to the last norm.",
        anchor="vit-eps",
        section="A millionth that shows",
        wrong=in_model(
            _layered(_default_eps),
            _layered(EncoderLayer, norm_eps=1e-5),
            _layered(_default_eps, norm_eps=1e-5),
            _layered(_own_eps, norm_eps=1e-6),
        ),
        evidence="https://github.com/kornia/kornia/pull/2786",
    ),
    Misconception(
        id="vit-layers-without-dropout",
        title="Your layers do not get the dropout rate.",
        belief="The model's own dropout works, which makes it look done. Each layer has dropout inside, at "
        "the rate it is built with, and that is zero unless you say so.",
        hint="Pass dropout on to every layer.",
        anchor="vit-dropout",
        section="Where dropout acts",
        wrong=in_model(_layered(_no_dropout)),
    ),
    Misconception(
        id="vit-heads-and-hidden-exchanged",
        title="You hand hidden_dim and num_heads to the layer in the wrong order.",
        belief="Both are whole numbers, and Python does not know which is which. EncoderLayer wants the "
        "width, the heads, then the hidden width, in the order of the model's own signature.",
        hint="Pass them by name, or look at help(EncoderLayer).",
        anchor="vit-parameters",
        section="What the model holds",
        wrong=in_model(_layered(_exchanged)),
    ),
    Misconception(
        id="vit-hidden-dim-ignored",
        title="Your layers are four times as wide inside, whatever hidden_dim says.",
        belief="4 D is the usual choice, in the paper as well. Here it is a parameter of the model, because "
        "chapter 9's count and the ablations of the capstone want to vary it.",
        hint="Pass hidden_dim on as it comes.",
        anchor="vit-parameters",
        section="What the model holds",
        wrong=in_model(_layered(_four_times)),
    ),
)
