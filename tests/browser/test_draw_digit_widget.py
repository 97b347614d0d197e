"""Drawn digits in the page: read as the data's digits are, held to PyTorch, driven by mouse, keys and fingers."""

import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Locator, Page, expect

from plenary import palette
from plenary.data import digits
from plenary.widgets.base import module_source
from plenary.widgets.draw_digit import HEADS, LAYERS, NAMES, VIEWS, DrawDigit, percent, read

Strokes = list[list[tuple[float, float]]]


def line(*points: tuple[float, float]) -> list[tuple[float, float]]:
    return list(points)


def curve(*points: tuple[float, float], closed: bool = False) -> list[tuple[float, float]]:
    """Through all points, round (Catmull and Rom's spline)."""
    n, out = len(points), []
    for at in range(n if closed else n - 1):
        four = [points[(at + k) % n] if closed else points[min(max(at + k, 0), n - 1)] for k in (-1, 0, 1, 2)]
        for t in (step / 8 for step in range(8)):
            x, y = (
                0.5
                * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * (b - c) - a + d) * t**3)
                for a, b, c, d in zip(*four, strict=True)
            )
            out.append((x, y))
    return [*out, points[0] if closed else points[-1]]


# Every digit as people write it, on a sheet of 60 x 100.
SHAPES: list[tuple[int, Strokes]] = [
    (0, [curve((32, 0), (8, 22), (3, 55), (14, 90), (32, 100), (52, 84), (58, 50), (50, 14), closed=True)]),
    (0, [curve((40, 4), (14, 10), (0, 50), (20, 98), (48, 88), (60, 50), (44, 10), (28, 2))]),
    (1, [line((30, 0), (30, 100))]),
    (1, [line((8, 24), (34, 0), (34, 100))]),
    (1, [line((8, 24), (32, 0), (32, 100)), line((6, 100), (58, 100))]),
    (2, [[*curve((4, 22), (16, 4), (38, 2), (54, 20), (46, 46), (22, 76), (2, 100)), (60, 100)]]),
    (
        2,
        [curve((6, 20), (24, 2), (48, 8), (54, 30), (36, 62), (12, 92), (4, 84), (18, 80), (38, 94), (60, 96))],
    ),
    (
        3,
        [
            curve((4, 12), (22, 0), (46, 6), (50, 28), (38, 44), (20, 48))
            + curve((20, 48), (44, 52), (58, 72), (46, 94), (22, 100), (2, 88))
        ],
    ),
    (3, [[(6, 2), (54, 2), *curve((26, 40), (48, 48), (58, 68), (46, 94), (22, 100), (2, 90))]]),
    (4, [line((16, 0), (2, 60), (60, 60)), line((46, 26), (46, 100))]),
    (4, [line((44, 100), (44, 0), (0, 66), (60, 66))]),
    (4, [curve((12, 0), (4, 30), (6, 48), (24, 52), (46, 46)), line((50, 0), (46, 46), (44, 100))]),
    (
        5,
        [
            [(12, 2), *curve((8, 44), (30, 36), (54, 50), (56, 76), (36, 98), (4, 92))],
            line((12, 2), (54, 2)),
        ],
    ),
    (5, [[(54, 0), (10, 0), *curve((6, 42), (34, 36), (58, 58), (50, 88), (24, 100), (2, 90))]]),
    (6, [curve((48, 2), (22, 20), (4, 56), (8, 88), (32, 100), (56, 86), (54, 62), (32, 52), (10, 66))]),
    (6, [[(16, 0), *curve((6, 60), (8, 90), (32, 100), (56, 84), (50, 60), (28, 54), (8, 72))]]),
    (7, [line((2, 2), (58, 2), (20, 100))]),
    (7, [line((2, 4), (56, 2), (26, 100)), line((12, 50), (56, 46))]),
    (7, [[(4, 18), (4, 2), *curve((58, 2), (36, 46), (26, 100))]]),
    (
        8,
        [
            curve(
                (52, 14), (30, 0), (10, 14), (18, 36), (44, 56), (56, 80), (32, 100), (4, 82), (16, 58), (44, 36),
                closed=True,
            )
        ],
    ),
    (
        8,
        [
            curve((30, 0), (8, 12), (10, 36), (30, 46), (50, 36), (52, 12), closed=True),
            curve((30, 46), (4, 60), (6, 88), (30, 100), (54, 88), (56, 60), closed=True),
        ],
    ),
    (9, [[*curve((52, 18), (30, 0), (6, 14), (6, 40), (28, 52), (50, 38), (54, 14)), (50, 100)]]),
    (
        9,
        [
            curve((52, 22), (34, 2), (8, 12), (6, 40), (30, 50), (52, 30), (54, 14))
            + curve((54, 14), (56, 60), (44, 94), (14, 96))
        ],
    ),
]  # fmt: skip
# How a hand writes them: lean, turn (as tangents), tremble, height and width (of 32), and where the middle is.
HANDS = {
    "neat": (0, 0, 0, 22, 22, 16),
    "slanted": (0.3, 0, 0, 22, 22, 16),
    "leaning back": (-0.18, 0, 0, 22, 22, 16),
    "small, in a corner": (0, 0, 0, 7, 7, 5),
    "large": (0, 0, 0, 30, 30, 16),
    "wide": (0, 0, 0, 22, 37, 16),
    "narrow": (0, 0, 0, 26, 17, 16),
    "trembling": (0, 0, 1.5, 20, 20, 16),
    "turned": (0, 0.14, 0, 24, 24, 15),
    "turned back": (0, -0.14, 0, 24, 24, 15),
}


