"""Are the digits split once and for all, class by class, and are images what a model expects?"""

from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.svm import SVC

from plenary.data import Images, ImageSplits, digit_folds, digits

N, C, H, W = 7, 3, 5, 11
CLASSES = ("a", "b")


def images(seed: int = 0, n: int = N):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (n, C, H, W), dtype=torch.uint8, generator=generator)


def rows(dataset: Images) -> set[bytes]:
    return {image.numpy().tobytes() for image in dataset.images}


def test_bytes_become_floats_between_0_and_1():
    labels = torch.tensor([0, 1, 0, 1, 0, 1, 1])
    whole = images()
    whole[3, 0, 0, :2] = torch.tensor([0, 255])
    index = torch.tensor([3, 0, 3])
    batch, found = Images(whole, labels, CLASSES)[index]
    assert batch.dtype == torch.float32
    assert torch.equal(batch * 255, whole[index].float())
    assert (batch.min(), batch.max()) == (0, 1)
    assert found.tolist() == [1, 0, 1]
    floats = whole / 256
    assert torch.equal(Images(floats, labels, CLASSES)[index][0], floats[index])


def test_reading_leaves_the_images_alone():
    dataset = Images(images() / 255, torch.zeros(N, dtype=torch.long), CLASSES)
    before = dataset.images.clone()
    dataset[torch.arange(N)][0].zero_()
    assert torch.equal(dataset.images, before)


def test_splits_know_size_channels_mean_and_deviation():
    dataset = Images(images(), torch.zeros(N, dtype=torch.long), CLASSES)
    splits = ImageSplits("name", dataset, dataset.subset(torch.tensor([1])))
    assert (splits.image_size, splits.in_channels, splits.classes) == ((H, W), C, CLASSES)
    pixels = images().double() / 255
    assert splits.mean == pytest.approx(pixels.mean((0, 2, 3)).tolist())
    assert splits.std == pytest.approx(pixels.std((0, 2, 3), correction=0).tolist())
    assert (len(splits.train), len(splits.test)) == (N, 1)


def test_the_mean_of_many_images_is_that_of_a_sample():
    many = images(n=11_003)
    splits = ImageSplits("", *[Images(many, torch.zeros(len(many), dtype=torch.long), CLASSES)] * 2)
    assert splits.mean == pytest.approx((many.double() / 255).mean((0, 2, 3)).tolist(), abs=0.005)
    assert splits.mean != pytest.approx((many.double() / 255).mean((0, 2, 3)).tolist(), abs=1e-7)
    assert splits.mean == ImageSplits("", splits.train, splits.test).mean


def test_the_digits_are_scikit_learns_in_two_fixed_parts_with_all_classes_in_both():
    splits = digits()
    assert (len(splits.train), len(splits.test)) == (1437, 360)
    assert (splits.image_size, splits.in_channels) == ((8, 8), 1)
    pixels, labels = load_digits(return_X_y=True)
    expected = sorted(zip((pixels / 16).astype("float32").tolist(), labels.tolist(), strict=True))
    both = [splits.train, splits.test]
    assert (
        sorted((i.flatten().tolist(), int(n)) for d in both for i, n in zip(d.images, d.labels, strict=True))
        == expected
    )
    shares = [dataset.labels.bincount() / len(dataset) for dataset in both]
    torch.testing.assert_close(shares[0], shares[1], atol=0.003, rtol=0)


def test_a_seed_gives_the_same_split_and_another_one_another():
    first, again, other = digits(0), digits(0), digits(1)
    assert torch.equal(first.test.images, again.test.images)
    assert rows(first.test) != rows(other.test)
    # The split that every figure of the course is measured on: if it changes, they have to be measured again.
    assert first.test.labels[:11].tolist() == [7, 6, 3, 7, 7, 3, 2, 8, 9, 3, 2]


@pytest.mark.parametrize("n", [3, 5])
def test_every_digit_is_tested_in_exactly_one_fold(n):
    folds = digit_folds(n)
    assert len(folds) == n
    assert sum(len(test) for _, test in folds) == 1797
    assert (
        sum(sum(test.images.sum((1, 2, 3)).tolist()) for _, test in folds)
        == load_digits(return_X_y=True)[0].sum() / 16
    )
    for train, test in folds:
        assert len(train) + len(test) == 1797
        assert not rows(train) & rows(test)
        assert (test.labels.bincount() - 1797 / n / 10).abs().max() < 4
    assert torch.equal(digit_folds(n)[1][1].images, folds[1][1].images)
    assert not torch.equal(digit_folds(n, seed=1)[1][1].labels, folds[1][1].labels)


def test_the_labels_belong_to_the_digits():
    train, test = digit_folds()[0]
    gamma: Any = 0.001 * 16**2  # as for pixels from 0 to 16
    svm = SVC(gamma=gamma, C=10).fit(train.images.flatten(1), train.labels)
    assert svm.score(test.images.flatten(1), test.labels) > 0.97


HALF: Any = 0.5


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: digits(-1), ValueError, "digits: seed must be 0 or more; it is -1"),
        (lambda: digits(HALF), TypeError, "digits: seed must be a whole number; it is 0.5"),
        (lambda: digit_folds(1), ValueError, "digit_folds: n must be 2 or more; it is 1"),
        (lambda: digit_folds(175), ValueError, "n is 175; the smallest class has 174 digits"),
        (
            lambda: Images(images().double(), torch.zeros(N).long(), CLASSES),
            TypeError,
            "they are torch.float64",
        ),
        (lambda: Images(images(), torch.zeros(N), CLASSES), TypeError, "and torch.float32"),
        (lambda: Images(images()[0], torch.zeros(N).long(), CLASSES), ValueError, r"\(3, 5, 11\) and \(7,\)"),
        (lambda: Images(images(), torch.zeros(5).long(), CLASSES), ValueError, r"\(7, 3, 5, 11\) and \(5,\)"),
        (
            lambda: Images(images(), torch.full((N,), 2), CLASSES),
            ValueError,
            "between 0 and 1, .* from 2 to 2",
        ),
        (lambda: Images(images(), torch.full((N,), -1), CLASSES), ValueError, "from -1 to -1"),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(call, error, said):
    with pytest.raises(error, match=said):
        call()
