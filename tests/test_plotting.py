"""Pictures that follow the page, stand beside each other and speak to those who cannot see them."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import matplotlib.pyplot as plt
import pytest

from plenary import palette
from plenary.plotting import Picture, colour, figure, show


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
