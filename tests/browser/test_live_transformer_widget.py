"""The Transformer that is alive in the page: driven as a reader drives it, and held to PyTorch at every step."""

import re
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Locator, Page, expect

from plenary import palette
from plenary.widgets.base import module_source
from plenary.widgets.live_transformer import (
    END,
    FACTS,
    HEADS,
    KINDS,
    LAYERS,
    PARTS,
    PLACES,
    SYMBOLS,
    LiveTransformer,
    decode,
    demonstrations,
    read_symbols,
    right_answer,
)

FIRST, LONG = demonstrations()[:2]
FULL = " ".join(SYMBOLS[(5 * at) % len(SYMBOLS)] for at in range(PLACES))
MASK = ["cross 1 1", "cross 2 1", "cross 2 2", "encoder 1 2", "encoder 3 1", "decoder 2 1", "decoder 3 3"]
LAST = LAYERS[-1]
TAKEN: list[tuple[list[str], list[str]]] = [
    ([], []),
    ([f"cross {LAST} 1"], []),
    (["encoder 1 2", "decoder 1 3", f"cross {LAST} 2"], []),
    (["encoder 1"], []),
    ([f"decoder {LAST}"], []),
    ([], MASK),
    (["decoder 1", f"encoder {LAST} 2"], MASK),
]
# The rows of small maps, from top to bottom.
ROWS = [f"encoder {layer}" for layer in LAYERS]
ROWS += [f"{kind} {layer}" for layer in LAYERS for kind in ("decoder", "cross")]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page that holds the widget as the book's page does, and takes its dark mode from the system."""
    dark = 'if (matchMedia("(prefers-color-scheme: dark)").matches) document.documentElement.dataset.theme = "dark"'
    path = tmp_path_factory.mktemp("live") / "page.html"
    path.write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Live</title>'
        f'<meta name="viewport" content="width=device-width"><script>{dark}</script>'
        f"<style>{palette.css()} body {{ margin: 16px; background: var(--plenary-paper); "
        f"font-family: sans-serif; color: var(--plenary-ink) }}</style></head>"
        f"<body><main><h1>Live</h1>{LiveTransformer().twin()}</main></body></html>",
        encoding="utf-8",
    )
    return path


def open_widget(page: Page, file: Path) -> Locator:
    page.goto(file.as_uri())
    widget = page.locator(".plenary-widget[data-state=live]")
    expect(widget.locator(".tile")).to_have_count(3 * len(LAYERS) * len(HEADS))
    return widget


def shown(widget: Locator) -> dict:
    """What stands on the page."""
    return widget.evaluate(
        """host => {
            const texts = (query) => [...host.querySelectorAll(query)].map((one) => one.textContent);
            return {
                tape: texts(".tape b"), right: texts(".tape small"), wrong: texts(".tape .wrong b"),
                names: texts(".bars li > span:first-child"),
                chances: [...host.querySelectorAll(".bars .bar span")].map((one) => parseFloat(one.style.width)),
                title: texts(".halves .title")[1],
                cells: [...host.querySelectorAll(".board tbody tr")].map((row) =>
                    [...row.querySelectorAll("button")].map((cell) =>
                        [cell.className, cell.textContent, Number(cell.style.getPropertyValue("--share"))])),
                rows: texts(".board tbody th"), wrote: texts(".board .wrote"), current: texts(".board .current th"),
                off: [...host.querySelectorAll(".all input")].filter((one) => !one.checked).map(
                    (one) => one.getAttribute("aria-label")),
                said: host.querySelector("[aria-live=polite]").textContent.replaceAll("\\u00a0", " "),
            };
        }"""
    )


