"""The picture to cut on the chapter's page, opened as a file with no kernel and no network behind it."""

import io
import re
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
import torch
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from torch import Tensor

from plenary import patchify
from plenary.widgets.base import module_source
from plenary.widgets.cut_picture import CUTS, SIDE, SIZES, cut, order, picture, put_together, sequence


def open_widget(page: Page, book: Path) -> Locator:
    page.goto((book / "book" / "vision_transformer" / "patches.html").as_uri())
    widget = page.locator(".plenary-widget[data-state=live]", has=page.locator(".plenary-cut-picture"))
    expect(widget.locator(".plenary-train rect.frame").first).to_be_attached()
    widget.scroll_into_view_if_needed()
    return widget


def whole(widget: Locator) -> Locator:
    return widget.get_by_role("slider", name=re.compile("Chosen patch"))


def one(widget: Locator) -> Locator:
    return widget.get_by_role("slider", name=re.compile("Chosen pixel"))


def switch(widget: Locator) -> Locator:
    return widget.get_by_role("switch", name="shuffle the patches")


def set_size(widget: Locator, size: int) -> None:
    slider = widget.get_by_role("slider", name="Side of a patch, P")
    slider.fill(str(SIZES.index(size)))
    expect(widget.locator("output")).to_have_text(str(size))


def set_cut(widget: Locator, way: str) -> None:
    widget.get_by_label("How the picture is cut").select_option(way)


def words(widget: Locator) -> Locator:
    return widget.locator("[aria-live=polite]")


def again(widget: Locator) -> Tensor:
    """The pixels that stand on the canvas of what was put together again: (1, 3, 96, 96)."""
    data = widget.locator(".plenary-board[role=img] canvas").evaluate(
        "one => [...one.getContext('2d').getImageData(0, 0, one.width, one.height).data]"
    )
    return torch.tensor(data).double().view(SIDE, SIDE, 4)[..., :3].permute(2, 0, 1).unsqueeze(0)


