"""What a widget hands to Jupyter and to a page, without a browser."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from bs4 import BeautifulSoup
from traitlets import TraitError

import plenary.widgets
from plenary.functional import softmax_jacobian
from plenary.widgets import Scaling
from plenary.widgets.base import PlenaryWidget, script_json
from plenary.widgets.scaling import SEED, SEQUENCES, WIDTHS, measure, normals
from plenary.widgets.settings import Choice

ROOT = Path(__file__).parents[2]
ALL = dir(plenary.widgets)
each_widget = pytest.mark.parametrize("name", ALL)


def bundle(widget: PlenaryWidget) -> dict[str, Any]:
    shown = widget._repr_mimebundle_()
    assert shown is not None
    return shown[0]


def parts(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="[^"]+">(.*?)</script>', html, flags=re.S)
    assert found
    return json.loads(found[1])


@each_widget
def test_a_widget_is_found_by_its_name_and_driven_in_a_browser(name: str) -> None:
    kind = getattr(plenary.widgets, name)
    assert issubclass(kind, PlenaryWidget)
    assert kind.__name__ == name
    assert kind.settings()
    module = kind.__module__.rpartition(".")[2]
    assert (ROOT / "tests" / "browser" / f"test_{module}_widget.py").is_file()


@each_widget
def test_without_javascript_there_is_a_picture_with_words_and_a_table(name: str) -> None:
    still = BeautifulSoup(getattr(plenary.widgets, name)().still(), "html.parser")
    (picture,) = still.select("[role=img]")
    assert len(str(picture["aria-label"]).split()) > 15
    assert re.search(r"\d", str(picture["aria-label"]))
    table = still.select_one("table")
    assert table
    assert len(table.select("tbody tr")) >= 2
    assert all(cell.get_text(strip=True) for cell in table.select("td"))
    assert "needs JavaScript" in still.get_text()


@each_widget
def test_a_twin_is_small_and_loads_nothing(name: str) -> None:
    widget = getattr(plenary.widgets, name)()
    html = widget.twin()
    assets = sum(len(one) for key, one in parts(html)["state"].items() if key not in widget.settings())
    # The largest is DrawDigit: pen, keyboard, four views; its page has to stay below 1 MB with the model.
    assert len(html.encode()) - len(widget.still().encode()) - assets < 75_000
    # The two names of XML, which nobody fetches, put aside.
    rest = re.sub(r"http://www\.w3\.org/(2000/svg|1999/xlink)", "", html)
    assert not re.search(r"https?:|@import|\bsrc=|<link|url\((?!#)", rest)
    assert not re.search(r"^\s*import\s", parts(html)["module"], flags=re.M)


def test_there_is_no_other_widget() -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'Nothing'; its widgets: .*Scaling"):
        plenary.widgets.Nothing  # noqa: B018


def test_bundle_has_the_live_view_and_the_twin() -> None:
    shown = bundle(Scaling())
    assert {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"} == set(shown)
    assert shown["text/plain"] == "Scaling(d_k=64, scaled=False)"


def test_state_reaches_the_page() -> None:
    assert parts(bundle(Scaling(d_k=8, scaled=True))["text/html"])["state"] == {"d_k": 8, "scaled": True}


def test_twin_runs_the_module_that_jupyter_runs() -> None:
    widget = Scaling()
    twin = parts(widget.twin())
    assert twin["module"] == widget._esm
    assert twin["css"] == widget._css
    assert "export default" in twin["module"]
    assert "--plenary-accent" in twin["css"]


def test_state_cannot_break_out_of_its_script() -> None:
    evil = {"text": "</script><script>alert(1)</script><!-- & \u2028 '\""}
    assert "<" not in script_json(evil)
    assert json.loads(script_json(evil)) == evil

    class Evil(PlenaryWidget):
        module = "scaling.mjs"

        def state(self) -> dict[str, Any]:
            return evil

    html = Evil().twin()
    assert parts(html)["state"] == evil
    # The data and the script that starts it, no more.
    assert len(re.findall("<script", html)) == len(re.findall("</script", html)) == 2


def test_two_on_a_page_have_their_own_ids() -> None:
    widget = Scaling()
    pages = [widget.twin(), widget.twin(), Scaling().twin()]
    assert len({re.search('<div id="([^"]+)"', page)[1] for page in pages}) == 3  # type: ignore[index]


def test_two_builds_give_the_same_bytes() -> None:
    code = "from plenary.widgets import Scaling; import sys; sys.stdout.write(Scaling().twin() + Scaling().twin())"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True) for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout
    assert len(runs[0].stdout) > 10_000


def test_still_picture_has_words() -> None:
    still = Scaling().still()
    assert 'role="img"' in still
    assert re.search(
        'aria-label="Without scaling, the mean entropy of the weights falls from 2.4 nats', still
    )


def test_showing_a_widget_leaves_the_style_of_plots_alone() -> None:
    code = (
        "import matplotlib; before = dict(matplotlib.rcParams); from plenary.widgets import Scaling; "
        "Scaling().twin(); after = dict(matplotlib.rcParams); "
        "before.pop('backend'), after.pop('backend'); assert before == after"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"d_k": 3}, "Scaling: d_k is 3; expected a power of two from 1 to 512"),
        ({"d_k": 1024}, "Scaling: d_k is 1024; expected a power of two from 1 to 512"),
        ({"d_k": 64.0}, "Scaling: d_k is 64.0; expected a power of two from 1 to 512"),
        ({"d_k": "64"}, "Scaling: d_k is '64'; expected a power of two from 1 to 512"),
        ({"d_k": None}, "Scaling: d_k is None; expected a power of two from 1 to 512"),
        ({"d_k": True}, "Scaling: d_k is True; expected a power of two from 1 to 512"),
        ({"scaled": 1}, "Scaling: scaled is 1; expected True or False"),
        ({"scaled": "yes"}, "Scaling: scaled is 'yes'; expected True or False"),
    ],
)
def test_wrong_value_is_told_what_is_expected(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(TraitError) as raised:
        Scaling(**settings)
    assert str(raised.value) == message
    widget = Scaling()
    with pytest.raises(TraitError, match="expected"):
        widget.set_trait(*next(iter(settings.items())))
    assert widget.state() == {"d_k": 64, "scaled": False}


def test_unknown_setting_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^Scaling: no setting is called 'dk'; expected d_k or scaled$"):
        Scaling(dk=8)


def test_choice_takes_any_integer_type() -> None:
    widget = Scaling(d_k=torch.tensor([8]).numpy()[0])
    assert type(widget.d_k) is int


def test_a_new_widget_is_a_class_and_a_file() -> None:
    class Second(PlenaryWidget):
        module = "scaling.mjs"
        style: ClassVar[str | None] = None
        heads = Choice((1, 2), default=2, expected="1 or 2")

    assert parts(bundle(Second())["text/html"])["state"] == {"heads": 2}
    assert "JavaScript" in Second().still()


def test_normals_are_standard_normal() -> None:
    x = normals(SEED, 2**18)
    assert x.dtype == torch.float64
    assert abs(x.mean().item()) < 4 / 2**9
    assert x.var().item() == pytest.approx(1, abs=4 * (2 / 2**18) ** 0.5)
    # mulberry32 from the seed 0 starts with 0.26642920868471265 and 0.0003297457005828619.
    radius, angle = (-2 * torch.log(torch.tensor(1 - 0.26642920868471265))).sqrt(), torch.tensor(2 * torch.pi)
    assert normals(0, 2)[0].item() == pytest.approx(
        (radius * (angle * 0.0003297457005828619).cos()).item(), abs=1e-6
    )


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("d_k", [1, 64, 512])
def test_measures_are_those_of_the_definitions(d_k: int, scaled: bool) -> None:
    query, key = normals(SEED, 2 * SEQUENCES * 16 * WIDTHS[-1]).view(2, SEQUENCES, 16, -1)[..., :d_k]
    scores = torch.einsum("btd,bsd->bts", query, key) / (d_k**0.5 if scaled else 1)
    weights = torch.distributions.Categorical(logits=scores)
    norms = torch.linalg.matrix_norm(softmax_jacobian(scores.softmax(-1)))
    found = measure(d_k, scaled)
    assert found.sd == pytest.approx(scores.std(correction=0).item(), abs=1e-12)
    assert found.entropy == pytest.approx(weights.entropy().mean().item(), abs=1e-9)
    assert found.norm == pytest.approx(norms.mean().item(), abs=1e-9)
    assert found.median == pytest.approx(norms.quantile(0.5).item(), abs=1e-9)
