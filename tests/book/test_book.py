"""The built book, file by file: nothing missing, nothing dangling, nothing that asks for the network."""

import os
import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup, Tag

ROOT = Path(__file__).parents[2]
HTML = Path(os.environ.get("PLENARY_TEST_BOOK", ROOT / "_build" / "html"))
CHAPTERS = re.findall(r"(?:root|file): *(\S+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
# The page of the search is built beside them.
PAGES = [*CHAPTERS, "search"]
each_page = pytest.mark.parametrize("name", PAGES)

ELSEWHERE = re.compile(r"\s*(?:[a-z]+:)?//", re.IGNORECASE)
# Attributes whose value a browser fetches by itself. A link to a paper (`a href`) waits for the reader.
FETCHED = {
    "src": "[src]",
    "srcset": "[srcset]",
    "poster": "[poster]",
    "data": "object[data]",
    "href": "link[href], use[href], image[href]",
    "xlink:href": "[xlink\\:href]",
}
IN_STYLE = re.compile(r"url\(\s*[\"']?([^\"')]+)|@import\s+[\"']([^\"']+)", re.IGNORECASE)
# A script that fetches a file names it in one of these ways. MathJax is left to the tests in a real browser.
IN_SCRIPT = re.compile(
    r"(?:\bfrom|\bimport\s*\(?|\bfetch\s*\(|\.src\s*=|_URL\s*=|\brequire\s*\()\s*[\"'`]((?:https?:)?//[^\"'`]+)"
)


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    if not (HTML / "index.html").is_file():
        pytest.fail(f"there is no book in {HTML}: run `make book`, then the tests again")


@cache
def page(name: str) -> BeautifulSoup:
    path = HTML / f"{name}.html"
    assert path.is_file(), f"{name} is in _toc.yml and was not built"
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def attribute(tag: Tag, name: str) -> str:
    return str(tag.get(name, ""))


def target_of(name: str, address: str) -> tuple[Path, str]:
    """The file and the anchor that a relative address on a page leads to."""
    parts = urlsplit(address)
    here = HTML / f"{name}.html"
    there = (here.parent / unquote(parts.path)).resolve() if parts.path else here
    return there, unquote(parts.fragment)


def test_is_every_page_in_the_table_of_contents():
    written = {path.relative_to(ROOT).with_suffix("").as_posix() for path in (ROOT / "book").rglob("*.md")}
    assert written == set(CHAPTERS)
    assert len(CHAPTERS) == len(set(CHAPTERS))


def test_does_the_front_door_lead_to_the_front_page():
    door = (HTML / "index.html").read_text(encoding="utf-8")
    assert f"url={CHAPTERS[0]}.html" in door


@each_page
def test_has_the_page_one_heading_a_title_and_a_language(name):
    assert len(page(name).find_all("h1")) == 1
    assert page(name).title is not None
    assert page(name).title.get_text(strip=True)  # type: ignore[union-attr]
    assert [attribute(tag, "lang") for tag in page(name).find_all("html")] == ["en"]


@each_page
def test_does_the_page_load_nothing_from_the_network(name):
    soup = page(name)
    fetched = [attribute(tag, key) for key, which in FETCHED.items() for tag in soup.select(which)]
    styles = [tag.get_text() for tag in soup.find_all("style")]
    styles += [attribute(tag, "style") for tag in soup.select("[style]")]
    fetched += [one for css in styles for pair in IN_STYLE.findall(css) for one in pair]
    fetched += [one for tag in soup.find_all("script") for one in IN_SCRIPT.findall(tag.get_text())]
    assert len(fetched) > 10
    assert [one for one in fetched if ELSEWHERE.match(one)] == []


def test_do_style_sheets_and_scripts_load_nothing_from_the_network():
    found = {}
    for path in (HTML / "_static").rglob("*"):
        if path.suffix in {".css", ".js", ".mjs"} and "mathjax" not in path.parts:
            text = path.read_text(encoding="utf-8")
            pattern = IN_STYLE if path.suffix == ".css" else IN_SCRIPT
            addresses = ["".join(one) for one in pattern.findall(text)]
            found[path.name] = [one for one in addresses if ELSEWHERE.match(one)]
    assert {"plenary.css", "palette.css"} <= set(found)
    assert {name: addresses for name, addresses in found.items() if addresses} == {}


@each_page
def test_is_everything_that_the_page_loads_there(name):
    tags = page(name).select("script[src], link[href], img[src]")
    addresses = [attribute(tag, "src") or attribute(tag, "href") for tag in tags]
    local = [one for one in addresses if not one.startswith("data:")]
    assert len(local) > 10
    assert [one for one in local if not target_of(name, one)[0].is_file()] == []


@each_page
def test_does_every_link_inside_the_book_arrive(name):
    dangling = []
    for tag in page(name).select("a[href]"):
        address = attribute(tag, "href")
        if urlsplit(address).scheme or ELSEWHERE.match(address):
            continue
        there, anchor = target_of(name, address)
        if not there.is_file():
            dangling.append(address)
        elif anchor and there.suffix == ".html":
            other = page(there.relative_to(HTML.resolve()).with_suffix("").as_posix())
            if other.find(id=anchor) is None:
                dangling.append(address)
    assert dangling == []


@each_page
def test_is_every_id_there_once(name):
    ids = [attribute(tag, "id") for tag in page(name).select("[id]")]
    assert sorted({one for one in ids if ids.count(one) > 1}) == []


@each_page
def test_does_every_picture_say_what_it_shows(name):
    silent = []
    for tag in page(name).select("img, svg, [role=img]"):
        if tag.find_parent("svg") or tag.find_parent(attrs={"aria-hidden": "true"}):
            continue
        if tag.name != "img" and tag.get("aria-hidden") == "true":
            continue
        words = attribute(tag, "alt") if tag.name == "img" else attribute(tag, "aria-label")
        if len(words.split()) <= 4:
            silent.append(str(tag)[:120])
    assert silent == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_are_formulas_set_by_the_book_itself(name):
    scripts = [attribute(tag, "src") for tag in page(name).select("script[src*=mathjax]")]
    assert scripts or not page(name).select("main .math")
    for address in scripts:
        path, _ = target_of(name, address)
        assert path.is_file()
        assert (HTML / "_static").resolve() in path.parents


def test_do_formulas_bring_their_letters():
    assert list((HTML / "_static" / "mathjax").rglob("MathJax_Main-Regular.woff"))


def test_does_the_book_bring_its_typeface_and_its_licence():
    sheet = (HTML / "_static" / "plenary.css").read_text(encoding="utf-8")
    fonts = re.findall(r'url\("([^"]+\.woff2)"\)', sheet)
    assert len(fonts) == 2
    assert all((HTML / "_static" / font).is_file() for font in fonts)
    assert "SIL OPEN FONT LICENSE" in (HTML / "_static" / "OFL.txt").read_text(encoding="utf-8")


def test_are_the_colours_of_the_book_those_of_the_package():
    published = (HTML / "_static" / "palette.css").read_text(encoding="utf-8")
    assert published == (ROOT / "src" / "plenary" / "palette.css").read_text(encoding="utf-8")
