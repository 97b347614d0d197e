"""A real Chromium for the tests, which lets nothing out of the machine and forgives no error on a page."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import axe_core_python
import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Error,
    Page,
    Request,
    Route,
    WebSocket,
    sync_playwright,
)

ROOT = Path(__file__).parents[2]
AXE = Path(axe_core_python.__file__).with_name("axe.min.js")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LOCAL = "file:|data:|blob:|about:"

NewPage = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, started once."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is missing: install it with `sudo apt-get install -y chromium`")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def new_page(browser: Browser) -> Iterator[NewPage]:
    """Open a page: `new_page(width=390, dark=True, javascript=False, served="http://127.0.0.1:8888")`.

    The test fails in the end if a page asked for anything that is neither a file nor under `served`, wrote an
    error to the console or raised one. `forgive` is a script of somebody else's, whose errors do not count.
    """
    contexts = []
    wrong: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            wrong.append(f"console error: {message.text}")

    def new(
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
        javascript: bool = True,
        served: str | None = None,
        forgive: str | None = None,
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=javascript,
            reduced_motion="reduce",
        )
        contexts.append(context)

        def on_error(error: Error) -> None:
            if not (forgive and forgive in (error.stack or "")):
                wrong.append(f"page error: {error.stack or error}")

        def on_socket(socket: WebSocket) -> None:
            if not (served and socket.url.startswith(served.replace("http", "ws", 1) + "/")):
                wrong.append(f"web socket to {socket.url}")

        def guard(route: Route, request: Request) -> None:
            wrong.append(f"request to {request.url}")
            route.abort()

        local = f"{LOCAL}|{re.escape(served + '/')}" if served else LOCAL
        context.route(re.compile(f"^(?!{local})"), guard)
        page = context.new_page()
        page.on("console", on_console)
        page.on("pageerror", on_error)
        page.on("websocket", on_socket)
        return page

    yield new
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def page(new_page: NewPage) -> Page:
    """A page of 1280 pixels in light mode."""
    return new_page()


@pytest.fixture(scope="session")
def book() -> Path:
    """The folder of the built book: `_build/html`, or where PLENARY_TEST_BOOK says."""
    path = Path(os.environ.get("PLENARY_TEST_BOOK", ROOT / "_build" / "html"))
    if not (path / "index.html").is_file():
        pytest.fail(f"no book in {path}: run `make book` first")
    return path


@pytest.fixture(scope="session")
def screenshots(book: Path) -> Path:
    """A folder beside the book for pictures that people look at."""
    path = book.parent / "screenshots"
    path.mkdir(exist_ok=True)
    return path


@pytest.fixture
def violations() -> Callable[..., list[str]]:
    """What axe-core finds: `violations(page, ".plenary-widget", impacts=("serious", "critical"))`."""

    def run(page: Page, within: str = "html", impacts: tuple[str, ...] | None = None) -> list[str]:
        # Not as a script element: axe must not count its own.
        page.evaluate(AXE.read_text(encoding="utf-8"))
        # MathJax's own markup is left out: thousands of elements, which it describes by labels of its own.
        found = page.evaluate(
            """within => axe.run({ include: [within], exclude: ["mjx-container"] }, { resultTypes: ["violations"] })
                .then((result) => result.violations)""",
            within,
        )
        return [
            f"{rule['id']} ({rule['impact']}): {rule['help']}: {[node['html'][:160] for node in rule['nodes'][:3]]}"
            for rule in found
            if impacts is None or rule["impact"] in impacts
        ]

    return run