def line(widget: Locator) -> list[int]:
    """The numbers in the line of the chosen pixel, from the table: column by column, channel by channel."""
    rows = widget.locator("details tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    return [int(row[at]) for row in rows for at in (1, 3, 5)]


def excerpt(widget: Locator) -> list[tuple[int, int]]:
    """The numbers around the chosen one: place and value."""
    return [
        (int(place), int(value))
        for place, value in widget.locator(".plenary-excerpt li").evaluate_all(
            "all => all.map((li) => [li.querySelector('small').textContent, li.querySelector('b').textContent])"
        )
    ]


def noise(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (1, 3, SIDE, SIDE), generator=generator).double()


def raw(numbers: Tensor) -> bytes:
    return numbers.to(torch.uint8).contiguous().numpy().tobytes()


def png(images: Tensor) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(images[0].permute(1, 2, 0).to(torch.uint8).numpy()).save(buffer, "PNG")
    return buffer.getvalue()


def test_javascript_cuts_as_torch_does(page: Page) -> None:
    page.goto("about:blank")
    images = noise(3)
    found = page.evaluate(
        """async ([source, pixels, sizes, cuts]) => {
            const url = "data:text/javascript;charset=utf-8," + encodeURIComponent(source);
            const { cutUp, orderOf, putTogether } = await import(url);
            const whole = Uint8ClampedArray.from(atob(pixels), (one) => one.charCodeAt(0));
            const text = (bytes) => {
                let letters = "";
                for (const one of bytes) letters += String.fromCharCode(one);
                return btoa(letters);
            };
            return sizes.map((size) => ({ order: orderOf((96 / size) ** 2), ways: cuts.map((cut) => {
                const rows = cutUp(whole, size, cut);
                return [rows.flatMap((row) => [...row]), putTogether(rows, size)].map(text);
            }) }));
        }""",
        [
            module_source("cut_picture.mjs"),
            b64encode(raw(images[0].permute(1, 2, 0))).decode(),
            SIZES,
            list(CUTS),
        ],
    )
    for size, of_size in zip(SIZES, found, strict=True):
        assert of_size["order"] == order((SIDE // size) ** 2)
        for way, result in zip(CUTS, of_size["ways"], strict=True):
            expected = cut(images, size, way)
            rows, after = map(b64decode, result)
            assert rows == raw(expected), (size, way)
            assert after == raw(put_together(expected, size)[0].permute(1, 2, 0)), (size, way)


def test_mouse_and_keyboard_choose_cut_and_shuffle(page: Page, book: Path) -> None:
    widget = open_widget(page, book)
    set_size(widget, 16)
    # By mouse: the patch in row 1, column 4 of the grid, and in it the pixel in row 2, column 9.
    box = whole(widget).bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] * 4.5 / 6, box["y"] + box["height"] * 1.5 / 6)
    box = one(widget).bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] * 9.5 / 16, box["y"] + box["height"] * 2.5 / 16)
    expect(whole(widget)).to_have_attribute("aria-valuetext", "patch 10, row 1 and column 4 of the grid")
    vector = patchify(picture(), 16)[0, 10]
    first = (2 * 16 + 9) * 3
    red, green, blue = (int(value) for value in vector[first : first + 3])
    said = f"Its pixel in row 2, column 9 has red {red}, green {green} and blue {blue}: at places {first}"
    expect(words(widget)).to_contain_text(said)
    assert excerpt(widget) == [(at, int(vector[at])) for at in range(first - 3, first + 6)]
    # By keys: to the left and down in the picture, which keeps the place in the patch; then in the patch.
    whole(widget).focus()
    for key in ("ArrowLeft", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    expect(whole(widget)).to_have_attribute("aria-valuenow", "21")
    one(widget).focus()
    page.keyboard.press("ArrowUp")
    vector = patchify(picture(), 16)[0, 21]
    first = (1 * 16 + 9) * 3
    expect(widget.locator(".plenary-excerpt li.chosen small:first-child")).to_have_text(
        [str(first), str(first + 1), str(first + 2)]
    )
    assert excerpt(widget) == [(at, int(vector[at])) for at in range(first - 3, first + 6)]
    assert line(widget) == vector.view(16, 48)[1].int().tolist()
    # Every cut, shuffled or not, puts together what torch puts together.
    for way in CUTS:
        set_cut(widget, way)
        for shuffled in (False, True):
            if switch(widget).is_checked() != shuffled:
                switch(widget).press("Space")
            expect(words(widget)).to_contain_text(
                "as they were" if shuffled and way == "right" else "unpatchify"
            )
            assert torch.equal(again(widget), put_together(sequence(picture(), 16, way, shuffled), 16)), way
    expect(widget.locator(".plenary-train")).to_have_attribute("aria-label", re.compile("The 36 patches"))
    # A token of the sequence is chosen with the mouse.
    set_cut(widget, "right")
    widget.locator(".plenary-train canvas").click(position={"x": 5, "y": 5})
    expect(words(widget)).to_contain_text(f"of token 0 (number {order(36)[0]} before the shuffle)")
    # One change of the slider, with the drawing that follows it, does not keep the reader waiting.
    milliseconds = widget.locator("input[type=range]").evaluate(
        """async slider => {
            const times = [];
            for (let i = 0; i < 16; i++) {
                const start = performance.now();
                slider.value = i % 8;
                slider.dispatchEvent(new Event("input"));
                await null;
                await null;
                times.push(performance.now() - start);
            }
            return times.sort((a, b) => a - b)[8];
        }"""
    )
    assert milliseconds < 100


def test_a_picture_of_ones_own_is_cut_as_torch_cuts_it(page: Page, book: Path) -> None:
    widget = open_widget(page, book)
    status, chooser = widget.locator(".plenary-news[role=status]"), widget.locator("input[type=file]")
    mine = noise(7)
    chooser.set_input_files({"name": "noise.png", "mimeType": "image/png", "buffer": png(mine)})
    expect(status).to_have_text("“noise.png”: 96 × 96 pixels, taken as it is.")
    assert torch.equal(again(widget), mine)
    # A whole patch of 4 x 4, line by line.
    set_size(widget, 4)
    whole(widget).focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    patch = int(whole(widget).get_attribute("aria-valuenow") or -1)
    one(widget).focus()
    for _ in range(4):
        page.keyboard.press("ArrowUp")
    found = []
    for row in range(4):
        expect(one(widget)).to_have_attribute("aria-valuetext", re.compile(f"^row {row}, "))
        found += line(widget)
        page.keyboard.press("ArrowDown")
    assert found == patchify(mine, 4)[0, patch].int().tolist()
    # A larger one, not square: its middle, and the colours of its halves.
    large = torch.zeros(1, 3, 300, 500)
    large[:, 0, :, :250] = 255
    large[:, 2, :, 250:] = 255
    chooser.set_input_files({"name": "halves.png", "mimeType": "image/png", "buffer": png(large)})
    expect(status).to_have_text("“halves.png”: 500 × 300 pixels, its middle square scaled to 96 × 96.")
    scaled = again(widget)[0]
    assert torch.equal(scaled[:, :, :46].amin((1, 2)), torch.tensor([255.0, 0, 0]).double())
    assert torch.equal(scaled[:, :, 50:].amin((1, 2)), torch.tensor([0.0, 0, 255]).double())
    # What is no picture is refused in a sentence, and the old one stays.
    chooser.set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"not a picture"})
    expect(status).to_contain_text("“notes.txt” is no picture that this browser can read; take a PNG, JPEG,")
    widget.locator(".plenary-stage").evaluate(
        """node => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([new Uint8Array(21e6)], "big.png", { type: "image/png" }));
            node.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer }));
        }"""
    )
    refused = "“big.png” has 21.0 MB; take a picture of at most 20 MB. The picture below stays as it was."
    expect(status).to_have_text(refused)
    assert torch.equal(again(widget)[0], scaled)
    # Dropped, and pasted.
    bring = """(node, [kind, text]) => {
        const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], `${kind}.png`, { type: "image/png" }));
        const options = { bubbles: true, cancelable: true, dataTransfer: transfer, clipboardData: transfer };
        const event = kind === "drop" ? new DragEvent(kind, options) : new ClipboardEvent(kind, options);
        return node.dispatchEvent(event);
    }"""
    for kind, seed in (("drop", 8), ("paste", 9)):
        text = b64encode(png(noise(seed))).decode()
        assert widget.locator(".plenary-stage").evaluate(bring, [kind, text]) is False
        expect(status).to_have_text(f"“{kind}.png”: 96 × 96 pixels, taken as it is.")
        assert torch.equal(again(widget), noise(seed))
    widget.get_by_role("button", name="back to the temple").press("Enter")
    assert torch.equal(again(widget), picture())
    expect(chooser).to_be_focused()


