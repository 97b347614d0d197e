"""Is any folder of pictures read, class by class, and does one that cannot be say why?"""

import pickle

import pytest
import torch
from PIL import Image

from plenary.data import image_folder

SIZE = 13
COLOURS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}


def paint(file, colour=(200, 100, 50), size=(17, 19)):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(file)


@pytest.fixture
def whole(tmp_path):
    """One folder a class: 11 blue, 7 green and 5 red pictures."""
    for (name, colour), count in zip(COLOURS.items(), (11, 7, 5), strict=True):
        for number in range(count):
            paint(tmp_path / "all" / name / f"{number:02}.png", colour)
    return tmp_path / "all"


@pytest.fixture
def parts(tmp_path):
    """train/ with 3 pictures a class and test/ with 2."""
    for part, count in (("train", 3), ("test", 2)):
        for name, colour in COLOURS.items():
            for number in range(count):
                paint(tmp_path / "two" / part / name / f"{number}.jpg", colour)
    return tmp_path / "two"


def colours_match(dataset):
    images, labels = dataset[torch.arange(len(dataset))]
    expected = torch.tensor([COLOURS[dataset.classes[label]] for label in labels]) / 255
    return bool(((images.mean((2, 3)) - expected).abs() < 0.02).all())


def test_train_and_test_folders_are_read(parts):
    splits = image_folder(parts, SIZE)
    assert splits.classes == ("blue", "green", "red")
    assert (splits.image_size, splits.in_channels, splits.name) == ((SIZE, SIZE), 3, "two")
    assert splits.train.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert splits.test.labels.tolist() == [0, 0, 1, 1, 2, 2]
    images, labels = splits.train[torch.tensor([8, 0])]
    assert images.shape == (2, 3, SIZE, SIZE)
    assert images.dtype == torch.float32
    assert labels.tolist() == [2, 0]
    assert colours_match(splits.train)
    assert colours_match(splits.test)
    assert splits.mean == pytest.approx((1 / 3, 1 / 3, 1 / 3), abs=0.01)


@pytest.mark.parametrize("name", ["val", "validation"])
def test_the_other_part_may_be_called_val(parts, name):
    (parts / "test").rename(parts / name)
    assert len(image_folder(parts, SIZE).test) == 6


def test_without_parts_a_fixed_share_of_every_class_is_kept_for_testing(whole):
    splits = image_folder(str(whole), SIZE, test_share=0.3)
    assert (len(splits.train), len(splits.test)) == (16, 7)
    assert splits.test.labels.bincount().tolist() == [3, 2, 2]
    train, test, again, other = (
        set(files)
        for files in (
            splits.train.files,
            splits.test.files,
            image_folder(whole, SIZE, test_share=0.3).test.files,
            image_folder(whole, SIZE, test_share=0.3, seed=1).test.files,
        )
    )
    assert len(train | test) == 23
    assert test == again != other
    assert colours_match(splits.train)
    assert colours_match(splits.test)


def test_the_smallest_folder_that_can_be_split(tmp_path):
    for name in COLOURS:
        paint(tmp_path / name / "a.png")
        paint(tmp_path / name / "b.png")
    splits = image_folder(tmp_path, SIZE, test_share=0.01)
    assert splits.train.labels.tolist() == splits.test.labels.tolist() == [0, 1, 2]


def test_the_shorter_side_is_resized_and_the_middle_kept(tmp_path):
    wide = Image.new("RGB", (60, 20), (255, 0, 0))
    wide.paste((0, 255, 0), (20, 0, 40, 20))  # the middle third
    for name in ("a", "b"):
        paint(tmp_path / "a" / f"{name}.png")
        (tmp_path / "b").mkdir(exist_ok=True)
        wide.save(tmp_path / "b" / f"{name}.png")
    splits = image_folder(tmp_path, 5)
    image = splits.test[torch.tensor([1])][0][0]
    torch.testing.assert_close(image[1, :, 1:-1], torch.ones(5, 3), atol=0.05, rtol=0)