def written(strokes: Strokes, hand: str, seed: int = 0) -> Strokes:
    """A shape by one of the hands, in units of the field."""
    lean, turn, tremble, height, width, middle = HANDS[hand]
    draw, out = random.Random(seed), []
    for points in strokes:
        dx = dy = 0.0
        own = []
        for x, y in points:
            dx, dy = 0.7 * dx + draw.gauss(0, tremble), 0.7 * dy + draw.gauss(0, tremble)
            a, b = x - 30 + dx, y - 50 + dy
            a, b = a - lean * b - turn * b, b + turn * a
            own.append((middle + a * width / 100, middle + b * height / 100))
        out.append(own)
    return out


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page that holds the widget as the book's page does, and takes its dark mode from the system."""
    dark = 'if (matchMedia("(prefers-color-scheme: dark)").matches) document.documentElement.dataset.theme = "dark"'
    path = tmp_path_factory.mktemp("draw") / "page.html"
    path.write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Draw</title>'
        f'<meta name="viewport" content="width=device-width"><script>{dark}</script>'
        f"<style>{palette.css()} body {{ margin: 16px; background: var(--plenary-paper); "
        f"font-family: sans-serif; color: var(--plenary-ink) }}</style></head>"
        f"<body><main><h1>Draw</h1>{DrawDigit().twin()}</main></body></html>",
        encoding="utf-8",
    )
    return path


def open_widget(page: Page, file: Path) -> Locator:
    page.goto(file.as_uri())
    widget = page.locator(".plenary-widget[data-state=live]")
    expect(widget.locator(".bars li")).to_have_count(10)
    return widget


