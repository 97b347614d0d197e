"""Are patches cut in the order that the book says, and is a linear layer on them the strided convolution?"""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from plenary import PatchEmbedding, linear_weight_from_conv, patchify, unpatchify

# A picture of 20 x 28 in patches of 4: a grid of 5 x 7.
B, C, P, HEIGHT, WIDTH, D = 2, 3, 4, 20, 28, 11


def normal(*shape: int, seed: int = 1, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def test_patches_run_row_by_row_and_inside_a_patch_by_row_column_and_channel():
    images = normal(B, C, HEIGHT, WIDTH)
    patches = patchify(images, P)
    assert patches.shape == (B, 35, 48)
    for row in range(5):
        for column in range(7):
            patch = images[:, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            assert torch.equal(patches[:, 7 * row + column], patch.permute(0, 2, 3, 1).flatten(1))


@given(
    b=st.integers(0, 3),
    c=st.integers(1, 4),
    p=st.integers(1, 4),
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
)
def test_unpatchify_undoes_patchify(b, c, p, rows, columns):
    images = normal(b, c, p * rows, p * columns)
    patches = patchify(images, p)
    assert patches.shape == (b, rows * columns, p * p * c)
    assert torch.equal(unpatchify(patches, p, p * rows, p * columns), images)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_linear_layer_on_patches_is_a_strided_convolution(dtype, run, assert_same, randomised):
    conv = randomised(torch.nn.Conv2d(C, D, P, stride=P), dtype)
    ours = PatchEmbedding(C, P, D).to(dtype)

    def translate(state):
        return {
            "projection.weight": linear_weight_from_conv(state["weight"]),
            "projection.bias": state["bias"],
        }

    class Reference(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.bias = conv.weight, conv.bias

        def forward(self, images):
            return F.conv2d(images, self.weight, self.bias, stride=P).flatten(2).mT

    ours.load_state_dict(translate(conv.state_dict()))
    images = normal(B, C, HEIGHT, WIDTH, dtype=dtype)
    assert_same(run(ours, images), run(Reference(), images), translate)


def test_inputs_are_left_alone():
    images = normal(B, C, HEIGHT, WIDTH)
    before = images.clone()
    patchify(images, P).zero_()
    assert torch.equal(images, before)


IMAGES = torch.zeros(B, C, HEIGHT, WIDTH)
PATCHES = torch.zeros(B, 35, P * P * C)


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: patchify(IMAGES, 3),
            "patchify: the image's height 20 does not divide by patch_size 3: 20 = 6 x 3 .* 2. Take 18 or 21",
        ),
        (lambda: patchify(IMAGES, 5), "the image's width 28 does not divide by patch_size 5"),
        (lambda: patchify(IMAGES, 0), "must be 1 or more; they are 20 and 0"),
        (lambda: patchify(IMAGES, 100), "20 = 0 x 100 .* 20. Take 100 for"),
        (lambda: unpatchify(PATCHES, P, 20, 30), "unpatchify: the image's width 30 does not divide"),
        (lambda: unpatchify(PATCHES, P, 20, 24), "20 x 24 has 5 x 6 = 30 patches of 4 x 4; 35 came"),
        (
            lambda: unpatchify(PATCHES[..., 1:], P, HEIGHT, WIDTH),
            "a patch's length 47 does not divide by patch_size \\* patch_size 16",
        ),
        (
            lambda: PatchEmbedding(1, P, D)(IMAGES),
            r"expected images \(B, 1, H, W\), got \(2, 3, 20, 28\)",
        ),
        (lambda: PatchEmbedding(C, P, D)(IMAGES[0]), r"expected images \(B, 3, H, W\), got \(3, 20, 28\)"),
        (lambda: PatchEmbedding(C, 8, D)(IMAGES), "the image's height 20 does not divide by patch_size 8"),
    ],
)
def test_a_bad_size_says_what_was_expected_and_what_came(call, said):
    with pytest.raises(ValueError, match=said):
        call()
