"""Pictures that follow the page, stand beside each other and speak to those who cannot see them."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from plenary import palette
from plenary.plotting import Picture, attention_heatmap, colour, figure, overlay, show, training_curves


def draw(alt: str = "The score rises with the width and then falls", height: float = 2.0) -> Picture:
    fig, ax = figure(height)
    for name in ("query", "key", "value", "wrong", "accent", "grid"):
        ax.plot([1, 3, 2], label=f"{name} $\\sqrt{{d_k}}$", color=colour(name))
    ax.fill_between([0, 1], [1, 2], color=colour("query"), alpha=0.3)
    ax.set(xlabel="width, $d_k$", ylabel="score", title="A title")
    ax.legend()
    return show(fig, alt=alt)


def ids(picture: Picture) -> list[str]:
    return re.findall(r' id="([^"]+)"', picture.svg)


def test_does_every_colour_follow_the_page():
    bare = re.sub(r"var\(--plenary-([a-z]+), (#[0-9a-f]{6})\)", "", draw().svg)
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[\";\s])", bare)
    for name in palette.names():
        assert palette.light(name) not in bare


def test_does_a_picture_carry_the_light_colours_for_pages_without_the_palette():
    pairs = set(re.findall(r"var\(--plenary-([a-z]+), (#[0-9a-f]{6})\)", draw().svg))
    assert {"ink", "muted", "paper", "grid", "query", "key", "value", "wrong", "accent"} == {
        name for name, _ in pairs
    }
    assert all(palette.light(name) == value for name, value in pairs)


def test_are_the_bytes_the_same_when_drawn_again():
    assert draw().svg == draw().svg


def test_are_the_bytes_the_same_in_another_process():
    code = (
        "from plenary.plotting import figure, show; fig, ax = figure(2); ax.plot([1, 2], marker='o');"
        "import sys; sys.stdout.write(show(fig, alt='It rises').svg)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], check=True, capture_output=True) for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout != b""


def test_can_two_pictures_stand_on_one_page():
    one, other = draw("The first of two pictures"), draw("The second of two pictures")
    assert ids(one)
    assert len(ids(one)) == len(set(ids(one)))
    assert not set(ids(one)) & set(ids(other))


def test_does_every_reference_inside_a_picture_find_its_target():
    svg = draw().svg
    targets = set(re.findall(r'href="#([^"]+)"', svg)) | set(re.findall(r"url\(#([^)]+)\)", svg))
    assert targets == set(ids(draw()))


def test_is_the_picture_an_image_with_its_alternative_text():
    root = ET.fromstring(draw('Weights "sum" to <one> & no more').svg)
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'Weights "sum" to <one> & no more'


def test_does_a_colour_in_the_alternative_text_stay_text():
    alt = f"The line in {palette.light('query')} rises"
    assert ET.fromstring(draw(alt).svg).get("aria-label") == alt


def test_does_nothing_in_the_picture_reach_the_page_or_the_network():
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.append(tag)
    parser.feed(draw().svg)
    assert not {"style", "script", "metadata", "link"} & set(tags)
    assert set(re.findall(r"https?://[^\s\"]+", draw().svg)) == {"http://www.w3.org/2000/svg"}


def test_what_does_jupyter_get():
    picture = draw()
    bundle = picture._repr_mimebundle_()
    assert bundle["text/html"] == bundle["image/svg+xml"] == picture.svg
    assert "The score rises" in bundle["text/plain"]
    assert set(picture._repr_mimebundle_(include={"text/html"})) == {"text/html"}
    assert set(picture._repr_mimebundle_(exclude={"text/html"})) == {"image/svg+xml", "text/plain"}


def test_is_the_figure_closed():
    before = plt.get_fignums()
    draw()
    assert plt.get_fignums() == before


@pytest.mark.parametrize("alt", ["", "  \n "])
def test_is_a_picture_without_words_refused(alt):
    fig, _ = figure()
    with pytest.raises(ValueError, match="expected alternative text, got an empty string"):
        show(fig, alt=alt)
    plt.close(fig)


def test_is_something_else_than_a_figure_refused():
    fig, ax = figure()
    with pytest.raises(TypeError, match=r"expected a matplotlib Figure, got Axes. Pass fig from figure\(\)"):
        show(ax, alt="The axes and not the figure")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="alternative text as a string, got int"):
        show(fig, alt=3)  # type: ignore[arg-type]
    plt.close(fig)


def test_is_an_unknown_colour_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no colour is called 'red'. Take one of ink,"):
        colour("red")


def test_are_several_panels_passed_on():
    fig, axes = figure(2.0, nrows=1, ncols=2)
    assert len(axes) == 2  # type: ignore[arg-type]
    assert fig.get_size_inches().tolist() == [4.8, 2.0]
    plt.close(fig)


# Sizes are prime and different, so that rows and columns cannot be swapped.
WEIGHTS = torch.randn(3, 5, 7, generator=torch.Generator().manual_seed(0)).softmax(-1)
ROWS, COLUMNS = (
    ["fünf", "Wörter", "sind", "nicht", "viel"],
    ["but", "seven", "words", "are", "a", "few", "more"],
)


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are shown, still with their parts."""
    figures = []
    for module in ("attention", "curves"):
        monkeypatch.setattr(
            f"plenary.plotting.{module}.show", lambda fig, alt: figures.append(fig) or show(fig, alt)
        )
    return figures


