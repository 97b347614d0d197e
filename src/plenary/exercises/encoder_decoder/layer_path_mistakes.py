"""Mistakes on the path through the decoder layer: what is added to what, and in which order."""

from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.encoder_decoder.layer_build import Forward, Mask, Reference, in_layer, layer


def _chain(order: str, added: str = "lct") -> dict[str, Forward]:
    """Build both ways through the layer: the parts by letter in this order; those not in ``added`` replace x.

    l listens with norm1, c consults the memory with norm2, t thinks with norm3.
    """

    def part(self: Reference, letter: str, x: Tensor, rest: tuple[Mask, ...]) -> Tensor:
        if letter == "t":
            return self.thought(x)
        return (self.listened if letter == "l" else self.consulted)(x, *rest)  # type: ignore[arg-type]

    def norm(self: Reference, letter: str) -> object:
        return {"l": self.norm1, "c": self.norm2, "t": self.norm3}[letter]

    def before(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
        for letter in order:
            new = part(self, letter, norm(self, letter)(x), rest)  # type: ignore[operator]
            x = x + new if letter in added else new
        return x

    def after(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
        for letter in order:
            new = part(self, letter, x, rest)
            x = norm(self, letter)(x + new if letter in added else new)  # type: ignore[operator]
        return x

    return {"before": before, "after": after}


def _cross_first_norms_in_place(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
    x = x + self.consulted(self.norm1(x), *rest)  # type: ignore[arg-type]
    x = x + self.listened(self.norm2(x), *rest)  # type: ignore[arg-type]
    return x + self.thought(self.norm3(x))


def _side_by_side(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
    listened = self.listened(self.norm1(x), *rest)  # type: ignore[arg-type]
    consulted = self.consulted(self.norm2(x), *rest)  # type: ignore[arg-type]
    return x + listened + consulted + self.thought(self.norm3(x))


def _from_the_input(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
    y = x + self.listened(self.norm1(x), *rest)  # type: ignore[arg-type]
    y = x + self.consulted(self.norm2(y), *rest)  # type: ignore[arg-type]
    return x + self.thought(self.norm3(y))


def _from_the_normed(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
    x = self.norm1(x)
    x = x + self.listened(x, *rest)  # type: ignore[arg-type]
    x = self.norm2(x)
    x = x + self.consulted(x, *rest)  # type: ignore[arg-type]
    x = self.norm3(x)
    return x + self.thought(x)


def _raw_query(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
    y = self.listened(x, *rest)  # type: ignore[arg-type]
    x = self.norm1(x + y)
    x = self.norm2(x + self.consulted(y, *rest))  # type: ignore[arg-type]
    return self.norm3(x + self.thought(x))


def _raw_query_before(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
    y = self.listened(self.norm1(x), *rest)  # type: ignore[arg-type]
    x = x + y
    x = x + self.consulted(self.norm2(y), *rest)  # type: ignore[arg-type]
    return x + self.thought(self.norm3(x))


def _in_place(self: Reference, x: Tensor, *rest: Mask) -> Tensor:
    x += self.listened(self.norm1(x), *rest)  # type: ignore[arg-type]
    x += self.consulted(self.norm2(x), *rest)  # type: ignore[arg-type]
    x += self.thought(self.norm3(x))
    return x


PATH_MISTAKES = (
    Misconception(
        id="decoder-no-residual",
        title="A part of your layer replaces x; what it returns should be added to x.",
        belief="A part has read x, so its output could seem to be the new x. It is an addition: what "
        "the tokens have heard. Without the sum a token forgets itself, and the gradient has no "
        "straight way back.",
        hint="Every one of the three parts has a plus in front of it.",
        anchor="dec-residual",
        section="Everything is added",
        wrong=in_layer(
            layer(**_chain("lct", added="")),
            layer(**_chain("lct", added="ct")),
            layer(**_chain("lct", added="lt")),
            layer(**_chain("lct", added="lc")),
        ),
        evidence="https://github.com/lucidrains/audiolm-pytorch/issues/150",
    ),
    Misconception(
        id="decoder-cross-before-self",
        title="Your layer asks the memory first, and listens to the target afterwards.",
        belief="The source comes before the target, so its attention may seem to come first. A question "
        "is better put when one knows what has been written: listening to the target comes first, "
        "asking the source second.",
        hint="Self-attention, then the memory, then the feed-forward network.",
        anchor="dec-layer",
        section="Three parts, in this order",
        wrong=in_layer(layer(**_chain("clt")), layer(before=_cross_first_norms_in_place)),
    ),
    Misconception(
        id="decoder-feed-forward-in-between",
        title="Your feed-forward network does not come last.",
        belief="In an encoder layer thinking follows listening, so it may seem to belong right after "
        "the first attention. In a decoder layer a token listens twice, then thinks once about both.",
        hint="Self-attention, then the memory, then the feed-forward network.",
        anchor="dec-layer",
        section="Three parts, in this order",
        wrong=in_layer(layer(**_chain("ltc"))),
    ),
    Misconception(
        id="decoder-no-cross-attention",
        title="Your layer has two parts: the attention to the memory is missing.",
        belief="That is an encoder layer, or a layer of a language model such as GPT. A decoder that "
        "translates needs a third part, between them, in which the target asks the source.",
        hint="Between listening to itself and thinking, the target consults the memory.",
        anchor="dec-layer",
        section="Three parts, in this order",
        wrong=in_layer(layer(**_chain("lt"))),
    ),
    Misconception(
        id="decoder-parts-side-by-side",
        title="All three parts of your layer read the same x.",
        belief="Adding three results at the end looks like three additions in a row. But then the "
        "question to the source is put without having listened to the target. Each part has to read "
        "what the part before it left.",
        hint="Update x after each part, and let the next one read the new x.",
        anchor="dec-layer",
        section="Three parts, in this order",
        wrong=in_layer(layer(before=_side_by_side)),
    ),
    Misconception(
        id="decoder-residual-from-the-input",
        title="Your layer adds each part to the x that came in, so earlier parts are lost.",
        belief="The residual path leads around one part, not around the layer. Added to the layer's "
        "first x, the last part drops what the attentions had to say, but for what reached it.",
        hint="Each part is added to the x that it was given.",
        anchor="dec-residual",
        section="Everything is added",
        wrong=in_layer(layer(before=_from_the_input)),
        evidence="https://github.com/strutive07/transformer-tensorflow2.0/issues/14",
    ),
    Misconception(
        id="decoder-residual-from-normed",
        title="Your layer adds to the normed x; in pre-norm it should add to x itself.",
        belief="Overwriting x by norm(x) saves a name and loses the residual path: the sum no longer "
        "contains what came in, and every layer starts again from a token of one size.",
        hint="Norm into a second name, or inside the call, and keep x for the sum.",
        anchor="dec-norms",
        section="Pre-norm and post-norm",
        wrong=in_layer(layer(before=_from_the_normed)),
        evidence="https://github.com/datawhalechina/happy-llm/issues/21",
    ),
    Misconception(
        id="decoder-query-without-residual",
        title="Your attention to the memory asks with what the self-attention returned, not with x.",
        belief="What the first attention returns is what was heard, not who was listening. The sum of "
        "both is the token, and it is the token that asks.",
        hint="After the first part, only the updated x is needed.",
        anchor="dec-residual",
        section="Everything is added",
        wrong=in_layer(layer(before=_raw_query_before, after=_raw_query)),
        evidence="https://github.com/ml-explore/mlx/pull/3382",
    ),
    Misconception(
        id="decoder-adds-in-place",
        title="Your layer adds in place, and so overwrites the x that it was given.",
        belief="x += y reads like x = x + y. For a tensor it is another thing: it writes into the "
        "caller's own x, and PyTorch refuses it where a gradient is wanted of that x.",
        hint="Write the sum out, so that a new tensor comes of it.",
        anchor="dec-residual",
        section="Everything is added",
        wrong=in_layer(layer(before=_in_place)),
    ),
)