def shown(widget: Locator) -> dict:
    """What stands on the page; the pixels are read off the picture that it sees."""
    return widget.evaluate(
        """host => {
            const all = (query) => [...host.querySelectorAll(query)];
            const text = (query) => host.querySelector(query).textContent.replaceAll("\\u00a0", " ");
            const pixels = Array(64).fill(0);
            for (const path of all(".sees .ink path")) {
                for (const [, x, y] of (path.getAttribute("d") ?? "").matchAll(/M(\\d) (\\d)/g)) {
                    pixels[8 * y + Number(x)] = Number(path.getAttribute("fill-opacity"));
                }
            }
            return {
                pixels: Array.from({ length: 8 }, (_, row) => pixels.slice(8 * row, 8 * row + 8)),
                view: host.querySelector(".views [aria-pressed=true]").textContent,
                answer: text(".answer"), whole: text(".whole"), said: text(".plenary-summary"), told: text(".told"),
                bars: all(".bars i").map((one) => parseFloat(one.style.width)),
                marks: all(".bars u").map((one) => parseFloat(one.style.left)),
                board: all(".board button").map((one) => one.textContent),
                token: all(".board button").findIndex((one) => one.ariaPressed === "true"),
                journey: all(".journey tbody td").map((one) => Number(one.textContent)),
                off: all("[role=switch][aria-checked=false]").map((one) => one.ariaLabel),
                strokes: all(".field .lines path").length,
            };
        }"""
    )


def check(
    widget: Locator,
    positions: bool = True,
    off: tuple[str, ...] = (),
    skipped: tuple[int, ...] = (),
    token: int = 0,
    layer: int = 2,
    head: int = 1,
) -> dict:
    """What the page shows of its picture is what PyTorch computes, in whichever view it is."""
    seen = shown(widget)
    found, whole = read(seen["pixels"], positions, off, skipped), read(seen["pixels"])
    assert seen["bars"] == pytest.approx((100 * found.chances).tolist(), abs=1e-2)
    assert seen["marks"] == pytest.approx((100 * whole.chances).tolist(), abs=1e-2)
    best = int(found.chances.argmax())
    assert seen["answer"] == f"{best}{percent(found.chances[best].item())}"
    taken = not positions or off or skipped
    full = int(whole.chances.argmax())
    said = f"with all parts: {full}, {percent(whole.chances[full].item())}"
    assert seen["whole"] == (said if taken else "with all its parts")
    if seen["view"] == "journey":
        assert seen["journey"] == pytest.approx((100 * found.journey).flatten().tolist(), abs=0.5001)
    else:
        table = {
            "attention": found.attention[max(layer, 1) - 1, head - 1],
            "similarity": found.likeness[layer] / 100,
            "rollout": found.rollouts[max(layer, 1) - 1],
        }[seen["view"]][token]
        assert seen["token"] == token
        numbers = [float(text.replace("−", "-")) for text in seen["board"]]
        near = 0.0051 if seen["view"] == "similarity" else 0.5001
        assert numbers == pytest.approx((100 * table).tolist(), abs=near)
    names = ([] if positions else ["positions"]) + [f"layer {one}" for one in skipped]
    names += [f"head {name[2]} of layer {name[0]}" for name in off]
    assert sorted(seen["off"]) == sorted(names)
    return seen


RUN = """async ([source, asset, given]) => {
    const text = `${source}\\nexport { readVit, pixelsOf, bitmapOf, WRITTEN, TESTED, strokesOf, inkOf, nested };`;
    const module = await import("data:text/javascript;charset=utf-8," + encodeURIComponent(text));
    const vit = module.readVit(asset);
    return given.map(([pixels, options]) => {
        const { logits, weights, rollouts, journey, likeness } = module.see(vit, pixels.flat(), options);
        const flat = (all) => all.flatMap((one) => [...one.data]);
        return { logits: [...logits], attention: weights.flatMap(flat), rollouts: flat(rollouts),
            journey: journey.flat(), likeness: flat(likeness) };
    });
}"""
# The same functions, asked for strokes.
DRAW = (
    RUN[: RUN.index("    const vit")]
    + "    return given.map((strokes) => module.nested(module.pixelsOf(strokes)));\n}"
)
GIVEN = RUN[: RUN.index("    const vit")] + (
    "    return [Object.entries(module.WRITTEN).map(([digit, text]) => [Number(digit), module.strokesOf(text)]),"
    "\n    Object.entries(module.TESTED).map(([at, [digit, text]]) => [Number(at), digit, module.inkOf(text)])];\n}"
)


