"""Mistakes in the encoder, the stack of layers. Each is one belief, written out as code."""

from typing import Any

from torch import Tensor, nn

from plenary.checks.exercise import Misconception
from plenary.exercises.encoder_block.build import Layer, Mask, Stack, in_stack, layers_only
from plenary.exercises.encoder_block.final_norm_mistakes import FINAL_NORM_MISTAKES


def _one_layer(self: Stack, num_layers: int, *sizes: Any) -> nn.ModuleList:
    return nn.ModuleList([Layer(*sizes)] * num_layers)


def _one_layer_used_often(self: Stack, num_layers: int, *sizes: Any) -> nn.ModuleList:
    return nn.ModuleList([Layer(*sizes)])


def _often(self: Stack, x: Tensor, mask: Mask = None) -> Tensor:
    for _ in range(self.num_layers):
        x = self.layers[0](x, mask)  # type: ignore[index]
    return self.norm(x)


def _plain_list(self: Stack, num_layers: int, *sizes: Any) -> list[nn.Module]:
    return [Layer(*sizes) for _ in range(num_layers)]


def _fewer(self: Stack, num_layers: int, *sizes: Any) -> nn.ModuleList:
    return nn.ModuleList(Layer(*sizes) for _ in range(1, num_layers))


def _more(self: Stack, num_layers: int, *sizes: Any) -> nn.ModuleList:
    return nn.ModuleList(Layer(*sizes) for _ in range(num_layers + 1))


def _not_passed(*left_out: int) -> Any:
    """Build layers without some of (dropout, norm_first, eps), which then have their defaults."""
    defaults = {3: 0.0, 4: True, 5: 1e-5}

    def stacked(self: Stack, num_layers: int, *sizes: Any) -> nn.ModuleList:
        given = [defaults[i] if i in left_out else size for i, size in enumerate(sizes)]
        return nn.ModuleList(Layer(*given) for _ in range(num_layers))

    return stacked


def _last_with_default_eps(self: Stack, norm_first: bool, embed_dim: int, eps: float) -> nn.Module:
    return nn.LayerNorm(embed_dim) if norm_first else nn.Identity()


def _no_mask(self: Stack, x: Tensor, mask: Mask = None) -> Tensor:
    return self.norm(layers_only(self, x))


def _mask_once(self: Stack, x: Tensor, mask: Mask = None) -> Tensor:
    for i, layer in enumerate(self.layers):  # type: ignore[arg-type]
        x = layer(x, mask if i == 0 else None)
    return self.norm(x)


def _mask_inverted(self: Stack, x: Tensor, mask: Mask = None) -> Tensor:
    return self.norm(layers_only(self, x, None if mask is None else ~mask))


def _each_from_the_start(self: Stack, x: Tensor, mask: Mask = None) -> Tensor:
    out = x
    for layer in self.layers:  # type: ignore[union-attr]
        out = layer(x, mask)
    return self.norm(out)


def _returns_early(self: Stack, x: Tensor, mask: Mask = None) -> Tensor:
    for layer in self.layers:  # type: ignore[union-attr]
        x = layer(x, mask)
        return self.norm(x)
    return x


def _results_dropped(self: Stack, x: Tensor, mask: Mask = None) -> Tensor:
    for layer in self.layers:  # type: ignore[union-attr]
        layer(x, mask)
    return self.norm(x)


def _around_each(self: Stack, x: Tensor, mask: Mask = None) -> Tensor:
    for layer in self.layers:  # type: ignore[union-attr]
        x = x + layer(x, mask)
    return self.norm(x)


def _around_all(self: Stack, x: Tensor, mask: Mask = None) -> Tensor:
    return self.norm(x + layers_only(self, x, mask))


def _from_the_top(self: Stack, x: Tensor, mask: Mask = None) -> Tensor:
    for layer in reversed(self.layers):  # type: ignore[arg-type]
        x = layer(x, mask)
    return self.norm(x)