def check(
    widget: Locator,
    source: str,
    step: int,
    off: tuple[str, ...] = (),
    shut: tuple[str, ...] = (),
    kind: str = "cross",
    layer: int = LAST,
    head: int = 1,
) -> dict:
    """The page shows this step of this answer, and one of its attentions, as PyTorch computes them."""
    found, seen = decode(source, off, shut), shown(widget)
    last = len(found.written)
    step = min(step, last)
    row = min(step, last - 1)
    right = right_answer(source)
    later = [*found.written[:step], *(["?"] if step < last else [])]
    assert seen["tape"] == later + [""] * (len(right) + 1 - len(later) if right else 0)
    if right:
        assert seen["right"][: len(right) + 1] == [*right, END]
        pairs = zip(found.written[:step], [*right, END, *"–" * PLACES], strict=False)
        assert seen["wrong"] == [own for own, truth in pairs if own != truth]
    chances, names = found.logits[row].softmax(-1).topk(5)
    assert seen["chances"] == pytest.approx((100 * chances).tolist(), abs=1e-2)
    eos = FACTS["specials"]["eos"]
    assert seen["names"] == [
        END if id_ == eos else FACTS["symbols"][id_].strip("<>") for id_ in names.tolist()
    ]
    weights = getattr(found, kind)[layer - 1, head - 1]
    assert len(seen["cells"]) == len(weights)
    for t, cells in enumerate(seen["cells"]):
        assert len(cells) == (t + 1 if kind == "decoder" else weights.shape[1])
        for s, (name, text, share) in enumerate(cells):
            barred = f"{kind} {t + 1} {s + 1}" in shut
            if kind != "encoder" and t > row:
                assert (name, text, share) == (("shut", "×", 0) if barred else ("later", "", 0))
                continue
            assert share == pytest.approx(weights[t, s].item(), abs=6e-4)
            assert name == ("shut" if barred else "")
            assert barred or text == "" or abs(int(text) - 100 * weights[t, s].item()) < 0.51
    if kind == "encoder":
        assert (seen["rows"], seen["current"]) == (found.source, [])
    else:
        assert seen["rows"][: row + 1] == ["start", *found.written[:row]]
        arrows = [END if one == END else f"→ {one}" for one in found.written[:step]] + (
            ["→ ?"] if step < last else []
        )
        assert seen["wrote"] == arrows + [""] * (last - len(arrows))
        assert seen["current"] == [seen["rows"][row]]
    if off or shut:
        mine, full = " ".join(found.written), " ".join(decode(source).written)
        said = f"it still writes {mine}." if mine == full else f"it writes {mine} instead of {full}."
        assert said in seen["said"]
    else:
        assert not seen["said"].startswith("With")
    assert f"in layer {layer}, " in seen["said"]
    return seen


def test_javascript_and_torch_agree_at_every_step(page: Page) -> None:
    page.goto("about:blank")
    texts = [*demonstrations(), FULL, f"?{SYMBOLS[0]},{SYMBOLS[-1]} ~ {SYMBOLS[0]}"]
    cases = [(text, off, shut) for text in texts for off, shut in TAKEN]
    read, offers, found = page.evaluate(
        """async ([source, asset, texts, cases]) => {
            const module = await import("data:text/javascript;charset=utf-8," + encodeURIComponent(source));
            const net = module.modelOf(asset);
            const read = texts.map((text) => module.readSource(net, text).source);
            const found = cases.map(([text, off, shut]) => {
                const source = module.readSource(net, text).source;
                const written = module.answer(net, source, off, shut);
                const steps = written.map((_, at) => module.look(net, source, written.slice(0, at), off, shut));
                const { encoder, decoder, cross } = steps.at(-1);
                const flat = (layers) => layers.flatMap((heads) => heads.flatMap((one) => [...one.data]));
                return { written, logits: steps.flatMap(({ logits }) => [...logits]),
                    encoder: flat(encoder), decoder: flat(decoder), cross: flat(cross) };
            });
            return [read, module.offersOf(net), found];
        }""",
        [
            module_source("live_transformer.mjs", LiveTransformer.uses),
            LiveTransformer().weights,
            texts,
            cases,
        ],
    )
    assert read == [read_symbols(text) for text in texts]
    assert tuple(offers) == demonstrations()
    answers = set()
    for case, seen in zip(cases, found, strict=True):
        expected = decode(*case)
        assert seen["written"] == expected.written, case
        answers.add(tuple(expected.written))
        for name in ("logits", *KINDS):
            numbers = torch.tensor(seen[name]).double()
            assert (numbers - getattr(expected, name).flatten()).abs().max() < 1e-4, (case, name)
    # Something that is taken away is missed.
    assert len(answers) > len(texts)


def test_a_step_fits_into_a_frame(page: Page, file: Path) -> None:
    widget = open_widget(page, file)
    widget.get_by_role("button", name=LONG, exact=True).click()
    # Seven times 20 steps, the layout included: on a machine that does other work too, the quietest time counts.
    medians = widget.evaluate(
        """(host, count) => {
            const button = (name) => [...host.querySelectorAll("button")].find((one) => one.textContent === name);
            const [next, first] = ["write the next token", "from the start"].map(button);
            return Array.from({ length: 7 }, () => {
                const times = [];
                while (times.length < 20) {
                    first.click();
                    for (let step = 0; step < count; step++) {
                        const start = performance.now();
                        next.click();
                        host.getBoundingClientRect();
                        times.push(performance.now() - start);
                    }
                }
                return times.sort((a, b) => a - b)[Math.floor(times.length / 2)];
            });
        }""",
        len(decode(LONG).written),
    )
    assert min(medians) < 16


