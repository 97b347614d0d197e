"""Mistakes in the residual path of the encoder layer: what is added to what."""

from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.encoder_block.build import Layer, Mask, Path, in_layer


def _pre_without(first: bool, second: bool) -> Path:
    """Leave out the residual path around attention, around the network, or around both."""

    def pre(self: Layer, x: Tensor, mask: Mask) -> Tensor:
        a = self.attended(self.norm1(x), mask)
        x = a if first else x + a
        f = self.thought(self.norm2(x))
        return f if second else x + f

    return pre


def _post_without(first: bool, second: bool) -> Path:
    def post(self: Layer, x: Tensor, mask: Mask) -> Tensor:
        a = self.attended(x, mask)
        x = self.norm1(a if first else x + a)
        f = self.thought(x)
        return self.norm2(f if second else x + f)

    return post


def _added_to_itself(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    x = self.attended(self.norm1(x), mask)
    x = x + x
    return x + self.thought(self.norm2(x))


def _added_to_itself_post(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    x = self.attended(x, mask)
    x = self.norm1(x + x)
    return self.norm2(x + self.thought(x))


def _from_normed(first: bool, second: bool) -> Path:
    """Take the residual path after the norm, where x has been overwritten."""

    def pre(self: Layer, x: Tensor, mask: Mask) -> Tensor:
        n = self.norm1(x)
        x = (n if first else x) + self.attended(n, mask)
        n = self.norm2(x)
        return (n if second else x) + self.thought(n)

    return pre


def _second_from_the_start(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    a = x + self.attended(self.norm1(x), mask)
    return x + self.thought(self.norm2(a))


def _second_from_the_start_post(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    a = self.norm1(x + self.attended(x, mask))
    return self.norm2(x + self.thought(a))


def _attention_not_kept(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    return x + self.thought(self.norm2(self.attended(self.norm1(x), mask)))


def _attention_not_kept_post(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    return self.norm2(x + self.thought(self.norm1(self.attended(x, mask))))


def _side_by_side(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    return x + self.attended(self.norm1(x), mask) + self.thought(self.norm2(x))


def _side_by_side_post(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    a = self.norm1(x + self.attended(x, mask))
    return self.norm2(a + self.thought(x))


def _network_first(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    x = x + self.thought(self.norm1(x))
    return x + self.attended(self.norm2(x), mask)


def _network_first_post(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    x = self.norm1(x + self.thought(x))
    return self.norm2(x + self.attended(x, mask))


def _before_norm1(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    a = x + self.attended(x, mask)
    return self.norm2(a + self.thought(self.norm1(a)))


def _in_place(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    x += self.attended(self.norm1(x), mask)
    x += self.thought(self.norm2(x))
    return x


def _only_attention(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    return x + self.attended(self.norm1(x), mask)


def _only_attention_post(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    return self.norm1(x + self.attended(x, mask))


def _second_multiplied(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    x = x + self.attended(self.norm1(x), mask)
    return x * self.thought(self.norm2(x))


def _second_multiplied_post(self: Layer, x: Tensor, mask: Mask) -> Tensor:
    x = self.norm1(x + self.attended(x, mask))
    return self.norm2(x * self.thought(x))


RESIDUAL_MISTAKES = (
    Misconception(
        id="enc-no-residual",
        title="Your layer has no residual path: a sublayer's output takes the place of x.",
        belief="A sublayer turns x into something better, so why keep the old x? Because then every layer has "
        "to say everything anew, and the gradient has to pass through all of them. With the residual "
        "path a layer says only what changes, and the gradient has a way past it.",
        hint="Both sublayers add to x: two plus signs.",
        anchor="enc-residual",
        section="The residual path",
        wrong=in_layer(
            (_pre_without(True, True), _post_without(True, True)),
            (_pre_without(True, False), _post_without(True, False)),
            (_pre_without(False, True), _post_without(False, True)),
            (_added_to_itself, _added_to_itself_post),
        ),
        evidence="https://github.com/kyegomez/BitNet/issues/32",
    ),
    Misconception(
        id="enc-residual-from-normed",
        title="Your residual path starts behind the norm: you add to norm(x), not to x.",
        belief="With x = norm1(x) in a line of its own, the next line's x is the normalised one. What travels "
        "along the residual path is then normalised in every layer, and there is no way left that goes "
        "past all of them.",
        hint="Give the normalised tokens a name of their own, and keep x for the sum.",
        anchor="enc-pre-post",
        section="Two places for the norm",
        wrong=in_layer(
            (_from_normed(True, True), None),
            (_from_normed(True, False), None),
            (_from_normed(False, True), None),
        ),
        evidence="https://github.com/pytorch/pytorch/issues/61165",
    ),
    Misconception(
        id="enc-second-from-start",
        title="Your second sum starts from the layer's input again; what attention added is lost on the way.",
        belief="Both sums add to x, but it is not the same x. The second one is x with attention's part in it;"
        " starting anew, attention would be heard only through the network.",
        hint="After the first sum, x is that sum.",
        anchor="enc-residual",
        section="The residual path",
        wrong=in_layer(
            (_second_from_the_start, _second_from_the_start_post),
            (_attention_not_kept, _attention_not_kept_post),
        ),
        evidence="https://github.com/strutive07/transformer-tensorflow2.0/issues/14",
    ),
    Misconception(
        id="enc-side-by-side",
        title="Your network reads the layer's input; it should read what is there after attention.",
        belief="Attention and network side by side is a design that some large models use. Here one follows "
        "the other: first everyone listens, then everyone thinks about what they have heard.",
        hint="The network's input comes out of the first sum.",
        anchor="enc-residual",
        section="The residual path",
        wrong=in_layer((_side_by_side, _side_by_side_post)),
    ),
    Misconception(
        id="enc-network-first",
        title="Your layer thinks first and listens afterwards; attention comes first.",
        belief="In a deep stack the two alternate anyway, so the order looks arbitrary. But norm1 belongs to "
        "attention and norm2 to the network, and weights copied from another model count on it.",
        hint="First attention with norm1, then the network with norm2.",
        anchor="enc-residual",
        section="The residual path",
        wrong=in_layer((_network_first, _network_first_post)),
    ),
    Misconception(
        id="enc-only-attention",
        title="Your layer returns after attention; what the network adds is missing.",
        belief="Attention is the famous half. All it does is mix values; the bend that makes one layer more "
        "than a weighted mean, and most of the parameters, are in the network.",
        hint="Two sums in each case: one for attention, one for the network.",
        anchor="enc-residual",
        section="The residual path",
        wrong=in_layer((_only_attention, _only_attention_post)),
    ),
    Misconception(
        id="enc-multiplies",
        title="Your layer multiplies x by what the network says; it should add.",
        belief="Multiplication is a gate: a sublayer that has nothing to say would wipe the token out. Added, "
        "nothing to say is zero, and the token passes as it is.",
        hint="Both sums of the layer are sums.",
        anchor="enc-residual",
        section="The residual path",
        wrong=in_layer((_second_multiplied, _second_multiplied_post)),
        evidence="https://github.com/ChristophReich1996/MaxViT/issues/8",
    ),
    Misconception(
        id="enc-adds-in-place",
        title="Your layer adds in place, and so overwrites the x that it was given.",
        belief="x += y reads like x = x + y. For a tensor it is another thing: it writes into the caller's own "
        "x, and PyTorch refuses it where a gradient is wanted of that x.",
        hint="Write the sum out, so that a new tensor comes of it.",
        anchor="enc-residual",
        section="The residual path",
        wrong=in_layer((_in_place, None)),
    ),
    Misconception(
        id="enc-post-sum-before-norm",
        title="In post-norm your second sum starts before norm1; it should start behind it.",
        belief="It is right for pre-norm: there the sum stays untouched by norms. In post-norm the norm stands"
        " on the residual path itself, and everything that follows gets what comes out of it.",
        hint="In post-norm x is norm1's output from there on, for the network and for the sum.",
        anchor="enc-pre-post",
        section="Two places for the norm",
        wrong=in_layer((None, _before_norm1)),
        evidence="https://github.com/facebookresearch/multimodal/pull/317",
    ),
)