@pytest.fixture
def run(page: Page):
    """Ask the widget's module, in a page with nothing in it."""
    page.goto("about:blank")
    source = module_source(DrawDigit.module, DrawDigit.uses)
    return lambda code, given: page.evaluate(code, [source, DrawDigit().weights, given])


def test_the_data_were_prepared_as_strokes_are_here(run) -> None:
    parts = digits()
    images = torch.cat([parts.train.images, parts.test.images])[:, 0]
    labels = torch.cat([parts.train.labels, parts.test.labels])
    inked = images > 0
    # Every digit reaches from the first row to the last, and lies in the six columns in the middle.
    assert inked[:, [0, 7]].any(2).all()
    assert inked[:, :, 0].float().mean() < 0.01
    assert inked[:, :, 7].float().mean() < 0.03
    wide = inked.any(1).sum(1)
    assert (wide[labels == 0] == 6).float().mean() > 0.95
    # The leftmost ink of the first row stands above that of the last one: someone sheared them until it did.
    first = inked.float().argmax(-1)
    ink = images.gather(2, first[..., None])[..., 0]
    left = 4 * first + 4 - 4 * ink
    assert ((left[:, 0] - left[:, 7]).abs() < 2).float().mean() > 0.9
    # About the same ink for all, even for a 1; and drawn digits have it too.
    amounts = torch.tensor([images[labels == digit].mean() for digit in range(10)])
    assert amounts.min() > 0.29
    assert amounts.max() < 0.33
    drawn = torch.tensor(run(DRAW, [written(shape, "neat") for _, shape in SHAPES]))
    low, high = images.mean((1, 2)).quantile(torch.tensor([0.05, 0.95])).tolist()
    assert low < drawn.mean((1, 2)).median() < high
    assert drawn.mean((1, 2)).min() > images.mean((1, 2)).min()
    assert (drawn[:, [0, 7]].amax(-1) > 0).all()
    assert not drawn[:, :, 0].any()
    assert torch.equal(16 * drawn, (16 * drawn).round())


def test_drawn_digits_are_read(run) -> None:
    drawn = [
        (digit, hand, written(shape, hand, seed=at))
        for at, (digit, shape) in enumerate(SHAPES)
        for hand in HANDS
    ]
    pictures = run(DRAW, [strokes for _, _, strokes in drawn])
    from plenary.training import digit_reader

    guesses = digit_reader.look(torch.tensor(pictures)[:, None]).logits.argmax(-1).tolist()
    wrong = [
        (digit, hand, guess) for (digit, hand, _), guess in zip(drawn, guesses, strict=True) if digit != guess
    ]
    assert len(wrong) <= 0.05 * len(drawn), wrong
    for digit, count in Counter(digit for digit, _ in SHAPES).items():
        assert sum(one == digit for one, _, _ in wrong) <= 0.2 * count * len(HANDS), wrong
    # Where a digit stands and how large it is makes no difference; one more point on the way neither.
    moved = [
        [[(k * x + a, k * y + b) for x, y in points] for points in drawn[20][2]]
        for k, a, b in ((1, 0, 0), (0.5, 3, 9), (0.8, 6, 0))
    ]
    one, *others = run(DRAW, moved)
    assert all(torch.tensor(other).sub(torch.tensor(one)).abs().max() <= 2 / 16 for other in others)
    # Nothing, a dot and a dash are pictures as well.
    nothing, dot, dash = run(DRAW, [[], [[(4, 4)]], [[(4, 20), (28, 20)]]])
    assert not torch.tensor(nothing).any()
    assert 0 < torch.tensor(dot).sum() < 6
    assert torch.tensor(dash).any(1).sum() < torch.tensor(dash).any(0).sum()


