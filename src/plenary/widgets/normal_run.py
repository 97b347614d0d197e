"""Is my run normal? The curves of the reference runs, those of planted bugs, and the reader's own log on one axis.

What was measured comes from `plenary.training.reference`; nothing is trained here.
"""

import json
from base64 import b64encode
from functools import cache
from statistics import median
from typing import Any

from plenary.training import reference
from plenary.training.schedule import warmup_cosine
from plenary.widgets.base import PlenaryWidget
from plenary.widgets.settings import Asset, Choice
from plenary.widgets.still import still

NONE = "none"
BUGS = (NONE, *(bug["name"] for bug in reference.results()["bugs"]))
"""What can be chosen; the first is no bug."""
VIEWS = ("whole run", "the end")
CURVES = {"loss": "Training loss", "validation_loss": "Validation loss", "validation_accuracy": "Accuracy"}
EVERY = 2
"""Of a bug's epochs, every second is in the page; of the reference's, all are: a log is judged by them."""


class _Measured(Asset):
    """The part of `reference.json` that the page needs, as base64 of JSON."""

    def make_dynamic_default(self) -> str:
        text = json.dumps(shown(reference.results()), separators=(",", ":"))
        return b64encode(text.encode()).decode("ascii")


class NormalRun(PlenaryWidget):
    """Five right runs as bands, a planted bug on the same axes, and the log of a run that the reader chooses.

    The reader's log stays in the page: it is no setting, and Python is not told of it.

    Args:
        bug: the name of a planted bug (`NormalRun.bug.allowed` lists them), or "none".
        view: "whole run", or "the end": the last fifth, larger.
        log_scale: whether the losses stand on a logarithmic axis.

    Raises:
        traitlets.TraitError: a value that is not among these.
    """

    module = "normal_run.mjs"
    style = "normal_run.css"

    bug = Choice(BUGS, default=NONE, expected=f"the name of a planted bug: {', '.join(BUGS)}")
    view = Choice(VIEWS, default=VIEWS[0], expected="'whole run' or 'the end'")
    log_scale = Choice((False, True), default=False, expected="True or False")
    measured = _Measured("reference.json")

    def still(self) -> str:
        """The three bands, the chosen bug in them if there is one, and where every bug ends."""
        return _still(self.bug)


