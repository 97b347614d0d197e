"""The widget of chapter 15: what the page is told is what was measured, and its words follow from it."""

import json
from base64 import b64decode
from typing import Any

import pytest
from bs4 import BeautifulSoup
from traitlets import TraitError

from plenary.checks import find
from plenary.training import reference
from plenary.widgets import NormalRun
from plenary.widgets.normal_run import BUGS, CURVES, EVERY, against, bands, ends, shown

RESULTS = reference.results()


def test_settings_reach_the_page_and_what_was_measured_is_none() -> None:
    widget = NormalRun(bug=BUGS[1], view="the end", log_scale=True)
    assert repr(widget) == f"NormalRun(bug={BUGS[1]!r}, view='the end', log_scale=True)"
    assert widget.settings() == ["bug", "view", "log_scale"]
    assert json.loads(b64decode(widget.measured)) == shown(RESULTS)
    assert [bug["name"] for bug in RESULTS["bugs"]] == list(BUGS[1:])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"view": "zoom"}, "NormalRun: view is 'zoom'; expected 'whole run' or 'the end'"),
        ({"log_scale": 1}, "NormalRun: log_scale is 1; expected True or False"),
        (
            {"bug": "nothing"},
            f"NormalRun: bug is 'nothing'; expected the name of a planted bug: {', '.join(BUGS)}",
        ),
    ],
)
def test_wrong_value_is_told_what_is_expected(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(TraitError) as raised:
        NormalRun(**settings)
    assert str(raised.value) == message


def test_the_page_has_every_curve_to_half_a_thousandth() -> None:
    told = shown(RESULTS)
    epochs, tested = len(RESULTS["epochs"]), RESULTS["settings"]["test"]
    assert (told["epochs"], told["tested"], told["every"]) == (epochs, tested, EVERY)
    assert told["steps"] == 23, "1,437 pictures in batches of 64"
    # From the log of a run: after epoch 1, 10 (the end of the warm-up, 2,300 steps' tenth) and the last.
    assert [told["rates"][at] for at in (0, 9, 99)] == [0.0002, 0.002, told["rates"][99]]
    assert 0 < told["rates"][99] < 1e-8
    pairs = [
        (told["reference"], RESULTS["reference"], 1),
        *((one, bug, EVERY) for one, bug in zip(told["bugs"], RESULTS["bugs"], strict=True)),
    ]
    for short, full, every in pairs:
        for name in CURVES:
            unit = tested if name == "validation_accuracy" else 1000
            # An accuracy is a whole number of right answers, of which four digits were kept.
            error = 0.5 * 1e-4 if name == "validation_accuracy" else 0.51e-3
            assert len(short[name]) == len(full[name])
            for kept, measured in zip(short[name], full[name], strict=True):
                assert len(kept) == epochs // every
                assert [value / unit for value in kept] == pytest.approx(
                    measured[every - 1 :: every], abs=error
                )


def test_every_bug_says_which_check_names_it() -> None:
    told = {bug["name"]: bug for bug in shown(RESULTS)["bugs"]}
    for bug in RESULTS["bugs"]:
        function, _, name = bug["mistake"].partition(" ")
        if not bug["mistake"]:
            assert (told[bug["name"]]["check"], told[bug["name"]]["says"]) == ("", "")
            continue
        (mistake,) = [one for one in find(function).mistakes if one.id == name]
        assert (told[bug["name"]]["check"], told[bug["name"]]["says"]) == (function, mistake.title)


def test_a_band_holds_its_five_runs_and_no_more() -> None:
    for name in CURVES:
        for at, (low, high) in enumerate(bands(RESULTS, name)):
            values = sorted(run[at] for run in RESULTS["reference"][name])
            assert len(values) == 5
            assert (low, high) == (values[0], values[-1])


def test_what_lies_outside_lies_outside_with_all_its_seeds() -> None:
    right = RESULTS["reference"]["end"]
    for bug in RESULTS["bugs"]:
        below, above = max(bug["end"]) < min(right), min(bug["end"]) > max(right)
        assert bug["caught"] == ("below" if below else "above" if above else "inside")
        within = min(right) <= min(bug["end"]) <= max(bug["end"]) <= max(right)
        side = "below all five" if below else "above all five" if above else "overlapping the band"
        assert against(bug, RESULTS["reference"]) == ("inside the band" if within else side)
    # The lesson of the chapter: some are caught by the curve, and some are not.
    assert {"below", "inside"} <= {bug["caught"] for bug in RESULTS["bugs"]}


@pytest.mark.parametrize("chosen", ["none", BUGS[1]])
def test_still_says_it_with_the_measured_numbers(chosen: str) -> None:
    still = BeautifulSoup(NormalRun(bug=chosen).still(), "html.parser")
    (picture,) = still.select("[role=img]")
    said = str(picture["aria-label"])
    assert f"the accuracy {ends(RESULTS['reference'])} (mean of the last" in said
    assert ("it ends at" in said) == (chosen != "none")
    if chosen != "none":
        assert f"it ends at {ends(RESULTS['bugs'][0])}" in said
    rows = [[cell.get_text() for cell in row.select("th, td")] for row in still.select("tbody tr")]
    assert [row[0] for row in rows[1:]] == [bug["text"] for bug in RESULTS["bugs"]]
    assert rows[0][1] == ends(RESULTS["reference"])
    assert [row[3] for row in rows[1:]] == [against(bug, RESULTS["reference"]) for bug in RESULTS["bugs"]]