def test_the_examples_are_what_they_say(run) -> None:
    ours, tested = run(GIVEN, None)
    pictures = run(DRAW, [strokes for _, strokes in ours])
    for (digit, _), picture in zip(ours, pictures, strict=True):
        assert int(read(picture).chances.argmax()) == digit
    assert pictures[[digit for digit, _ in ours].index(3)] == DrawDigit().pixels
    images, labels = digits().test[torch.tensor([at for at, _, _ in tested])]
    assert images.flatten(1).tolist() == [ink for _, _, ink in tested]
    assert labels.tolist() == [digit for _, digit, _ in tested]
    # One of them is misread, so that there is something to look into.
    guesses = [int(read(image[0].tolist()).chances.argmax()) for image in images]
    assert sum(a != b for a, b in zip(guesses, labels.tolist(), strict=True)) == 1


def test_javascript_and_torch_agree(run) -> None:
    images = digits().test.images[:20, 0].tolist()
    images += [DrawDigit().pixels, torch.zeros(8, 8).tolist()]
    options: list[dict] = [
        {"positions": True, "off": [], "skipped": []},
        {"positions": False, "off": [], "skipped": []},
        {"positions": True, "off": ["1.1", "2.3", "3.4"], "skipped": []},
        {"positions": True, "off": [], "skipped": [2]},
        {"positions": False, "off": list(NAMES[:4]), "skipped": [3]},
        {"positions": True, "off": ["2.1"], "skipped": list(LAYERS)},
    ]
    cases = [(image, option) for image in images for option in options]
    for (image, option), seen in zip(cases, run(RUN, cases), strict=True):
        expected = read(image, **option)
        for name, numbers in seen.items():
            difference = torch.tensor(numbers) - getattr(expected, name).flatten()
            assert difference.abs().max() < 1e-4, (name, option)


def field_at(widget: Locator) -> tuple[float, float, float]:
    box = widget.locator(".field").bounding_box()
    assert box is not None
    return box["x"], box["y"], box["width"] / 32


def draw_with_the_mouse(page: Page, widget: Locator, strokes: Strokes) -> None:
    left, top, unit = field_at(widget)
    for points in strokes:
        for at, (x, y) in enumerate(points):
            page.mouse.move(left + unit * x, top + unit * y, steps=1 if at == 0 else 2)
            if at == 0:
                page.mouse.down()
        page.mouse.up()


def test_the_mouse_draws_takes_away_and_looks(page: Page, file: Path) -> None:
    widget = open_widget(page, file)

    def press(name: str, role: str = "button") -> None:
        widget.get_by_role(role, name=name, exact=True).click()  # type: ignore[arg-type]

    first = check(widget)
    assert first["pixels"] == DrawDigit().pixels
    assert first["said"].startswith("It reads 3 (")
    for at, hand in ((0, "small, in a corner"), (10, "neat"), (18, "slanted"), (22, "large")):
        press("clear")
        draw_with_the_mouse(page, widget, written(SHAPES[at][1], hand))
        seen = check(widget)
        assert seen["strokes"] == len(SHAPES[at][1])
        assert seen["answer"].startswith(str(SHAPES[at][0]))
    expect(widget.locator(".plenary-summary")).to_contain_text("It reads 9 (")
    # Another stroke, taken back; and one that is rubbed out.
    nine = shown(widget)["pixels"]
    draw_with_the_mouse(page, widget, [[(2, 2), (30, 4)]])
    assert check(widget)["pixels"] != nine
    press("undo")
    assert check(widget)["pixels"] == nine
    draw_with_the_mouse(page, widget, [[(2, 30), (30, 30)]])
    press("eraser")
    draw_with_the_mouse(page, widget, [[(5, 31.5), (5, 31.6)]])
    assert check(widget)["pixels"] == nine
    press("eraser")
    press("clear")
    assert not any(map(any, check(widget)["pixels"]))
    expect(widget.locator(".plenary-summary")).to_contain_text("Nothing is drawn.")
    press("Write a 7")
    assert check(widget)["answer"].startswith("7")
    # A test picture that it misreads, its parts, and all views of it.
    press("Test picture 152, a 9")
    expect(widget.locator(".plenary-summary")).to_contain_text("The writer of this test picture meant 9.")
    press("positions", "switch")
    press("head 2 of layer 1", "switch")
    taken = {"positions": False, "off": ("1.2",)}
    seen = check(widget, **taken)
    assert seen["said"].startswith("Without positions and head 2 of layer 1, it ")
    press("Show head 2 of layer 1")
    seen = check(widget, **taken, layer=1, head=2)
    assert "which is off and says nothing" in seen["told"]
    widget.locator(".board button").nth(7).click()
    check(widget, **taken, layer=1, head=2, token=7)
    press("layer 3", "switch")
    for view in VIEWS[1:]:
        press(view)
        assert check(widget, **taken, skipped=(3,), layer=1, token=7)["view"] == view
    press("all on")
    press("similarity")
    press("Show the similarity before the first layer")
    check(widget, layer=0, token=7)
    press("rollout")
    check(widget, layer=0, token=7)
    press("Show the rollout through layers 1 to 3")
    check(widget, layer=3, token=7)
    widget.locator("summary").click()
    cell = widget.locator(".plenary-numbers tbody tr").nth(3).locator("td").first
    expect(cell).to_have_text(f"{read(shown(widget)['pixels']).chances[3]:.4f}")


