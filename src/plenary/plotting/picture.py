"""Figures as inline SVG that follows the reader's light or dark page."""

import re
from collections.abc import Container
from hashlib import sha256
from html import escape
from io import StringIO

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from plenary import palette
from plenary.plotting.style import colour


class Picture:
    """A finished figure: inline SVG with alternative text, shown as the last expression of a cell."""

    def __init__(self, svg: str, alt: str) -> None:
        self.svg = svg
        self.alt = alt

    def __repr__(self) -> str:
        return f"Picture({self.alt!r})"

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None
    ) -> dict[str, str]:
        """What Jupyter and the book show: HTML where they can, the same SVG or the words where not."""
        bundle = {"text/html": self.svg, "image/svg+xml": self.svg, "text/plain": repr(self)}
        return {
            mime: data
            for mime, data in bundle.items()
            if (not include or mime in include) and not (exclude and mime in exclude)
        }


def show(fig: Figure, alt: str) -> Picture:
    """Close a figure and turn it into a picture whose colours follow the page it stands on.

    Args:
        fig: the figure, drawn with colours from `colour`.
        alt: the message of the picture in words, for a reader who cannot see it.

    Raises:
        TypeError: `fig` is not a matplotlib figure or `alt` is not text.
        ValueError: `alt` says nothing.
    """
    if not isinstance(fig, Figure):
        raise TypeError(
            f"show: expected a matplotlib Figure, got {type(fig).__name__}. Pass fig from figure()."
        )
    if not isinstance(alt, str):
        raise TypeError(f"show: expected the alternative text as a string, got {type(alt).__name__}.")
    if not alt.strip():
        raise ValueError(
            "show: expected alternative text, got an empty string. Say in a sentence what the picture shows, "
            'for example alt="The weights of row 2 peak at key 5".'
        )
    alt = " ".join(alt.split())
    buffer = StringIO()
    # Letters become outlines: they look the same everywhere, labels stay where matplotlib put them and formulas do
    # not fall apart. The salt gives the same ids on every run, and without date and version the same bytes.
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with plt.rc_context({"svg.fonttype": "path", "svg.hashsalt": "plenary"}):
        fig.savefig(buffer, format="svg", metadata=nothing)
    plt.close(fig)
    return Picture(_inline(buffer.getvalue(), alt), alt)


def _inline(svg: str, alt: str) -> str:
    """An SVG file of matplotlib as an element that may stand in a page with others of its kind."""
    head, body = svg[svg.index("<svg") :].split(">", 1)
    box = re.findall(r'viewBox="([^"]*)"', head)[0]
    # A <style> would reach the whole page; its two settings are put on the root, where they are inherited.
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"\s+", " ", body).replace("> <", "><").replace("xlink:href", "href")
    # The paper comes with the picture: on a page without the palette (a notebook in a dark JupyterLab) the
    # dark ink of the fallback still stands on light paper.
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" class="plenary-figure" '
        f'role="img" aria-label="{escape(alt)}" '
        'style="display: block; width: 100%; max-width: 36rem; height: auto; margin: 0 auto; '
        f'background: {_variable("paper")}; stroke-linejoin: round; stroke-linecap: butt">'
        f"{_follow_the_page(_own_ids(body, alt)).strip()}"
    )


def _own_ids(body: str, alt: str) -> str:
    """Ids that no other picture has, on the elements that are referred to; the others lose theirs."""
    prefix = "p" + sha256((body + alt).encode()).hexdigest()[:10]
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', body))
    names = {name for pair in used for name in pair if name}
    body = re.sub(r' id="([^"]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in names else "", body)
    body = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', body)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", body)


def _variable(name: str) -> str:
    return f"var({palette.PREFIX}{name}, {colour(name)})"


def _follow_the_page(svg: str) -> str:
    """Each palette colour as its CSS variable; matplotlib writes colours in style attributes only."""
    for name in palette.names():
        svg = svg.replace(colour(name), _variable(name))
    return svg