def opacities(ax, rows: int, columns: int) -> np.ndarray:
    """What each cell of a panel is covered with, read from the squares that were drawn."""
    found = np.zeros((rows, columns))
    for patch in ax.patches:
        corners = patch.get_path().vertices.reshape(-1, 5, 2)
        for column, row in corners.min(axis=1).astype(int):
            found[row, column] += patch.get_alpha()
    return found


def test_is_every_weight_drawn_where_its_query_and_its_key_meet(drawn):
    attention_heatmap(WEIGHTS, ROWS, COLUMNS, alt="Three heads")
    first, *_ = axes = drawn[0].axes
    for ax, head in zip(axes[:3], WEIGHTS, strict=True):
        np.testing.assert_allclose(opacities(ax, 5, 7), head, atol=1 / 80)
        assert ax.get_ylim() == (5, 0), "the first query stands on top"
    assert [text.get_text() for text in first.get_yticklabels()] == ROWS
    assert [text.get_text() for text in axes[2].get_xticklabels()] == COLUMNS
    assert [ax.get_title(loc="left") for ax in axes[:3]] == ["head 0", "head 1", "head 2"]


def test_are_the_weights_of_a_small_map_written_in_it(drawn):
    attention_heatmap(WEIGHTS[0], alt="One head")
    texts = list(drawn[0].axes[0].texts)
    assert [text.get_text() for text in texts] == [f"{w:.2f}" for w in WEIGHTS[0].flatten().tolist()]
    assert texts[9].get_position() == (2.5, 1.5)