STACK_MISTAKES = (
    Misconception(
        id="stack-one-layer-repeated",
        title="Your encoder uses one layer num_layers times; each should have weights of its own.",
        belief="[layer] * n looks like n layers, and is n names for one. What it learns for the first step it "
        "must use for the last one too. (Sharing on purpose exists; then one says so.)",
        hint="Make a new EncoderLayer in each turn of a loop.",
        anchor="enc-stack",
        section="Layers of their own",
        wrong=in_stack({"stacked": _one_layer}, {"stacked": _one_layer_used_often, "forward": _often}),
        evidence="https://github.com/espnet/espnet/issues/1278",
    ),
    Misconception(
        id="stack-plain-list",
        title="Your layers are in a plain Python list, where PyTorch does not see them.",
        belief="The list is an attribute of the module, and forward works. But parameters() finds only what is"
        " assigned as a module: the layers would not be trained, nor saved, nor moved to another "
        "device, and nobody would warn you.",
        hint="nn.ModuleList is a list that PyTorch looks into.",
        anchor="enc-stack",
        section="Layers of their own",
        wrong=in_stack({"stacked": _plain_list}),
        evidence="https://github.com/maruya24/pytorch_robotics_transformer/issues/3",
    ),
    Misconception(
        id="stack-number-off-by-one",
        title="Your encoder has one layer too few or too many.",
        belief="The last norm is easily counted as a layer, or a layer that stands outside the loop. "
        "num_layers counts the EncoderLayers, and nothing else.",
        hint="range(num_layers) counts that many.",
        anchor="enc-stack",
        section="Layers of their own",
        wrong=in_stack({"stacked": _fewer}, {"stacked": _more}),
        evidence="https://github.com/LukasHedegaard/continual-inference/pull/70",
    ),
    Misconception(
        id="stack-each-from-start",
        title="Each of your layers gets the encoder's input; it should get what the layer before it returned.",
        belief="The loop visits every layer, but the result of each is overwritten by the next, or thrown "
        "away. What comes out is the work of one layer at most.",
        hint="What a layer returns is the x of the next one.",
        anchor="enc-stack",
        section="Layers of their own",
        wrong=in_stack({"forward": _each_from_the_start}, {"forward": _results_dropped}),
        evidence="https://github.com/Atcold/NYU-DLSP20/issues/270",
    ),
    Misconception(
        id="stack-returns-early",
        title="Your encoder returns after its first layer; the others never run.",
        belief="Where the return stands is a matter of a few spaces. Inside the loop, the first turn is also "
        "the last.",
        hint="The return stands behind the loop, not in it.",
        anchor="enc-stack",
        section="Layers of their own",
        wrong=in_stack({"forward": _returns_early}),
    ),
    Misconception(
        id="stack-reversed",
        title="Your layers run from the last to the first.",
        belief="A stack is drawn with its first layer at the bottom, and read from the top. Tokens enter at "
        "layers[0].",
        hint="Go through self.layers in its own order.",
        anchor="enc-stack",
        section="Layers of their own",
        wrong=in_stack({"forward": _from_the_top}),
    ),
    Misconception(
        id="stack-extra-residual",
        title="Your encoder adds a residual path of its own around its layers.",
        belief="Residual paths are good for gradients, so one more may seem better. Each layer has its two "
        "inside already; with another around it, x is added twice, and doubles from layer to layer.",
        hint="The encoder passes x on; adding is the layers' business.",
        anchor="enc-residual",
        section="The residual path",
        wrong=in_stack({"forward": _around_each}, {"forward": _around_all}),
    ),
    *FINAL_NORM_MISTAKES,
    Misconception(
        id="stack-mask-not-passed",
        title="Your encoder does not pass the mask to its layers.",
        belief="The mask has arrived at the encoder, and it looks as if it were on duty there. Only attention "
        "can apply it, two floors further down.",
        hint="Each layer takes the mask as its second argument.",
        anchor="enc-mask",
        section="The mask goes all the way down",
        wrong=in_stack({"forward": _no_mask}),
        evidence="https://github.com/facebookresearch/fairseq/issues/1339",
    ),
    Misconception(
        id="stack-mask-first-only",
        title="Only your first layer gets the mask.",
        belief="After the first layer the padding seems to be dealt with. It is still there, as tokens among "
        "tokens, and the next layer would listen to them: a mask has to be said to every layer.",
        hint="Pass the mask in every turn of the loop.",
        anchor="enc-mask",
        section="The mask goes all the way down",
        wrong=in_stack({"forward": _mask_once}),
    ),
    Misconception(
        id="stack-mask-inverted",
        title="Your encoder inverts the mask on the way to its layers.",
        belief="torch.nn.TransformerEncoder reads its masks the other way round, and code written for it often"
        " translates. The layers used here read True as may attend, as this encoder does.",
        hint="Pass the mask as it is.",
        anchor="enc-mask",
        section="The mask goes all the way down",
        wrong=in_stack({"forward": _mask_inverted}),
    ),
    Misconception(
        id="stack-norm-first-not-passed",
        title="Your encoder does not pass norm_first to its layers.",
        belief="The encoder has read norm_first, for its own last norm. The layers have a default, so nothing "
        "complains: they stay pre-norm.",
        hint="Everything that EncoderLayer takes has to be handed on.",
        anchor="enc-handed-on",
        section="Everything is handed on",
        wrong=in_stack({"stacked": _not_passed(4)}, {"stacked": _not_passed(3, 4, 5)}),
        evidence="https://github.com/k2-fsa/snowfall/pull/184",
    ),
    Misconception(
        id="stack-eps-not-passed",
        title="Your encoder does not pass eps to its layers or to its last norm.",
        belief="Both have a default, so nothing complains. Whoever builds the encoder with another eps then "
        "gets the default without a word.",
        hint="Everything that EncoderLayer takes has to be handed on, and LayerNorm takes eps too.",
        anchor="enc-handed-on",
        section="Everything is handed on",
        wrong=in_stack(
            {"stacked": _not_passed(5)},
            {"last": _last_with_default_eps},
            {"stacked": _not_passed(5), "last": _last_with_default_eps},
        ),
        evidence="https://github.com/keras-team/keras-hub/pull/133",
    ),
    Misconception(
        id="stack-dropout-not-passed",
        title="Your encoder does not pass dropout to its layers.",
        belief="The layers have a default of 0, so nothing complains, and in evaluation nothing can be seen.",
        hint="Everything that EncoderLayer takes has to be handed on.",
        anchor="enc-handed-on",
        section="Everything is handed on",
        wrong=in_stack({"stacked": _not_passed(3)}),
    ),
)