def shown(results: dict[str, Any]) -> dict[str, Any]:
    """What the page is told: losses in thousandths of a nat, accuracies as right answers, both whole numbers."""
    settings, recipe = results["settings"], results["settings"]["recipe"]
    tested = settings["test"]
    steps = -(-settings["training"] // recipe["batch_size"])
    total = steps * recipe["epochs"]
    # As the loop counts: the last step of an epoch, from 1, and a total that the last step does not reach.
    rates = [
        recipe["learning_rate"] * warmup_cosine(step, round(recipe["warmup"] * total), total + 1)
        for step in range(steps, total + 1, steps)
    ]

    def curves(run: dict[str, Any], every: int) -> dict[str, Any]:
        factors = {"loss": 1000, "validation_loss": 1000, "validation_accuracy": tested}
        return {
            name: [[round(factor * value) for value in one[every - 1 :: every]] for one in run[name]]
            for name, factor in factors.items()
        } | {"end": [round(value, 5) for value in run["end"]]}

    return {
        "epochs": len(results["epochs"]),
        "every": EVERY,
        "tested": tested,
        "last": settings["last"],
        "steps": steps,
        "rates": [float(f"{rate:.4g}") for rate in rates],
        "reference": curves(results["reference"], 1),
        "bugs": [
            {"name": bug["name"], "text": bug["text"], "caught": bug["caught"], **_check(bug["mistake"])}
            | curves(bug, EVERY)
            for bug in results["bugs"]
        ],
    }


def _check(mistake: str) -> dict[str, str]:
    """Which check names the mistake, and in what words; nothing where no exercise has it."""
    from plenary.checks import find

    if not mistake:
        return {"check": "", "says": ""}
    function, _, name = mistake.partition(" ")
    (known,) = [one for one in find(function).mistakes if one.id == name]
    return {"check": function, "says": known.title}


def bands(results: dict[str, Any], name: str) -> list[tuple[float, float]]:
    """The lowest and the highest of the reference runs at every epoch."""
    return [(min(at), max(at)) for at in zip(*results["reference"][name], strict=True)]


def ends(run: dict[str, Any]) -> str:
    """The accuracies at the end of some runs, in words: "96.1 to 97.3 %"."""
    low, high = f"{100 * min(run['end']):.1f}", f"{100 * max(run['end']):.1f}"
    return f"{low} %" if low == high else f"{low} to {high} %"


def against(bug: dict[str, Any], right: dict[str, Any]) -> str:
    """Where the ends of a bug's runs lie: of those that are not caught, some in the band and some in part."""
    if bug["caught"] != "inside":
        return f"{bug['caught']} all five"
    low, high = min(right["end"]), max(right["end"])
    return "inside the band" if low <= min(bug["end"]) <= max(bug["end"]) <= high else "overlapping the band"


@cache
def _still(name: str) -> str:
    results = reference.results()
    last = results["settings"]["last"]
    chosen = next((bug for bug in results["bugs"] if bug["name"] == name), None)
    # Here and not above: matplotlib takes half a second, which only a widget that is shown should cost.
    from matplotlib import rc_context

    from plenary.plotting import colour, figure, show

    # The style of the book is for this picture; the reader's own plots keep theirs.
    with rc_context():
        fig, _ = figure(height=5.6, nrows=3, sharex=True)
        for ax, (curve, title) in zip(fig.axes, CURVES.items(), strict=True):
            factor = 100 if curve == "validation_accuracy" else 1
            low, high = zip(*bands(results, curve), strict=True)
            epochs = results["epochs"]
            ax.fill_between(
                epochs,
                [factor * y for y in low],
                [factor * y for y in high],
                color=colour("accent"),
                alpha=0.35,
                linewidth=0,
            )
            for one in results["reference"][curve]:
                ax.plot(epochs, [factor * y for y in one], color=colour("accent"), linewidth=0.5)
            for one in chosen[curve] if chosen else []:
                ax.plot(epochs, [factor * y for y in one], "--", color=colour("wrong"), linewidth=1)
            ax.set_ylabel(f"{title.lower()}, %" if factor == 100 else title.lower())
        fig.axes[-1].set_xlabel("epoch")
        right = results["reference"]
        losses = [[one[-1] for one in right[curve]] for curve in ("loss", "validation_loss")]
        alt = (
            f"Five runs of the reference recipe: after {len(results['epochs'])} epochs the training loss is "
            f"{min(losses[0]):.2f} to {max(losses[0]):.2f} nats, the validation loss {min(losses[1]):.2f} to "
            f"{max(losses[1]):.2f}, and the accuracy {ends(right)} (mean of the last {last} epochs)."
        )
        if chosen:
            alt += f" With {chosen['text']} it ends at {ends(chosen)}: {against(chosen, right)}."
        picture = show(fig, alt=alt)
    rows = [["none: the reference", ends(right), f"{median(losses[0]):.3f}", ""]]
    for bug in results["bugs"]:
        loss = median(one[-1] for one in bug["loss"])
        rows.append([bug["text"], ends(bug), f"{loss:.3f}", against(bug, results["reference"])])
    rows[0][-1] = "the band itself"
    head = ["planted", "accuracy at the end", "training loss, median", "against the reference"]
    note = (
        "Bands reach from the lowest to the highest of five right runs, the thin lines; a planted bug was trained "
        "from three seeds."
    )
    return still(picture.svg, note, f"Where each ends: mean of the last {last} epochs", head, rows)
