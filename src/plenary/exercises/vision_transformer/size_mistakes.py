"""Mistakes about the picture's size, and about what has to be refused."""

from typing import Any

import torch
from torch import Tensor, nn

from plenary.checks.exercise import Misconception
from plenary.exercises.vision_transformer.build import Reference, in_model


class _AnySize(Reference):
    def look(self, images: Tensor) -> None:
        if images.shape[-1] * images.shape[-2] != self.image_size[0] * self.image_size[1]:
            raise ValueError("other positions")


class _CutsPositions(Reference):
    def look(self, images: Tensor) -> None:
        pass

    def placed(self, patches: Tensor) -> Tensor:
        x = torch.cat([self.class_token.expand(len(patches), -1, -1), patches], 1)
        return x + self.positions[:, : x.shape[1]]


class _WidthFirst(Reference):
    def look(self, images: Tensor) -> None:
        if tuple(images.shape[-2:]) != self.image_size[::-1]:
            raise ValueError("other size")


class _OneSide(Reference):
    """Squares one side of the picture."""

    side = 0

    def __init__(self, image_size: Any, patch_size: int, *arguments: Any, **named: Any) -> None:
        super().__init__(image_size, patch_size, *arguments, **named)
        count = (self.image_size[self.side] // patch_size) ** 2
        self.positions = nn.Parameter(torch.zeros(1, 1 + count, self.positions.shape[-1]))


class _OtherSide(_OneSide):
    side = 1


class _IntegerOnly(_OneSide):
    """Takes it that image_size is a number."""

    def __init__(self, image_size: Any, patch_size: int, *arguments: Any, **named: Any) -> None:
        if (image_size // patch_size) ** 2:
            super().__init__(image_size, patch_size, *arguments, **named)


class _TupleOnly(Reference):
    def __init__(self, image_size: Any, *arguments: Any, **named: Any) -> None:
        height, width = image_size
        super().__init__((height, width), *arguments, **named)


class _RestIgnored(Reference):
    def refuse(self) -> None:
        if self.pool not in ("class", "mean"):
            raise ValueError("no such pool")


class _TotalOnly(Reference):
    def refuse(self) -> None:
        if self.image_size[0] * self.image_size[1] % self.patch_size**2 or self.pool not in ("class", "mean"):
            raise ValueError("does not divide")


class _HeightOnly(Reference):
    def refuse(self) -> None:
        if self.image_size[0] % self.patch_size or self.pool not in ("class", "mean"):
            raise ValueError("does not divide")


class _AnyPool(Reference):
    def refuse(self) -> None:
        if any(side % self.patch_size for side in self.image_size):
            raise ValueError("does not divide")


class _NothingRefused(Reference):
    def refuse(self) -> None:
        pass


class _NothingEverRefused(_NothingRefused, _AnySize):
    pass


SIZE_MISTAKES = (
    Misconception(
        id="vit-turned-picture-accepted",
        title="Your model takes pictures of another size.",
        belief="The number of positions seems to check it: another number of patches cannot be added. But "
        "28 x 20 has as many patches as 20 x 28. The sum works, and every position from the second "
        "row on means another place; and a slice of the positions lets smaller pictures through as "
        "well.",
        hint="Compare the last two axes of images with the size that the model was built for, and raise "
        "ValueError.",
        anchor="vit-refuse",
        section="What is refused",
        wrong=in_model(_AnySize, _CutsPositions),
    ),
    Misconception(
        id="vit-width-first",
        title="You read image_size as (width, height); it is (height, width).",
        belief="Screens and photographs are named width first, and so does PIL. Tensors of pictures are (B, "
        "C, H, W): the height comes before the width, and image_size keeps that order.",
        hint="image_size compares directly with the last two entries of images.shape.",
        anchor="vit-refuse",
        section="What is refused",
        wrong=in_model(_WidthFirst),
    ),
    Misconception(
        id="vit-square-only",
        title="You count the patches as if every picture were square.",
        belief="(image_size // patch_size) ** 2 is what the paper's pictures need, 224 x 224. A picture of "
        "20 x 28 has 5 rows and 7 columns of patches, and image_size comes as a pair then.",
        hint="Make height and width out of image_size first, and multiply rows by columns.",
        anchor="vit-refuse",
        section="What is refused",
        wrong=in_model(_IntegerOnly, _OneSide, _OtherSide),
        evidence="https://github.com/lucidrains/vit-pytorch/issues/197",
    ),
    Misconception(
        id="vit-pair-only",
        title="Your model wants image_size as a pair; a single number is allowed as well.",
        belief="A pair is the general case. Most pictures are square, though, and VisionTransformer(224, "
        "16, ...) is how everybody writes it.",
        hint="Look whether it is an int, and then use it for both sides.",
        anchor="vit-refuse",
        section="What is refused",
        wrong=in_model(_TupleOnly),
    ),
    Misconception(
        id="vit-rest-accepted",
        title="Your model can be built for a picture that does not divide into patches.",
        belief="// rounds down without a word, so 22 // 4 gives 5 rows and the last two rows of pixels "
        "belong to nobody. (A product may divide although one of its sides does not.)",
        hint="Look at the rest of the division, for the height and for the width, and raise ValueError in "
        "the constructor.",
        anchor="vit-refuse",
        section="What is refused",
        wrong=in_model(_RestIgnored, _TotalOnly, _HeightOnly),
    ),
    Misconception(
        id="vit-any-pool",
        title="Your model can be built with a pool that does not exist.",
        belief='An else takes whatever is left: with pool="max", or with a slip like "cls", the model reads '
        "something, and nobody hears that it is not what was asked for.",
        hint='Raise ValueError in the constructor unless pool is "class" or "mean".',
        anchor="vit-refuse",
        section="What is refused",
        wrong=in_model(_AnyPool),
    ),
    Misconception(
        id="vit-nothing-refused",
        title="Your model refuses nothing when it is built.",
        belief="Right sizes give right answers, which is most of the work. Wrong ones should stop where "
        "they are made, with a sentence that says what is wrong, and not three calls later in a "
        "matrix product.",
        hint="Check image_size against patch_size, and pool against its two names, before anything is built.",
        anchor="vit-refuse",
        section="What is refused",
        wrong=in_model(_NothingRefused, _NothingEverRefused),
    ),
)
