"""The widget with a kernel behind it, in the two programs that learners open."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Locator, Page, expect

ROOT = Path(__file__).parents[2]
CELLS = ["from plenary.widgets import Scaling\nw = Scaling()\nw", "print('python has', w)", "w.d_k = 2"]


def notebook() -> str:
    cells = [
        {
            "cell_type": "code",
            "id": f"cell-{i}",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "source": code,
        }
        for i, code in enumerate(CELLS)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.dumps(
        {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def jupyter(program: str, folder: Path, notebook: str, book: Path | None = None) -> Iterator[str]:
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
    port = free_port()
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


def wait_for_kernel(page: Page, address: str) -> None:
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


def run_cell(page: Page, number: int) -> Locator:
    """Run a cell by keyboard, as a learner does, and wait for its number; returns the cell."""
    cell = page.locator(".jp-CodeCell").nth(number)
    prompt = cell.locator(".jp-InputPrompt")
    for _ in range(5):
        cell.locator(".cm-content").click()
        page.keyboard.press("Shift+Enter")
        try:
            expect(prompt).not_to_have_text("[ ]:", timeout=3_000)
        except AssertionError:
            continue  # keys pressed while the kernel is still on its way are dropped
        break
    expect(prompt).to_have_text(re.compile(r"\[\d+\]:"), timeout=60_000)
    return cell


@pytest.mark.parametrize(
    ("program", "path"), [("jupyterlab", "lab/tree/one.ipynb"), ("notebook", "notebooks/one.ipynb")]
)
def test_widget_and_python_follow_each_other(new_page, tmp_path: Path, program: str, path: str) -> None:
    with jupyter(program, tmp_path, notebook()) as address:
        # Notebook 7.6 stumbles over a settings schema while it starts: in its own script, before any cell has run.
        page: Page = new_page(served=address, height=1400, forgive="/static/notebook/notebook_core")
        page.goto(f"{address}/{path}")
        expect(page.locator(".jp-CodeCell")).to_have_count(len(CELLS), timeout=30_000)
        wait_for_kernel(page, address)
        first = run_cell(page, 0)
        live = first.locator(".plenary-live")
        expect(live.locator("svg")).to_have_count(3, timeout=45_000)
        # The live view alone: the twin for pages with no kernel neither shows nor runs.
        expect(page.locator(".plenary-live")).to_have_count(1)
        expect(page.locator(".plenary-widget")).to_have_count(0)

        slider, words = live.get_by_role("slider"), live.locator("[aria-live=polite]")
        expect(words).to_contain_text("dk = 64 and no scaling")
        before, pixels = live.locator("svg").first.inner_html(), live.screenshot()
        slider.press("ArrowRight")
        expect(words).to_contain_text("dk = 128 and no scaling")
        live.get_by_role("switch").press("Space")
        expect(words).to_contain_text("dk = 128 and division")
        assert live.locator("svg").first.inner_html() != before
        assert live.screenshot() != pixels

        expect(run_cell(page, 1)).to_contain_text("python has Scaling(d_k=128, scaled=True)")
        run_cell(page, 2)
        expect(words).to_contain_text("dk = 2 and division")
        page.close()


def test_a_learner_is_told_what_is_wrong_and_may_validate(new_page, tmp_path: Path, book: Path) -> None:
    """The exercise as `make lab` shows it: a mistake, its diagnosis, the way into the book, and Validate."""
    exercise = (ROOT / "exercises" / "scaled_dot_product" / "scaled_dot_product.ipynb").read_text(
        encoding="utf-8"
    )
    with jupyter("jupyterlab", tmp_path, exercise, book) as address:
        page: Page = new_page(served=address, height=1400)
        page.goto(f"{address}/lab/tree/one.ipynb")
        wait_for_kernel(page, address)
        run_cell(page, 0)
        page.locator(".jp-CodeCell").nth(1).locator(".cm-content").click()
        page.keyboard.press("Control+A")
        page.keyboard.insert_text("def attention_scores(query, key):\n    return query @ key.mT\n")
        run_cell(page, 1)
        report = run_cell(page, 2).locator(".plenary-report")
        expect(report).to_contain_text("Your scores are not divided by the root of d_k.", timeout=60_000)
        expect(report).to_contain_text("Each of your numbers is 2 times the expected one.")
        expect(run_cell(page, 3).locator("svg.plenary-figure")).to_be_visible(timeout=60_000)

        with page.context.expect_page() as opened:
            report.get_by_role("link").click()
        expect(opened.value.locator("#sdp-root")).to_be_attached()
        opened.value.close()

        page.locator(".jp-NotebookPanel-toolbar").get_by_text("Validate").click()
        expect(page.get_by_role("dialog")).to_contain_text("attention_scores, seed=101", timeout=120_000)
        page.close()
