"""Mistakes with pictures that do not divide into patches: they should be refused, by a ValueError."""

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from plenary.checks.exercise import Misconception
from plenary.exercises.patches.build import Cut, in_cutting, right_cut

_PATTERN = "b c (h p) (w q) -> b (h w) (p q c)"


def _cropped(images: Tensor, patch_size: int) -> Tensor:
    height, width = (side // patch_size * patch_size for side in images.shape[-2:])
    return right_cut(images[:, :, :height, :width], patch_size)


def _padded(images: Tensor, patch_size: int) -> Tensor:
    down, across = (-side % patch_size for side in images.shape[-2:])
    return right_cut(F.pad(images, (0, across, 0, down)), patch_size)


def _unchecked(images: Tensor, patch_size: int) -> Tensor:
    batch, channels, height, width = images.shape
    rows, columns = height // patch_size, width // patch_size
    split = images.reshape(batch, channels, rows, patch_size, columns, patch_size)
    return split.permute(0, 2, 4, 3, 5, 1).reshape(batch, rows * columns, -1)


def _unchecked_by_einops(images: Tensor, patch_size: int) -> Tensor:
    return rearrange(images, _PATTERN, p=patch_size, q=patch_size)


def _checked(dividing: object, cut: Cut) -> Cut:
    """Refuse what a check finds, and cut what it lets through."""

    def checked(images: Tensor, patch_size: int) -> Tensor:
        if not dividing(*images.shape[-2:], patch_size):  # type: ignore[operator]
            raise ValueError("the picture does not divide into patches")
        return cut(images, patch_size)

    return checked


def _area(height: int, width: int, patch_size: int) -> bool:
    return height * width % (patch_size * patch_size) == 0


def _height(height: int, width: int, patch_size: int) -> bool:
    return height % patch_size == 0


def _width(height: int, width: int, patch_size: int) -> bool:
    return width % patch_size == 0


def _either(height: int, width: int, patch_size: int) -> bool:
    return height % patch_size == 0 or width % patch_size == 0


SIZE_MISTAKES = (
    Misconception(
        id="patch-cropped",
        title="You drop what is left over at the right and at the bottom, without a word.",
        belief="Dividing with // rounds down, and unfold takes the windows that fit. The result has a sensible "
        "shape, and nobody will notice that up to P - 1 lines of every picture are never seen.",
        hint="Look at the remainder of both sides before you cut, and raise a ValueError if there is one.",
        anchor="pat-divide",
        section="A picture that does not divide",
        wrong=in_cutting(_cropped),
        evidence="https://github.com/vanvalenlab/deepcell-tf/pull/257",
    ),
    Misconception(
        id="patch-padded",
        title="You fill up a picture that does not divide; it should be refused.",
        belief="Padding is a decent remedy, and one that the caller may choose. Done in here it adds tokens that "
        "show nothing, and positions that no longer agree with the picture's size.",
        hint="Raise a ValueError that says which side does not divide.",
        anchor="pat-divide",
        section="A picture that does not divide",
        wrong=in_cutting(_padded),
    ),
    Misconception(
        id="patch-error-left-to-torch",
        title="A picture that does not divide ends in whatever error the reshape raises, not in a ValueError.",
        belief="It does stop, so no wrong numbers come out. But the message speaks of shapes with six axes "
        "inside your function; whoever called it wants to hear which side does not divide by what.",
        hint="Check both remainders first and raise ValueError with height, width and patch_size in the "
        "message.",
        anchor="pat-divide",
        section="A picture that does not divide",
        wrong=in_cutting(_unchecked, _unchecked_by_einops),
    ),
    Misconception(
        id="patch-area-check",
        title="You check that the area divides; each side has to.",
        belief="N is H W / P^2, so it is tempting to ask only that this is whole. 10 x 8 pixels are five times "
        "the area of a 4 x 4 patch, and no grid of such patches covers them.",
        hint="Two remainders, one for the height and one for the width.",
        anchor="pat-divide",
        section="A picture that does not divide",
        wrong=in_cutting(
            _checked(_area, _unchecked),
            _checked(_area, _unchecked_by_einops),
            _checked(_area, _cropped),
            embedded=1,
        ),
    ),
    Misconception(
        id="patch-one-side-checked",
        title="You check one side only.",
        belief="With square pictures one check serves for both. Here height and width are two numbers, and "
        "either can leave a remainder.",
        hint="Refuse the picture if the height or the width does not divide.",
        anchor="pat-divide",
        section="A picture that does not divide",
        wrong=in_cutting(
            *(
                _checked(check, cut)
                for cut in (_unchecked, _unchecked_by_einops, _cropped)
                for check in (_height, _width)
            ),
            embedded=2,
        ),
    ),
    Misconception(
        id="patch-both-sides-wrong",
        title="You refuse a picture only if neither side divides.",
        belief="Both sides have to divide; the picture is bad as soon as one does not. Turned round, an and "
        "becomes an or.",
        hint="Read your condition aloud for a picture whose height divides and whose width does not.",
        anchor="pat-divide",
        section="A picture that does not divide",
        wrong=in_cutting(
            _checked(_either, _unchecked),
            _checked(_either, _unchecked_by_einops),
            _checked(_either, _cropped),
            embedded=1,
        ),
    ),
)