def test_touch_on_a_phone_follows_a_pixel(browser, book: Path) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 1700}, has_touch=True)
    try:
        page = context.new_page()
        widget = open_widget(page, book)
        set_size(widget, 24)
        box = whole(widget).bounding_box()
        assert box
        assert box["width"] >= 250
        page.touchscreen.tap(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.6)
        expect(whole(widget)).to_have_attribute("aria-valuetext", "patch 11, row 2 and column 3 of the grid")
        switch(widget).tap()
        set_cut(widget, "channel first")
        box = one(widget).bounding_box()
        assert box
        page.touchscreen.tap(box["x"] + 2, box["y"] + 2)
        expect(words(widget)).to_contain_text(
            f"at places 0, 576 and 1152 of token {order(16).index(11)} (number 11 before the shuffle)"
        )
        assert torch.equal(again(widget), put_together(sequence(picture(), 24, "channel first", True), 24))
    finally:
        context.close()


def test_without_javascript_a_still_picture_says_it(new_page, book: Path) -> None:
    page = new_page(javascript=False)
    page.goto((book / "book" / "vision_transformer" / "patches.html").as_uri())
    host = page.locator(".plenary-widget[id^=plenary-cutpicture]")
    still = host.get_by_role("img")
    expect(still).to_be_visible()
    assert "A temple of 96 x 96 pixels under a grid of" in (still.get_attribute("aria-label") or "")
    expect(host).to_contain_text("needs JavaScript")
    assert host.locator("tbody tr").count() == len(SIZES)
    expect(host.locator("input")).to_have_count(0)


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_fits_and_is_accessible(
    new_page, book: Path, screenshots: Path, violations, width: int, dark: bool
) -> None:
    # Tall, so that the page's own bar does not lie over the widget on the picture.
    page = new_page(width=width, height=1800, dark=dark)
    widget = open_widget(page, book)
    outside = """host => [...host.querySelectorAll(".plenary-live :not(details *)")].filter((one) => {
        const [own, all] = [one, host].map((node) => node.getBoundingClientRect());
        return own.width && (own.left < all.left - 1 || own.right > all.right + 1);
    }).map((one) => one.outerHTML.slice(0, 200))"""
    smallest = """host => Math.min(...[...host.querySelectorAll("td, th, p, label, span, small, b")].map(
        (one) => parseFloat(getComputedStyle(one).fontSize)))"""
    for narrower in (0, 50):
        page.set_viewport_size({"width": width - narrower, "height": 1800})
        for size, way in ((4, "reshape alone"), (48, "channel first"), (16, "right")):
            set_size(widget, size)
            set_cut(widget, way)
            assert widget.evaluate("host => host.scrollWidth <= host.clientWidth")
            assert widget.evaluate(outside) == []
    assert widget.evaluate(smallest) >= 11
    page.set_viewport_size({"width": width, "height": 1800})
    whole(widget).focus()
    assert violations(page, f"#{widget.get_attribute('id')}") == []
    widget.screenshot(path=screenshots / f"widget-cut-picture-{width}-{'dark' if dark else 'light'}.png")