def test_a_stroke_fits_into_a_frame(page: Page, file: Path) -> None:
    widget = open_widget(page, file)
    widget.get_by_role("switch", name="head 4 of layer 1").click()
    # Seven times 20 movements of the pen, with strokes, model, picture and layout, in the heaviest view, and with a
    # part away, so that the model runs twice. On a machine that does other work too, the quietest time counts.
    medians = widget.evaluate(
        """host => {
            const field = host.querySelector(".field");
            const box = field.getBoundingClientRect();
            const later = window.requestAnimationFrame;
            let queued = null;
            window.requestAnimationFrame = (act) => { queued = act; return 1; };
            field.setPointerCapture = () => {};
            const point = (type, x, y) => field.dispatchEvent(new PointerEvent(type, { pointerId: 1, bubbles: true,
                button: 0, clientX: box.left + x * box.width / 32, clientY: box.top + y * box.height / 32 }));
            const medians = Array.from({ length: 7 }, () => {
                [...host.querySelectorAll("button")].find((one) => one.textContent === "clear").click();
                point("pointerdown", 16, 6);
                const times = [];
                for (let step = 1; step <= 20; step++) {
                    const start = performance.now();
                    point("pointermove", 16 + 8 * Math.sin(step / 3), 6 + step);
                    queued(start);
                    host.getBoundingClientRect();
                    times.push(performance.now() - start);
                }
                point("pointerup", 16, 27);
                return times.sort((a, b) => a - b)[10];
            });
            window.requestAnimationFrame = later;
            return medians;
        }"""
    )
    assert min(medians) < 16, medians