def test_the_mouse_steps_looks_switches_off_and_paints(page: Page, file: Path) -> None:
    widget = open_widget(page, file)

    def press(name: str) -> None:
        widget.get_by_role("button", name=name, exact=True).click()

    check(widget, FIRST, 3)
    press("write the next token")
    check(widget, FIRST, 4)
    press("back")
    press("back")
    check(widget, FIRST, 2)
    # Without motion it goes to the end at once, and there is no further.
    press("run to the end")
    seen = check(widget, FIRST, PLACES)
    assert "It is done" in seen["said"]
    widget.get_by_role("button", name="write the next token").click(force=True)
    check(widget, FIRST, PLACES)
    press("from the start")
    check(widget, FIRST, 0)
    press(LONG)
    check(widget, LONG, 0)
    for _ in range(2):
        press("write the next token")
    # Another attention, large; and back.
    for kind in KINDS:
        press(f"head 2 of {KINDS[kind]} in layer 1")
        seen = check(widget, LONG, 2, kind=kind, layer=1, head=2)
        assert seen["title"] == f"Head 2 of {KINDS[kind]} in layer 1"
    # Off, and on again.
    for part, name in (
        ("cross 1 2", f"head 2 of {KINDS['cross']} in layer 1"),
        ("encoder 1", "encoder layer 1"),
    ):
        box = widget.get_by_role("checkbox", name=f"{name} works")
        box.uncheck()
        seen = check(widget, LONG, 2, off=(part,), layer=1, head=2)
        assert seen["said"].startswith(f"Without {name}, it ")
        assert seen["off"] == [f"{name} works"]
        box.check()
    check(widget, LONG, 2, layer=1, head=2)
    # A cell, a stroke over three, a column, and all of them open again.
    cell = widget.locator("[data-cell='1 0']")
    cell.hover()
    expect(widget.locator(".reading")).to_contain_text("Token 2, ")
    cell.click()
    check(widget, LONG, 2, shut=("cross 2 1",), layer=1, head=2)
    page.mouse.move(*centre(widget.locator("[data-cell='0 1']")))
    page.mouse.down()
    for row in (1, 2, 3):
        page.mouse.move(*centre(widget.locator(f"[data-cell='{row} 1']")), steps=2)
    page.mouse.up()
    stroke = ("cross 2 1", *(f"cross {row} 2" for row in range(1, 5)))
    seen = check(widget, LONG, 2, shut=stroke, layer=1, head=2)
    assert seen["said"].startswith(f"With 5 pairs of {KINDS['cross']} shut, it ")
    cell.click()
    check(widget, LONG, 2, shut=stroke[1:], layer=1, head=2)
    widget.locator("[data-cell='-1 2']").click()
    column = [f"cross {row} 3" for row in range(1, len(decode(LONG, shut=stroke[1:]).written) + 1)]
    check(widget, LONG, 2, shut=(*stroke[1:], *column), layer=1, head=2)
    # The numbers to four digits follow.
    widget.locator("summary").click()
    weight = decode(LONG, shut=(*stroke[1:], *column)).cross[0, 1, 1, 0].item()
    line = widget.locator(".plenary-numbers tbody tr").nth(1).locator("td")
    expect(line.first).to_have_text(f"{weight:.4f}")
    press("clear the mask")
    check(widget, LONG, 2, layer=1, head=2)