def test_do_many_tokens_leave_room_for_their_names(drawn):
    names = [f"token{i}" for i in range(67)]
    attention_heatmap(torch.eye(67), names, alt="Everyone listens to himself")
    shown = [text.get_text() for text in drawn[0].axes[0].get_xticklabels()]
    assert 10 < len(shown) < 40
    assert shown == names[:: 67 // len(shown) + 1]


def test_does_an_attention_picture_take_what_a_model_gives():
    weights = WEIGHTS.to(torch.bfloat16).requires_grad_()
    assert "plenary-accent" in attention_heatmap(weights, alt="Half precision with a gradient").svg
    image = torch.rand(1, 4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert "data:image/png" in overlay(image, torch.ones(2, 3), alt="All patches alike").svg


def test_do_attention_pictures_follow_the_page_and_repeat():
    for make in (
        lambda: attention_heatmap(WEIGHTS, ROWS, COLUMNS, alt="Three heads"),
        lambda: overlay(np.full((3, 4, 6), 0.5), np.eye(2, 3), alt="Two patches"),
        lambda: training_curves(
            [{"epoch": 1, "validation_loss": 2.0}, {"epoch": 2, "validation_loss": 1.0}], alt="It falls"
        ),
    ):
        svg = make().svg
        assert svg == make().svg
        assert palette.light("accent") not in re.sub(r"var\([^)]*\)", "", svg)
        assert ET.fromstring(svg).get("aria-label")


def test_does_a_map_cover_the_patch_that_it_names(drawn):
    shares = np.array([[0.1, 0.0, 0.2], [0.0, 0.4, 0.3]])
    overlay(np.zeros((4, 9)), shares, alt="The patch in the middle of the second row")
    left, right = drawn[0].axes
    np.testing.assert_allclose(opacities(right, 2, 3), 0.85 * shares / 0.4, atol=1 / 80)
    assert left.images[0].get_extent() == [0, 3, 2, 0]
    assert "up to 40%" in right.get_title(loc="left")


def test_are_curves_named_at_their_ends_and_gaps_left_out(drawn):
    rows = [
        {"epoch": 1, "step": 7, "loss": 2.0, "validation_loss": None, "validation_accuracy": 0.5},
        {"epoch": 2, "step": 14, "loss": 1.0, "validation_loss": 1.1, "validation_accuracy": 0.75},
    ]
    training_curves(rows, alt="The loss halves", against="step")
    loss, accuracy = drawn[0].axes
    assert [line.get_xydata().tolist() for line in loss.lines] == [[[7, 2.0], [14, 1.0]], [[14, 1.1]]]
    assert accuracy.lines[0].get_xydata().tolist() == [[7, 50.0], [14, 75.0]]
    assert [(text.get_text(), text.xy) for text in loss.texts] == [
        ("training", (14, 1.0)),
        ("validation", (14, 1.1)),
    ]
    # Ends this near each other would print over each other.
    assert [text.get_verticalalignment() for text in loss.texts] == ["top", "bottom"]
    assert (loss.get_ylabel(), accuracy.get_ylabel(), accuracy.get_xlabel()) == (
        "loss (nats)",
        "accuracy (%)",
        "step",
    )


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: attention_heatmap(WEIGHTS[None], alt="a"), r"got \(1, 3, 5, 7\). Of a batch, take one"),
        (lambda: attention_heatmap(WEIGHTS * 9, alt="a"), "these run from .* scores before the softmax"),
        (lambda: attention_heatmap(WEIGHTS * np.nan, alt="a"), "these run from nan to nan"),
        (lambda: attention_heatmap(WEIGHTS, COLUMNS, alt="a"), r"expected 5 rows, got 7: \['but'"),
        (lambda: attention_heatmap(WEIGHTS, ROWS, ROWS, alt="a"), "expected 7 columns, got 5"),
        (lambda: attention_heatmap(WEIGHTS, alt="a", titles=["one"]), "expected 3 titles, got 1"),
        (
            lambda: attention_heatmap(torch.zeros(2, 101, 101), alt="a"),
            "20,402 cells; a page shows up to 10,000",
        ),
        (lambda: attention_heatmap(WEIGHTS, alt=" "), "expected alternative text"),
        (lambda: overlay(torch.zeros(2, 4, 6), torch.ones(2, 3), alt="a"), r"got \(2, 4, 6\) and \(2, 3\)"),
        (lambda: overlay(torch.zeros(4, 6), torch.ones(3, 2), alt="a"), "4 x 6 does not divide into 3 x 2"),
        (lambda: overlay(torch.full((4, 6), -1.0), torch.ones(2, 3), alt="a"), "from -1 to -1"),
        (lambda: overlay(torch.zeros(4, 6), -torch.ones(2, 3), alt="a"), "the map has -1"),
        (lambda: training_curves([], alt="a"), "expected rows with a column 'epoch', got no rows"),
        (lambda: training_curves([{"loss": 1.0}], alt="a"), "got a row with loss"),
        (lambda: training_curves([{"epoch": 1, "seconds": 2}], alt="a"), "got epoch, seconds"),
    ],
)
def test_are_numbers_that_make_no_picture_refused(call, said):
    before = plt.get_fignums()
    with pytest.raises(ValueError, match=said):
        call()
    for number in set(plt.get_fignums()) - set(before):
        plt.close(number)