def test_the_keyboard_alone_will_do(page: Page, file: Path) -> None:
    widget = open_widget(page, file)
    widget.get_by_role("button", name="clear").focus()
    page.keyboard.press("Enter")
    field = widget.get_by_role("application")
    field.focus()
    expect(widget.locator(".cross")).to_be_visible()
    # A 7: a bar to the right, then down; the pen begins at column 10, row 8.
    page.keyboard.press("Space")
    expect(widget.locator(".said")).to_have_text("Pen down at column 10, row 8.")
    for key in ["ArrowRight"] * 6 + ["ArrowDown"] * 9:
        page.keyboard.press(key)
    page.keyboard.press("Space")
    expect(widget.locator(".said")).to_have_text("Pen up.")
    seven = check(widget)
    assert seven["strokes"] == 1
    assert seven["answer"].startswith("7")
    page.keyboard.press("Shift+ArrowLeft")
    expect(widget.locator(".said")).to_have_text("Column 21, row 26.")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Escape")
    assert check(widget)["strokes"] == 2
    page.keyboard.press("Backspace")
    assert check(widget)["pixels"] == seven["pixels"]
    expect(field).to_be_focused()
    # A switch, the small maps, the tokens: arrows go about in the last two.
    widget.get_by_role("switch", name="layer 1", exact=True).focus()
    page.keyboard.press("Space")
    check(widget, skipped=(1,))
    page.keyboard.press("Space")
    expect(widget.locator(".tiles:not([hidden]) [tabindex='0']")).to_have_count(1)
    widget.locator(".tiles:not([hidden]) [tabindex='0']").focus()
    for key in ("ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    check(widget, layer=3, head=2)
    widget.locator(".board [tabindex='0']").focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    check(widget, layer=3, head=2, token=6)
    expect(widget.locator(".board [aria-pressed=true]")).to_be_focused()


def fingers(page: Page, widget: Locator, strokes: Strokes) -> None:
    """Touches as the browser gets them from a screen."""
    left, top, unit = field_at(widget)
    client = page.context.new_cdp_session(page)
    for points in strokes:
        for at, (x, y) in enumerate(points):
            touch = [{"x": left + unit * x, "y": top + unit * y}]
            kind = "touchMove" if at else "touchStart"
            client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touch})
        client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """A phone on which things may move."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    errors: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


def test_fingers_on_a_phone(phone: Page, file: Path) -> None:
    widget = open_widget(phone, file)
    # An example is written as a hand would, stroke by stroke, and can be seen again.
    widget.get_by_role("button", name="Write a 4").tap()
    expect(widget.locator(".field .lines path")).to_have_count(1)
    expect(widget.locator(".field .lines path")).to_have_count(2)
    expect(widget.locator(".plenary-summary")).to_contain_text("It reads 4 (")
    widget.get_by_role("button", name="clear").tap()
    expect(widget.locator(".hint")).to_be_visible()
    # A finger that draws does not move the page.
    widget.locator(".field").scroll_into_view_if_needed()
    before = phone.evaluate("scrollY")
    fingers(phone, widget, written(SHAPES[5][1], "neat"))
    expect(widget.locator(".answer b")).to_have_text("2")
    check(widget)
    assert phone.evaluate("scrollY") == before
    # The sentence comes a moment later and may be a line longer; a tap at once would land beside the switch.
    expect(widget.locator(".plenary-summary")).to_contain_text("It reads 2 (")
    positions = widget.get_by_role("switch", name="positions")
    # Right after touches that come as fast as a program sends them, Chromium may swallow a tap.
    for _ in range(3):
        if positions.get_attribute("aria-checked") == "true":
            positions.tap()
            phone.wait_for_timeout(700)
    expect(positions).to_have_attribute("aria-checked", "false")
    widget.locator(".board button").nth(3).tap()
    expect(widget.locator(".board button").nth(3)).to_have_attribute("aria-pressed", "true")
    check(widget, positions=False, token=3)
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    sizes = """(host, query) => Math.min(...[...host.querySelectorAll(query)].map((one) =>
        one.getBoundingClientRect()).filter(({ width }) => width).flatMap((box) => [box.width, box.height]))"""
    assert widget.evaluate(sizes, ".field") >= 256
    assert widget.evaluate(sizes, ".tools button, .views button, .examples button, .board button") >= 40
    assert widget.evaluate(sizes, "button") >= 30


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_fits_and_is_accessible(new_page, file: Path, violations, dark: bool) -> None:
    page = new_page(width=390, height=1400, dark=dark)
    widget = open_widget(page, file)
    widget.get_by_role("switch", name="head 1 of layer 1").click()
    widget.locator(".board button").nth(6).click()
    for view in VIEWS:
        widget.get_by_role("button", name=view, exact=True).click()
        assert violations(page, ".plenary-widget") == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_without_javascript_the_still_says_it(new_page, file: Path) -> None:
    page = new_page(javascript=False)
    page.goto(file.as_uri())
    still = page.locator(".plenary-widget").get_by_role("img")
    expect(still).to_be_visible()
    assert re.search(r"as 3 \(\d+ %\)", still.get_attribute("aria-label") or "")
    expect(page.locator(".plenary-widget tbody tr")).to_have_count(10)
    assert len(HEADS) * len(LAYERS) == len(NAMES)