def centre(cell: Locator) -> tuple[float, float]:
    box = cell.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_the_keyboard_alone_will_do(page: Page, file: Path) -> None:
    widget = open_widget(page, file)
    typing = widget.get_by_role("textbox", name=re.compile("^Source"))
    typing.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type(f"? {LONG}")
    page.keyboard.press("Enter")
    check(widget, LONG, 0)
    expect(widget.locator(".warning")).to_contain_text("Left out: ?. This model knows")
    widget.get_by_role("button", name="write the next token").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    check(widget, LONG, 2)
    expect(widget.get_by_role("button", name="write the next token")).to_be_focused()
    # The small maps are one stop, and the arrows go about in them: from the last row to that above.
    tile = widget.locator(".tile[tabindex='0']")
    expect(tile).to_have_count(1)
    tile.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    check(widget, LONG, 2, kind="decoder", head=2)
    expect(widget.locator(".tile[aria-pressed=true]")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    check(widget, LONG, 2)
    # So are the ticks of the heads.
    ticks = widget.locator(".tilebox input")
    expect(widget.locator(".tilebox input[tabindex='0']")).to_have_count(1)
    ticks.first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    check(widget, LONG, 2, off=(f"{ROWS[1]} 2",))
    expect(ticks.nth(len(HEADS) + 1)).to_be_focused()
    page.keyboard.press("Space")
    check(widget, LONG, 2)
    # In the large one: cells with Space, the name of a column above the first row.
    widget.locator(".board [tabindex='0']").focus()
    for key in ("ArrowDown", "ArrowRight", "Space"):
        page.keyboard.press(key)
    check(widget, LONG, 2, shut=("cross 2 2",))
    expect(widget.locator("[data-cell='1 1']")).to_be_focused()
    expect(widget.locator(".reading")).to_contain_text("shut by your mask")
    page.keyboard.press("Enter")
    for key in ("ArrowUp", "ArrowUp", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    expect(widget.locator("[data-cell='-1 1']")).to_be_focused()
    expect(widget.locator("[data-cell='-1 1']")).to_have_attribute("aria-pressed", "true")
    rows = widget.locator(".board tbody tr").count()
    assert widget.locator(".board .shut").count() == rows
    page.keyboard.press("Space")
    check(widget, LONG, 2)
    typing.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("?!")
    expect(widget.locator("[aria-live=polite]")).to_have_text(re.compile("^Type some symbols"))
    expect(widget.locator(".halves")).to_be_hidden()
    page.keyboard.press("Control+a")
    page.keyboard.type(f"{FULL} {FULL}")
    page.keyboard.press("Enter")
    expect(widget.locator(".warning")).to_have_text(re.compile(rf"Only the first {PLACES} symbols are read"))
    check(widget, FULL, 0)


def test_fingers_on_a_phone(browser: Browser, file: Path) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    errors: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    widget = open_widget(page, file)
    # With motion allowed it writes token after token, and stops by itself.
    widget.get_by_role("button", name="from the start").tap()
    run = widget.get_by_role("button", name="run to the end")
    run.tap()
    expect(widget.get_by_role("button", name="pause")).to_be_visible()
    expect(run).to_be_visible()
    check(widget, FIRST, PLACES)
    widget.get_by_role("button", name="back", exact=True).tap()
    widget.locator(".tile").first.tap()
    step = len(decode(FIRST).written) - 1
    check(widget, FIRST, step, kind="encoder", layer=1)
    widget.locator("[data-cell='1 2']").tap()
    check(widget, FIRST, step, shut=("encoder 2 3",), kind="encoder", layer=1)
    widget.locator("[data-cell='1 2']").tap()
    widget.get_by_text(f"Encoder layer {LAST}").tap()
    check(widget, FIRST, step, off=(f"encoder {LAST}",), kind="encoder", layer=1)
    widget.get_by_role("button", name="switch all on").tap()
    check(widget, FIRST, step, kind="encoder", layer=1)
    # The largest source: what is too wide moves in a box of its own, and cells stay large enough for a finger.
    typing = widget.get_by_role("textbox")
    typing.fill(FULL)
    typing.press("Enter")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    sizes = """(host, query) => Math.min(...[...host.querySelectorAll(query)].map(
        (one) => one.getBoundingClientRect()).flatMap((box) => [box.width, box.height]))"""
    assert widget.evaluate(sizes, ".board button, .all label") >= 24
    assert widget.evaluate(sizes, ".buttons button, .tile, input[type=text]") >= 40
    context.close()
    assert errors == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_fits_and_is_accessible(new_page, file: Path, violations, dark: bool) -> None:
    page = new_page(width=390, height=1400, dark=dark)
    widget = open_widget(page, file)
    widget.locator("[data-cell='-1 1']").click()
    widget.get_by_role("checkbox", name=re.compile("^encoder layer 1")).uncheck()
    typing = widget.get_by_role("textbox")
    typing.fill(f"{FIRST} ?")
    typing.press("Enter")
    expect(widget.locator(".warning")).to_be_visible()
    widget.get_by_role("button", name="run to the end").click()
    assert violations(page, ".plenary-widget") == []
    # Axe cannot mix colours: the darkest cell is measured here.
    ratio = widget.evaluate(
        """host => {
            const cell = host.querySelector(".board tbody button");
            cell.style.setProperty("--share", "1");
            const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
            const light = (...colours) => {
                for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
                const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((byte) => byte / 255).map(
                    (x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
            };
            const { color, backgroundColor } = getComputedStyle(cell);
            const both = [light("#000", backgroundColor), light(color)];
            return Math.max(...both) / Math.min(...both);
        }"""
    )
    assert ratio >= 4.5


def test_without_javascript_the_still_says_it(new_page, file: Path) -> None:
    page = new_page(javascript=False)
    page.goto(file.as_uri())
    still = page.locator(".plenary-widget").get_by_role("img")
    expect(still).to_be_visible()
    assert "The model reads" in (still.get_attribute("aria-label") or "")
    expect(page.locator(".plenary-widget tbody tr")).to_have_count(len(decode(FIRST).written))


def test_every_part_has_its_tick(page: Page, file: Path) -> None:
    widget = open_widget(page, file)
    expect(widget.locator(".all input:checked")).to_have_count(len(PARTS))