def test_shrinking_averages_instead_of_skipping(tmp_path):
    stripes = Image.new("L", (70, 70))
    stripes.putdata([255 * (x // 2 % 2) for _ in range(70) for x in range(70)])
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        stripes.save(tmp_path / name / "0.png")
        stripes.save(tmp_path / name / "1.png")
    image = image_folder(tmp_path, 7).train[torch.tensor([0])][0]
    assert image.shape == (1, 3, 7, 7), "grey pictures are read in colour too"
    assert (image - 0.5).abs().max() < 0.05


def test_hidden_folders_and_other_files_are_no_pictures(whole):
    (whole / ".ipynb_checkpoints").mkdir()
    (whole / "blue" / "notes.txt").write_text("not a picture")
    (whole / "LICENSE").write_text("nor this")
    splits = image_folder(whole, SIZE)
    assert splits.classes == ("blue", "green", "red")
    assert len(splits.train) + len(splits.test) == 23


def test_a_class_may_be_called_train(tmp_path):
    for name in ("car", "train"):
        for number in range(2):
            paint(tmp_path / name / f"{number}.png")
    assert image_folder(tmp_path, SIZE).classes == ("car", "train")


def test_workers_can_read_it(parts):
    splits = image_folder(parts, SIZE)
    copy = pickle.loads(pickle.dumps(splits.train))
    assert torch.equal(copy[torch.tensor([4])][0], splits.train[torch.tensor([4])][0])


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_truncated_picture_is_named_when_it_is_read(parts, ending):
    file = parts / "train" / "green" / f"9.{ending}"
    paint(file, size=(170, 190))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    train = image_folder(parts, SIZE).train
    number = train.files.index(str(file))
    train[torch.tensor([0, 1])]
    with pytest.raises(OSError, match=rf"green/9\.{ending} cannot be read as a picture \(.+\)\. Replace it"):
        train[torch.tensor([0, number])]


def test_a_broken_png_is_named(parts):
    file = parts / "train" / "green" / "9.png"
    Image.effect_noise((300, 300), 99).save(file)
    first, second, *more = file.read_bytes().split(b"IDAT")
    file.write_bytes(b"IDAT".join([first, second]) + b"?\0?\0" + b"IDAT".join(more))
    with pytest.raises(OSError, match=r"green/9\.png cannot be read as a picture \(broken PNG file"):
        image_folder(parts, SIZE).train[torch.arange(10)]


def test_text_under_a_pictures_name_is_named(parts):
    (parts / "train" / "green" / "0.jpg").write_text("not a picture")
    with pytest.raises(OSError, match=r"green/0\.jpg cannot be read as a picture"):
        image_folder(parts, SIZE).train[torch.arange(9)]


def remove(folder):
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def test_a_folder_that_is_not_there_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*/absent"):
        image_folder(tmp_path / "absent", SIZE)


def test_a_file_in_place_of_a_folder_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"file must be a folder; it is a file"):
        image_folder(tmp_path / "file", SIZE)


def test_a_folder_without_classes_says_so(tmp_path):
    paint(tmp_path / "0.png")
    with pytest.raises(FileNotFoundError, match="must hold one folder a class; it holds no folder"):
        image_folder(tmp_path, SIZE)


@pytest.mark.parametrize("name", COLOURS)
def test_a_class_without_pictures_is_named(parts, name):
    for file in (parts / "test" / name).iterdir():
        file.rename(file.with_suffix(".txt"))
    with pytest.raises(
        FileNotFoundError, match=rf"every class needs pictures \(\.jpg.*none in .*test/{name}\."
    ):
        image_folder(parts, SIZE)


def test_different_classes_in_the_two_parts_are_named(parts):
    remove(parts / "test" / "green")
    paint(parts / "test" / "black" / "0.png")
    with pytest.raises(ValueError, match=r"the same classes; only in train/: green; only in test/: black\."):
        image_folder(parts, SIZE)


@pytest.mark.parametrize("missing", ["train", "test"])
def test_half_of_two_parts_says_what_is_missing(parts, missing):
    (parts / missing).rename(parts.parent / "elsewhere")
    there = {"train": "test", "test": "train"}[missing]
    with pytest.raises(FileNotFoundError, match=rf"belong together; .* holds {there}/\. Add the other one"):
        image_folder(parts, SIZE)


def test_a_class_of_one_picture_cannot_be_split(whole):
    paint(whole / "single" / "0.png")
    with pytest.raises(ValueError, match=r"a class needs 2 pictures or more, .* has 1 of single"):
        image_folder(whole, SIZE)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"image_size": 0}, "image_folder: image_size must be 1 or more; it is 0"),
        ({"image_size": SIZE, "seed": -1}, "image_folder: seed must be 0 or more; it is -1"),
        ({"image_size": SIZE, "test_share": 1.5}, "test_share must lie between 0 and 1; it is 1.5"),
    ],
)
def test_numbers_out_of_range_are_named(whole, arguments, said):
    with pytest.raises(ValueError, match=said):
        image_folder(whole, **arguments)
