"""A real Chromium for the tests, which lets nothing out of the machine and forgives no error on a page; and a real
Jupyter for it to open."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import axe_core_python
import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Request,
    Route,
    WebSocket,
    expect,
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
            has_touch=width < 500,
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

    def run(
        page: Page,
        within: str = "html",
        impacts: tuple[str, ...] | None = None,
    ) -> list[str]:
        # Not as a script element: axe must not count its own.
        page.evaluate(AXE.read_text(encoding="utf-8"))
        # MathJax's own markup is left out: thousands of elements, which it describes by labels of its own.
        found = page.evaluate(
            """(within) => axe.run({ include: [within], exclude: ["mjx-container"] },
                { resultTypes: ["violations"] }).then((result) => result.violations)""",
            within,
        )
        return [
            f"{rule['id']} ({rule['impact']}): {rule['help']}: {[node['html'][:160] for node in rule['nodes'][:3]]}"
            for rule in found
            if impacts is None or rule["impact"] in impacts
        ]

    return run


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def _jupyter(program: str, folder: Path, notebook: str, book: Path | None = None) -> Iterator[str]:
    """A server with no user's settings, no news from the network and no token; yields its address.

    It holds one file, `one.ipynb`, and serves the book as `make lab` does.
    """
    work = folder / "work"
    work.mkdir()
    (work / "one.ipynb").write_text(notebook, encoding="utf-8")
    news = folder / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    news.parent.mkdir(parents=True)
    news.write_text(
        '{"checkForUpdates": false, "fetchNews": "false", "doNotDisturbMode": true}', encoding="utf-8"
    )
    own = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    port = _free_port()
    options = [
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=",
        f"--ServerApp.root_dir={work}",
        "--LabApp.extension_manager=readonly",
        f"--ServerApp.extra_static_paths={[str(book)] if book else []}",
    ]
    log = folder / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", program, *options],
            env={
                **os.environ,
                **{name: str(folder / sub) for name, sub in own.items()},
                "PLENARY_BOOK_URL": f"http://127.0.0.1:{port}/static",
            },
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=work,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 60
            while not _answers(address):
                if server.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"{program} does not answer:\n{log.read_text(encoding='utf-8')[-3000:]}")
                time.sleep(0.2)
            yield address
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _answers(address: str) -> bool:
    try:
        with urlopen(f"{address}/api", timeout=2) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


def _wait_for_kernel(page: Page, address: str) -> None:
    """Until the page's kernel is idle and connected: a cell run before that asks which kernel to take."""
    kernels: list[dict] = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with urlopen(f"{address}/api/sessions", timeout=5) as answer:
            kernels = [session["kernel"] for session in json.load(answer)]
        if any(kernel["execution_state"] == "idle" and kernel["connections"] > 0 for kernel in kernels):
            return
        page.wait_for_timeout(200)  # not time.sleep, which would hold up playwright too
    pytest.fail(f"no kernel is idle and connected after 60 s: {kernels}")


def _run_cell(page: Page, number: int) -> Locator:
    """Run a cell by keyboard, as a learner does, and wait for its next number; returns the cell."""
    cell = page.locator(".jp-CodeCell").nth(number)
    prompt = cell.locator(".jp-InputPrompt")
    before = prompt.text_content() or ""
    for _ in range(5):
        cell.locator(".cm-content").click()
        page.keyboard.press("Shift+Enter")
        try:
            expect(prompt).not_to_have_text(before, timeout=3_000)
        except AssertionError:
            continue  # keys pressed while the kernel is still on its way are dropped
        break
    expect(prompt).to_have_text(re.compile(r"\[\d+\]:"), timeout=60_000)
    return cell


@pytest.fixture(scope="session")
def jupyter() -> Callable[..., AbstractContextManager[str]]:
    """Start JupyterLab or Notebook: `with jupyter("jupyterlab", tmp_path, notebook, book) as address:`."""
    return _jupyter


@pytest.fixture(scope="session")
def wait_for_kernel() -> Callable[[Page, str], None]:
    """Wait until cells can be run: `wait_for_kernel(page, address)`."""
    return _wait_for_kernel


@pytest.fixture(scope="session")
def run_cell() -> Callable[[Page, int], Locator]:
    """Run the n-th cell of code and wait until it has run: `run_cell(page, 0)`."""
    return _run_cell
